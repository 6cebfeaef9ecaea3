"""Lists of stored entities, and of what syncs did to them."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from weft.domain.base import Frozen
from weft.errors import InvalidInput

BROWSE_LIMIT_DEFAULT: Final = 50
BROWSE_LIMIT_MAX: Final = 100
PATTERN_MAX_CHARS: Final = 500
REASONS_SHOWN_MAX: Final = 20
LARGEST_SHOWN_MAX: Final = 3
_PERIOD = re.compile(r"([0-9]{1,5}) ?(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STARS = re.compile(r"(\*\*/|\*)+")


class EntityOrder(StrEnum):
    """The order of a list of entities; those without a date come last in `NEWEST`."""

    PATH = "path"
    NEWEST = "newest"


class ListedEntity(Frozen):
    """An entity without its text. ``source_entity_id`` is its path where the source has paths.

    ``size`` is that of its text, in bytes of UTF-8; ``media_type`` is what its name says.
    """

    id: str
    source_entity_id: str
    connection_id: str
    connection_name: str
    type: str
    title: str
    size: int
    media_type: str | None = None
    updated_at: datetime | None = None


class EntityQuery(Frozen):
    """The entities to list; ``path`` is a prefix, or a pattern in which * and ? are wild.

    ``entity_type`` may also be a media type, or an ending such as pdf.
    """

    readable_collection_id: str | None = None
    connection: str | None = None
    path: str | None = Field(default=None, max_length=PATTERN_MAX_CHARS)
    entity_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: EntityOrder = EntityOrder.PATH
    limit: int = BROWSE_LIMIT_DEFAULT
    cursor: str | None = None


class LargestEntities(Frozen):
    """The entities with the longest texts, the longest first, of the ``looked_at`` first ones."""

    items: tuple[ListedEntity, ...]
    looked_at: int


class EntityList(Frozen):
    """A page of entities. The counts are of all of the collection or connection, not the page."""

    items: tuple[ListedEntity, ...]
    by_type: dict[str, int]
    by_media_type: dict[str, int] = Field(default_factory=dict)
    next_cursor: str | None = None


class ChangeKind(StrEnum):
    """A kind of thing that a sync did to an entity."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"


class Change(Frozen):
    """A thing that one sync did to one entity; ``name`` is the source's id, or its beginning."""

    kind: ChangeKind
    name: str
    job_id: str
    connection_id: str
    connection_name: str
    at: datetime | None = None
    type: str | None = None
    title: str | None = None
    reason: str | None = None


class ReasonCount(Frozen):
    """A count of entities that were skipped, or failed, for one reason."""

    kind: ChangeKind
    reason: str
    count: int


class ChangeQuery(Frozen):
    """The changes to list: of syncs that ended within a time or run still, newest first."""

    readable_collection_id: str | None = None
    connection: str | None = None
    job: str | None = None
    kind: ChangeKind | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = BROWSE_LIMIT_DEFAULT
    cursor: str | None = None


class ChangeTotals(Frozen):
    """Exact counts of what syncs did: ``jobs`` had changes, ``names`` of the changes are kept."""

    jobs: int
    counts: dict[ChangeKind, int]
    names: int
    reasons: tuple[ReasonCount, ...] = ()


class ChangeList(Frozen):
    """A page of changes, with the counts of all that the query asks for."""

    items: tuple[Change, ...]
    totals: ChangeTotals
    next_cursor: str | None = None


def pattern_of(path: str) -> str:
    """Return the pattern for a path: a plain one is a prefix, and * also stands for slashes."""
    pattern = path if "*" in path or "?" in path else f"{path}*"
    return _STARS.sub("*", pattern)


def literal_prefix(pattern: str) -> str:
    """Return what all names have in common that fit a pattern."""
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def parse_moment(text: str | None, now: datetime, field: str) -> datetime | None:
    """Read a date, a time, or a period before ``now`` such as 24h or 7d. Raises InvalidInput."""
    if text is None or not text.strip():
        return None
    if period := _PERIOD.fullmatch(text.strip().lower()):
        return now - timedelta(**{_UNITS[period[2]]: int(period[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{field} is neither a time nor a period.",
            field=field,
            hint="For example 24h, 7d, 2026-08-15 or 2026-08-15T09:00:00Z.",
        ) from None
