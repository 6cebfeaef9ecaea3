"""Drafts, checks, seals and fetches the credentials that let a connection into its source."""

import logging
from datetime import UTC
from typing import NamedTuple, TypeVar

import anyio

from weft.domain.access.secrets import require_value
from weft.domain.base import Json
from weft.domain.connections import (
    Auth,
    AuthMethod,
    Connection,
    OAuthBrowserAuth,
    OAuthTokenAuth,
)
from weft.errors import (
    AuthenticationFailed,
    ErrorCategory,
    InvalidInput,
    SourceUnavailable,
    Unsupported,
    WeftError,
)
from weft.local.auth.credentials import (
    OAUTH_METHODS,
    CredentialRef,
    category_of,
    load_ref,
    provider_of,
    receivers,
    unseal,
)
from weft.local.auth.draft import AuthDraft
from weft.local.auth.oauth_clients import OAuthClient, token_origin
from weft.local.auth.oauth_tokens import (
    Grant,
    ensure_fresh_grant,
    exchange_grant,
    is_expiring,
    refuse_expired,
    renew_refused,
)
from weft.local.auth.providers import draft_provider, fetch_fields
from weft.local.auth.secret_refs import resolve_secret_refs
from weft.local.engine import Engine
from weft.net.redirects import parse_redirect
from weft.sources.base import AnySource, OAuth1, OAuth2

logger = logging.getLogger(__name__)

CHECK_SECONDS = 20.0
F = TypeVar("F", OAuthBrowserAuth, OAuthTokenAuth)


class Reached(NamedTuple):
    """A source that answered a check, and what it said was reached."""

    detail: str
    source: AnySource


