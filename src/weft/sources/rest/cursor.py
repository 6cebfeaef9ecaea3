"""Remembers how far each stream was read, so that the next sync asks only for what changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from pydantic import BaseModel, JsonValue, ValidationError

from weft.domain.base import Json
from weft.errors import CursorExpired
from weft.sources.rest.streams import digest_of
from weft.sources.rest.table import Record

SEEN_MAX: Final = 500
_HELD_MAX: Final = 2 * SEEN_MAX
# The next request may ask from the beginning of a day on.
_DAY: Final = timedelta(days=1)


class _SavedHorizon(BaseModel):
    until: datetime | None = None
    before: datetime | None = None
    seen: dict[str, str] = {}


class _Saved(BaseModel):
    """The form of a saved cursor."""

    format: Literal[1]
    names: list[str]
    mode: Literal["full", "since"]
    at: tuple[str, JsonValue] | None
    began: datetime | None = None
    listed_at: datetime | None
    horizons: dict[str, _SavedHorizon]
    marks: dict[str, JsonValue]


class Horizon:
    """How far a stream was read: the time of its newest record, and what was read near it.

    The next request overlaps with this one, because records may turn up late; what is remembered
    here is not read again. A stream without times remembers the last records that it read.
    """

    def __init__(self, saved: _SavedHorizon | None = None) -> None:
        saved = saved or _SavedHorizon()
        self.until = saved.until
        has_before = "before" in saved.model_fields_set
        self.before = saved.before if has_before else saved.until
        self._seen = saved.seen
        self._near: dict[str, tuple[datetime | None, Record]] = {}

    def knows(self, entity_id: str, record: Record) -> bool:
        """Return whether the last sync has read the record as it is now."""
        mark = self._seen.get(entity_id)
        return mark is not None and mark == digest_of(record)

    def note(self, entity_id: str, updated: datetime | None, record: Record | None) -> None:
        """Note that the record was read; None for one that may change without its time."""
        if updated is not None and (self.until is None or updated > self.until):
            self.until = updated
        if record is None:
            return
        self._near[entity_id] = updated, record
        if len(self._near) > _HELD_MAX:
            self._near = dict(self._newest())

    def _newest(self) -> list[tuple[str, tuple[datetime | None, Record]]]:
        timeless = self.until is None
        found = [item for item in self._near.items() if timeless or item[1][0] is not None]
        if not timeless:
            found.sort(key=lambda item: cast("datetime", item[1][0]))
        return found[-SEEN_MAX:]

    def settle(self, overlap: timedelta) -> None:
        """Let go of the records, once all are read, and remember only what comes again next time.

        A table may have a horizon for each of thousands of parents.
        """
        oldest = self.until - overlap - _DAY if self.until else None
        self._seen = {
            entity_id: digest_of(record)
            for entity_id, (at, record) in self._newest()
            if at is None or oldest is None or at >= oldest
        }
        self._near.clear()

    def save(self, *, is_over: bool, began: datetime | None) -> Json:
        """Return what is remembered of the last sync and of this one.

        One that goes on later asks for the same as before, whatever it has read by then.
        """
        seen = dict(self._seen)
        if not is_over:
            # To read a record twice after an interruption costs less than a digest of each now.
            return {"until": _iso(self.until), "before": _iso(self.before), "seen": {**seen}}
        for entity_id, (_, record) in self._newest():
            seen.pop(entity_id, None)
            seen[entity_id] = digest_of(record)
        kept = list(seen.items())[-SEEN_MAX:]
        # What changed while it was read may lie behind the page where it was read last.
        until = min(self.until, began) if self.until and began else self.until
        return {"until": _iso(until), "seen": {**dict(kept)}}


@dataclass(slots=True)
class Cursor:
    """The state of all streams. ``at`` is the page of a root stream where a listing goes on;
    ``began`` is when it began, and ``listed_at`` when the last full listing ended.
    """

    mode: Literal["full", "since"] = "full"
    at_stream: str | None = None
    at_page: JsonValue = None
    began: datetime | None = None
    listed_at: datetime | None = None
    horizons: dict[str, Horizon] = field(default_factory=dict[str, Horizon])
    marks: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])

    @classmethod
    def parse(cls, saved: Json | None, streams: Iterable[str]) -> "Cursor":
        """Read a saved cursor. Raises CursorExpired for one of another table of streams."""
        if saved is None:
            return cls()
        try:
            found = _Saved.model_validate(saved)
        except ValidationError:
            found = None
        if found is None or found.names != sorted(streams):
            raise CursorExpired("The cursor is that of another source or of another version.")
        cursor = cls(found.mode, began=found.began, marks=found.marks, listed_at=found.listed_at)
        if found.at is not None:
            cursor.at_stream, cursor.at_page = found.at
        cursor.horizons = {name: Horizon(each) for name, each in found.horizons.items()}
        return cursor

    def horizon(self, name: str) -> Horizon:
        """Return how far a stream was read; a new one was not read at all."""
        return self.horizons.setdefault(name, Horizon())

    def save(self, streams: Iterable[str]) -> Json:
        """Return what `parse` reads."""
        return {
            "format": 1,
            "names": [*sorted(streams)],
            "mode": self.mode,
            "at": None if self.at_stream is None else [self.at_stream, self.at_page],
            "began": _iso(self.began),
            "listed_at": _iso(self.listed_at),
            "horizons": {
                name: each.save(is_over=self.at_stream is None, began=self.began)
                for name, each in self.horizons.items()
            },
            "marks": dict(self.marks),
        }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
