"""The routes for connections, collections, sources and search."""

import secrets

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from weft.testing.airweave import around, connections, oauth
from weft.testing.airweave.answers import (
    collection_answer,
    connection_item,
    job_answer,
)
from weft.testing.airweave.routing import Call, route
from weft.testing.airweave.search import SearchBody, search
from weft.testing.airweave.state import Collection, Json, Refused, new_id
from weft.testing.airweave.validation import (
    ClaimBody,
    CollectionBody,
    CollectionsQuery,
    CollectionUpdate,
    CreateBody,
    JobsQuery,
    ListQuery,
    ReinitiateBody,
    RunQuery,
    UpdateBody,
)


@route("GET", "/source-connections/callback")
async def take_callback(call: Call) -> Response:
    query = call.query
    goes_on = oauth.take_callback(call.world, query.get("state", ""), query.get("code", ""))
    return RedirectResponse(goes_on, 303)


@route("GET", "/source-connections/authorize/{code}")
async def open_link(call: Call) -> Response:
    return RedirectResponse(oauth.open_link(call.world, call.path["code"], call.base_url), 303)


@route("GET", "/source-connections")
async def list_connections(call: Call) -> list[Json]:
    query = call.read_query(ListQuery)
    found = call.world.list_connections(query.collection)
    window = found[query.skip : query.skip + query.limit]
    return [connection_item(call.world, item) for item in window]


@route("POST", "/source-connections")
async def create_connection(call: Call) -> Json:
    made = await connections.create(call.world, call.read_body(CreateBody), call.caller)
    return call.show(made, made.session.claim_token if made.session else None)


@route("GET", "/source-connections/{connection}")
async def get_connection(call: Call) -> Json:
    return call.show(call.find_connection())


@route("PATCH", "/source-connections/{connection}")
async def update_connection(call: Call) -> Json:
    found = call.find_connection()
    connections.update(call.world, found, call.read_body(UpdateBody))
    return call.show(found)


@route("DELETE", "/source-connections/{connection}")
async def delete_connection(call: Call) -> Json:
    found = call.find_connection()
    shown = call.show(found)
    await connections.delete(call.world, found)
    return shown


@route("POST", "/source-connections/{connection}/run")
async def run_connection(call: Call) -> Json:
    connection_id = call.connection_id()
    full = call.read_query(RunQuery).force_full_sync
    return job_answer(connections.run(call.world, connection_id, full), connection_id)


@route("GET", "/source-connections/{connection}/jobs")
async def list_jobs(call: Call) -> list[Json]:
    connection_id = call.connection_id()
    limit = call.read_query(JobsQuery).limit
    jobs = call.world.find_sync(connection_id).jobs
    return [job_answer(job, connection_id) for job in jobs[:limit]]


@route("POST", "/source-connections/{connection}/jobs/{job}/cancel")
async def cancel_job(call: Call) -> Json:
    # The connection in the path is not looked at, and is repeated in the answer.
    return job_answer(connections.cancel(call.world, call.job_id()), call.connection_id())


@route("POST", "/source-connections/{connection}/verify-oauth")
async def verify(call: Call) -> Json:
    token = call.read_body(ClaimBody).claim_token
    found = call.find_connection()
    oauth.verify(call.world, found, token, call.caller)
    return call.show(found)


@route("POST", "/source-connections/{connection}/reinitiate-oauth")
async def reinitiate(call: Call) -> Json:
    call.read_body(ReinitiateBody)
    found = call.find_connection()
    token = oauth.begin_again(call.world, found, call.caller)
    return call.show(found, token)


@route("GET", "/source-connections/{connection}/sync-id")
async def get_sync_id(call: Call) -> Json:
    return {"sync_id": call.world.find_sync(call.connection_id()).id}


@route("GET", "/source-connections/{connection}/browse-tree/selections")
async def list_selections(call: Call) -> list[Json]:
    call.find_connection()
    return []


@route("GET", "/source-connections/{connection}/browse-tree")
@route("POST", "/source-connections/{connection}/browse-tree/select")
async def browse(call: Call) -> Json:
    kind = call.world.sources[call.find_connection().short_name]["class_name"]
    raise Refused(404, f"Source {kind} does not support browse tree")


@route("GET", "/sources")
async def list_sources(call: Call) -> list[Json]:
    return list(call.world.sources.values())


@route("GET", "/sources/{source}")
async def get_source(call: Call) -> Json:
    return call.world.find_source(call.path["source"])


@route("GET", "/collections")
async def list_collections(call: Call) -> list[Json]:
    query = call.read_query(CollectionsQuery)
    wanted = query.search.casefold()
    found = [
        item
        for item in call.world.collections.values()
        if wanted in item.name.casefold() or wanted in item.readable_id
    ][::-1]
    window = found[query.skip : query.skip + query.limit]
    return [collection_answer(call.world, item, listed=True) for item in window]


@route("POST", "/collections")
async def create_collection(call: Call) -> Json:
    body = call.read_body(CollectionBody)
    made_id = f"{'-'.join(body.name.lower().split())}-{secrets.token_hex(3)}"
    readable_id = body.readable_id or made_id
    if readable_id in call.world.collections:
        raise Refused(400, f"Collection with readable_id '{readable_id}' already exists")
    now = call.world.clock.now()
    made = Collection(new_id(), body.name, readable_id, now, now)
    call.world.collections[readable_id] = made
    return collection_answer(call.world, made)


@route("GET", "/collections/count")
async def count_collections(call: Call) -> int:
    return len(call.world.collections)


@route("GET", "/collections/{collection}")
async def get_collection(call: Call) -> Json:
    return collection_answer(call.world, call.find_collection())


@route("PATCH", "/collections/{collection}")
async def update_collection(call: Call) -> Json:
    found = call.find_collection()
    name = call.read_body(CollectionUpdate).name
    if name is not None:
        found.name, found.modified_at = name, call.world.clock.now()
    return collection_answer(call.world, found)


@route("DELETE", "/collections/{collection}")
async def delete_collection(call: Call) -> Json:
    found = call.find_collection()
    shown = collection_answer(call.world, found)
    for connection in call.world.list_connections(found.readable_id):
        await connections.delete(call.world, connection)
    call.world.collections.pop(found.readable_id, None)
    return shown


@route("POST", "/collections/{collection}/search/instant")
async def search_instantly(call: Call) -> Json:
    body = call.read_body(SearchBody)
    return search(call.world, call.path["collection"], body)


@route("POST", "/collections/{collection}/search/classic")
@route("POST", "/collections/{collection}/search/agentic")
async def search_with_llm(call: Call) -> Json:
    call.read_body(SearchBody)
    raise Refused(503, around.NO_LLM)


@route("POST", "/collections/{collection}/search/agentic/stream")
async def stream_search(call: Call) -> Response:
    call.read_body(SearchBody)
    events = ({"type": "started"}, {"type": "error", "message": around.NO_LLM})
    return PlainTextResponse(around.write_events(events), media_type="text/event-stream")


@route("GET", "/collections/{collection}/search")
@route("POST", "/collections/{collection}/search")
async def search_as_before(call: Call) -> Json:
    if not call.query and not call.body:
        raise Refused(422, {"errors": [{"query.query": "Field required"}]})
    raise Refused(500, "Internal Server Error: RuntimeError: Vespa search failed")
