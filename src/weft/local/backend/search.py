"""Search of the local backend: what is asked for, in the words of people, and a page of hits."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from weft.backend import Search, validate_limit
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import pattern_of
from weft.domain.reading.cursors import decode_cursor, encode_cursor
from weft.domain.reading.search import (
    QUERY_MAX_CHARS,
    SEARCH_LIMIT_MAX,
    SearchQuery,
    SearchResults,
)
from weft.domain.text.media_types import media_type_named
from weft.errors import Ambiguous, InvalidInput, NotFound
from weft.local.backend.browse import find_scope
from weft.local.engine import Engine
from weft.local.search.hybrid import Asked, HybridSearch
from weft.local.store.browse import EntityFilter
from weft.local.store.search import Term

WORDS_MAX = 32
OFFSET_MAX = 10_000
_PLACE = re.compile(r"[0-9]{1,6}")
_WORD = re.compile(r"[^\W_]+")
_OPENING, _CLOSING = "([{<'‘“«„¿¡", ")]}>'’”».,;:!?…"
_TERM = re.compile(r'"([^"]*)"|(\S+)')


class LocalSearch(Search):
    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def search(self, query: SearchQuery) -> SearchResults:
        limit = validate_limit(query.limit, maximum=SEARCH_LIMIT_MAX)
        asked = await self._understand(query)
        offset = _decode_cursor(query, query.cursor) if query.cursor is not None else 0
        engine = self._engine
        search = HybridSearch(engine.store, engine.models, engine.tell_standstill)
        page = await search.rank(asked, limit, offset)
        hits, has_all = await search.show(asked, page)
        end = offset + limit
        more = page.more and end <= OFFSET_MAX
        return SearchResults(
            hits=tuple(hits),
            matched="all" if has_all else "any",
            by_meaning=page.meaning.is_any,
            note=page.meaning.note,
            next_cursor=encode_cursor(str(end), *query.cursor_scope) if more else None,
        )

    async def _understand(self, query: SearchQuery) -> Asked:
        """Find what the query names. Raises InvalidInput, NotFound or Ambiguous."""
        terms = parse_terms(query.query)
        named = (query.readable_collection_id, query.connection)
        scope = await find_scope(self._engine.store, self._organization_id, *named)
        wanted = EntityFilter(
            pattern=pattern_of(query.path or ""),
            type=query.entity_type,
            media_type=media_type_named(query.entity_type or ""),
            author=query.author,
            since=query.since,
            until=query.until,
        )
        return Asked(scope, query.query, terms, wanted, query.mode, query.fold_copies)

    async def entity(
        self, entity: str, *, connection: str | None = None, offset: int, max_chars: int
    ) -> StoredEntity:
        entities = self._engine.store.entities
        window = {"offset": offset, "max_chars": max_chars}
        found = await entities.get(self._organization_id, entity, **window)
        if found is None:
            located = await self._locate(entity, connection)
            found = await entities.get(self._organization_id, located, **window)
        if found is None:
            raise _no_entity()
        return found

    async def _locate(self, name: str, connection: str | None) -> str:
        """Return the id of the entity with that path or URL. Raises NotFound or Ambiguous."""
        store = self._engine.store
        scope = await find_scope(store, self._organization_id, None, connection)
        found = await store.browse.locate(scope, name)
        if not found:
            raise _no_entity()
        if len(found) > 1:
            several = ", ".join(f"{item.id} (in {item.connection_id})" for item in found)
            raise Ambiguous(
                f"Several entities have that path or URL: {several}.",
                field="entity_id",
                hint="Use one of these ids, or name the connection.",
            )
        return found[0].id


def _no_entity() -> NotFound:
    return NotFound(
        "No entity has that id, path or URL.",
        field="entity_id",
        hint="list_entities with a path such as '*part*' finds one by a part of its path, unless a "
        "sync skipped or removed it.",
    )


def parse_terms(query: str) -> list[Term]:
    """Split the query into words, beginnings* and "quoted phrases", up to a number of words.

    A search takes time by the number of words, also of those in a phrase.
    """
    if len(query) > QUERY_MAX_CHARS:
        raise InvalidInput(f"query is longer than {QUERY_MAX_CHARS} characters.", field="query")
    parts = [
        Term(phrase, is_required=True) if phrase else _read_word(word)
        for phrase, word in _TERM.findall(query)
    ]
    terms = [part for part in parts if any(char.isalnum() for char in part.text)]
    if not terms:
        raise InvalidInput("query has no word to look for.", field="query")
    # What is quoted must be there, so it counts also behind many words.
    terms.sort(key=lambda term: not term.is_required)
    return list(_take_words(dict.fromkeys(terms)))


def _read_word(word: str) -> Term:
    word = word.lstrip(_OPENING).rstrip(_CLOSING)
    return Term(word.rstrip("*"), is_prefix=word.endswith("*"))


def _take_words(terms: Iterable[Term]) -> Iterator[Term]:
    left = WORDS_MAX
    for term in terms:
        words = list(_WORD.finditer(term.text))
        if len(words) >= left:
            yield replace(term, text=term.text[: words[left - 1].end()])
            return
        yield term
        left -= len(words)


def _decode_cursor(query: SearchQuery, cursor: str) -> int:
    found = decode_cursor(cursor, _PLACE, *query.cursor_scope)
    return min(int(found[0]), OFFSET_MAX)
