"""Creating, changing, running and deleting connections, as Airweave does."""

from datetime import datetime

from weft.testing.airweave import oauth, schedules
from weft.testing.airweave.state import (
    Connection,
    Job,
    Json,
    Refused,
    Sync,
    new_id,
)
from weft.testing.airweave.validation import (
    PROVIDER_CONFIGS,
    AuthProviderAuthentication,
    CreateBody,
    DirectAuthentication,
    OAuthBrowserAuthentication,
    OAuthTokenAuthentication,
    UpdateBody,
    read_fields,
)
from weft.testing.airweave.world import Airweave

DELETE_SECONDS = 15.1
PROVIDER_DOWN_SECONDS = 16.1
SOURCE_BUSY_SECONDS = 28.1
_UNCHECKED = frozenset({"stub", "incremental_stub"})
"""Sources that look at no credentials."""


async def create(world: Airweave, body: CreateBody, caller: str) -> Connection:
    """Create a connection by the method that its authentication shows."""
    _refuse_beyond_plan(world)
    source = world.find_source(body.short_name)
    auth = body.authentication
    method = _method_of(auth, source)
    _refuse_method(method, source)
    if source["requires_byoc"] and method == "oauth_browser":
        raise Refused(
            400,
            f"Source {body.short_name} requires custom OAuth client credentials. "
            "Provide BYOC credentials in authentication.",
        )
    is_oauth = method in ("oauth_browser", "oauth_byoc")
    if is_oauth and body.sync_immediately:
        raise Refused(
            400, "OAuth connections cannot use sync_immediately. Sync starts after OAuth callback."
        )
    credentials, config, provider = await _validate(world, body, method, source)
    world.find_collection(body.readable_collection_id)
    now = world.clock.now()
    made = Connection(
        id=new_id(),
        name=body.name or f"{source['name']} Connection",
        description=body.description,
        short_name=body.short_name,
        collection=body.readable_collection_id,
        config=config,
        created_at=now,
        modified_at=now,
        method="oauth_browser" if is_oauth else method,
        authenticated=not is_oauth,
        credentials=credentials,
        given_config=body.config or {},
        given_cron=body.schedule.cron if body.schedule else None,
        provider=provider,
        own_client=method == "oauth_byoc",
    )
    if is_oauth:
        made.session = oauth.begin(world, made, caller, body.redirect_url)
    else:
        made.sync = _first_sync(body, source, now)
    world.connections[made.id] = made
    return made


def update(world: Airweave, connection: Connection, body: UpdateBody) -> None:
    """Change a connection. What is wrong with one part leaves the others undone."""
    given = body.model_fields_set
    now = world.clock.now()
    source = world.sources[connection.short_name]
    config = None
    if "config" in given:
        config = _read_config(world, connection.short_name, body.config or {})
    made_sync = "schedule" in given and _reschedule(connection, body, source)
    if "authentication" in given and isinstance(body.authentication, DirectAuthentication):
        _replace_credentials(world, connection, body.authentication, source)
    if "name" in given:
        if body.name is None:
            text = 'null value in column "name" of relation "source_connection" violates'
            raise Refused(500, f"Internal Server Error: IntegrityError: {text}")
        connection.name = body.name
    if "description" in given:
        connection.description = body.description
    if config is not None:
        connection.config = config
    if made_sync or given & {"name", "description", "config"}:
        connection.modified_at = now


def run(world: Airweave, connection_id: str, full: bool) -> Job:
    """Start a sync."""
    sync = world.find_sync(connection_id)
    if sync.paused:
        raise Refused(409, "Cannot trigger sync: sync is SyncStatus.PAUSED")
    if sync.jobs and sync.jobs[0].is_live:
        status = sync.jobs[0].status
        raise Refused(400, f"Cannot start new sync: a sync job is already {status}")
    now = world.clock.now()
    job = Job(new_id(), queued_at=now, handed_at=now, full=full)
    sync.jobs.insert(0, job)
    return job


def cancel(world: Airweave, job_id: str) -> Job:
    """Cancel a job, whichever connection it belongs to."""
    for connection in world.connections.values():
        for job in connection.sync.jobs if connection.sync else ():
            if job.id == job_id:
                _cancel(world, job)
                return job
    raise Refused(404, "Sync job not found")


async def delete(world: Airweave, connection: Connection) -> None:
    """Delete a connection. A sync that runs is cancelled and waited for, but not for long."""
    job = connection.last_job
    if job is not None and job.is_live:
        if job.status != "cancelling":
            _cancel(world, job)
        if job.is_live:
            wait = world.cancel_seconds if world.worker_alive else DELETE_SECONDS
            await world.pause(wait)
    world.connections.pop(connection.id, None)


def _refuse_beyond_plan(world: Airweave) -> None:
    count, most = len(world.connections), world.max_connections
    if world.payment_status is not None:
        raise Refused(
            400,
            "Action 'source_connections' is not allowed due to payment status: "
            f"{world.payment_status}",
        )
    if most is not None and count >= most:
        raise Refused(400, f"Usage limit exceeded for source_connections: {count}/{most}")


def _method_of(auth: object, source: Json) -> str:
    if isinstance(auth, DirectAuthentication):
        return "direct"
    if isinstance(auth, OAuthTokenAuthentication):
        return "oauth_token"
    if isinstance(auth, AuthProviderAuthentication):
        return "auth_provider"
    if isinstance(auth, OAuthBrowserAuthentication):
        has_client = bool(auth.client_id or auth.consumer_key)
        return "oauth_byoc" if has_client else "oauth_browser"
    return "oauth_browser"


