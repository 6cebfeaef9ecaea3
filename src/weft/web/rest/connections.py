"""Source connections."""

from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import anyio
from pydantic import BaseModel, Field

from weft.backend import Authorization, Backend
from weft.domain.connections import VERSION_MAX, Connection, ConnectionChange, ConnectionStatus
from weft.errors import Conflict, NotFound, Unsupported
from weft.web.rest.collections import get_exact
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.web.rest.paging import PageQuery, fetch_slice
from weft.wire.connections import ConnectionAnswer, ConnectionItem
from weft.wire.requests import (
    CreateConnectionBody,
    ReinitiateBody,
    UpdateConnectionBody,
    VerifyBody,
)

UPDATE_ATTEMPTS: Final = 3
operation = partial(define, toolset="connections")
_ALL = "/source-connections"
_ONE = "/source-connections/{source_connection_id}"
# A lock for each connection that is being updated; it goes away with its last user.
_turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()


class ConnectionsQuery(PageQuery):
    """``collection`` is a readable id; an unknown one has no connections."""

    collection: str | None = Field(default=None, max_length=200)
    needs_attention: bool = Field(
        default=False, description="Weft's own: only those that need somebody."
    )


class DeleteQuery(BaseModel):
    """Refuses to delete what somebody else changed meanwhile."""

    expected_version: int | None = Field(
        default=None,
        ge=1,
        le=VERSION_MAX,
        description="Weft's own: answer 409 if the version differs.",
    )


@operation("GET", _ALL, list[ConnectionItem], query=ConnectionsQuery)
async def list_source_connections(call: ApiCall[ConnectionsQuery, Nothing]) -> list[ConnectionItem]:
    """List source connections, newest first."""
    readable_id = call.query.collection
    if readable_id is not None:
        try:
            readable_id = (await get_exact(call.backend, readable_id)).readable_id
        except NotFound:
            return []
    fetch = partial(
        call.backend.connections.list,
        collection=readable_id,
        needs_attention=call.query.needs_attention,
    )
    found = await fetch_slice(fetch, skip=call.query.skip, limit=call.query.limit)
    return [ConnectionItem.of(item) for item in found]


@operation("POST", _ALL, ConnectionAnswer, body=CreateConnectionBody, statuses=(400, 404, 409, 502))
async def create_source_connection(
    call: ApiCall[Nothing, CreateConnectionBody],
) -> ConnectionAnswer:
    """Create a source connection, check it at its source, and start the first sync unless
    `sync_immediately` is false. Without credentials that the source needs it waits as
    `pending_auth`, with an `auth_url` where a person authorises it.
    """
    new = call.body.to_new()
    collection = await get_exact(call.backend, new.readable_collection_id)
    new = new.model_copy(update={"readable_collection_id": collection.readable_id})
    return ConnectionAnswer.of(await call.backend.connections.create(new))


@operation("GET", _ONE, ConnectionAnswer, statuses=(404,))
async def get_source_connection(call: ApiCall[Nothing, Nothing]) -> ConnectionAnswer:
    """Get a source connection with its schedule, history and entity counts. No secret is shown."""
    return ConnectionAnswer.of(await call.backend.connections.get(_id_of(call)))


@operation(
    "PATCH", _ONE, ConnectionAnswer, body=UpdateConnectionBody, statuses=(400, 404, 409, 502)
)
async def update_source_connection(
    call: ApiCall[Nothing, UpdateConnectionBody],
) -> ConnectionAnswer:
    """Change a source connection; omitted fields stay as they are."""
    # Answer 404 first: nobody may wait for another's connection, or for one that does not exist.
    found = await call.backend.connections.get(_id_of(call))
    turn = _turns.setdefault(found.id, anyio.Lock())
    async with turn:
        return ConnectionAnswer.of(await _update(call.backend, found.id, call.body.to_change()))


@operation("DELETE", _ONE, ConnectionAnswer, query=DeleteQuery, statuses=(404, 409))
async def delete_source_connection(call: ApiCall[DeleteQuery, Nothing]) -> ConnectionAnswer:
    """Delete a source connection and all that it synced, after cancelling a running sync (up to
    15 s). The answer is the connection as it was. This cannot be undone.
    """
    gone = await call.backend.connections.delete(
        _id_of(call), expected_version=call.query.expected_version, permanently=True
    )
    return ConnectionAnswer.of(gone)


@operation(
    "POST", f"{_ONE}/verify-oauth", ConnectionAnswer, body=VerifyBody, statuses=(400, 404, 409)
)
async def verify_oauth(call: ApiCall[Nothing, VerifyBody]) -> ConnectionAnswer:
    """Confirm an authorisation in a browser, with the `claim_token` that its beginning gave."""
    await call.backend.connections.get(_id_of(call))
    authorization = _require_authorization(call.backend.authorization)
    return ConnectionAnswer.of(await authorization.verify(_id_of(call), call.body.claim_token))


@operation(
    "POST",
    f"{_ONE}/reinitiate-oauth",
    ConnectionAnswer,
    body=ReinitiateBody,
    body_required=False,
    statuses=(400, 404, 409, 502),
)
async def reinitiate_oauth(call: ApiCall[Nothing, ReinitiateBody]) -> ConnectionAnswer:
    """Make a new `auth_url` for a connection that waits for a person to authorise it."""
    found = await call.backend.connections.get(_id_of(call))
    if found.auth.authenticated and found.status is not ConnectionStatus.NEEDS_REAUTH:
        raise Unsupported("Connection is already authenticated")
    redirect_url = call.body.redirect_url or call.body.redirect_uri
    begun = await _require_authorization(call.backend.authorization).begin(
        found.id, redirect_url=redirect_url
    )
    return ConnectionAnswer.of(begun)


def _id_of(call: ApiCall[Any, Any]) -> str:
    return call.path["source_connection_id"]


async def _update(backend: Backend, id_: str, change: ConnectionChange) -> Connection:
    if change.config is None:
        return await backend.connections.update(id_, change)
    for _ in range(UPDATE_ATTEMPTS):
        found = await backend.connections.get(id_)
        try:
            return await backend.connections.update(id_, _as_replacement(change, found))
        except Conflict as error:
            if change.expected_version is not None or error.field != "expected_version":
                raise
    raise Conflict("The connection keeps being changed by others.", hint="Try again.")


def _as_replacement(change: ConnectionChange, found: Connection) -> ConnectionChange:
    """Make the change replace the whole configuration: keys that it omits are removed.

    It is bound to the version that was read, because those keys come from there.
    """
    config = dict.fromkeys(found.config) | (change.config or {})
    version = change.expected_version or found.version
    return change.model_copy(update={"config": config, "expected_version": version})


def _require_authorization(authorization: Authorization | None) -> Authorization:
    if authorization is None:
        raise Unsupported("This server cannot authorise connections in a browser.")
    return authorization


OPERATIONS = (
    list_source_connections,
    create_source_connection,
    get_source_connection,
    update_source_connection,
    delete_source_connection,
    verify_oauth,
    reinitiate_oauth,
)
