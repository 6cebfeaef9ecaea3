"""Searches a remote API, which finds by meaning, by words, or by both together."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from pydantic import JsonValue

from weft.backend import Search, validate_limit
from weft.domain.base import Frozen, Json
from weft.domain.connections import Connection
from weft.domain.entities import StoredEntity
from weft.domain.reading.cursors import encode_cursor
from weft.domain.reading.search import QUERY_MAX_CHARS, SearchMode, SearchQuery, SearchResults
from weft.domain.text.media_types import media_type_named
from weft.errors import CallError, InvalidInput, Unsupported
from weft.remote.api.paging import skip_of
from weft.remote.api.paths import collection_path
from weft.remote.collections import RemoteCollections
from weft.remote.connections.connections import RemoteConnections
from weft.remote.hit_owners import HitOwners
from weft.remote.state.remote_state import RemoteState
from weft.wire.search import FoundEntities, FoundEntity, read_results

_LIVE_NOTE: Final = (
    "Hits that are searched live do not name their connection: if the collection has another one of"
    " this source, its hits are among these."
)
LIMIT_MAX: Final = 100
STRATEGIES: Final = {
    SearchMode.AUTO: "hybrid",
    SearchMode.WORDS: "keyword",
    SearchMode.MEANING: "semantic",
}
WINDOW: Final = 1000
"""The number of results to filter here if the API cannot: the most in one answer."""

COLLECTIONS_MAX: Final = 10
"""The most collections that one search asks, one after the other."""

_FILTERS_OF_APIS: Final = {
    "path": "does not filter hits by path",
    "author": "does not know who wrote what it finds",
    "since": "does not filter hits by time",
    "until": "does not filter hits by time",
}
"""What an API lacks that refuses these filters, of which nothing can be told from its hits."""

_LAST_SECOND: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)


class _Page(Frozen):
    """Results without their connections; ``collection`` has them all, or is None for several."""

    collection: str | None
    found: Sequence[FoundEntity]
    matched: str
    by_meaning: bool
    note: str
    end: int
    has_more: bool


class RemoteSearch(Search):
    def __init__(
        self, state: RemoteState, connections: RemoteConnections, collections: RemoteCollections
    ) -> None:
        self._client = state.client
        self._owners = HitOwners(state)
        self._connections = connections
        self._collections = collections

    async def search(self, query: SearchQuery) -> SearchResults:
        """Use the API's instant search. ``matched`` is "all" if the text of each hit has all words.

        Airweave's classic search is not used: see docs/operations/airweave.md.
        """
        text = _check_query(query.query)
        skip = skip_of(query.cursor, *query.cursor_scope)
        size = validate_limit(query.limit, maximum=LIMIT_MAX)
        only = await self._connections.get(query.connection) if query.connection else None
        collections = await self._collections_of(query, only)
        if len(collections) == 1:
            find_in = partial(self._find, query, text, only, skip, size)
            page = await self._collections.use_named(collections[0], find_in)
        else:
            page = await self._find_in_several(collections, query, text, skip, size)
        if not page.found and not skip and media_type_named(query.entity_type or ""):
            raise Unsupported(
                "The Airweave API knows no media types, and has nothing of a type of that name.",
                field="entity_type",
                hint="Leave it out, or name a type that a hit has.",
            )
        hits, unknown = await self._owners.name_hits(page.found, page.collection)
        live = _LIVE_NOTE if only is not None and any(hit.live for hit in hits) else ""
        return SearchResults(
            hits=tuple(hits),
            matched=page.matched,
            by_meaning=page.by_meaning,
            note=" ".join(filter(None, (page.note, live, unknown))),
            next_cursor=encode_cursor(page.end, *query.cursor_scope) if page.has_more else None,
        )

    async def _find(
        self,
        query: SearchQuery,
        text: str,
        only: Connection | None,
        skip: int,
        size: int,
        collection: str,
    ) -> _Page:
        """Find a page of entities in one collection."""
        found, filtered = await self._fetch(collection, query, text, only, skip, size)
        # One result more than a page only shows that there is a next page, which begins with it.
        results = found.hits[:size] if filtered else found.hits
        fitting = [item for item in results if only is None or _is_of(only, item)]
        if query.entity_type is not None:
            fitting = [item for item in fitting if item.hit.type == query.entity_type]
        fitting = _distinct(fitting)
        start = 0 if filtered else skip
        by_meaning = found.by_meaning
        return _Page(
            collection=collection,
            found=fitting[start : start + size],
            matched=found.matched or _match_kind(text, results),
            by_meaning=query.mode is not SearchMode.WORDS if by_meaning is None else by_meaning,
            note=found.note,
            end=skip + size,
            has_more=len(found.hits) > size if filtered else len(fitting) > start + size,
        )

    async def _collections_of(self, query: SearchQuery, only: Connection | None) -> Sequence[str]:
        """Return which collections to ask. Raises InvalidInput where they are too many."""
        named = (query.readable_collection_id or "").strip()
        if not named and only is not None:
            return [only.readable_collection_id]
        if not named:
            listed = await self._collections.list_readable_ids(COLLECTIONS_MAX + 1)
            if len(listed) <= COLLECTIONS_MAX:
                return listed
            raise InvalidInput(
                f"The API searches one collection at a time, and has more than {COLLECTIONS_MAX}.",
                field="readable_collection_id",
                hint="Name one; list_collections shows them.",
            )
        return [named]

    async def _find_in_several(
        self, collections: Sequence[str], query: SearchQuery, text: str, skip: int, size: int
    ) -> _Page:
        """Search each collection from its beginning, and merge the results by their scores."""
        end = min(skip + size, LIMIT_MAX)
        if skip == end:
            raise InvalidInput(
                f"Only the first {LIMIT_MAX} hits of several collections can be paged through.",
                field="cursor",
                hint="Name one collection.",
            )
        most = min(end + 1, LIMIT_MAX)
        pages = [await self._find(query, text, None, 0, most, each) for each in collections]
        ranked = [(rank, item) for page in pages for rank, item in enumerate(page.found)]
        # Where a live source takes part, the scores are ranks, which compare with no other scores.
        by_rank = any(item.hit.live for _, item in ranked)
        ranked.sort(key=lambda pair: (pair[0] if by_rank else 0, -pair[1].hit.score))
        found = [item for _, item in ranked]
        return _Page(
            collection=None,
            found=found[skip:end],
            matched="all" if all(page.matched == "all" for page in pages) else "any",
            by_meaning=any(page.by_meaning for page in pages),
            note=" ".join(dict.fromkeys(page.note for page in pages if page.note)),
            end=end,
            has_more=len(found) > end or any(page.has_more for page in pages),
        )

    async def entity(
        self, entity: str, *, connection: str | None = None, offset: int, max_chars: int
    ) -> StoredEntity:
        del entity, connection, offset, max_chars
        raise Unsupported("The Airweave API cannot show an entity in full.", field="entity_id")

    async def _fetch(
        self,
        collection: str,
        query: SearchQuery,
        text: str,
        only: Connection | None,
        skip: int,
        size: int,
    ) -> tuple[FoundEntities, bool]:
        """Return the results, and whether the API itself filtered and paged them."""
        if only is not None and only.sync_id is None and not only.federated_search:
            return FoundEntities(hits=()), True
        conditions = _conditions(only, query)
        path = f"{collection_path(collection)}/search/instant"
        asked: Json = {"query": text, "retrieval_strategy": STRATEGIES[query.mode]}
        if query.fold_copies:
            asked["fold_copies"] = True  # Weft's own API does, and Airweave's passes it over.
        body = asked | {"limit": size + 1, "offset": skip}
        if conditions:
            body["filter"] = [{"conditions": conditions}]
        try:
            return await self._post(path, body), True
        except CallError as error:
            if error.field in ("mode", "retrieval_strategy"):
                raise _lack_error("mode", f"does not search by {query.mode}") from None
            # An API that lacks a field refuses it: fetch enough to filter here.
            if not conditions or "filter" not in (error.field or ""):
                raise
            for field, lack in _FILTERS_OF_APIS.items():
                if getattr(query, field) is not None:
                    raise _lack_error(field, lack) from None
        return await self._post(path, asked | {"limit": WINDOW, "offset": 0}), False

    async def _post(self, path: str, body: Json) -> FoundEntities:
        return await self._client.post_query(
            path, read_results, body, missing="readable_collection_id"
        )


def _check_query(query: str) -> str:
    if len(query) > QUERY_MAX_CHARS or not any(char.isalnum() for char in query):
        raise InvalidInput(
            f"query needs a word, and has at most {QUERY_MAX_CHARS} characters.", field="query"
        )
    return query.replace("\0", " ").strip()


def _is_of(only: Connection, found: FoundEntity) -> bool:
    """Tell whether a result is of the connection. Of a live one the API only tells the source."""
    hit = found.hit
    if hit.live:
        return only.federated_search and found.source_name == only.short_name
    return hit.connection_id == only.id if hit.connection_id else found.sync_id == only.sync_id


def _lack_error(field: str, lack: str) -> Unsupported:
    return Unsupported(f"The API {lack}.", field=field, hint=f"Leave out {field}.")


def _conditions(only: Connection | None, query: SearchQuery) -> list[JsonValue]:
    live_source = only.short_name if only and only.federated_search else None
    since, until = (at and _to_seconds(at) for at in (query.since, query.until))
    wanted = (
        ("airweave_system_metadata.sync_id", "equals", only.sync_id if only else None),
        ("airweave_system_metadata.source_name", "equals", live_source),
        ("airweave_system_metadata.entity_type", "equals", query.entity_type),
        ("updated_at", "greater_than_or_equal", since),
        ("updated_at", "less_than", until),
        # Weft's own; Airweave refuses them.
        ("path", "matches", query.path),
        ("author", "contains", query.author),
    )
    return [
        {"field": field, "operator": operator, "value": value}
        for field, operator, value in wanted
        if value is not None
    ]


def _to_seconds(moment: datetime) -> str:
    """Return the whole second that is not before the moment, as the API keeps no parts of one; with
    its zone, as the API takes a time without for its own local one.
    """
    moment = moment.astimezone(UTC)
    if moment.microsecond and moment < _LAST_SECOND:
        moment = moment + timedelta(seconds=1)
    return moment.replace(microsecond=0).isoformat()


def _distinct(found: Sequence[FoundEntity]) -> Sequence[FoundEntity]:
    """Keep the best result of each entity: the API may find several chunks of it."""
    best: dict[tuple[str, str], FoundEntity] = {}
    for item in found:
        best.setdefault((item.hit.connection_id or item.sync_id or "", item.hit.entity_id), item)
    return list(best.values())


def _match_kind(query: str, found: Sequence[FoundEntity]) -> str:
    words = set(re.findall(r"\w+", query.casefold()))
    texts = [f"{item.hit.title} {item.text}".casefold() for item in found]
    return "all" if all(word in text for text in texts for word in words) else "any"
