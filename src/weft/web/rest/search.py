"""Search in a collection."""

from functools import partial
from typing import Final, Literal

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.domain.access.permissions import Impact
from weft.domain.connections import Connection
from weft.domain.reading.search import SearchHit, SearchMode, SearchQuery
from weft.errors import InvalidInput, NotFound
from weft.web.rest.collections import get_exact
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.wire.search import SearchAnswer, hit_answer
from weft.wire.search_body import SearchBody

PAGE_SIZE: Final = 50
MODES: Final = {
    "hybrid": SearchMode.AUTO,
    "keyword": SearchMode.WORDS,
    "semantic": SearchMode.MEANING,
}
operation = partial(define, toolset="search")


@operation(
    "POST",
    "/collections/{readable_id}/search/instant",
    SearchAnswer,
    impact=Impact.READS,
    body=SearchBody,
    statuses=(400, 404),
)
async def search_instant(call: ApiCall[Nothing, SearchBody]) -> SearchAnswer:
    """Search a collection by full text: for any of the words."""
    return await _search(call)


@operation(
    "POST",
    "/collections/{readable_id}/search/classic",
    SearchAnswer,
    impact=Impact.READS,
    body=SearchBody,
    statuses=(400, 404),
)
async def search_classic(call: ApiCall[Nothing, SearchBody]) -> SearchAnswer:
    """Run the same search under the name of Airweave's slower one."""
    return await _search(call)


async def _search(call: ApiCall[Nothing, SearchBody]) -> SearchAnswer:
    collection = await get_exact(call.backend, call.path["readable_id"])
    if call.backend.search is None:
        raise NotFound("This server offers no search.")
    first, last = call.body.offset, call.body.offset + call.body.limit
    hits: list[SearchHit] = []
    matched: Literal["all", "any"] = "all"
    # Copies are folded a page at a time, and which they are must not depend on how much is asked.
    size = PAGE_SIZE if call.body.fold_copies else min(last, PAGE_SIZE)
    query = await _read_query(call, collection.readable_id, size)
    while True:
        page = await call.backend.search.search(query)
        hits.extend(page.hits)
        matched = "all" if matched == page.matched else "any"
        if page.next_cursor is None or len(hits) >= last:
            break
        query = query.model_copy(update={"cursor": page.next_cursor})
    shown = hits[first:last]
    owners = await _fetch_owners(call.backend, {hit.connection_id for hit in shown} - {""})
    results = [hit_answer(hit, owners.get(hit.connection_id)) for hit in shown]
    return SearchAnswer(
        results=results, matched=matched, by_meaning=page.by_meaning, note=page.note
    )


async def _read_query(
    call: ApiCall[Nothing, SearchBody], collection: str, limit: int
) -> SearchQuery:
    groups = call.body.filter or ()
    given = {each.argument: each.given for group in groups for each in group.conditions}
    sync_id = given.pop("sync_id", None)
    query = {
        "readable_collection_id": collection,
        "query": call.body.query,
        "mode": MODES[call.body.retrieval_strategy or "hybrid"],
        "connection": sync_id and await _find_by_sync(call.backend, collection, str(sync_id)),
        "limit": limit,
        "fold_copies": call.body.fold_copies,
    }
    return SearchQuery.model_validate(query | given)


async def _find_by_sync(backend: Backend, collection: str, sync_id: str) -> str:
    """Return the id of the connection in the collection that has the sync."""
    cursor: str | None = None
    while True:
        page = await backend.connections.list(
            collection=collection, cursor=cursor, limit=LIST_LIMIT_MAX
        )
        for connection in page.items:
            if connection.sync_id == sync_id:
                return connection.id
        cursor = page.next_cursor
        if cursor is None:
            raise InvalidInput("No connection here is known to have that sync.", field="filter")


async def _fetch_owners(backend: Backend, ids: set[str]) -> dict[str, Connection]:
    owners: dict[str, Connection] = {}
    for connection_id in ids:
        try:
            owners[connection_id] = await backend.connections.get(connection_id)
        except NotFound:
            continue  # Deleted a moment ago: its hits are shown without its details.
    return owners


OPERATIONS = (search_instant, search_classic)
