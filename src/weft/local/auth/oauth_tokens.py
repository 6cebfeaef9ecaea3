"""Refreshes the tokens of OAuth connections before they expire.

A rotating refresh token works only once. So the process that refreshes holds a lease in the
database; the others wait and find the new tokens there. New tokens are stored before the old ones
are forgotten. Only a crash between the provider's answer and the store loses them; the provider
then refuses the old token, and the connection needs a new authorisation.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

import anyio
from pydantic import Field, ValidationError

from weft.domain.base import Frozen, Json
from weft.errors import AuthenticationFailed, ErrorCategory, NotFound, SourceUnavailable
from weft.local.auth.credentials import (
    OAUTH_METHODS,
    CredentialRef,
    Provider,
    load_ref,
    provider_of,
    receivers,
    unseal,
)
from weft.local.auth.oauth_clients import OAuthClient, find_operators_client
from weft.local.engine import Engine
from weft.sources.base import AnySource, OAuth2

REFRESH_AHEAD: Final = timedelta(seconds=60)
"""A token that expires within this time is refreshed before it is used."""

EXCHANGE_SECONDS: Final = 15.0
LEASE: Final = timedelta(seconds=30)
WAIT_SECONDS: Final = 45.0
LOOK_SECONDS: Final = 0.2


class Grant(Frozen):
    """The tokens of an OAuth connection; stored sealed.

    ``client`` is the connection's own OAuth client; without one it uses the operator's.
    """

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    token_secret: str | None = Field(default=None, repr=False)
    client: OAuthClient | None = None


async def ensure_fresh_grant(engine: Engine, ref: CredentialRef) -> Grant:
    """Return tokens that can be used now; refresh them if they are about to expire.

    Raises AuthenticationFailed when they expired and cannot be refreshed, and TryLater errors.
    """
    grant, ref = await _wait_for_fresh(engine, ref, None)
    if grant.refresh_token is None and ref.expires_at is not None:
        refuse_expired(ref.expires_at, engine.clock())
    return grant


async def renew_refused(engine: Engine, ref: CredentialRef) -> bool:
    """Replace a token that the source refused; return whether there is a new one now.

    Errors as `ensure_fresh_grant`.
    """
    if ref.method not in OAUTH_METHODS or ref.sealed is None:
        return False
    refused = _parse_grant(await unseal(engine, ref))
    current, _ = await _wait_for_fresh(engine, ref, refused.access_token)
    return current.access_token != refused.access_token


def refuse_expired(expires_at: datetime, now: datetime) -> None:
    """Raise AuthenticationFailed when the token has expired."""
    if expires_at <= now:
        raise AuthenticationFailed(
            f"The access token expired at {expires_at:%Y-%m-%d %H:%M} UTC, and there is no refresh"
            " token.",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            hint="Give a new one with authorize_connection.",
        )


def is_expiring(expires_at: datetime | None, now: datetime) -> bool:
    """Tell whether a token expires so soon that it should be refreshed first."""
    return expires_at is not None and expires_at <= now + REFRESH_AHEAD


async def exchange_grant(
    engine: Engine, kind: type[AnySource], config: Json, spec: Provider | None, grant: Grant
) -> tuple[Grant, datetime | None]:
    """Exchange the refresh token; return the new grant and when it expires.

    Errors as `ensure_fresh_grant`.
    """
    # Imported here because it loads the HTTP stack and Authlib.
    from weft.local.auth.oauth_protocol import exchange_refresh_token

    if not isinstance(spec, OAuth2) or grant.refresh_token is None:
        raise AssertionError("only OAuth 2 grants with a refresh token are refreshed")
    client = grant.client or await find_operators_client(engine, kind, config, spec)
    if client is None:
        raise AuthenticationFailed(
            "The access token has expired, and without an OAuth client it cannot be refreshed.",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            hint=f"The operator sets one with `weft oauth-clients set {kind.short_name}`; or"
            " authorise the connection again.",
        )
    tokens = await exchange_refresh_token(engine.context.http, spec, client, grant.refresh_token)
    changed = grant.model_copy(
        update={"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    )
    return changed, expiry(engine, tokens.expires_in)


def expiry(engine: Engine, seconds: int | None) -> datetime | None:
    """Return the time at which a token issued now expires."""
    return None if seconds is None else engine.clock() + timedelta(seconds=seconds)


async def _wait_for_fresh(
    engine: Engine, ref: CredentialRef, refused: str | None
) -> tuple[Grant, CredentialRef]:
    """Refresh, or wait for another process to do so, until the token can be used."""
    holder = secrets.token_hex(16)
    with anyio.move_on_after(WAIT_SECONDS):
        while True:
            grant = _parse_grant(await unseal(engine, ref))
            stale = grant.access_token == refused or is_expiring(ref.expires_at, engine.clock())
            if not stale or grant.refresh_token is None:
                return grant, ref
            mark = engine.changes.mark()
            state = await engine.store.tokens.lease(
                ref.connection_id, ref.sealed, holder=holder, duration=LEASE
            )
            if state is None:
                raise NotFound("The connection was deleted meanwhile.", field="connection_id")
            if state.held:
                await _refresh(engine, ref, grant, holder)
                # Use the new token even if it expires at once: some live for seconds.
                ref = await _reload(engine, ref)
                return _parse_grant(await unseal(engine, ref)), ref
            if state.sealed == ref.sealed:
                await engine.changes.wait(mark, LOOK_SECONDS)
            else:
                ref = await _reload(engine, ref)
    raise SourceUnavailable(
        "Another process is still refreshing the connection's token.", hint="Try again."
    )


async def _refresh(engine: Engine, ref: CredentialRef, grant: Grant, holder: str) -> None:
    """Exchange and store the tokens under the lease; cancelling does not interrupt it."""
    kind = engine.registry.get(ref.short_name)
    spec = provider_of(engine, kind, ref.config)
    with anyio.CancelScope(shield=True):
        try:
            with anyio.fail_after(EXCHANGE_SECONDS):
                changed, expires_at = await exchange_grant(engine, kind, ref.config, spec, grant)
            bound_to = receivers(engine, ref.short_name, ref.config, ref.method)
            sealed = await engine.seal(
                ref.organization_id, ref.connection_id, bound_to, changed.model_dump(mode="json")
            )
            await engine.store.tokens.store(ref.connection_id, holder, sealed, expires_at)
            engine.changes.announce()
        except TimeoutError:
            raise SourceUnavailable("The OAuth provider did not answer in time.") from None
        except AuthenticationFailed:
            if (await _reload(engine, ref)).sealed == ref.sealed:
                raise
            # Somebody stored other credentials meanwhile; use those.
        finally:
            await engine.store.tokens.release(ref.connection_id, holder)


async def _reload(engine: Engine, ref: CredentialRef) -> CredentialRef:
    found = await engine.store.connections.get(ref.organization_id, ref.connection_id)
    if found is None:
        raise NotFound("The connection was deleted meanwhile.", field="connection_id")
    return await load_ref(engine, found)


def _parse_grant(stored: Json) -> Grant:
    try:
        return Grant.model_validate(stored)
    except ValidationError:
        raise AuthenticationFailed(
            "The stored credentials are not OAuth tokens.",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
            hint="Authorise the connection again with authorize_connection.",
        ) from None