class Authenticator:
    """The credentials of one organisation's connections."""

    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def draft(self, kind: type[AnySource], auth: Auth | None, config: Json) -> AuthDraft:
        """Validate credentials from a caller, and check that the source offers their method.

        Raises InvalidInput or Unsupported; for OAuth tokens and auth providers also the error
        that shows that they cannot be used.
        """
        if auth is None:
            needs = kind.info().auth_required
            return AuthDraft(kind.auth_methods[0], None if needs else {})
        method = _parse_method(kind, auth)
        if auth.direct is not None:
            await self._validate_direct(kind, auth.direct.credentials, config)
            return AuthDraft(method, auth.direct.credentials)
        if auth.oauth_browser is not None:
            return await self._draft_browser(kind, auth.oauth_browser, config)
        if auth.oauth_token is not None:
            return await self._draft_token(kind, auth.oauth_token, config)
        if auth.auth_provider is None:
            raise AssertionError("exactly one method was given")
        given = auth.auth_provider
        return await draft_provider(self._engine, self._organization_id, kind, config, given)

    async def try_draft(self, kind: type[AnySource], config: Json, draft: AuthDraft) -> Reached:
        """Try drafted credentials at the source. Raises the source's error."""
        fields = await _resolve_fields(
            self._engine, self._organization_id, kind, config, draft.method, draft.stored or {}
        )
        try:
            return await self.reach(kind.short_name, config, fields)
        except AuthenticationFailed as error:
            raise explain_refusal(error, draft.method) from None

    async def find_needed(
        self, kind: type[AnySource], config: Json, draft: AuthDraft
    ) -> tuple[AuthDraft, Reached | None]:
        """Try a draft in which no credentials were given to a source that may do without.

        Return one that waits for a person if the source refuses that. Raises its other errors.
        """
        try:
            return draft, await self.try_draft(kind, config, draft)
        except AuthenticationFailed:
            if draft.stored or not kind.info().auth_fields:
                raise
            return AuthDraft(draft.method, None), None

    async def reach(self, short_name: str, config: Json, credentials: Json) -> Reached:
        """Check at the source. Raises its error, or SourceUnavailable when it takes too long."""
        source = self._engine.open_source(short_name, config, credentials)
        try:
            with anyio.move_on_after(CHECK_SECONDS):
                return Reached(await source.check(), source)
        except WeftError as error:
            # A source names its own field, which callers know as part of config.
            if error.field in {field.name for field in source.info().config_fields}:
                error.field = f"config.{error.field}"
            raise
        except Exception as error:  # noqa: BLE001 (third-party code: it may raise anything)
            # Only the type is shown: the text may hold a secret.
            kind = type(error).__name__
            logger.error("the check of a '%s' connection crashed: %s", short_name, kind)
            raise WeftError(f"The source '{short_name}' crashed ({kind}).") from None
        raise SourceUnavailable(
            f"The source did not answer within {CHECK_SECONDS:.0f} s.", hint="Try again later."
        )

    async def check(self, found: Connection) -> Reached:
        """Check a stored connection, refreshing its token once if the source refuses it."""
        ref = await load_ref(self._engine, found)
        try:
            return await self._reach_as_stored(ref)
        except AuthenticationFailed as error:
            if not await self._renew(ref):
                raise explain_refusal(error, ref.method, found.id) from None
        try:
            return await self._reach_as_stored(await load_ref(self._engine, found))
        except AuthenticationFailed as error:
            raise explain_refusal(error, ref.method, found.id) from None

    async def check_config(self, found: Connection, config: Json) -> Reached:
        """Check ``config`` with the stored credentials, if it sends them to the same receivers.

        Raises the source's error.
        """
        credentials = await fetch_credentials(self._engine, await load_ref(self._engine, found))
        try:
            return await self.reach(found.short_name, config, credentials)
        except AuthenticationFailed as error:
            raise explain_refusal(error, found.auth.method, found.id) from None

    async def seal(
        self, connection_id: str, kind: type[AnySource], config: Json, draft: AuthDraft
    ) -> str | None:
        """Encrypt a draft for one connection and the origins that may receive it."""
        if not draft.stored:
            return None
        bound_to = receivers(self._engine, kind.short_name, config, draft.method)
        return await self._engine.seal(self._organization_id, connection_id, bound_to, draft.stored)

    async def _renew(self, ref: CredentialRef) -> bool:
        try:
            return await renew_refused(self._engine, ref)
        except AuthenticationFailed as error:
            raise explain_refusal(error, ref.method, ref.connection_id) from None

    async def _reach_as_stored(self, ref: CredentialRef) -> Reached:
        credentials = await fetch_credentials(self._engine, ref)
        return await self.reach(ref.short_name, ref.config, credentials)

    async def _validate_direct(
        self, kind: type[AnySource], credentials: Json, config: Json
    ) -> None:
        endpoint = self._engine.endpoint(kind.short_name, config)
        resolved = await resolve_secret_refs(
            self._engine, self._organization_id, kind.info(), [endpoint], credentials
        )
        self._engine.parse_credentials(kind, resolved)

    async def _draft_browser(
        self, kind: type[AnySource], auth: OAuthBrowserAuth, config: Json
    ) -> AuthDraft:
        spec = provider_of(self._engine, kind, config)
        if spec is None:
            raise _no_oauth(kind)
        auth = await self._resolve_refs(kind, config, spec, auth, "auth.oauth_browser")
        return AuthDraft(
            AuthMethod.OAUTH_BROWSER,
            None,
            client=_parse_own_client(auth, spec),
            redirect_url=parse_redirect(auth.redirect_uri, "auth.oauth_browser.redirect_uri"),
        )

    async def _draft_token(
        self, kind: type[AnySource], auth: OAuthTokenAuth, config: Json
    ) -> AuthDraft:
        spec = provider_of(self._engine, kind, config)
        if not isinstance(spec, OAuth2):
            raise _no_oauth(kind)
        auth = await self._resolve_refs(kind, config, spec, auth, "auth.oauth_token")
        access_token = require_value(auth.access_token)
        if not access_token or not access_token.strip():
            raise InvalidInput(
                "auth.oauth_token.access_token must not be empty.",
                field="auth.oauth_token.access_token",
            )
        refresh_token = require_value(auth.refresh_token) or None
        grant = Grant(access_token=access_token, refresh_token=refresh_token)
        expires_at, now = auth.expires_at, self._engine.clock()
        if expires_at is not None:
            expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
            if grant.refresh_token is None:
                refuse_expired(expires_at, now)
            elif is_expiring(expires_at, now):
                grant, expires_at = await exchange_grant(self._engine, kind, config, spec, grant)
        return AuthDraft(AuthMethod.OAUTH_TOKEN, grant.model_dump(mode="json"), expires_at)

    async def _resolve_refs(
        self, kind: type[AnySource], config: Json, spec: OAuth2 | OAuth1, form: F, field: str
    ) -> F:
        """Replace references to secrets that both the source and its OAuth provider may have."""
        origins = [self._engine.endpoint(kind.short_name, config), token_origin(spec)]
        given = form.model_dump(mode="json", exclude_none=True)
        try:
            resolved = await resolve_secret_refs(
                self._engine, self._organization_id, kind.info(), origins, given
            )
        except WeftError as error:
            error.field = field
            raise
        return type(form).model_validate(resolved)


