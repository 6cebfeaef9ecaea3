"""Pages through the API's lists, which have skip and limit instead of cursors."""

import re
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

from pydantic import JsonValue

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.reading.cursors import decode_cursor
from weft.domain.text.names import pick_one, suggest_name
from weft.remote.api.client import ApiClient, Params

T = TypeVar("T")
N = TypeVar("N", Collection, Connection)

WIRE_PAGE: Final = 200
"""Items per request when a list is read until a page of what is looked for is full."""

LARGEST_PAGE: Final = 1000
"""The most items that the API gives in one request."""

WALK_MAX: Final = 10_000
"""Items after which reading a list stops: the caller must give a more exact name."""

PREFIX_MIN_CHARS: Final = 3
_SKIP = re.compile(r"[0-9]{1,9}")


def skip_of(cursor: str | None, *listed: Any) -> int:
    """Return the number of items that a cursor skips. Raises InvalidInput for another list's."""
    return int(decode_cursor(cursor, _SKIP, *listed)[0]) if cursor is not None else 0


async def walk(
    client: ApiClient,
    path: str,
    decode: Callable[[JsonValue], list[T]],
    *,
    params: Params | None = None,
    skip: int = 0,
    size: int = LARGEST_PAGE,
) -> AsyncGenerator[T]:
    """Yield the items of a list after the first ``skip``, reading ``size`` per request."""
    while skip < WALK_MAX:
        page = await client.get(
            path, decode, params={**(params or {}), "skip": skip, "limit": size}
        )
        for item in page:
            yield item
        if len(page) < size:
            return
        skip += size


async def find_named(
    client: ApiClient,
    path: str,
    decode: Callable[[JsonValue], list[N]],
    text: str,
    *,
    noun: str,
    field: str,
    also: Sequence[N] = (),
) -> N:
    """Return the item that ``text`` names by id, unique name, or unique prefix of an id, out of the
    list and of ``also``.

    Raises NotFound or Ambiguous. The API only knows whole ids, so the list is read.
    """
    wanted = text.strip()
    async with aclosing(walk(client, path, decode)) as items:
        known = [*also, *[item async for item in items]]
    found = [item for item in known if _fits(item, wanted)]
    exact = [item for item in found if wanted in (item.id, getattr(item, "readable_id", None))]
    named = [item for item in found if wanted.casefold() == item.name.casefold()]
    near = suggest_name(wanted, (item.name for item in known)) if not found else None
    return pick_one(exact or named or found, noun, field, _label, near=near)


def whole_id(text: str) -> str | None:
    """Return ``text`` in lower case if it is a whole id, else None."""
    try:
        return text.lower() if str(uuid.UUID(text)) == text.lower() else None
    except ValueError:
        return None


def fits_id(item_id: str, text: str) -> bool:
    """Tell whether ``text`` is the id or a long enough prefix of it."""
    return len(text) >= PREFIX_MIN_CHARS and item_id.startswith(text.lower())


def _fits(item: Collection | Connection, text: str) -> bool:
    names = [getattr(item, "readable_id", None), getattr(item, "name", "").casefold()]
    prefixed = len(text) >= PREFIX_MIN_CHARS and (names[0] or "").startswith(text.lower())
    return text in names[:1] or text.casefold() in names[1:] or fits_id(item.id, text) or prefixed


def _label(item: Collection | Connection) -> str:
    return f"{item.id} ({item.name})"
