"""Links at which a person authorises a connection in a browser.

A link and all other secrets of an authorisation are stored as digests or sealed, so any process
can serve the link, and the database alone gives nothing away.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from pydantic import Field, ValidationError

from weft.domain.base import Frozen, Json
from weft.domain.connections import AuthMethod, Connection
from weft.errors import AuthenticationFailed, Conflict, NotFound, Unsupported, WeftError
from weft.local.auth.credentials import OAUTH_METHODS, Provider, provider_of, receivers
from weft.local.auth.oauth_clients import OAuthClient, find_operators_client
from weft.local.engine import Engine
from weft.local.store.authorizations import AuthSession
from weft.sources.base import AnySource

LINK_LIFETIME: Final = timedelta(minutes=10)
# A link that ends later was made while the clock was ahead, and would live on for as long.
LINK_LIFETIME_MAX: Final = 2 * LINK_LIFETIME
FORM_PATH: Final = "/authorize/"
START_PATH: Final = "/source-connections/authorize/"
CALLBACK_PATH: Final = "/source-connections/callback"
_TOKEN_BYTES = 32


class SessionSecrets(Frozen):
    """The secrets that an authorisation needs later; stored sealed.

    ``secret`` is the PKCE verifier or the secret of OAuth 1.0a's request token.
    """

    client: OAuthClient | None = None
    redirect_uri: str | None = None
    secret: str | None = Field(default=None, repr=False)


def is_over(session: AuthSession, now: datetime) -> bool:
    """Tell whether the time of the session and its link is over."""
    return not now < session.expires_at <= now + LINK_LIFETIME_MAX


def new_token() -> str:
    """Make a random text that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest(text: str) -> bytes:
    """Hash a `new_token` for storage; 32 random bytes need no slow hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def link_method(kind: type[AnySource], method: AuthMethod) -> AuthMethod:
    """Choose between a page for credentials and consent at a provider. Raises Unsupported."""
    if method is AuthMethod.OAUTH_TOKEN and AuthMethod.OAUTH_BROWSER in kind.auth_methods:
        return AuthMethod.OAUTH_BROWSER
    if method is AuthMethod.OAUTH_BROWSER or (
        method is AuthMethod.DIRECT and kind.info().auth_fields
    ):
        return method
    raise Unsupported(
        "There is nothing that a person could give this connection in a browser.",
        hint=f"It is authenticated with {method.value}; authorize_connection changes that.",
    )


async def require_client(
    engine: Engine, kind: type[AnySource], config: Json, own: OAuthClient | None
) -> tuple[Provider, OAuthClient]:
    """Return the provider and our client there. Raises Unsupported, Conflict or NotPermitted."""
    spec = provider_of(engine, kind, config)
    if spec is None:
        raise Unsupported(f"'{kind.short_name}' has no OAuth provider.", field="auth")
    client = own or await find_operators_client(engine, kind, config, spec)
    if client is None:
        raise Conflict(
            f"There is no OAuth client for '{kind.short_name}'.",
            field="auth",
            hint="Give auth.oauth_browser its own client_id and client_secret (for OAuth 1.0a"
            " consumer_key and consumer_secret), or ask the operator for one:"
            f" `weft oauth-clients set {kind.short_name}`.",
        )
    return spec, client


async def create_link(
    engine: Engine,
    connection: Connection,
    method: AuthMethod,
    *,
    base: str | None,
    own_client: OAuthClient | None,
    redirect_url: str | None,
    syncs: bool,
) -> Connection:
    """Begin an authorisation and return the connection with its link; older links stop working.

    ``base`` is the URL of the pages. Without it no link is made yet, only the client is kept.
    """
    kind = engine.registry.get(connection.short_name)
    if method is AuthMethod.OAUTH_BROWSER:
        await require_client(engine, kind, connection.config, own_client)
    token, claim = new_token(), new_token()
    expires_at = engine.clock() + LINK_LIFETIME
    kept = SessionSecrets(
        client=own_client, redirect_uri=None if base is None else base + CALLBACK_PATH
    )
    session = AuthSession(
        connection_id=connection.id,
        organization_id=connection.organization_id,
        method=method,
        link=None if base is None else digest(token),
        claim=digest(claim),
        sealed=await seal_session(engine, connection, method, kept),
        redirect_url=redirect_url,
        syncs=syncs,
        expires_at=expires_at,
    )
    if not await engine.store.auth_sessions.begin(session):
        raise NotFound("The connection was deleted meanwhile.", field="connection_id")
    engine.changes.announce()
    if base is None:
        return connection
    path = START_PATH if method is AuthMethod.OAUTH_BROWSER else FORM_PATH
    return connection.model_copy(
        update={
            "auth": connection.auth.model_copy(
                update={
                    "auth_url": f"{base}{path}{token}",
                    "auth_url_expires": expires_at,
                    "redirect_url": redirect_url,
                    "claim_token": claim,
                }
            )
        }
    )


async def seal_session(
    engine: Engine, connection: Connection, method: AuthMethod, kept: SessionSecrets
) -> str:
    """Seal ``kept`` for the origins that receive the connection's secrets now."""
    return await engine.seal(
        connection.organization_id,
        connection.id,
        _binding_of(engine, connection, method),
        kept.model_dump(mode="json"),
    )


async def unseal_session(
    engine: Engine, connection: Connection, session: AuthSession
) -> SessionSecrets | None:
    """Open a session's secrets; None if the connection's secrets now go to other origins."""
    try:
        opened = await engine.unseal(
            connection.organization_id,
            connection.id,
            _binding_of(engine, connection, session.method),
            session.sealed,
        )
        return SessionSecrets.model_validate(opened)
    except (AuthenticationFailed, ValidationError):
        return None


async def find_own_client(engine: Engine, connection: Connection) -> OAuthClient | None:
    """Find the connection's own OAuth client, of its last authorisation or an earlier one."""
    store = engine.store
    session = await store.auth_sessions.of_connection(connection.organization_id, connection.id)
    kept = None if session is None else await unseal_session(engine, connection, session)
    if kept is not None and kept.client is not None:
        return kept.client
    if connection.auth.method not in OAUTH_METHODS:
        return None
    sealed = await store.connections.credentials(connection.organization_id, connection.id)
    bound_to = receivers(engine, connection.short_name, connection.config, connection.auth.method)
    try:
        stored = await engine.unseal(connection.organization_id, connection.id, bound_to, sealed)
        return OAuthClient.model_validate(stored["client"]) if stored.get("client") else None
    except (WeftError, ValidationError):
        return None  # The client cannot be opened, so the caller has to give another.


def _binding_of(engine: Engine, connection: Connection, method: AuthMethod) -> str:
    origins = receivers(engine, connection.short_name, connection.config, method)
    return f"session {origins}"
