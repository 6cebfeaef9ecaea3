"""Authorises connections of a remote API."""

from weft.backend import Authorization
from weft.domain.base import Json
from weft.domain.connections import (
    WAITING_STATUSES,
    Auth,
    AuthMethod,
    Connection,
    ConnectionChange,
)
from weft.errors import Conflict, NotFound, NotPermitted
from weft.remote.api.paths import connection_path
from weft.remote.connections.connections import RemoteConnections
from weft.remote.connections.updates import build_renewal_error
from weft.remote.jobs.jobs import RemoteJobs
from weft.remote.sources import RemoteSources
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.claims import Claims
from weft.remote.waiting.drafts import Draft, Drafts
from weft.remote.waiting.needs import find_missing
from weft.wire.connections import read_connection


class RemoteAuthorization(Authorization):
    """See Authorization.

    The claim token of an authorisation that begins here is kept, see `Claims`, and goes to nobody.
    Credentials come from callers, or from people at a page of ours, see `Drafts`.
    """

    def __init__(
        self,
        state: RemoteState,
        sources: RemoteSources,
        connections: RemoteConnections,
        jobs: RemoteJobs,
        drafts: Drafts,
        claims: Claims,
    ) -> None:
        self._client = state.client
        self._sources = sources
        self._connections = connections
        self._jobs = jobs
        self._drafts = drafts
        self._claims = claims

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        """Create a draft's connection with ``auth``, or change direct credentials, which the API
        stores unchecked; a sync then shows whether the source takes them.
        """
        draft = await self._drafts.get(connection)
        if draft is not None and draft.new is not None and draft.connection_id is None:
            return await self._authorize_draft(draft, auth)
        found = await self._connections.get(connection)
        own = auth.oauth_browser
        if own is not None and not (own.client_id or own.consumer_key):
            return await self.begin(found.id, redirect_url=own.redirect_uri)
        return await self._renew(found, auth)

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        """Begin again. A lost answer is an error: the link in it cannot be looked up, and calling
        again is harmless, as it makes a new one.
        """
        draft = await self._drafts.get(connection)
        if draft is not None and draft.connection_id is None:
            await self._connections.require_collection(draft)
            linked, url = await self._drafts.link(draft)
            return linked.to_connection(url=url)
        found = await self._connections.get(connection)
        source = await self._sources.get(found.short_name)
        if not source.keeps_pending and found.auth.method is AuthMethod.DIRECT:
            url = await self._drafts.renew(found, source.name)
            auth = found.auth.model_copy(update={"auth_url": url})
            return found.model_copy(update={"auth": auth})
        if not source.keeps_pending and found.auth.method is AuthMethod.AUTH_PROVIDER:
            raise build_renewal_error(found)
        body: Json | None = {"redirect_url": redirect_url} if redirect_url else None
        started = await self._client.send(
            "POST",
            f"{connection_path(found.id)}/reinitiate-oauth",
            read_connection,
            body,
            missing="connection_id",
        )
        return await self._claims.keep(started)

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

    async def complete(self, draft: Draft, auth: Auth) -> Connection:
        """Create a draft's connection, or renew one's credentials, with what a person entered."""
        if draft.new is None:
            found = await self._renew(await self._connections.get(draft.id), auth)
            await self._drafts.finish(draft, found.id)
            return found
        return await self._authorize_draft(draft, auth)

    async def short_name_of(self, draft: Draft) -> str:
        """Return the short name of the source that a draft is for."""
        if draft.new is not None:
            return draft.new.short_name
        return (await self._connections.get(draft.id)).short_name

    async def _authorize_draft(self, draft: Draft, auth: Auth) -> Connection:
        new = (await self._drafts.require_open(draft)).model_copy(update={"auth": auth})
        source = await self._sources.get(new.short_name)
        method = find_missing(source, new)
        if method is not None:
            changed = draft.model_copy(update={"new": new, "method": method})
            linked, url = await self._drafts.link(changed)
            return linked.to_connection(url=url)
        await self._drafts.hold(draft)
        try:
            made = await self._connections.create_at_api(new, source)
            await self._drafts.finish(draft, made.id)
        except NotFound:
            await self._connections.require_collection(draft)
            raise
        finally:
            await self._drafts.release(draft)
        return made

    async def _renew(self, found: Connection, auth: Auth) -> Connection:
        changed = await self._connections.update(found.id, ConnectionChange(auth=auth))
        if changed.status not in WAITING_STATUSES:
            return changed
        # The API lifts this status only when a sync runs with the new credentials.
        try:
            await self._jobs.run(found.id)
        except Conflict:
            return changed
        return await self._connections.get(found.id)
