"""Speaks OAuth 2 and 1.0a to a provider, with Authlib over the guarded HTTP client.

Errors show at most the provider's error code, if the standard defines it, and never the provider's
words or anything that we sent.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from authlib.oauth1.client import OAuth1Client as AuthlibOAuth1
from authlib.oauth1.rfc5849 import ClientAuth as AuthlibOAuth1Auth
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.auth import ClientAuth as AuthlibClientAuth
from authlib.oauth2.client import OAuth2Client as AuthlibOAuth2
from pydantic import Field

from weft.domain.base import Frozen
from weft.errors import AuthenticationFailed, ErrorCategory, SourceUnavailable, WeftError
from weft.local.auth.oauth_clients import OAuthClient, origin_of_url
from weft.net.errors import status_error
from weft.net.http_factory import HttpFactory
from weft.net.signing import SignedRequests
from weft.sources.base import OAuth1, OAuth2

TOKEN_MAX_CHARS: Final = 16_384
VERIFIER_BYTES: Final = 48
KNOWN_ERRORS: Final = frozenset(
    {"access_denied", "consent_required", "interaction_required", "invalid_client"}
    | {"invalid_grant", "invalid_request", "invalid_scope", "login_required", "server_error"}
    | {"temporarily_unavailable", "unauthorized_client", "unsupported_response_type"}
    | {"unsupported_grant_type"}
)
"""Error codes of RFC 6749 and OpenID Connect: the only provider text that is shown."""

# Authlib has no types, so its classes are Any here.
_OAuth2: Any = AuthlibOAuth2
_OAuth1: Any = AuthlibOAuth1
_ClientAuth: Any = AuthlibClientAuth
_OAuth1Auth: Any = AuthlibOAuth1Auth


class Tokens(Frozen):
    """Tokens from a provider. ``expires_in`` is in seconds; ``secret`` is OAuth 1.0a's."""

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    secret: str | None = Field(default=None, repr=False)
    expires_in: int | None = None


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """The URL where a person consents, and what Weft keeps until the answer comes back.

    The answer repeats ``state``; ``secret`` is needed to use it and stays here.
    """

    url: str
    state: str
    secret: str


def begin_oauth2(spec: OAuth2, client: OAuthClient, redirect_uri: str) -> ConsentRequest:
    """Build the consent URL for an authorisation code with PKCE (S256) and a new state."""
    protocol = _OAuth2(
        None,
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        scope=" ".join(spec.scopes) or None,
        code_challenge_method="S256",
    )
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(VERIFIER_BYTES)
    url, _ = protocol.create_authorization_url(
        spec.authorize_url, state=state, code_verifier=verifier, **spec.extra
    )
    return ConsentRequest(url, state, verifier)


async def exchange_code(
    http: HttpFactory,
    spec: OAuth2,
    client: OAuthClient,
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
) -> Tokens:
    """Get tokens for a code. Raises AuthenticationFailed when it is refused, or a TryLater."""
    async with _open_oauth2(http, spec, client, spec.token_url) as protocol:
        answer = await protocol.fetch_token(
            spec.token_url,
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
        )
    return _parse_tokens(answer)


async def exchange_refresh_token(
    http: HttpFactory, spec: OAuth2, client: OAuthClient, refresh_token: str
) -> Tokens:
    """Get new tokens; keep the old refresh token if no new one comes. Errors as `exchange_code`."""
    async with _open_oauth2(http, spec, client, spec.token_url) as protocol:
        # Authlib falls back to the refresh token that it finds here.
        protocol.token = {"refresh_token": refresh_token}
        answer = await protocol.refresh_token(spec.token_url, refresh_token=refresh_token)
    return _parse_tokens(answer)


async def fetch_client_token(http: HttpFactory, token_url: str, client: OAuthClient) -> Tokens:
    """Get a token for the client itself; errors as `exchange_code`."""
    spec = OAuth2("", token_url, "", client_auth="client_secret_post")
    async with _open_oauth2(http, spec, client, token_url) as protocol:
        answer = await protocol.fetch_token(token_url, grant_type="client_credentials")
    return _parse_tokens(answer)


async def begin_oauth1(
    http: HttpFactory, spec: OAuth1, client: OAuthClient, redirect_uri: str
) -> ConsentRequest:
    """Get a request token and build its consent URL; errors as `exchange_code`."""
    async with _open_oauth1(
        http, spec.request_token_url, client, redirect_uri=redirect_uri
    ) as protocol:
        answer = await protocol.fetch_request_token(spec.request_token_url)
        token, secret = _parse_pair(answer)
        # The signed request already carried the callback; the URL must not repeat it.
        protocol.redirect_uri = None
        return ConsentRequest(
            protocol.create_authorization_url(spec.authorize_url, token), token, secret
        )


async def exchange_verifier(
    http: HttpFactory, spec: OAuth1, client: OAuthClient, *, token: str, secret: str, verifier: str
) -> Tokens:
    """Get the access token for an approved request token; errors as `exchange_code`."""
    async with _open_oauth1(
        http, spec.access_token_url, client, token=token, token_secret=secret
    ) as protocol:
        answer = await protocol.fetch_access_token(spec.access_token_url, verifier)
    access, access_secret = _parse_pair(answer)
    return Tokens(access_token=access, secret=access_secret)


