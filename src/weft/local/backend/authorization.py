"""Authorisation of connections in the local backend."""

import hmac

from weft.backend import Authorization
from weft.domain.connections import Auth, AuthMethod, Connection, ConnectionChange, ConnectionStatus
from weft.errors import Conflict, NotPermitted, Unsupported
from weft.local.auth.authenticator import Authenticator
from weft.local.auth.links import create_link, digest, find_own_client, link_method
from weft.local.auth.oauth_clients import OAuthClient
from weft.local.backend.connections import LocalConnections
from weft.local.engine import Engine
from weft.net.redirects import parse_redirect


class LocalAuthorization(Authorization):
    def __init__(
        self, engine: Engine, connections: LocalConnections, authenticator: Authenticator
    ) -> None:
        self._engine = engine
        self._connections = connections
        self._authenticator = authenticator

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        if auth.oauth_browser is None:
            return await self._connections.update(connection, ConnectionChange(auth=auth))
        found = await self._connections.get(connection)
        kind = self._engine.registry.get(found.short_name)
        draft = await self._authenticator.draft(kind, auth, found.config)
        return await self._link(found, AuthMethod.OAUTH_BROWSER, draft.client, draft.redirect_url)

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        url = parse_redirect(redirect_url, "redirect_url")
        found = await self._connections.get(connection)
        return await self._link(found, None, None, url)

    async def verify(self, connection: str, claim_token: str) -> Connection:
        found = await self._connections.get(connection)
        session = await self._engine.store.auth_sessions.of_connection(
            found.organization_id, found.id
        )
        if session is None or not hmac.compare_digest(session.claim, digest(claim_token)):
            raise NotPermitted(
                "The claim token is not that of this connection's authorisation.",
                field="claim_token",
                hint="Begin it again; only who began it can confirm it.",
            )
        if session.completed_at is None:
            raise Conflict(
                "The person has not finished the authorisation yet.",
                field="connection_id",
                hint="Ask again later, or begin it again when its link has expired.",
            )
        return found

    async def _link(
        self,
        found: Connection,
        method: AuthMethod | None,
        client: OAuthClient | None,
        redirect_url: str | None,
    ) -> Connection:
        """Make a link for ``method``, else that of the last unused link, else the connection's."""
        kind = self._engine.registry.get(found.short_name)
        session = await self._engine.store.auth_sessions.of_connection(
            found.organization_id, found.id
        )
        unfinished = session is not None and session.completed_at is None
        if method is None and session is not None and unfinished:
            method = session.method
        method = link_method(kind, method or found.auth.method)
        if client is None and method is AuthMethod.OAUTH_BROWSER:
            client = await find_own_client(self._engine, found)
        before = None if session is None else session.redirect_url
        if self._engine.pages is None:
            raise Unsupported(
                "This process shows no pages for people.",
                hint="Use a server: `weft serve`, or give credentials with auth.direct.",
            )
        return await create_link(
            self._engine,
            found,
            method,
            base=await self._engine.pages(),
            own_client=client,
            redirect_url=redirect_url or before or found.auth.redirect_url,
            syncs=session.syncs
            if session is not None
            else found.status is ConnectionStatus.PENDING_AUTH,
        )
