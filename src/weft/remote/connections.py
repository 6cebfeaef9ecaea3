"""Manages the connections of a remote API."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from weft.backend import LIST_LIMIT_DEFAULT, Connections, validate_limit
from weft.domain.base import Json, Page
from weft.domain.connections import (
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    NewConnection,
    merge_config,
    refuse_stale,
    validate_description,
    validate_name,
)
from weft.domain.cursors import encode_cursor
from weft.errors import Conflict, Unsupported, WeftError
from weft.remote.client import send_or_find
from weft.remote.collections import CONNECTIONS_PATH, RemoteCollections
from weft.remote.paging import WIRE_PAGE, find_named, skip_of, walk, whole_id
from weft.remote.state import RemoteState
from weft.wire import bodies
from weft.wire.connections import read_connection, read_connections

LOOK_BACK_MAX: Final = 100


class RemoteConnections(Connections):
    """See Connections.

    Weft's own API has versions, and checks them. Airweave's has none: the time of the last change
    serves as one, and a change between our read and our write goes unnoticed.
    """

    def __init__(self, state: RemoteState, collections: RemoteCollections) -> None:
        self._state = state
        self._client = state.client
        self._collections = collections

    async def list(
        self,
        *,
        collection: str | None = None,
        short_name: str | None = None,
        status: ConnectionStatus | None = None,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Connection]:
        """List connections. The API filters by collection only; other filters are applied here."""
        size = validate_limit(limit)
        params: dict[str, str | int] = {}
        if collection is not None:
            params["collection"] = await self._collections.resolve_readable_id(collection)
        filtered = short_name is not None or status is not None
        listed = (CONNECTIONS_PATH, str(params), short_name, status)
        position = skip_of(cursor, *listed)
        taken: list[Connection] = []
        items = walk(
            self._client,
            CONNECTIONS_PATH,
            read_connections,
            params=params,
            skip=position,
            size=WIRE_PAGE if filtered else size + 1,
        )
        async with aclosing(items):
            async for item in items:
                fits = short_name in (None, item.short_name) and status in (None, item.status)
                if fits and len(taken) == size:
                    return Page(items=tuple(taken), next_cursor=encode_cursor(position, *listed))
                position += 1
                if fits:
                    taken.append(item)
        return Page(items=tuple(taken))

    async def get(self, connection: str) -> Connection:
        found = await self.fetch(await self.resolve_id(connection))
        token = self._state.claims.get(found.id)
        if found.status is not ConnectionStatus.PENDING_AUTH or token is None:
            return found
        return await self._verify_if_authorized(found, token)

    async def create(self, new: NewConnection) -> Connection:
        """Create a connection. The collection's newest one is noted first: if the answer is lost,
        a newer one with the same source and name is the one that we asked for.
        """
        _check_texts(new.name, new.description)
        readable_id = new.readable_collection_id
        body = bodies.new_connection(new)
        if readable_id != readable_id.lower() or " " in readable_id:
            readable_id = await self._collections.resolve_readable_id(readable_id)
            body["readable_collection_id"] = readable_id
        newest = next(iter(await self._fetch_newest(readable_id, 1)), None)

        async def look() -> Connection | None:
            fresh = [
                item
                for item in _created_after(
                    newest, await self._fetch_newest(readable_id, LOOK_BACK_MAX)
                )
                if item.short_name == new.short_name and new.name in (None, item.name)
            ]
            if len(fresh) > 1:
                raise Conflict(
                    "The answer was lost, and several such connections were just created: "
                    f"{', '.join(item.id for item in fresh[:5])}.",
                    hint="Look at them with get_connection before creating another.",
                )
            return await self.fetch(fresh[0].id) if fresh else None

        made = await send_or_find(
            lambda: self._client.send(
                "POST",
                CONNECTIONS_PATH,
                read_connection,
                body,
                missing="readable_collection_id",
            ),
            look,
            self._client.timeouts,
            unknown="Whether the connection was created is not known: see list_connections before "
            "creating it again.",
        )
        self._state.own_changes.announce()
        return self._state.learn(made)

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        """Update a connection. The API replaces config and schedule, so both are read, merged and
        sent whole.
        """
        found = await self.get(connection)
        refuse_stale(found, change.expected_version)
        body = _change_body(found, change)
        if not body:
            return found
        if change.expected_version is not None or "config" in body:
            # Airweave ignores it; Weft's own API refuses the change if someone else was faster.
            body["expected_version"] = found.version

        async def look() -> Connection | None:
            now = await self.fetch(found.id)
            return now if now.version != found.version and _reflects(now, body) else None

        updated = await send_or_find(
            lambda: self._client.send(
                "PATCH", _path(found.id), read_connection, body, missing="connection_id"
            ),
            look,
            self._client.timeouts,
            unknown="Whether the connection was changed is not known: see get_connection.",
        )
        self._state.own_changes.announce()
        return self._state.learn(updated)

    async def delete(self, connection: str, *, expected_version: int | None = None) -> Connection:
        found = await self.get(connection)
        refuse_stale(found, expected_version)
        # Weft's own API checks the version again; Airweave ignores it.
        version = {} if expected_version is None else {"expected_version": expected_version}
        await self._client.delete(_path(found.id), params=version, missing="connection_id")
        self._state.claims.pop(found.id, None)
        self._state.own_changes.announce()
        return found

    async def check(self, connection: str) -> CheckResult:
        del connection
        raise Unsupported(
            "The Airweave API cannot check a connection.", hint="run_sync shows whether it works."
        )

    async def fetch(self, connection_id: str) -> Connection:
        """Read the connection with that id."""
        found = await self._client.get(
            _path(connection_id), read_connection, missing="connection_id"
        )
        return self._state.learn(found)

    async def resolve_id(self, text: str) -> str:
        """Return the id of the connection that ``text`` names; a whole id is not looked up."""
        whole = whole_id(text.strip())
        if whole is not None:
            return whole
        found = await find_named(
            self._client,
            CONNECTIONS_PATH,
            read_connections,
            text,
            noun="connection",
            field="connection_id",
        )
        return found.id

    async def verify(self, connection_id: str, claim_token: str) -> Connection:
        """Confirm an authorisation with its claim token, and return the connection."""
        await self._client.send(
            "POST",
            f"{_path(connection_id)}/verify-oauth",
            lambda body: body,
            {"claim_token": claim_token},
            missing="connection_id",
        )
        self._state.claims.pop(connection_id, None)
        self._state.own_changes.announce()
        return await self.fetch(connection_id)

    async def _verify_if_authorized(self, pending: Connection, token: str) -> Connection:
        try:
            return await self.verify(pending.id, token)
        except WeftError:
            # The person has not finished, or the link expired: the connection is still pending.
            return pending

    async def _fetch_newest(self, readable_id: str, count: int) -> Sequence[Connection]:
        return await self._client.get(
            CONNECTIONS_PATH,
            read_connections,
            params={"collection": readable_id, "limit": count},
        )


def _path(connection_id: str) -> str:
    return f"{CONNECTIONS_PATH}/{connection_id}"


def _created_after(newest: Connection | None, listed: Sequence[Connection]) -> Sequence[Connection]:
    """Return the connections created after ``newest``; the API's own clock set both times."""
    if newest is None:
        return listed
    return [
        item for item in listed if item.id != newest.id and item.created_at >= newest.created_at
    ]


