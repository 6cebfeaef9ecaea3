"""The pages where people enter what the remote API needs; Weft passes it on, and keeps nothing."""

from collections.abc import Mapping
from typing import Final

from weft.backend import AuthSessions
from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json
from weft.domain.connections import Connection
from weft.errors import ConnectionFault, NotFound
from weft.net.redirects import with_query
from weft.remote.authorization import RemoteAuthorization
from weft.remote.sources import RemoteSources
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.drafts import Draft, Drafts
from weft.remote.waiting.needs import build_auth, form_fields

_NEXT: Final = "The API has the OAuth client. Now agree at the provider, and the first sync starts."
_DONE: Final = "The API has the credentials."
_RENEWED: Final = "The API has the new credentials, and a sync shows whether the source takes them."


class RemoteAuthSessions(AuthSessions):
    """See AuthSessions. Consent at a provider is between the browser and the API."""

    def __init__(
        self,
        state: RemoteState,
        sources: RemoteSources,
        drafts: Drafts,
        authorization: RemoteAuthorization,
    ) -> None:
        self._origin = state.client.origin
        self._sources = sources
        self._drafts = drafts
        self._authorization = authorization

    async def form(self, token: str) -> CredentialForm:
        draft = await self._resolve(token)
        source = await self._sources.get(await self._authorization.short_name_of(draft))
        return CredentialForm(
            connection_id=draft.id,
            connection_name=draft.connection_name,
            source_name=draft.source_name,
            endpoint=self._origin,
            fields=form_fields(source, draft.method, draft.new),
            passed_on=True,
        )

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        draft = await self._resolve(token)
        auth = build_auth(draft.method, values)
        try:
            made = await self._authorization.complete(draft, auth)
        except ConnectionFault as error:
            error.hint = None  # It is for agents: a person has the form before them.
            raise
        consent = made.auth.auth_url
        started = draft.new is not None and not consent and made.sync.last_job is not None
        text = _NEXT if consent else _DONE if draft.new is not None else _RENEWED
        return AuthOutcome(
            ok=True,
            message=text + (" The first sync has started." if started else ""),
            connection_id=made.id,
            connection_name=draft.connection_name,
            redirect_to=None if consent else _return_url(draft, made),
            next_url=consent,
        )

    async def start(self, token: str) -> ConsentStart:
        del token
        raise _dead_link()

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        del params, browser
        raise _dead_link()

    async def _resolve(self, token: str) -> Draft:
        found = await self._drafts.by_token(token)
        if found is None:
            raise _dead_link()
        return found


def _return_url(draft: Draft, made: Connection) -> str | None:
    if draft.new is None or draft.new.redirect_url is None:
        return None
    return with_query(draft.new.redirect_url, status="success", source_connection_id=made.id)


def _dead_link() -> NotFound:
    return NotFound(
        "This link is not valid: it was used, has expired, or was replaced by a newer one.",
        hint="Ask for a new link.",
    )
