"""Stored content in memory, for tests of the MCP front: what is searched, listed and changed."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from weft.backend import Trash
from weft.domain.base import Page
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import (
    Change,
    ChangeList,
    ChangeQuery,
    ChangeTotals,
    EntityList,
    EntityQuery,
    LargestEntities,
    ListedEntity,
)
from weft.domain.reading.search import SearchHit, SearchQuery, SearchResults
from weft.domain.restoring import Restorable, Restored
from weft.errors import InvalidInput, NotFound, WeftError

T = TypeVar("T")


def page_of(items: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    if cursor is not None and not cursor.isdigit():
        raise InvalidInput("cursor is not one that Weft gave.", field="cursor")
    start = int(cursor or 0)
    more = start + limit < len(items)
    return Page(
        items=tuple(items[start : start + limit]), next_cursor=str(start + limit) if more else None
    )


class FakeSearch:
    def __init__(self) -> None:
        self.hits: list[SearchHit] = []
        self.text = "hello"
        self.by_meaning = False
        self.note = ""
        self.asked: list[SearchQuery] = []
        self.fits: Callable[[SearchQuery], bool] = lambda _: True
        # What is raised once so many searches were answered.
        self.refusal: tuple[WeftError, int] | None = None

    async def search(self, query: SearchQuery) -> SearchResults:
        self.asked.append(query)
        if self.refusal and len(self.asked) > self.refusal[1]:
            raise self.refusal[0]
        page = page_of(self.hits if self.fits(query) else [], query.cursor, query.limit)
        return SearchResults(
            hits=page.items,
            matched="any" if self.by_meaning else "all",
            by_meaning=self.by_meaning,
            note=self.note,
            next_cursor=page.next_cursor,
        )

    async def entity(
        self, entity: str, *, connection: str | None = None, offset: int, max_chars: int
    ) -> StoredEntity:
        del connection
        return StoredEntity(
            id=entity,
            source_entity_id="README.md",
            connection_id="c1",
            connection_name="Docs Repo",
            readable_collection_id="docs",
            type="file",
            title="README",
            text=self.text[offset : offset + max_chars],
            offset=offset,
            total_chars=len(self.text),
            metadata={"path": "README.md"},
        )


class FakeBrowse:
    def __init__(self) -> None:
        self.entities_found: list[ListedEntity] = []
        self.changes_found: list[Change] = []
        self.by_type: dict[str, int] = {}
        self.totals = ChangeTotals(jobs=0, counts={}, names=0)
        self.asked: list[EntityQuery | ChangeQuery] = []
        self.sized = 0

    async def entities(self, query: EntityQuery) -> EntityList:
        self.asked.append(query)
        page = page_of(self.entities_found, query.cursor, query.limit)
        return EntityList(items=page.items, by_type=self.by_type, next_cursor=page.next_cursor)

    async def changes(self, query: ChangeQuery) -> ChangeList:
        self.asked.append(query)
        page = page_of(self.changes_found, query.cursor, query.limit)
        return ChangeList(items=page.items, totals=self.totals, next_cursor=page.next_cursor)

    async def largest(
        self, *, collection: str | None = None, connection: str | None = None
    ) -> LargestEntities:
        del collection, connection
        self.sized += 1
        return LargestEntities(items=tuple(self.entities_found), looked_at=50_000)


class FakeTrash(Trash):
    """Keeps what a test puts there; restoring takes it out."""

    def __init__(self) -> None:
        self.hours = 0
        self.connections: list[Connection] = []
        self.collections: list[Collection] = []
        self.taken: str | None = None

    async def end(self) -> datetime | None:
        return datetime.now(UTC) + timedelta(hours=self.hours) if self.hours else None

    async def list(self) -> Restorable:
        return Restorable(connections=tuple(self.connections), collections=tuple(self.collections))

    async def get_connection(self, connection: str) -> Connection:
        for each in self.connections:
            if connection in (each.id, each.name):
                return each
        raise NotFound("No deleted connection has that id or name.", field="connection_id")

    async def get_collection(self, collection: str) -> Collection:
        for each in self.collections:
            if collection in (each.id, each.readable_id):
                return each
        raise NotFound("No deleted collection has that id or name.", field="readable_collection_id")

    async def restore(
        self, *, connection: str | None = None, collection: str | None = None
    ) -> Restored:
        if connection is not None:
            found = await self.get_connection(connection)
            self.connections.remove(found)
            return Restored(connections=(found,), connection_count=1)
        kept = await self.get_collection(collection or "")
        back, self.connections = tuple(self.connections), []
        return Restored(
            connections=back,
            connection_count=len(back),
            collection=kept,
            former_readable_id=self.taken,
        )
