"""Collections: groups of connections that are searched together."""

from functools import partial

from pydantic import Field

from weft.backend import Backend
from weft.domain.collections import Collection
from weft.errors import Ambiguous, NotFound
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.web.rest.paging import PageQuery, fetch_slice, iterate
from weft.wire.collections import CollectionAnswer
from weft.wire.requests import REFERENCE_MAX_CHARS, CreateCollectionBody, UpdateCollectionBody

operation = partial(define, toolset="collections")
_ONE = "/collections/{readable_id}"


class CollectionsQuery(PageQuery):
    """``search`` is looked for in names and readable ids, in any case."""

    search: str | None = Field(default=None, max_length=REFERENCE_MAX_CHARS)


@operation("GET", "/collections", list[CollectionAnswer], query=CollectionsQuery)
async def list_collections(call: ApiCall[CollectionsQuery, Nothing]) -> list[CollectionAnswer]:
    """List collections, newest first."""
    query = call.query
    fetch = call.backend.collections.list
    if not query.search:
        found = await fetch_slice(fetch, skip=query.skip, limit=query.limit)
        return [CollectionAnswer.of(item) for item in found]
    wanted = query.search.lower()
    fitting = [
        item
        async for item in iterate(fetch)
        if wanted in item.name.lower() or wanted in item.readable_id
    ]
    return [CollectionAnswer.of(item) for item in fitting[query.skip : query.skip + query.limit]]


@operation("GET", "/collections/count", int)
async def count_collections(call: ApiCall[Nothing, Nothing]) -> int:
    """Count the collections."""
    count = 0
    async for _ in iterate(call.backend.collections.list):
        count += 1
    return count


@operation("POST", "/collections", CollectionAnswer, body=CreateCollectionBody, statuses=(409,))
async def create_collection(call: ApiCall[Nothing, CreateCollectionBody]) -> CollectionAnswer:
    """Create a collection."""
    return CollectionAnswer.of(await call.backend.collections.create(call.body.to_new()))


@operation("GET", _ONE, CollectionAnswer, statuses=(404,))
async def get_collection(call: ApiCall[Nothing, Nothing]) -> CollectionAnswer:
    """Get a collection."""
    return CollectionAnswer.of(await get_exact(call.backend, call.path["readable_id"]))


@operation("PATCH", _ONE, CollectionAnswer, body=UpdateCollectionBody, statuses=(404,))
async def update_collection(call: ApiCall[Nothing, UpdateCollectionBody]) -> CollectionAnswer:
    """Rename a collection; its readable id stays."""
    found = await get_exact(call.backend, call.path["readable_id"])
    renamed = await call.backend.collections.update(found.id, name=call.body.name)
    return CollectionAnswer.of(renamed)


@operation("DELETE", _ONE, CollectionAnswer, statuses=(404, 409))
async def delete_collection(call: ApiCall[Nothing, Nothing]) -> CollectionAnswer:
    """Delete a collection with its connections and all that they synced. This cannot be undone."""
    found = await get_exact(call.backend, call.path["readable_id"])
    return CollectionAnswer.of(await call.backend.collections.delete(found.id, permanently=True))


async def get_exact(backend: Backend, readable_id: str) -> Collection:
    """Get the collection with exactly that id. Backends also accept names and prefixes of ids,
    which is too risky in a path, since a path may delete.

    Raises NotFound.
    """
    try:
        found = await backend.collections.get(readable_id)
    except Ambiguous:
        found = None
    if found is None or readable_id not in (found.readable_id, found.id):
        raise NotFound("Collection not found.", field="readable_collection_id")
    return found


OPERATIONS = (
    list_collections,
    count_collections,
    create_collection,
    get_collection,
    update_collection,
    delete_collection,
)
