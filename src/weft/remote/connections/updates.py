"""Changes connections at a remote API: once, however its answer fares."""

from typing import Any, Final

from weft.domain.base import Json
from weft.domain.connections import (
    AuthMethod,
    Connection,
    ConnectionChange,
    merge_config,
    validate_description,
    validate_name,
)
from weft.errors import Unsupported
from weft.remote.api.client import send_or_find
from weft.remote.api.paths import connection_path
from weft.remote.connections.unkept import refuse_early_schedule, refuse_move, refuse_unkept
from weft.remote.sources import RemoteSources
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.needs import ResolveSecrets, resolve_credentials
from weft.wire import bodies
from weft.wire.connections import read_connection

_SHAPED: Final = frozenset({"config", "schedule", "readable_collection_id"})
"""The fields of which Weft's own API takes more than Airweave's."""


class Updates:
    """Changes connections that exist at the API."""

    def __init__(
        self, state: RemoteState, sources: RemoteSources, resolve_secrets: ResolveSecrets | None
    ) -> None:
        self._state = state
        self._client = state.client
        self._sources = sources
        self._resolve_secrets = resolve_secrets

    async def update(self, found: Connection, change: ConnectionChange) -> Connection:
        """Change the connection that was just read. The API replaces config and schedule, so both
        are merged and sent whole.
        """
        body = await self._build_body(found, change)
        if not body:
            return found
        if change.expected_version is not None or "config" in body:
            # Airweave ignores it; Weft's own API refuses the change if someone else was faster.
            body["expected_version"] = found.version

        async def look() -> Connection | None:
            now = await self._state.fetch_connection(found.id)
            return now if now.version != found.version and _reflects(now, body) else None

        updated = await send_or_find(
            lambda: self._client.send(
                "PATCH", connection_path(found.id), read_connection, body, missing="connection_id"
            ),
            look,
            self._client.timeouts,
            unknown="Whether the connection was changed is not known: see get_connection.",
        )
        self._state.own_changes.announce()
        return self._state.learn(updated)

    async def _build_body(self, found: Connection, change: ConnectionChange) -> Json:
        body = _plain_changes(found, change)
        if not body.keys() & _SHAPED and change.auth is None:
            return body
        source = await self._sources.get(found.short_name)
        if not source.keeps_pending:
            refuse_move(found, change)
            refuse_unkept(source, change.config, change.schedule)
            refuse_early_schedule(found, change)
        if change.auth is None:
            return body
        is_direct = source.keeps_pending or found.auth.method is AuthMethod.DIRECT
        if change.auth.direct is None or not is_direct:
            raise build_renewal_error(found)
        config = merge_config(found.config, change.config or {})
        auth = await resolve_credentials(
            self._resolve_secrets, self._client.origin, source, config, change.auth
        )
        body["authentication"] = bodies.authentication(auth or change.auth)
        return body


def build_renewal_error(found: Connection) -> Unsupported:
    """Build the error for credentials that cannot be changed; it says how they are renewed."""
    if found.auth.method is AuthMethod.AUTH_PROVIDER:
        return Unsupported(
            "The credentials of this connection are at its auth provider: there is nothing to give "
            "here.",
            field="auth",
            hint="Connect the account again at the auth provider, then call run_sync. For another "
            "method create a new connection.",
        )
    if found.auth.method is AuthMethod.DIRECT:
        return Unsupported(
            "This connection has direct credentials, and the Airweave API takes no others for it.",
            field="auth",
            hint="Give auth.direct, or leave auth out for a page where the user enters them. For "
            "another method create a new connection.",
        )
    return Unsupported(
        "The Airweave API changes only direct credentials, and this connection has others.",
        field="auth",
        hint="Call authorize_connection without auth for a link to the provider's consent. For "
        "another method create a new connection.",
    )


def validate_texts(name: str | None, description: str | None) -> None:
    """Refuse a name or description that is given and that no connection may have."""
    if name is not None:
        validate_name(name)
    if description is not None:
        validate_description(description)


def _plain_changes(found: Connection, change: ConnectionChange) -> Json:
    given: dict[str, Any] = {
        name: getattr(change, name)
        for name in change.model_fields_set
        if name in ("name", "description")
    }
    target = change.readable_collection_id
    if target not in (None, found.readable_collection_id):
        given["readable_collection_id"] = target
    if given.get("name", "") is None:
        del given["name"]  # Airweave answers 500 to a name that is null.
    validate_texts(given.get("name"), given.get("description"))
    if "config" in change.model_fields_set:
        given["config"] = merge_config(found.config, change.config)
    if "schedule" in change.model_fields_set:
        spec = change.schedule
        given["schedule"] = (
            bodies.schedule(spec, found.schedule) if spec else dict(bodies.NO_SCHEDULE)
        )
    return given


def _reflects(connection: Connection, body: Json) -> bool:
    """Tell whether a connection matches ``body``. Credentials cannot be compared."""
    schedule, config = body.get("schedule"), body.get("config")
    cron = schedule.get("cron") if isinstance(schedule, dict) else None
    wanted = config.items() if isinstance(config, dict) else ()
    return (
        body.get("name", connection.name) == connection.name
        and body.get("readable_collection_id", connection.readable_collection_id)
        == connection.readable_collection_id
        and body.get("description", connection.description) == connection.description
        and ("schedule" not in body or cron == (connection.schedule and connection.schedule.cron))
        and all(connection.config.get(key) == value for key, value in wanted)
    )
