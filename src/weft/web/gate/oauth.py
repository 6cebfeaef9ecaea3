"""OAuth resource server: checks access tokens of one issuer against the keys that it publishes.

The role comes from the scopes `weft:admin` and `weft:write`; without either it is read.
"""

import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from weft.domain.access.principals import Principal, Role
from weft.errors import InvalidInput, NotPermitted, SourceUnavailable
from weft.net.json_bodies import parse_json
from weft.net.unpack import unpack_body
from weft.net.urls import is_loopback, may_use_proxy

METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
# Only asymmetric signatures: with a shared secret, we could sign tokens and not just check them.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384")
_LEEWAY_SECONDS: Final = 60
_KEYS_FRESH_SECONDS: Final = 3600.0
_KEYS_RETRY_SECONDS: Final = 30.0
_FETCH_SECONDS: Final = 10.0
_DOCUMENT_MAX_BYTES: Final = 1024 * 1024
_TOKEN_MAX_CHARS: Final = 16_384
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip"}
# All errors that foreign JSON can cause in a parser, however deep, large or strange it is.
_MALFORMED: Final = (
    *(JoseError, ValueError, TypeError, ArithmeticError, LookupError),
    *(AttributeError, RecursionError),
)
_SUBJECT = re.compile(r"[A-Za-z0-9@._|:+-]{1,100}")

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The accepted issuer, audience and scopes.

    ``resource_url`` is the address of the MCP endpoint as clients see it.
    """

    issuer: str
    audience: str
    scopes: frozenset[str]
    organization_claim: str
    resource_url: str

    @property
    def metadata_url(self) -> str:
        """The address of the protected-resource metadata (RFC 9728)."""
        parts = urlsplit(self.resource_url)
        path = METADATA_PATH + parts.path.rstrip("/")
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))

    def metadata(self) -> dict[str, object]:
        """Return the protected-resource metadata."""
        return {
            "resource": self.resource_url,
            "authorization_servers": [self.issuer],
            "scopes_supported": sorted(self.scopes | {f"weft:{role.value}" for role in Role}),
            "bearer_methods_supported": ["header"],
            "resource_name": "Weft",
        }


class OAuthTokens:
    """Checks access tokens (JWTs) of one issuer."""

    def __init__(
        self,
        settings: OAuthSettings,
        clock: Clock = time.monotonic,
        fetch_seconds: float = _FETCH_SECONDS,
    ) -> None:
        if not _is_secure(settings.issuer):
            raise InvalidInput("WEFT_OAUTH_ISSUER must be an https URL.", field="WEFT_OAUTH_ISSUER")
        self._settings = settings
        self._clock = clock
        self._fetch_seconds = fetch_seconds
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetching = anyio.Lock()

    async def authenticate(self, token: str) -> Principal | None:
        """Return the principal that the token admits, or None.

        Raises NotPermitted when a scope is missing, SourceUnavailable without the issuer's keys.
        """
        if token.count(".") != 2 or len(token) > _TOKEN_MAX_CHARS:
            return None
        claims = await self._verify(token)
        try:
            scopes = _scopes_of(claims or {})
            principal = _principal_of(claims, scopes, self._settings) if claims else None
        except _MALFORMED:
            return None
        missing = sorted(self._settings.scopes - scopes)
        if principal and missing:
            raise NotPermitted(f"The access token lacks the scope '{missing[0]}'.")
        return principal

    async def _verify(self, token: str) -> Mapping[str, Any] | None:
        asked = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        keys = await self._load_keys()
        try:
            try:
                decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
            except InvalidKeyIdError:
                # The issuer may have rotated its keys since they were fetched.
                keys = await self._refresh_keys(self._clock() - _KEYS_RETRY_SECONDS)
                decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
            asked.validate(decoded.claims)
        except _MALFORMED:
            return None
        return decoded.claims

    async def _load_keys(self) -> KeySet:
        """Return the keys, and refresh them when they are old; only one caller waits for that."""
        if self._keys is not None and self._fetching.locked():
            return self._keys
        try:
            return await self._refresh_keys(self._clock() - _KEYS_FRESH_SECONDS)
        except SourceUnavailable:
            # While the issuer is down, keep using the keys that it published last.
            if self._keys is None:
                raise
            return self._keys

    async def _refresh_keys(self, not_before: float) -> KeySet:
        """Return keys fetched after ``not_before``; fetch at most once in _KEYS_RETRY_SECONDS."""
        async with self._fetching:
            now = self._clock()
            fresh = self._keys is not None and self._fetched_at >= not_before
            tried = self._tried_at is not None and now - self._tried_at < _KEYS_RETRY_SECONDS
            if not fresh and not tried:
                self._tried_at = now
                self._keys = await self._fetch_keys_in_time()
                self._fetched_at = now
            if self._keys is None:
                raise SourceUnavailable("The OAuth issuer's keys cannot be read.")
            return self._keys

    async def _fetch_keys_in_time(self) -> KeySet:
        try:
            # One timeout for the whole fetch: trickling bytes never hit a read timeout.
            with anyio.fail_after(self._fetch_seconds):
                return await _fetch_keys(self._settings.issuer)
        except TimeoutError:
            raise SourceUnavailable("The OAuth issuer's keys cannot be read.") from None


def _principal_of(
    claims: Mapping[str, Any], scopes: frozenset[str], settings: OAuthSettings
) -> Principal:
    subject = str(claims["sub"])
    # Without an organisation in the token, each subject gets one of its own. It is hashed into a
    # UUID, so that no issuer can name the operator's organisation or one that API keys belong to.
    claim = claims.get(settings.organization_claim)
    owner = f"org {claim}" if isinstance(claim, str) and claim else f"sub {subject}"
    organization = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.issuer} {owner}"))
    role = Role.READ
    for candidate in Role:
        if f"weft:{candidate.value}" in scopes:
            role = candidate
    shown = subject if _SUBJECT.fullmatch(subject) else uuid.uuid5(uuid.NAMESPACE_URL, subject).hex
    return Principal(organization, f"oauth:{shown}", role)


def _scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    given: object = claims.get("scope", claims.get("scp", ""))
    if isinstance(given, str):
        return frozenset(given.split())
    return (
        frozenset(map(str, cast("list[object]", given))) if isinstance(given, list) else frozenset()
    )


async def _fetch_keys(issuer: str) -> KeySet:
    """Fetch the issuer's signing keys. Raises SourceUnavailable."""
    for address in _discovery_urls(issuer):
        found = await _fetch_json(address)
        if found is None:
            continue
        keys_url = found.get("jwks_uri")
        if found.get("issuer") != issuer or not isinstance(keys_url, str):
            raise SourceUnavailable("The OAuth issuer's metadata is not its own.")
        if not _is_secure(keys_url):
            raise SourceUnavailable("The OAuth issuer names no https URL of its keys.")
        try:
            return KeySet.import_key_set(cast("Any", await _fetch_json(keys_url)))
        except _MALFORMED:
            break
    raise SourceUnavailable("The OAuth issuer's keys cannot be read.")


def _discovery_urls(issuer: str) -> tuple[str, str]:
    parts = urlsplit(issuer)
    path = "/.well-known/oauth-authorization-server" + parts.path.rstrip("/")
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        urlunsplit((parts.scheme, parts.netloc, path, "", "")),
    )


async def _fetch_json(url: str) -> dict[str, Any] | None:
    try:
        async with (
            httpx.AsyncClient(
                timeout=_FETCH_SECONDS,
                follow_redirects=False,
                trust_env=may_use_proxy(url),
                verify=httpx.create_ssl_context(),
            ) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            if not response.is_success:
                return None
            encoding = response.headers.get("content-encoding", "")
            pieces = unpack_body(response.aiter_raw(), encoding, _DOCUMENT_MAX_BYTES)
            body = b"".join([piece async for piece in pieces])
        document: object = parse_json(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, SourceUnavailable):
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _is_secure(url: str) -> bool:
    """Return whether ``url`` is https, or http to this machine itself."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return local or (parts.scheme == "https" and bool(parts.hostname))