def _check_texts(name: str | None, description: str | None) -> None:
    if name is not None:
        validate_name(name)
    if description is not None:
        validate_description(description)


def _change_body(found: Connection, change: ConnectionChange) -> Json:
    given: dict[str, Any] = {
        name: getattr(change, name)
        for name in change.model_fields_set
        if name in ("name", "description")
    }
    if given.get("name", "") is None:
        del given["name"]  # Airweave answers 500 to a name that is null.
    _check_texts(given.get("name"), given.get("description"))
    if change.config is not None:
        given["config"] = merge_config(found.config, change.config)
    if "schedule" in change.model_fields_set:
        spec = change.schedule
        given["schedule"] = (
            bodies.schedule(spec, found.schedule) if spec else dict(bodies.NO_SCHEDULE)
        )
    if change.auth is not None:
        if change.auth.direct is None:
            raise Unsupported(
                "The Airweave API only takes direct credentials for a connection that exists.",
                field="auth",
                hint="Create a new connection for another method.",
            )
        given["authentication"] = bodies.authentication(change.auth)
    return given


def _reflects(connection: Connection, body: Json) -> bool:
    """Tell whether a connection matches ``body``. Credentials cannot be compared."""
    schedule, config = body.get("schedule"), body.get("config")
    cron = schedule.get("cron") if isinstance(schedule, dict) else None
    wanted = config.items() if isinstance(config, dict) else ()
    return (
        body.get("name", connection.name) == connection.name
        and body.get("description", connection.description) == connection.description
        and ("schedule" not in body or cron == (connection.schedule and connection.schedule.cron))
        and all(connection.config.get(key) == value for key, value in wanted)
    )
