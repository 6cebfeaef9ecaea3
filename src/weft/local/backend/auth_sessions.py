"""Authorisation in a browser: the pages behind the local backend's links."""

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from weft.backend import AuthSessions
from weft.domain.access.acting import acting
from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json
from weft.domain.connections import (
    WAITING_STATUSES,
    Auth,
    AuthMethod,
    Connection,
    ConnectionChange,
    DirectAuth,
)
from weft.domain.jobs import JobTrigger
from weft.errors import (
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
    NotFound,
    SourceMisconfigured,
    WeftError,
)
from weft.local.auth.authenticator import Authenticator
from weft.local.auth.credentials import Provider
from weft.local.auth.draft import AuthDraft
from weft.local.auth.links import (
    SessionSecrets,
    digest,
    is_over,
    new_token,
    require_client,
    seal_session,
    unseal_session,
)
from weft.local.auth.oauth_clients import OAuthClient
from weft.local.auth.oauth_tokens import Grant, expiry
from weft.local.backend.connections import LocalConnections
from weft.local.backend.jobs import LocalJobs
from weft.local.engine import Engine
from weft.local.jobs.runner import Dispatcher
from weft.local.store.authorizations import AuthSession
from weft.net.redirects import with_query
from weft.sources.base import OAuth1, OAuth2

PERSON: Final = "person"
"""The audit's name for the person who holds a link."""


