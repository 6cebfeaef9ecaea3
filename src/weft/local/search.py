"""Search of the local backend: full text, all words first, then any."""

import base64
import binascii
import re

from weft.backend import Search, checked_limit
from weft.domain.entities import StoredEntity
from weft.domain.search import QUERY_MAX_CHARS, SEARCH_LIMIT_MAX, SearchQuery, SearchResults
from weft.errors import InvalidInput, NotFound
from weft.local.engine import Engine
from weft.local.resolve import find_collection, find_connection

WORDS_MAX = 32
OFFSET_MAX = 10_000
_WORD = re.compile(r'"([^"]*)"|(\S+)')


class LocalSearch(Search):
    """See Search."""

    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def search(self, query: SearchQuery) -> SearchResults:
        words = _words(query.query)
        limit = checked_limit(query.limit, maximum=SEARCH_LIMIT_MAX)
        matched, offset = _decode(query.cursor)
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
        return SearchResults(
            hits=results.hits[:limit],
            matched=matched,
            next_cursor=_encode(matched, offset + limit) if more else None,
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


def _encode(matched: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{matched}:{offset}".encode()).decode().rstrip("=")


def _decode(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    matched, _, offset = text.partition(":")
    if matched not in ("all", "any") or not re.fullmatch(r"[0-9]{1,6}", offset):
        raise InvalidInput(
            "cursor is not one that search returned.",
            field="cursor",
            hint="Leave it out to start at the first page.",
        )
    return matched, min(int(offset), OFFSET_MAX)
