"""Authorising connections of the local backend."""

from weft.backend import Authorization
from weft.domain.connections import Auth, Connection
from weft.errors import Unsupported
from weft.local.connections import LocalConnections


class LocalAuthorization(Authorization):
    """See Authorization."""

    def __init__(self, connections: LocalConnections) -> None:
        self._connections = connections

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        return await self._connections.authorize(connection, auth)

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        del connection, redirect_url
        raise Unsupported(
            "This engine has no page for credentials yet.", hint="Give auth.direct instead."
        )

    async def verify(self, connection: str, claim_token: str) -> Connection:
        del connection, claim_token
        raise Unsupported("This engine cannot authorise in a browser yet.")
