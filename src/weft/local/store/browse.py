"""The part of a store that lists entities and changes; see `base`.

Everything here is answered from indexes: no method reads texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote

from weft.domain.base import Page
from weft.domain.reading.browsing import Change, ChangeKind, ChangeTotals, EntityOrder, ListedEntity

NAME_KEPT_CHARS: Final = 500
REASON_KEPT_CHARS: Final = 200
REASONS_KEPT_MAX: Final = 50
OTHER_REASONS: Final = "other reasons"
LOCATED_MAX: Final = 5
SIZES_READ_MAX: Final = 50_000
FILE_PREFIX: Final = "file:"
"""Sources of files and other things put this before a file's path to make its id."""
URL_PARTS_MAX: Final = 64
UNKNOWN: Final = -1
"""The stored count of what the source left out, if nobody knows how much that is."""
UNSTORABLE: Final = "it cannot be stored, because a field is not text or not valid Unicode"
LOST: Final = "the source says that it is unchanged, but it is not stored"


@dataclass(frozen=True, slots=True)
class Scope:
    """All entities of an organisation, or those of one collection or connection."""

    organization_id: str
    collection_id: str | None = None
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class EntityFilter:
    """The entities that are wanted; in ``pattern``, * stands for any text and ? for a character.

    It is one of ids, or of the paths in ids that are a file's; see `FILE_PREFIX`.

    Those of the ``type`` are listed, and those of the ``media_type`` too if that is given with it.
    ``author`` is a part of the name, in any case, of who wrote or sent it; see `authors`.
    """

    pattern: str = "*"
    type: str | None = None
    media_type: str | None = None
    author: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    order: EntityOrder = EntityOrder.PATH


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """The changes that are listed: of one job, or of jobs that ended in a time or run still."""

    job_id: str | None = None
    kind: ChangeKind | None = None
    since: datetime | None = None
    until: datetime | None = None


class BrowseStore(Protocol):
    """Entities and changes, to look through. Times include ``since`` and exclude ``until``."""

    async def entities(
        self, scope: Scope, wanted: EntityFilter, *, cursor: str | None, limit: int
    ) -> Page[ListedEntity]:
        """List a page of entities in the filter's order."""
        ...

    async def count_types(self, scope: Scope) -> Mapping[str, int]:
        """Count the entities of each type."""
        ...

    async def count_media_types(self, scope: Scope) -> Mapping[str, int]:
        """Count the entities of each known media type."""
        ...

    async def largest(self, scope: Scope, limit: int) -> Sequence[ListedEntity]:
        """List those with the longest texts, among the first `SIZES_READ_MAX`."""
        ...

    async def locate(self, scope: Scope, name: str) -> Sequence[ListedEntity]:
        """Find entities with exactly this source's id, path or URL; at most five.

        A file's path may be that at its source, too, from the root.
        """
        ...

    async def changes(
        self, scope: Scope, wanted: ChangeFilter, *, cursor: str | None, limit: int
    ) -> Page[Change]:
        """List a page of changes whose names are kept, those of the newest jobs first."""
        ...

    async def count_changes(self, scope: Scope, wanted: ChangeFilter) -> ChangeTotals:
        """Count all changes that fit, also those whose names are not kept."""
        ...


def names_a_kind(kept_names: int) -> int:
    """Return how many names of one kind of change a job keeps."""
    return kept_names // len(ChangeKind)


def url_of(name: str) -> str:
    """Return the URL that a name stands for: a path from the root is that of a file."""
    return f"file://{quote(name)}" if name.startswith("/") else name


def url_endings(url: str) -> Sequence[str]:
    """Return the ids that an entity may have whose URL tells its id: see `address_of`."""
    parts = url.split("/")[-URL_PARTS_MAX:]
    return list(
        dict.fromkeys(
            [url, f"{FILE_PREFIX}{url}", *("/".join(parts[n:]) for n in range(len(parts)))]
        )
    )


def address_of(url: str | None, source_id: str) -> str | None:
    """Return the URL if it must be indexed, because it does not end with the source's id."""
    if url is None or url == source_id or url.endswith(f"/{source_id}"):
        return None
    return url