def error_code_of(code: object) -> str | None:
    """Return the error code if the standard names it, so that it may be shown."""
    return code if isinstance(code, str) and code in KNOWN_ERRORS else None


@asynccontextmanager
async def _open_oauth2(
    http: HttpFactory, spec: OAuth2, client: OAuthClient, url: str
) -> AsyncGenerator[Any]:
    async with http(base_url=origin_of_url(url)) as session:
        method = spec.client_auth if client.client_secret else "none"
        protocol = _Session2(
            session,
            client_id=client.client_id,
            client_secret=client.client_secret,
            token_endpoint_auth_method=method,
        )
        try:
            yield protocol
        except (OAuth2Error, httpx.HTTPStatusError, ValueError) as error:
            raise _to_weft_error(error, client) from None


@asynccontextmanager
async def _open_oauth1(
    http: HttpFactory, url: str, client: OAuthClient, **known: str
) -> AsyncGenerator[Any]:
    async with http(base_url=origin_of_url(url)) as session:
        protocol = _Session1(session, client.client_id, client.client_secret, **known)
        try:
            yield protocol
        except (httpx.HTTPStatusError, ValueError) as error:
            raise _to_weft_error(error, client) from None


class _HttpxClientAuth(SignedRequests, _ClientAuth):
    """Authlib's authentication of a client at a token endpoint."""


class _HttpxOAuth1(SignedRequests, _OAuth1Auth):
    """Authlib's signature of OAuth 1.0a."""


class _Session2(_OAuth2):
    """Authlib's OAuth 2 client on an asynchronous session."""

    client_auth_class = _HttpxClientAuth

    async def _fetch_token(self, url: str, **request: Any) -> Any:
        return await self._answer(url, **request)

    async def _refresh_token(self, url: str, refresh_token: str, **request: Any) -> Any:
        return {"refresh_token": refresh_token, **await self._answer(url, **request)}

    async def _answer(self, url: str, *, body: str, auth: Any, headers: Any, **_: Any) -> Any:
        response = await self.session.post(url, content=body, auth=auth, headers=headers)
        token = self.parse_response_token(response)
        # Authlib mistakes an error response for a token unless its body says "error".
        response.raise_for_status()
        return token


class _Session1(_OAuth1):
    """Authlib's OAuth 1.0a client on an asynchronous session."""

    auth_class = _HttpxOAuth1

    async def _fetch_token(self, url: str, **_request: Any) -> Any:
        response = await self.session.post(url, auth=self.auth)
        response.raise_for_status()
        return self.parse_response_token(response.status_code, response.text)


def _to_weft_error(error: Exception, client: OAuthClient) -> WeftError:
    """Describe what went wrong at the token endpoint, without the provider's words."""
    if isinstance(error, httpx.HTTPStatusError):
        mapped = status_error(error.response, what="the OAuth provider's token endpoint")
        if mapped.status >= 429:
            return mapped
        return AuthenticationFailed(
            f"The OAuth provider refused to issue a token (HTTP {error.response.status_code}).",
            category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED,
        )
    if not isinstance(error, OAuth2Error):
        return SourceUnavailable("The OAuth provider's answer is not what the standard describes.")
    given: Any = error
    code = error_code_of(given.error) or "another error"
    if code in {"temporarily_unavailable", "server_error"}:
        return SourceUnavailable(f"The OAuth provider cannot issue tokens now ({code}).")
    if code in {"invalid_client", "unauthorized_client"}:
        kind = "client_id and client_secret" if client.client_secret else "client_id"
        message = f"The OAuth provider does not accept this client's {kind} ({code})."
    elif code == "invalid_grant":
        message = (
            "The OAuth provider refused the grant (invalid_grant): it was revoked, has expired, or"
            " was used before."
        )
    else:
        message = f"The OAuth provider refused to issue a token ({code})."
    return AuthenticationFailed(message, category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED)


def _parse_tokens(answer: Any) -> Tokens:
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    lifetime = answer.get("expires_in")
    if not _is_token(access) or (refresh is not None and not _is_token(refresh)):
        raise SourceUnavailable("The OAuth provider's answer has no usable access token.")
    try:
        seconds = None if lifetime is None else int(lifetime)
    except (TypeError, ValueError):
        seconds = None
    if seconds is not None and not 0 < seconds < 10**9:
        seconds = None
    return Tokens(access_token=access, refresh_token=refresh, expires_in=seconds)


def _parse_pair(answer: Any) -> tuple[str, str]:
    token, secret = answer.get("oauth_token"), answer.get("oauth_token_secret")
    if not _is_token(token) or not _is_token(secret):
        raise SourceUnavailable("The OAuth provider's answer has no usable token.")
    return token, secret


def _is_token(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= TOKEN_MAX_CHARS and value.isprintable()
