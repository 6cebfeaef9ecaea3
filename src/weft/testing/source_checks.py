"""Checks of single things that the contract of every source is made of."""

from collections.abc import Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel, JsonValue, SecretStr

from weft.domain.entities import Entity
from weft.errors import RateLimited, Unsupported, WeftError
from weft.sources.base import (
    AnySource,
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Incomplete,
    Named,
    NotPreviewed,
    SourceContext,
)
from weft.testing.listing_faults import ListingFaults, Make

ODD_SEEDS: Final = 40
HOUR: Final = 3600


async def check_preview(
    source: AnySource, stored: Mapping[str, str], listed: Collection[str]
) -> bool:
    """Compare a preview with a full sync of the same; False if the source has none.

    The sync stored the types in ``stored``, by id, and listed further ids that it passed over.
    """
    try:
        async with aclosing(source.preview()) as events:
            found = [event async for event in events]
    except Unsupported:
        return False
    named = [event for event in found if isinstance(event, Named)]
    types = {event.id: event.type for event in named}
    assert len(types) == len(named), "a preview names each thing once"
    passed_over = tuple(event.prefix for event in found if isinstance(event, NotPreviewed))
    gone = {event.id for event in found if isinstance(event, Deleted)}
    assert not gone & stored.keys(), "what a sync reads would not be deleted"
    if isinstance(found[-1], Complete) and not any(isinstance(e, Incomplete) for e in found):
        looked_at = {i: type_ for i, type_ in stored.items() if not i.startswith(passed_over)}
        assert looked_at.items() <= types.items(), "a complete preview names all that is read"
        assert types.keys() <= set(listed), "a sync meets all that is named"
    else:
        assert types.items() & stored.items(), "some of what is read is named"
    return True


async def try_odd_values(make: Make, faults: ListingFaults | str, context: SourceContext) -> bool:
    """List with values of other types than usual; False where values have no types.

    Raises what is none of our errors.
    """
    for seed in range(ODD_SEEDS):
        odd = None if isinstance(faults, str) else faults.mangle(seed, context)
        if odd is None:
            return False
        async with odd as given:
            with suppress(WeftError):
                async with aclosing(make(context=given).fetch(None)) as events:
                    async for _ in events:
                        pass
    return True


async def try_rate_limit(make: Make, faults: ListingFaults | str, context: SourceContext) -> bool:
    """See that a source whose service asks to wait for an hour says so; False if none can ask."""
    limit = None if isinstance(faults, str) else faults.limit(HOUR, context)
    if limit is None:
        return False
    told: RateLimited | None = None
    async with limit as given, aclosing(make(context=given).fetch(None)) as events:
        try:
            async for event in events:
                assert not isinstance(event, Entity), "nothing was answered"
        except RateLimited as error:
            told = error
    assert told is not None, "the wait must be told"
    assert (told.retry_after or 0) >= HOUR
    return True


def list_secrets(source: AnySource) -> list[tuple[str, str]]:
    """Return the credentials that must never show, by their fields' names."""
    credentials = cast("BaseModel", source.credentials)
    return [
        (name, value.get_secret_value())
        for name, value in credentials
        if isinstance(value, SecretStr) and len(value.get_secret_value()) > 3
    ]


def strings_in(value: JsonValue) -> list[str]:
    """Return all texts in a JSON value, names of fields too."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(s for part in value.values() for s in strings_in(part))]
    if isinstance(value, list):
        return [s for part in value for s in strings_in(part)]
    return []


def keep_stable(event: Event) -> Event:
    """Return the event without what may differ between two listings of the same."""
    if isinstance(event, Checkpoint):
        # It may hold the time.
        return Checkpoint({})
    # A source may leave out the version of a thing that has only just changed.
    return replace(event, version=None) if isinstance(event, Entity) else event


def count_open_files() -> int:
    """Return how many files and sockets this process has open; 0 where nobody can tell."""
    # Platforms without such a folder still have pytest's warning of unclosed resources.
    folder = next((p for p in ("/proc/self/fd", "/dev/fd") if Path(p).is_dir()), None)
    return len(list(Path(folder).iterdir())) if folder else 0
