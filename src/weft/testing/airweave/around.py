"""Airweave's surroundings of a connection: auth providers, usage, counts and progress of jobs."""

import json
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Iterable

import anyio

from weft.testing.airweave.answers import provider_answer, stamp
from weft.testing.airweave.state import Json, Provider, Refused, new_id
from weft.testing.airweave.validation import ProviderBody
from weft.testing.airweave.world import Airweave

NO_LLM = (
    "No LLM provider configured. Set one of: CEREBRAS_API_KEY, GROQ_API_KEY, ANTHROPIC_API_KEY, "
    "TOGETHER_API_KEY, MISTRAL_API_KEY \u2014 or customize the chain via LLM_FALLBACK_CHAIN "
    "(format: 'provider:model,provider:model')."
)
EVENT_SECONDS = 0.02
_ACTIONS = ("entities", "queries", "source_connections", "team_members", "tokens")
_SUBSCRIPTION_FLAGS = (
    "cancel_at_period_end",
    "has_active_subscription",
    "has_yearly_prepay",
    "in_grace_period",
    "in_trial",
    "payment_method_added",
    "requires_payment_method",
)
_SUBSCRIPTION_UNSET = (
    "current_period_end",
    "current_period_start",
    "grace_period_ends_at",
    "pending_plan_change",
    "pending_plan_change_at",
    "trial_ends_at",
    "yearly_prepay_amount_cents",
    "yearly_prepay_coupon_id",
    "yearly_prepay_expires_at",
    "yearly_prepay_payment_intent_id",
    "yearly_prepay_started_at",
)
_NEEDED = {"composio": ("api_key",), "pipedream": ("client_id", "client_secret")}


def require_user(caller: str) -> None:
    """Refuse what only a person may do."""
    if caller != "user":
        raise Refused(403, "This operation requires user authentication")


def find_provider(world: Airweave, readable_id: str) -> Provider:
    """Return a connection to an auth provider, or refuse."""
    if readable_id not in world.providers:
        raise Refused(404, f"Auth provider connection not found: {readable_id}")
    return world.providers[readable_id]


def find_provider_kind(world: Airweave, short_name: str) -> Json:
    """Return the description of an auth provider, or refuse."""
    if short_name not in world.provider_kinds:
        raise Refused(404, f"Auth provider '{short_name}' not found")
    return world.provider_kinds[short_name]


def add_provider(world: Airweave, body: ProviderBody) -> Json:
    """Connect an auth provider."""
    kind = find_provider_kind(world, body.short_name)
    for name in _NEEDED.get(body.short_name, ()):
        if name not in body.auth_fields:
            model = f"{kind['name']}AuthConfig"
            text = f"Invalid configuration for {model}:\nField '{name}': Field required"
            raise Refused(422, f"Invalid auth fields: {text}")
    given = " ".join(map(str, body.auth_fields.values()))
    if "good" not in given:
        said = '503 - {"error":"down"}' if "down" in given else "401 - Invalid API key"
        raise Refused(
            422,
            f"Failed to validate {body.short_name} connection: {kind['name']} API key validation "
            f"failed: {said}",
        )
    slug = body.name.lower().replace(" ", "-")
    readable_id = body.readable_id or f"{slug}-{secrets.token_hex(3)}"
    if readable_id in world.providers:
        text = 'duplicate key value violates unique constraint "connection_readable_id_key"'
        raise Refused(500, f"Internal Server Error: IntegrityError: {text}")
    now = world.clock.now()
    client = body.auth_fields.get("client_id")
    masked = f"{client[:4]}..." if client else None
    made = Provider(new_id(), body.name, readable_id, body.short_name, now, now, masked)
    world.providers[readable_id] = made
    return provider_answer(made)


def remove_provider(world: Airweave, readable_id: str) -> Json:
    """Remove an auth provider, and the connections that use it."""
    found = find_provider(world, readable_id)
    del world.providers[readable_id]
    users = [c.id for c in world.connections.values() if c.provider == readable_id]
    for connection_id in users:
        del world.connections[connection_id]
    return provider_answer(found) | {"masked_client_id": None}


