"""Looks ahead at what a sync would read and delete, within bounds of time and size."""

import logging
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from weft.domain.jobs import Finding, describe
from weft.domain.previews import Preview, UnmatchedPattern
from weft.domain.text.characters import clean_line
from weft.errors import Unsupported, WeftError
from weft.local.engine import Engine
from weft.local.store.brake import DeletionBrake, Part, SweepExtent
from weft.sources.base import (
    AnySource,
    Complete,
    Deleted,
    Incomplete,
    Named,
    NotPreviewed,
    Omitted,
    PreviewEvent,
    Unmatched,
)

BRIEF_SECONDS: Final = 3.0
"""How long creating or changing a connection may look ahead."""
LONG_SECONDS: Final = 10.0
"""How long a check that somebody asked for may."""
NAMES_MAX: Final = 10_000
STORED_MAX: Final = 100_000
SHOWN_MAX: Final = 5
DOOMED_SHOWN_MAX: Final = 10
SHOWN_CHARS: Final = 120
UNMATCHED_MAX: Final = 10
EVENTS_BETWEEN_YIELDS: Final = 50

logger = logging.getLogger(__name__)


async def preview_sync(
    engine: Engine, source: AnySource, connection_id: str | None, seconds: float
) -> Preview | None:
    """Return what a full sync would do, as far as it can be seen in time.

    ``connection_id`` is the connection whose entities are compared. Returns None if the source can
    tell nothing; its errors are told in the preview, as they hinder nothing.
    """
    if connection_id is not None:
        stored_ids = partial(engine.store.entities.list_ids, connection_id)
        source.context = replace(source.context, stored_ids=stored_ids)
    seen = _Seen()
    try:
        with anyio.move_on_after(seconds) as scope:
            await _collect(source, seen)
        if scope.cancelled_caught:
            seen.gaps.append(f"it was given up after {seconds:.0f} s")
    except Unsupported:
        return None
    except WeftError as error:
        seen.gaps.append(error.message.rstrip("."))
    except Exception as error:  # noqa: BLE001 (third-party code: it may raise anything)
        # Only the type is shown: the text may hold a secret.
        logger.error("the preview of '%s' crashed: %s", source.short_name, type(error).__name__)
        seen.gaps.append(f"the source crashed ({type(error).__name__})")
    stored: list[str] = []
    if connection_id is not None:
        stored = [*await engine.store.entities.list_ids(connection_id, STORED_MAX + 1)]
    return await anyio.to_thread.run_sync(seen.compare, stored, engine.limits.brake)


@dataclass(slots=True)
class _Seen:
    """What a source has named so far."""

    types: Counter[str] = field(default_factory=Counter[str])
    names: set[str] = field(default_factory=set[str])
    shown: list[str] = field(default_factory=list[str])
    unfit: list[str] = field(default_factory=list[str])
    passed_over: dict[str, str] = field(default_factory=dict[str, str])
    limits: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    unmatched: list[UnmatchedPattern] = field(default_factory=list[UnmatchedPattern])
    gaps: list[str] = field(default_factory=list[str])
    reason: str | None = None
    complete: bool = False

    def add(self, event: PreviewEvent) -> None:
        match event:
            case Named():
                self.types[event.type] += 1
                self.names.add(event.id)
                if len(self.shown) < SHOWN_MAX:
                    self.shown.append(_shorten(event.id))
            case Deleted():
                self.unfit.append(event.id)
            case NotPreviewed():
                self.passed_over[event.prefix] = event.type
            case Unmatched():
                if len(self.unmatched) < UNMATCHED_MAX:
                    near = _shorten(event.near) if event.near else None
                    self.unmatched.append(
                        UnmatchedPattern(
                            field=event.field, pattern=_shorten(event.pattern), untrusted_near=near
                        )
                    )
            case Omitted():
                found = Finding(kind=event.kind, reason=event.setting, count=event.count)
                self.limits[event.kind, event.setting] = describe(found)
            case Incomplete():
                self.gaps.append("the source could not name everything")
                self.reason = _shorten(event.reason)
            case Complete():
                self.complete = True

    def compare(self, stored: list[str], brake: DeletionBrake) -> Preview:
        """Judge what is stored by what was named."""
        if len(stored) > STORED_MAX:
            self.gaps.append(f"more than {STORED_MAX} are stored")
        whole = self.complete and not self.gaps
        doomed = set(self.unfit)
        if whole:
            kept = tuple(self.passed_over)
            doomed |= {i for i in stored if i not in self.names and not i.startswith(kept)}
        doomed &= set(stored)
        extent = SweepExtent(
            stored=Part(len(doomed), len(stored)),
            settled=Part(0, 0),
            left=len(self.names) + len(stored) - len(doomed),
            unagreed=len(doomed),
        )
        return Preview(
            by_type=dict(self.types),
            not_previewed=tuple(dict.fromkeys(self.passed_over.values())),
            whole=whole,
            gap=next(iter(self.gaps), None),
            untrusted_gap=self.reason,
            stored=len(stored),
            would_delete=len(doomed),
            held=whole and brake.holds(extent),
            beyond=tuple(self.limits.values()),
            unmatched=tuple(self.unmatched),
            untrusted_names=tuple(self.shown),
            untrusted_doomed=tuple(_shorten(i) for i in sorted(doomed)[:DOOMED_SHOWN_MAX]),
        )


async def _collect(source: AnySource, seen: _Seen) -> None:
    count = 0
    async with aclosing(source.preview()) as events:
        async for event in events:
            if len(seen.names) >= NAMES_MAX and isinstance(event, Named):
                seen.gaps.append(f"only the first {NAMES_MAX} names were looked at")
                return
            seen.add(event)
            count += 1
            if count % EVENTS_BETWEEN_YIELDS == 0:
                await anyio.lowlevel.checkpoint()


def _shorten(name: str) -> str:
    line = clean_line(name)
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
