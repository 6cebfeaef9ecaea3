"""The routes for what is around connections."""

import secrets
from datetime import timedelta
from typing import Any

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from weft.testing.airweave import around
from weft.testing.airweave.answers import (
    connection_item,
    provider_answer,
    to_zoned,
)
from weft.testing.airweave.routing import Call, route
from weft.testing.airweave.state import Json, Refused, new_id
from weft.testing.airweave.validation import (
    ListQuery,
    ProviderBody,
)


@route("GET", "/auth-providers/list")
async def list_provider_kinds(call: Call) -> list[Json]:
    return [kind for kind in call.world.provider_kinds.values() if kind["short_name"] != "custom"]


@route("GET", "/auth-providers/detail/{kind}")
async def get_provider_kind(call: Call) -> Json:
    return around.find_provider_kind(call.world, call.path["kind"])


@route("GET", "/auth-providers/connections")
async def list_providers(call: Call) -> list[Json]:
    query = call.read_query(ListQuery)
    found = list(call.world.providers.values())[query.skip : query.skip + query.limit]
    return [provider_answer(item) for item in found]


@route("GET", "/auth-providers/connections/{provider}")
async def get_provider(call: Call) -> Json:
    return provider_answer(around.find_provider(call.world, call.path["provider"]))


@route("POST", "/auth-providers")
async def create_provider(call: Call) -> Json:
    around.require_user(call.caller)
    return around.add_provider(call.world, call.read_body(ProviderBody))


@route("PUT", "/auth-providers/{provider}")
async def update_provider(call: Call) -> Json:
    around.require_user(call.caller)
    found = around.find_provider(call.world, call.path["provider"])
    body: Any = call.body
    found.name, found.modified_at = body.get("name", found.name), call.world.clock.now()
    return provider_answer(found)


@route("DELETE", "/auth-providers/{provider}")
async def delete_provider(call: Call) -> Json:
    around.require_user(call.caller)
    return around.remove_provider(call.world, call.path["provider"])


@route("GET", "/usage/check-action")
async def check_action(call: Call) -> Json:
    return around.check_action(call.world, call.query["action"])


@route("POST", "/usage/check-actions")
async def check_actions(call: Call) -> Json:
    body: Any = call.body
    answers = {name: around.check_action(call.world, name) for name in body["actions"]}
    return {"results": answers}


@route("GET", "/usage/dashboard")
async def show_usage(call: Call) -> Json:
    return around.dashboard(call.world)


@route("GET", "/billing/subscription")
async def show_subscription(call: Call) -> Json:
    return around.subscription(call.world)


@route("GET", "/entity-counts/syncs/{sync}/counts")
async def count_entities(call: Call) -> list[Json]:
    return around.entity_counts(call.world, call.path["sync"])


@route("GET", "/entity-counts/syncs/{sync}/total-count")
async def count_all_entities(call: Call) -> int:
    return sum(item["count"] for item in around.entity_counts(call.world, call.path["sync"]))


@route("GET", "/sync/job/{job}/subscribe")
@route("GET", "/sync/job/{job}/subscribe-state")
async def follow_job(call: Call) -> Response:
    if call.world.streams != "cut":
        stream = around.follow_job(call.world, call.job_id())
        return StreamingResponse(stream, media_type="text/event-stream")
    events = around.job_events(call.world, call.job_id())
    return PlainTextResponse(events, media_type="text/event-stream")


@route("GET", "/entities/definitions/by-source")
async def list_definitions(call: Call) -> list[Json]:
    short_name = call.query.get("source_short_name", "")
    source = call.world.sources.get(short_name, {"output_entity_definitions": []})
    return [
        {
            "short_name": name,
            "name": name.title().replace("_", ""),
            "description": "",
            "class_name": name,
            "module_name": short_name,
            "entity_type": "json",
            "entity_schema": {"type": "object"},
        }
        for name in source["output_entity_definitions"]
    ]


@route("POST", "/connect/sessions")
async def create_session(call: Call) -> Json:
    body: Any = call.body
    found = call.world.find_collection(body["readable_collection_id"])
    ends = call.world.clock.now() + timedelta(minutes=10)
    session: Json = {"session_id": new_id(), "expires_at": to_zoned(ends)}
    call.world.widget_sessions[session["session_id"]] = {
        **session,
        "organization_id": call.world.organization_id,
        "collection_id": found.readable_id,
        "allowed_integrations": None,
        "mode": body.get("mode", "all"),
        "end_user_id": body.get("end_user_id"),
    }
    return session | {"session_token": f"session-{secrets.token_hex(8)}"}


@route("GET", "/connect/sessions/{session}")
async def get_session(call: Call) -> Json:
    return call.world.widget_sessions[call.path["session"]]


@route("GET", "/connect/source-connections")
async def list_connections_of_session(call: Call) -> list[Json]:
    if call.caller != "session":
        raise Refused(422, {"errors": [{"header.Authorization": "Field required"}]})
    return [connection_item(call.world, item) for item in call.world.list_connections()]


@route("GET", "/files")
async def list_files(call: Call) -> Json:
    raise Refused(422, {"errors": [{"query.entity_ids": "Field required"}]})


@route("GET", "/files/{file}")
async def get_file(call: Call) -> Json:
    raise Refused(403, "Access restricted to Example organization members")


@route("GET", "/source-rate-limits")
async def list_source_limits(call: Call) -> Json:
    raise Refused(403, "SOURCE_RATE_LIMITING feature not enabled for this organization")


@route("PUT", "/source-rate-limits/{source}")
async def set_source_limit(call: Call) -> Json:
    raise Refused(403, "This operation requires user authentication")


@route("GET", "/api-keys")
async def list_keys(call: Call) -> Json:
    raise Refused(403, "API key authentication is not permitted for this operation")


@route("POST", "/webhooks/subscriptions")
async def subscribe(call: Call) -> Json:
    body: Any = call.body
    if any("." not in kind for kind in body["event_types"]):
        raise Refused(422, {"errors": [{"body.event_types.0": "Input should be 'sync.pending'"}]})
    raise Refused(500, "Failed to create subscription: All connection attempts failed")


@route("GET", "/webhooks/subscriptions")
@route("GET", "/webhooks/messages")
async def use_webhooks(call: Call) -> Json:
    raise Refused(500, "Failed to list subscriptions: All connection attempts failed")


@route("GET", "/users")
@route("GET", "/organizations")
async def show_person(call: Call) -> Json:
    raise Refused(401, "User email not found in Auth0")