def _refuse_method(method: str, source: Json) -> None:
    known = list(source["auth_methods"])
    if "oauth_browser" in known and "oauth_byoc" not in known:
        known.append("oauth_byoc")
    if method not in known:
        name = source["short_name"]
        raise Refused(
            400,
            f"Source {name} does not support this authentication method. "
            f"Supported methods: {known}",
        )


async def _validate(
    world: Airweave, body: CreateBody, method: str, source: Json
) -> tuple[Json, Json, str | None]:
    auth, name = body.authentication, body.short_name
    provider: str | None = None
    if isinstance(auth, DirectAuthentication):
        credentials = read_fields(world.credential_models, name, auth.credentials, "auth")
        config = _read_config(world, name, body.config or {})
        await _ask_source(world, name, " ".join(map(str, credentials.values())))
        return credentials, config, None
    if isinstance(auth, AuthProviderAuthentication):
        provider = _check_provider(world, auth, source)
    config = _read_config(world, name, body.config or {})
    if isinstance(auth, OAuthTokenAuthentication):
        await _ask_source(world, name, auth.access_token)
    if source["oauth_type"] == "oauth1":
        told = '{"ok":false,"error":"invalid_auth","message":"Bad credentials"}'
        raise Refused(400, f"Failed to obtain request token: {told}")
    is_oauth = isinstance(auth, OAuthTokenAuthentication | OAuthBrowserAuthentication)
    kept = auth.model_dump(mode="json", exclude_none=True) if is_oauth else {}
    return kept, config, provider


def _read_config(world: Airweave, short_name: str, config: Json) -> Json:
    known = short_name in world.config_models or short_name in _UNCHECKED
    return read_fields(world.config_models, short_name, config, "config") if known else {}


def _check_provider(world: Airweave, auth: AuthProviderAuthentication, source: Json) -> str:
    readable_id = auth.provider_readable_id
    found = world.providers.get(readable_id)
    if found is None:
        raise Refused(404, f"Auth provider '{readable_id}' not found")
    supported = source["supported_auth_providers"]
    if found.short_name not in supported:
        raise Refused(
            400,
            f"Source '{source['short_name']}' does not support '{found.short_name}' as auth "
            f"provider. Supported providers: {sorted(supported)}",
        )
    if auth.provider_config is not None:
        read_fields(
            PROVIDER_CONFIGS, found.short_name, auth.provider_config, "auth provider config"
        )
    return readable_id


async def _ask_source(world: Airweave, short_name: str, token: str) -> None:
    """Ask the source's own service about a token; the token says what it answers."""
    if short_name in _UNCHECKED or "good" in token:
        return
    if "slow429" in token:
        await world.pause(SOURCE_BUSY_SECONDS)
        raise Refused(429, "Rate limited (429). Retry after 7.0s", {"retry-after": "7"})
    if "down" in token:
        await world.pause(PROVIDER_DOWN_SECONDS)
        raise Refused(
            502,
            f"The provider for '{short_name}' returned an error while validating credentials. "
            "Please try again later.",
        )
    raise Refused(
        400,
        f"Invalid or revoked OAuth access token for source '{short_name}'. "
        "Verify the token with the provider and try again.",
    )


def _first_sync(body: CreateBody, source: Json, now: datetime) -> Sync | None:
    immediately = body.sync_immediately is not False
    has_schedule = body.schedule is None or body.schedule.cron is not None
    if not immediately and not has_schedule:
        return None
    if source["federated_search"]:
        name = source["short_name"]
        raise Refused(
            500,
            f"Internal Server Error: ValueError: Cannot create sync for federated source '{name}'",
        )
    cron = schedules.default_cron(source, now) if body.schedule is None else body.schedule.cron
    if cron == "" and not immediately:
        raise Refused(
            500,
            "Internal Server Error: ValueError: Cannot create sync: no schedule and "
            "run_immediately=False",
        )
    if cron is not None:
        schedules.check_new(cron, source)
    first = [Job(new_id(), queued_at=now, handed_at=now)] if immediately else []
    return Sync(new_id(), cron, jobs=first)


def _reschedule(connection: Connection, body: UpdateBody, source: Json) -> bool:
    """Set the schedule. Return whether that made a sync; without one the change is dropped."""
    cron = body.schedule.cron if body.schedule else None
    if connection.sync is not None:
        if cron:
            schedules.check_changed(cron, source)
        connection.sync.cron = cron or None
        return False
    if not cron or not connection.authenticated:
        return False
    if source["federated_search"]:
        raise Refused(
            400,
            f"Source '{source['short_name']}' is a federated search source and does not support "
            "scheduled syncs.",
        )
    schedules.check_new(cron, source)
    connection.sync = Sync(new_id(), cron)
    return True


def _replace_credentials(
    world: Airweave, connection: Connection, auth: DirectAuthentication, source: Json
) -> None:
    if "direct" not in source["auth_methods"]:
        raise Refused(422, f"Source '{connection.short_name}' does not support direct auth")
    if connection.method != "direct":
        raise Refused(400, "Credentials can only be updated for direct authentication")
    models = world.credential_models
    credentials = read_fields(models, connection.short_name, auth.credentials, "auth")
    connection.credentials = credentials
    if connection.sync is not None:
        connection.sync.paused = False


def _cancel(world: Airweave, job: Job) -> None:
    if job.status not in ("pending", "running"):
        raise Refused(400, f"Cannot cancel job in {job.status} state")
    now = world.clock.now()
    if job.status == "pending":
        job.status, job.completed_at = "cancelled", now
    else:
        job.status, job.cancelled_at = "cancelling", now
