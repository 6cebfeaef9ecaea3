"""The shapes of Airweave's answers."""

from collections import Counter
from datetime import datetime

from weft.testing.airweave.schedules import next_run
from weft.testing.airweave.state import Collection, Connection, Job, Json, Provider, Session, Sync
from weft.testing.airweave.world import Airweave

_ERROR_MESSAGES = {
    "oauth_credentials_expired": "Your OAuth authorization has expired or been revoked.",
    "api_key_invalid": "The API key for this connection is no longer valid.",
    "auth_provider_account_gone": "The connected account on the auth provider has been deleted "
    "or deactivated.",
    "auth_provider_credentials_invalid": "The credentials on the auth provider need to be "
    "refreshed or re-configured.",
}


def stamp(moment: datetime | None) -> str | None:
    """Write a time as Airweave does, without its zone."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") if moment else None


def to_zoned(moment: datetime | None) -> str | None:
    """Write one of the few times that have a zone."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def job_answer(job: Job, connection_id: str | None = None) -> Json:
    """Build a job, as its connection shows it or with its connection's id."""
    ran = job.started_at and job.completed_at and job.completed_at - job.started_at
    owner = {} if connection_id is None else {"source_connection_id": connection_id}
    details = {} if connection_id is None else {"error_details": None}
    return {
        "id": job.id,
        **owner,
        "status": job.status,
        "started_at": stamp(job.started_at),
        "completed_at": stamp(job.completed_at),
        "duration_seconds": ran.total_seconds() if ran else None,
        "entities_inserted": job.inserted,
        "entities_updated": job.updated,
        "entities_deleted": job.deleted,
        "entities_failed": job.skipped,
        "error": job.error,
        "error_category": job.category,
        **details,
    }


def connection_answer(
    world: Airweave, connection: Connection, base_url: str, *, claim_token: str | None = None
) -> Json:
    """Build a connection in full. The claim token is in two answers only."""
    job, sync = connection.last_job, connection.sync
    category = job.category if job and job.status == "failed" else None
    return {
        "id": connection.id,
        "organization_id": world.organization_id,
        "name": connection.name,
        "description": connection.description,
        "short_name": connection.short_name,
        "readable_collection_id": connection.collection,
        "status": connection.status,
        "created_at": stamp(connection.created_at),
        "modified_at": stamp(connection.modified_at),
        "auth": {
            "method": connection.method,
            "authenticated": connection.authenticated,
            "authenticated_at": stamp(connection.created_at) if connection.authenticated else None,
            "expires_at": None,
            **_link(world, connection.session, base_url),
            "claim_token": claim_token,
            "provider_readable_id": connection.provider,
            "provider_id": connection.provider,
        },
        "config": connection.config,
        "schedule": _schedule(world, sync),
        "sync": _history(job) if job else None,
        "sync_id": sync.id if sync else None,
        "entities": _entities(sync) if sync and sync.entities else None,
        "error_category": category,
        "error_message": _ERROR_MESSAGES.get(category or ""),
        "provider_settings_url": None,
        "provider_short_name": None,
        "federated_search": world.sources[connection.short_name]["federated_search"],
    }


def connection_item(world: Airweave, connection: Connection) -> Json:
    """Build a connection in a list."""
    return {
        "id": connection.id,
        "name": connection.name,
        "short_name": connection.short_name,
        "readable_collection_id": connection.collection,
        "created_at": stamp(connection.created_at),
        "modified_at": stamp(connection.modified_at),
        "is_authenticated": connection.authenticated,
        "entity_count": len(connection.sync.entities) if connection.sync else 0,
        "federated_search": world.sources[connection.short_name]["federated_search"],
        "auth_method": connection.method,
        "status": connection.status,
    }


def collection_answer(world: Airweave, collection: Collection, *, listed: bool = False) -> Json:
    """Build a collection; only a list tells of its connections."""
    inside = world.list_connections(collection.readable_id)
    summaries = [{"short_name": item.short_name, "name": item.name} for item in inside]
    return {
        "name": collection.name,
        "readable_id": collection.readable_id,
        "id": collection.id,
        "sync_config": None,
        "created_at": stamp(collection.created_at),
        "modified_at": stamp(collection.modified_at),
        "organization_id": world.organization_id,
        "created_by_email": None,
        "modified_by_email": None,
        "status": "ACTIVE" if any(item.authenticated for item in inside) else "NEEDS SOURCE",
        "vector_size": 1536,
        "embedding_model_name": "text-embedding-3-small",
        "source_connection_summaries": summaries if listed else [],
    }


def provider_answer(provider: Provider) -> Json:
    """Build a connection to an auth provider."""
    return {
        "id": provider.id,
        "name": provider.name,
        "readable_id": provider.readable_id,
        "short_name": provider.short_name,
        "description": f"Auth provider connection for {provider.name}",
        "created_by_email": "admin@example.com",
        "modified_by_email": "admin@example.com",
        "created_at": stamp(provider.created_at),
        "modified_at": stamp(provider.modified_at),
        "masked_client_id": provider.masked_client_id,
    }


def _link(world: Airweave, session: Session | None, base_url: str) -> Json:
    shown = (
        session is not None
        and session.status == "pending"
        and not session.opened
        and session.link_expires > world.clock.now()
    )
    url = f"{base_url}/source-connections/authorize/{session.link_code}" if session else None
    return {
        "auth_url": url if shown else None,
        "auth_url_expires": to_zoned(session.link_expires) if session and shown else None,
        "redirect_url": session.redirect_url if session else None,
    }


def _schedule(world: Airweave, sync: Sync | None) -> Json | None:
    if sync is None:
        return None
    due = next_run(sync.cron, world.clock.now()) if sync.cron else None
    return {
        "cron": sync.cron,
        "next_run": to_zoned(due),
        "continuous": False,
        "cursor_field": None,
        "cursor_value": None,
    }


def _history(job: Job) -> Json:
    """Build the history, which at Airweave is that of the last job alone."""
    return {
        "total_runs": 1,
        "successful_runs": int(job.status == "completed"),
        "failed_runs": int(job.status == "failed"),
        "last_job": job_answer(job),
    }


def _entities(sync: Sync) -> Json:
    counts = Counter(entity["type"] for entity in sync.entities)
    at = stamp(sync.stored_at)
    return {
        "total_entities": len(sync.entities),
        "by_type": {kind: {"count": n, "last_updated": at} for kind, n in counts.items()},
    }