async def fetch_credentials(engine: Engine, ref: CredentialRef) -> Json:
    """Fetch the credentials for the source: look up secrets, refresh or fetch tokens.

    Raises AuthenticationFailed when there are none, and TryLater errors.
    """
    kind = engine.registry.get(ref.short_name)
    if ref.sealed is None and ref.method is AuthMethod.DIRECT and not kind.info().auth_required:
        return {}
    if ref.method in OAUTH_METHODS:
        grant = await ensure_fresh_grant(engine, ref)
        return _token_fields(engine, kind, ref.config, grant)
    stored = await unseal(engine, ref)
    return await _resolve_fields(engine, ref.organization_id, kind, ref.config, ref.method, stored)


def explain_refusal(
    error: AuthenticationFailed, method: AuthMethod, connection_id: str | None = None
) -> AuthenticationFailed:
    """Return ``error`` with the category of that method and a hint added."""
    if error.category is ErrorCategory.API_KEY_INVALID:
        error.category = category_of(method)
    if error.hint is None and method is AuthMethod.AUTH_PROVIDER:
        error.hint = "Connect the account again at the auth provider."
    elif error.hint is None and connection_id is not None:
        error.hint = f"Call authorize_connection(connection_id='{connection_id}')."
    return error


async def _resolve_fields(
    engine: Engine,
    organization_id: str,
    kind: type[AnySource],
    config: Json,
    method: AuthMethod,
    stored: Json,
) -> Json:
    """Turn stored credentials into the fields that the source takes."""
    match method:
        case AuthMethod.DIRECT:
            endpoint = engine.endpoint(kind.short_name, config)
            return await resolve_secret_refs(
                engine, organization_id, kind.info(), [endpoint], stored
            )
        case AuthMethod.AUTH_PROVIDER:
            spec = provider_of(engine, kind, config)
            return await fetch_fields(engine, organization_id, kind, config, spec, stored)
        case _:
            return _token_fields(engine, kind, config, Grant.model_validate(stored))


def _token_fields(engine: Engine, kind: type[AnySource], config: Json, grant: Grant) -> Json:
    spec = provider_of(engine, kind, config)
    if isinstance(spec, OAuth2):
        return {spec.token_field: grant.access_token}
    if spec is None or grant.token_secret is None or grant.client is None:
        raise AuthenticationFailed(
            "The stored tokens are not of the kind that the source takes now.",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            hint="Authorise the connection again with authorize_connection.",
        )
    return {
        spec.token_field: grant.access_token,
        spec.token_secret_field: grant.token_secret,
        spec.consumer_key_field: grant.client.client_id,
        spec.consumer_secret_field: grant.client.client_secret or "",
    }


def _parse_own_client(auth: OAuthBrowserAuth, spec: OAuth2 | OAuth1) -> OAuthClient | None:
    """Return the OAuth client that the connection brought, if any, checked against the protocol."""
    field = "auth.oauth_browser"
    names = ("consumer_key", "consumer_secret", "client_id", "client_secret")
    given = {name for name in names if getattr(auth, name)}
    wanted = set(names[:2] if isinstance(spec, OAuth1) else names[2:])
    if not given <= wanted:
        version = "OAuth 1.0a" if isinstance(spec, OAuth1) else "OAuth 2"
        raise InvalidInput(
            f"The source's provider speaks {version}.",
            field=field,
            hint=f"Give {' and '.join(sorted(wanted))}.",
        )
    if not given:
        return None
    key, secret = (
        (auth.consumer_key, auth.consumer_secret)
        if isinstance(spec, OAuth1)
        else (auth.client_id, auth.client_secret)
    )
    if not key or (isinstance(spec, OAuth1) and not secret):
        raise InvalidInput(
            f"{field} has a secret or a key alone.",
            field=field,
            hint=f"Give both: {' and '.join(sorted(wanted))}.",
        )
    return OAuthClient(client_id=key, client_secret=require_value(secret) or None)


def _parse_method(kind: type[AnySource], auth: Auth) -> AuthMethod:
    try:
        method = auth.method
    except ValueError:
        names = ", ".join(method.value for method in AuthMethod)
        raise InvalidInput(f"auth needs exactly one of: {names}.", field="auth") from None
    if method not in kind.auth_methods:
        offered = ", ".join(method.value for method in kind.auth_methods)
        raise Unsupported(
            f"The source '{kind.short_name}' does not authenticate with {method.value}.",
            field="auth",
            hint=f"It takes: {offered}.",
        )
    return method


def _no_oauth(kind: type[AnySource]) -> Unsupported:
    return Unsupported(
        f"With this configuration, '{kind.short_name}' has no OAuth provider that could do it.",
        field="auth",
        hint="Give credentials with auth.direct.",
    )
