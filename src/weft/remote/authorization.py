"""Authorises connections of a remote API."""

from weft.backend import Authorization
from weft.domain.base import Json
from weft.domain.connections import Auth, Connection, ConnectionChange
from weft.errors import NotPermitted
from weft.remote.collections import CONNECTIONS_PATH
from weft.remote.connections import RemoteConnections
from weft.remote.state import RemoteState
from weft.wire.connections import read_connection


class RemoteAuthorization(Authorization):
    """See Authorization.

    The claim token of an authorisation that began here stays in this process. Whenever the pending
    connection is read, the token is used to confirm the authorisation to the API.
    """

    def __init__(self, state: RemoteState, connections: RemoteConnections) -> None:
        self._state = state
        self._client = state.client
        self._connections = connections

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        return await self._connections.update(connection, ConnectionChange(auth=auth))

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        """Begin again. A lost answer is an error: the link in it cannot be looked up, and calling
        again is harmless, as it makes a new one.
        """
        connection_id = await self._connections.resolve_id(connection)
        body: Json | None = {"redirect_url": redirect_url} if redirect_url else None
        started = await self._client.send(
            "POST",
            f"{CONNECTIONS_PATH}/{connection_id}/reinitiate-oauth",
            read_connection,
            body,
            missing="connection_id",
        )
        return self._state.learn(started)

    async def verify(self, connection: str, claim_token: str) -> Connection:
        connection_id = await self._connections.resolve_id(connection)
        try:
            return await self._connections.verify(connection_id, claim_token)
        except NotPermitted:
            raise NotPermitted(
                "The claim token is not the one that was given for this connection.",
                field="claim_token",
                hint="Begin the authorisation again with authorize_connection.",
            ) from None
