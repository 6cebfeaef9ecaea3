"""Search in a collection."""

from functools import partial
from typing import Final

from weft.backend import Backend
from weft.domain.access.permissions import Impact
from weft.domain.connections import Connection
from weft.domain.search import SearchHit, SearchQuery
from weft.errors import NotFound
from weft.web.rest.collections import get_exact
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.wire.requests import SearchBody
from weft.wire.search import SearchAnswer, hit_answer

PAGE_SIZE: Final = 50
operation = partial(define, toolset="search")


@operation(
    "POST",
    "/collections/{readable_id}/search/instant",
    SearchAnswer,
    impact=Impact.READS,
    body=SearchBody,
    statuses=(404,),
)
async def search_instant(call: ApiCall[Nothing, SearchBody]) -> SearchAnswer:
    """Search a collection by full text: all words first; if nothing has all, any of them."""
    return await _search(call)


@operation(
    "POST",
    "/collections/{readable_id}/search/classic",
    SearchAnswer,
    impact=Impact.READS,
    body=SearchBody,
    statuses=(404,),
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
    query = SearchQuery(
        readable_collection_id=collection.readable_id,
        query=call.body.query,
        limit=min(last, PAGE_SIZE),
    )
    while True:
        page = await call.backend.search.search(query)
        hits.extend(page.hits)
        if page.next_cursor is None or len(hits) >= last:
            break
        query = query.model_copy(update={"cursor": page.next_cursor})
    shown = hits[first:last]
    owners = await _fetch_owners(call.backend, {hit.connection_id for hit in shown} - {""})
    results = [hit_answer(hit, owners.get(hit.connection_id)) for hit in shown]
    return SearchAnswer(results=results, matched="all" if page.matched == "all" else "any")


async def _fetch_owners(backend: Backend, ids: set[str]) -> dict[str, Connection]:
    owners: dict[str, Connection] = {}
    for connection_id in ids:
        try:
            owners[connection_id] = await backend.connections.get(connection_id)
        except NotFound:
            continue  # Deleted a moment ago: its hits are shown without its details.
    return owners


OPERATIONS = (search_instant, search_classic)
