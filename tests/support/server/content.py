"""Stored content in memory, for tests of the MCP front: what is searched, listed and changed."""

from collections.abc import Sequence
from typing import TypeVar

from weft.domain.base import Page
from weft.domain.browsing import (
    Change,
    ChangeList,
    ChangeQuery,
    ChangeTotals,
    EntityList,
    EntityQuery,
    ListedEntity,
)
from weft.domain.entities import StoredEntity
from weft.domain.search import SearchHit, SearchQuery, SearchResults
from weft.errors import InvalidInput

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

    async def search(self, query: SearchQuery) -> SearchResults:
        self.asked.append(query)
        page = page_of(self.hits, query.cursor, query.limit)
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

    async def entities(self, query: EntityQuery) -> EntityList:
        self.asked.append(query)
        page = page_of(self.entities_found, query.cursor, query.limit)
        return EntityList(items=page.items, by_type=self.by_type, next_cursor=page.next_cursor)

    async def changes(self, query: ChangeQuery) -> ChangeList:
        self.asked.append(query)
        page = page_of(self.changes_found, query.cursor, query.limit)
        return ChangeList(items=page.items, totals=self.totals, next_cursor=page.next_cursor)