class LocalAuthSessions(AuthSessions):
    """See AuthSessions. One object serves all organisations, since a link belongs to one."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher) -> None:
        self._engine = engine
        self._dispatcher = dispatcher

    async def form(self, token: str) -> CredentialForm:
        _, found = await self._resolve_link(token, AuthMethod.DIRECT)
        kind = self._engine.registry.get(found.short_name)
        return CredentialForm(
            connection_id=found.id,
            connection_name=found.name,
            source_name=kind.name,
            endpoint=self._engine.endpoint(found.short_name, found.config) or None,
            fields=kind.info().auth_fields,
        )

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        session, found = await self._resolve_link(token, AuthMethod.DIRECT)
        given: Json = {name: value for name, value in values.items() if value not in (None, "")}
        # The page showed this version's endpoint: the credentials must not go to a later one's.
        change = ConnectionChange(
            auth=Auth(direct=DirectAuth(credentials=given)), expected_version=found.version
        )
        with acting(principal=PERSON, transport="page", operation="submit_credentials"):
            await self._connections(session).update(found.id, change)
            return await self._complete(session, found)

    async def start(self, token: str) -> ConsentStart:
        session, found = await self._resolve_link(token, AuthMethod.OAUTH_BROWSER)
        kept = await unseal_session(self._engine, found, session)
        if kept is None or kept.redirect_uri is None:
            raise _dead_link()
        kind = self._engine.registry.get(found.short_name)
        spec, client = await require_client(self._engine, kind, found.config, kept.client)
        # Imported here because it loads the HTTP stack and Authlib.
        from weft.local.auth.oauth_protocol import begin_oauth1, begin_oauth2

        if isinstance(spec, OAuth1):
            http = self._engine.context.http
            consent = await begin_oauth1(http, spec, client, kept.redirect_uri)
        else:
            consent = begin_oauth2(spec, client, kept.redirect_uri)
        if urlsplit(consent.url).scheme not in {"https", "http"}:
            raise SourceMisconfigured("The address of the OAuth provider is not a web address.")
        browser = new_token()
        kept = kept.model_copy(update={"secret": consent.secret})
        if not await self._engine.store.auth_sessions.start(
            digest(token),
            state=digest(consent.state),
            browser=digest(browser),
            sealed=await seal_session(self._engine, found, session.method, kept),
        ):
            raise _dead_link()
        return ConsentStart(url=consent.url, browser=browser)

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        # OAuth 1.0a has no state, but its request token also comes back and is as hard to guess.
        named = ("state", "oauth_token", "denied")
        state = next((params[name] for name in named if params.get(name)), "")
        session = await self._engine.store.auth_sessions.by_state(digest(state))
        if session is None or session.browser is None or is_over(session, self._engine.clock()):
            raise _dead_link()
        # Only the browser that started may finish: otherwise a link sent to someone else would
        # connect that person's account.
        if browser is None or not hmac.compare_digest(session.browser, digest(browser)):
            raise _dead_link()
        found = await self._load_connection(session)
        kept = await unseal_session(self._engine, found, session)
        if kept is None or not await self._engine.store.auth_sessions.use_state(digest(state)):
            raise _dead_link()
        with acting(principal=PERSON, transport="page", operation="oauth_callback"):
            try:
                draft = await self._exchange_consent(found, kept, params, state)
                change = ConnectionChange(expected_version=found.version)
                await self._connections(session).change(found.id, change, draft)
            except WeftError as error:
                return await self._record_failure(session, found, error, params)
            return await self._complete(session, found)

    async def _exchange_consent(
        self, found: Connection, kept: SessionSecrets, params: Mapping[str, str], state: str
    ) -> AuthDraft:
        """Exchange the provider's answer for tokens. Raises an error if the answer is no good."""
        from weft.local.auth.oauth_protocol import error_code_of

        kind = self._engine.registry.get(found.short_name)
        spec, client = await require_client(self._engine, kind, found.config, kept.client)
        # An answer from another provider is ignored, even if it is a refusal.
        if isinstance(spec, OAuth2) and spec.issuer and params.get("iss") != spec.issuer:
            raise AuthenticationFailed(
                "The answer does not come from the provider that was asked.",
                category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            )
        if "error" in params or "denied" in params:
            code = error_code_of(params.get("error")) or (
                "access_denied" if "denied" in params else "another error"
            )
            raise AuthenticationFailed(
                "Consent was not given."
                if code == "access_denied"
                else f"The OAuth provider did not authorise it ({code}).",
                category=ErrorCategory.ACCESS_DENIED,
                hint="Begin again with authorize_connection.",
            )
        grant, seconds = await self._exchange_answer(spec, client, kept, params, state)
        grant = grant.model_copy(update={"client": kept.client or _oauth1_client(spec, client)})
        return AuthDraft(
            AuthMethod.OAUTH_BROWSER,
            grant.model_dump(mode="json"),
            expires_at=expiry(self._engine, seconds),
        )

    async def _exchange_answer(
        self,
        spec: Provider,
        client: OAuthClient,
        kept: SessionSecrets,
        params: Mapping[str, str],
        state: str,
    ) -> tuple[Grant, int | None]:
        from weft.local.auth.oauth_protocol import exchange_code, exchange_verifier

        http, secret = self._engine.context.http, kept.secret or ""
        if isinstance(spec, OAuth1):
            tokens = await exchange_verifier(
                http,
                spec,
                client,
                token=state,
                secret=secret,
                verifier=_require_param(params, "oauth_verifier"),
            )
        else:
            tokens = await exchange_code(
                http,
                spec,
                client,
                code=_require_param(params, "code"),
                verifier=secret,
                redirect_uri=kept.redirect_uri or "",
            )
        grant = Grant(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            token_secret=tokens.secret,
        )
        return grant, tokens.expires_in

    async def _complete(self, session: AuthSession, found: Connection) -> AuthOutcome:
        await self._engine.store.auth_sessions.complete(found.id, session.claim)
        self._engine.changes.announce()
        started = session.syncs and await self._start_sync(session)
        return AuthOutcome(
            ok=True,
            message="The connection is authorised." + (" Its sync has started." if started else ""),
            connection_id=found.id,
            connection_name=found.name,
            redirect_to=_return_url(session, status="success", source_connection_id=found.id),
        )

    async def _start_sync(self, session: AuthSession) -> bool:
        jobs = LocalJobs(self._engine, session.organization_id, self._dispatcher)
        current = await self._load_connection(session)
        trigger = JobTrigger.MANUAL if current.sync.last_job else JobTrigger.INITIAL
        try:
            await jobs.start(current, trigger)
        except (Conflict, NotFound):
            return False  # A job is running already, or the connection has just been deleted.
        return True

    async def _record_failure(
        self,
        session: AuthSession,
        found: Connection,
        error: WeftError,
        params: Mapping[str, str],
    ) -> AuthOutcome:
        from weft.local.auth.oauth_protocol import error_code_of

        if found.status in WAITING_STATUSES:
            # Tell callers who wait for the person why it failed.
            await self._engine.store.connections.mark(
                found, found.status, error.category, error.message
            )
            self._engine.changes.announce()
        code = error_code_of(params.get("error")) or (
            "access_denied" if "denied" in params else error.category.value
        )
        return AuthOutcome(
            ok=False,
            message=error.message,
            connection_id=found.id,
            connection_name=found.name,
            redirect_to=_return_url(
                session, status="error", error=code, source_connection_id=found.id
            ),
        )

    async def _resolve_link(self, token: str, method: AuthMethod) -> tuple[AuthSession, Connection]:
        session = await self._engine.store.auth_sessions.by_link(digest(token))
        if (
            session is None
            or session.method is not method
            or is_over(session, self._engine.clock())
        ):
            raise _dead_link()
        found = await self._load_connection(session)
        if await unseal_session(self._engine, found, session) is None:
            raise _dead_link()  # The connection's secrets now go elsewhere.
        return session, found

    async def _load_connection(self, session: AuthSession) -> Connection:
        found = await self._engine.store.connections.get(
            session.organization_id, session.connection_id
        )
        if found is None:
            raise _dead_link()
        return found

    def _connections(self, session: AuthSession) -> LocalConnections:
        organization_id = session.organization_id
        jobs = LocalJobs(self._engine, organization_id, self._dispatcher)
        authenticator = Authenticator(self._engine, organization_id)
        return LocalConnections(self._engine, organization_id, jobs, authenticator)


def _oauth1_client(spec: Provider, client: OAuthClient) -> OAuthClient | None:
    # OAuth 1.0a signs each request with the consumer's secret, so the connection has to keep it.
    return client if isinstance(spec, OAuth1) else None


def _require_param(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise AuthenticationFailed(
            "The OAuth provider's answer has no code.",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            hint="Begin again with authorize_connection.",
        )
    return value


def _return_url(session: AuthSession, **params: str) -> str | None:
    return None if session.redirect_url is None else with_query(session.redirect_url, **params)


def _dead_link() -> NotFound:
    # The same error whether the link never existed, was used, expired or leads elsewhere.
    return NotFound(
        "This link is not valid: it was used, has expired, or was replaced by a newer one.",
        hint="Ask for a new link.",
    )
