"""Search of the local backend: full text, all words first, then any."""

import re

from weft.backend import Search, validate_limit
from weft.domain.cursors import decode_cursor, encode_cursor
from weft.domain.entities import StoredEntity
from weft.domain.search import QUERY_MAX_CHARS, SEARCH_LIMIT_MAX, SearchQuery, SearchResults
from weft.errors import InvalidInput, NotFound
from weft.local.engine import Engine
from weft.local.resolve import find_collection, find_connection

WORDS_MAX = 32
OFFSET_MAX = 10_000
_PLACE = re.compile(r"(all|any):([0-9]{1,6})")
_WORD = re.compile(r'"([^"]*)"|(\S+)')


class LocalSearch(Search):
    """See Search."""

    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def search(self, query: SearchQuery) -> SearchResults:
        words = _words(query.query)
        limit = validate_limit(query.limit, maximum=SEARCH_LIMIT_MAX)
        matched, offset = _decode(query)
        if matched is not None:
            return await self._page(query, words, matched, offset, limit)
        results = await self._page(query, words, "all", 0, limit)
        if results.hits or len(words) == 1:
            return results
        return await self._page(query, words, "any", 0, limit)

    async def entity(self, entity_id: str, *, offset: int, max_chars: int) -> StoredEntity:
        found = await self._engine.store.entities.get(
            self._organization_id, entity_id, offset=offset, max_chars=max_chars
        )
        if found is None:
            raise NotFound(
                "No entity has that id.",
                field="entity_id",
                hint="Use an entity_id that search returned; a sync may have removed it since.",
            )
        return found

    async def _page(
        self, query: SearchQuery, words: list[str], matched: str, offset: int, limit: int
    ) -> SearchResults:
        store = self._engine.store
        collection = await find_collection(
            store, self._organization_id, query.readable_collection_id
        )
        connection_id = None
        if query.connection is not None:
            found = await find_connection(store, self._organization_id, query.connection)
            connection_id = found.id
        results = await store.entities.search(
            collection,
            (" " if matched == "all" else " OR ").join(words),
            connection_id=connection_id,
            entity_type=query.entity_type,
            limit=limit + 1,
            offset=offset,
        )
        more = len(results.hits) > limit and offset + limit <= OFFSET_MAX
        place = f"{matched}:{offset + limit}"
        return SearchResults(
            hits=results.hits[:limit],
            matched=matched,
            next_cursor=encode_cursor(place, *query.cursor_scope) if more else None,
        )


def _words(query: str) -> list[str]:
    """The query's words and "quoted phrases" as literals of the full-text language."""
    if len(query) > QUERY_MAX_CHARS:
        raise InvalidInput(f"query is longer than {QUERY_MAX_CHARS} characters.", field="query")
    parts = (phrase or word for phrase, word in _WORD.findall(query))
    words = [
        '"' + part.replace('"', '""').replace("\0", "") + '"'
        for part in parts
        if any(char.isalnum() for char in part)
    ]
    if not words:
        raise InvalidInput("query has no word to look for.", field="query")
    return list(dict.fromkeys(words))[:WORDS_MAX]


def _decode(query: SearchQuery) -> tuple[str | None, int]:
    if query.cursor is None:
        return None, 0
    found = decode_cursor(query.cursor, _PLACE, *query.cursor_scope)
    return found[1], min(int(found[2]), OFFSET_MAX)