def check_action(world: Airweave, action: str) -> Json:
    """Tell whether the plan allows an action."""
    answer: Json = {"allowed": True, "action": action, "reason": None, "details": None}
    if action not in _ACTIONS:
        details = {"message": f"Invalid action type: {action}"}
        return answer | {"allowed": False, "reason": "usage_limit_exceeded", "details": details}
    most = world.max_connections
    if action == "source_connections" and most is not None and len(world.connections) >= most:
        return answer | {"allowed": False, "reason": "usage_limit_exceeded", "details": {}}
    return answer


def subscription(world: Airweave) -> Json:
    """Tell the plan and its limits."""
    return {
        "plan": "developer" if world.requests_per_minute == 10 else "pro",
        "status": world.payment_status or "active",
        "limits": {
            "max_entities": 100000,
            "max_queries": 500,
            "max_tokens": 10000000,
            "max_source_connections": world.max_connections or 50,
            "max_team_members": 2,
        },
        "is_oss": False,
        **dict.fromkeys(_SUBSCRIPTION_FLAGS, False),
        **dict.fromkeys(_SUBSCRIPTION_UNSET),
    }


def dashboard(world: Airweave) -> Json:
    """Tell what is used."""
    usage = {
        "entities": sum(len(c.sync.entities) for c in world.connections.values() if c.sync),
        "queries": sum("/search/" in asked for asked in world.asked),
        "tokens": 0,
        "source_connections": len(world.connections),
        "team_members": 1,
        "max_source_connections": world.max_connections,
        "max_entities": 100000,
        "max_queries": 500,
        "max_tokens": None,
    }
    status = world.payment_status or "active"
    return {
        "current_period": {
            "plan": "pro",
            "status": status,
            "days_remaining": 16,
            "usage": usage,
            "is_current": True,
        },
        "previous_periods": [],
        "total_entities_all_time": usage["entities"],
        "total_queries_all_time": usage["queries"],
        "average_daily_entities": 0,
        "average_daily_queries": 0,
        "trends": [],
    }


def entity_counts(world: Airweave, sync_id: str) -> list[Json]:
    """Count the entities of a sync by their types."""
    for connection in world.connections.values():
        sync = connection.sync
        if sync is not None and sync.id == sync_id:
            counts = Counter(entity["type"] for entity in sync.entities)
            at = stamp(sync.stored_at)
            return [
                {
                    "count": count,
                    "entity_definition_short_name": kind.lower(),
                    "entity_definition_name": kind,
                    "entity_definition_type": "json",
                    "entity_definition_description": "",
                    "modified_at": at,
                }
                for kind, count in counts.items()
            ]
    raise Refused(404, "Sync not found")


async def follow_job(world: Airweave, job_id: str) -> AsyncGenerator[str]:
    """Write a job's events as they come. The stream does not end, also when the job has."""
    yield write_events([{"type": "connected", "job_id": job_id}])
    told: Json = {}
    while True:
        await anyio.sleep(EVENT_SECONDS)
        world.settle()
        jobs = [c.last_job for c in world.connections.values() if c.last_job]
        job = next((job for job in jobs if job.id == job_id), None)
        if job is None or job.status == "pending" or world.streams == "silent":
            continue
        event = {
            "inserted": job.inserted,
            "updated": job.updated,
            "deleted": job.deleted,
            "kept": 0,
            "skipped": job.skipped,
            "status": None if job.is_live else job.status,
        }
        if event != told and (told or job.is_live):
            told = event
            yield write_events([event])


def job_events(world: Airweave, job_id: str) -> str:
    """Write the events of a job. Late subscribers get none, and nobody is told of the end."""
    events: list[Json] = [{"type": "connected", "job_id": job_id}]
    for connection in world.connections.values():
        job = connection.last_job
        if job is not None and job.id == job_id and job.is_live:
            events.append({"inserted": job.inserted, "updated": job.updated, "status": None})
    return write_events(events)


def write_events(events: Iterable[Json]) -> str:
    """Write server-sent events."""
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events)
