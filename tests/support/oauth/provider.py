"""An OAuth 2 provider with an API behind it, on 127.0.0.1, for tests.

The protocol is Authlib's server: authorisation code with PKCE, refresh tokens that are rotated,
revocation. `/authorize` shows a person a page with the buttons `Allow` and `Deny`. `/me` and
`/notes` are the API that takes the access tokens; `weft.testing.oauth_stub` reads it.
"""

import html as html_text
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter

from tests.support.oauth.records import Client, Code, Token
from weft.testing.scripted_http import (
    HttpReply,
    HttpRequest,
    Site,
    as_json,
    html,
    serve,
)

# Authlib has no types: what comes from it is Any here, by name and on purpose.
_ServerBase: Any = AuthorizationServer
_CodeBase: Any = AuthorizationCodeGrant
_RefreshBase: Any = RefreshTokenGrant
_RevocationBase: Any = RevocationEndpoint
_IssuerBase: Any = IssuerParameter
_RequestBase: Any = OAuth2Request


@dataclass
class OAuthProvider:
    """The provider; tests change its fields and read what it issued."""

    clients: dict[str, Client] = field(default_factory=dict[str, Client])
    codes: dict[str, Code] = field(default_factory=dict[str, Code])
    tokens: list[Token] = field(default_factory=list[Token])
    notes: dict[str, str] = field(default_factory=lambda: {"n1": "first note", "n2": "second note"})
    expires_in: int = 3600
    """Lifetime of the access tokens that are issued from now on, in seconds."""
    names_issuer: bool = True
    token_status: int | None = None
    """Answer token requests with this status and no JSON."""
    loses_answers: bool = False
    """Issue tokens, then drop the connection before the answer."""
    answers: Callable[[HttpRequest], HttpReply] | None = None
    """Answers everything in the provider's place."""
    expires_before: str | None = None
    """A path of the API; when it is asked for, all access tokens expire, once."""
    refreshes: int = 0
    reused: int = 0
    """How often a refresh token came that had been rotated already."""
    site: Site | None = None

    def __post_init__(self) -> None:
        self._server = _Server(self)

    @property
    def url(self) -> str:
        """The origin, which is the issuer too."""
        assert self.site is not None
        return self.site.url

    @property
    def live_tokens(self) -> list[Token]:
        return [token for token in self.tokens if token.live and not token.revoked]

    def register(self, client_id: str, secret: str | None = None, *redirects: str) -> Client:
        """Make a client known."""
        self.clients[client_id] = Client(client_id, secret, redirects)
        return self.clients[client_id]

    def issue(self, client_id: str) -> Token:
        """Tokens that a test obtained by other means."""
        token = Token(
            client_id,
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            "",
            time.time() + self.expires_in,
        )
        self.tokens.append(token)
        return token

    def expire(self) -> None:
        """From now on every access token is refused; refresh tokens still work."""
        for token in self.tokens:
            token.expires_at = 0

    def revoke(self) -> None:
        """Take back everything, as a person does in the provider's settings."""
        for token in self.tokens:
            token.revoked = True

    def consent(self, authorize_url: str, *, allow: bool = True) -> str:
        """Decide as a person does on the page; returns where the browser is sent."""
        reply = self._decide(urlsplit(authorize_url).query, allow=allow)
        location = reply.headers.get("location")
        assert location is not None, f"no redirect: {reply.status} {reply.body.decode()}"
        return location

    def answer(self, asked: HttpRequest) -> HttpReply:
        """One request."""
        if self.answers is not None:
            return self.answers(asked)
        match asked.method, asked.path:
            case "GET", "/authorize":
                return self._page(asked)
            case "POST", "/authorize":
                given = parse_qs(asked.body.decode())
                return self._decide(given["request"][0], allow=given["decision"] == ["allow"])
            case "POST", "/token":
                return self._token(asked)
            case "POST", "/revoke":
                response = self._server.create_endpoint_response("revocation", asked)
                return cast("HttpReply", response.reply())
            case "GET", path if path == "/me" or path.startswith("/notes"):
                return self._api(asked)
            case _:
                return HttpReply(404)

    def _page(self, asked: HttpRequest) -> HttpReply:
        query = urlsplit(asked.target).query
        try:
            self._server.get_consent_grant(_as_asked(query), end_user="ada")
        except OAuth2Error as error:
            code: Any = error
            return html(f"<h1>Refused</h1><p>{html_text.escape(str(code.error))}</p>", 400)
        client = html_text.escape(asked.query["client_id"])
        return html(
            "<!doctype html><html lang=en><title>Consent</title><h1>Provider</h1>"
            f"<p>May {client} read your notes?</p><form method=post action=/authorize>"
            f"<input type=hidden name=request value='{html_text.escape(query, quote=True)}'>"
            "<button name=decision value=allow>Allow</button>"
            "<button name=decision value=deny>Deny</button></form></html>"
        )

    def _decide(self, query: str, *, allow: bool) -> HttpReply:
        asked = _as_asked(query)
        if asked.query.get("code_challenge_method") != "S256":
            return as_json({"error": "invalid_request"}, 400)
        try:
            grant = self._server.get_consent_grant(asked, end_user="ada")
        except OAuth2Error as error:
            code: Any = error
            return as_json({"error": code.error}, 400)
        user = "ada" if allow else None
        response = self._server.create_authorization_response(asked, user, grant=grant)
        return cast("HttpReply", response.reply())

    def _token(self, asked: HttpRequest) -> HttpReply:
        if self.token_status is not None:
            return HttpReply(self.token_status, b"<h1>the provider's own words</h1>")
        reply = cast("HttpReply", self._server.create_token_response(asked).reply())
        return HttpReply(drop=True) if self.loses_answers else reply

    def _api(self, asked: HttpRequest) -> HttpReply:
        if asked.path == self.expires_before:
            self.expires_before = None
            self.expire()
        presented = asked.headers.get("authorization", "").removeprefix("Bearer ")
        known = [t for t in self.tokens if t.access_token == presented]
        if not known or known[0].is_expired() or known[0].revoked:
            return as_json({"error": "invalid_token"}, 401)
        if asked.path == "/me":
            return as_json({"name": "ada"})
        if asked.path == "/notes":
            return as_json(sorted(self.notes))
        text = self.notes.get(asked.path.removeprefix("/notes/"))
        return HttpReply(404) if text is None else as_json({"text": text})


@asynccontextmanager
async def serve_oauth_provider(**fields: Any) -> AsyncGenerator[OAuthProvider]:
    """A running provider."""
    provider = OAuthProvider(**fields)
    async with serve(provider.answer) as site:
        provider.site = site
        yield provider


@dataclass
class _Response:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def location(self) -> str | None:
        return self.headers.get("Location")

    @location.setter
    def location(self, value: str) -> None:
        self.headers["Location"] = value

    def reply(self) -> HttpReply:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(self.body, str):
            return HttpReply(self.status, self.body.encode(), headers)
        return as_json(self.body, self.status, **headers)


class _Request(_RequestBase):
    """Authlib's request, made from one of the scripted server's."""

    def __init__(self, asked: HttpRequest) -> None:
        # Authlib wants https, which this server on a loopback address does without.
        base: Any = super()
        base.__init__(asked.method, f"https://provider.invalid{asked.target}")
        self.headers = {name.title(): value for name, value in asked.headers.items()}
        posted = {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}
        self._posted = posted
        self._asked = asked.query
        self.payload = cast("Any", BasicOAuth2Payload)({**asked.query, **posted})

    @property
    def args(self) -> dict[str, str]:
        return self._asked

    @property
    def form(self) -> dict[str, str]:
        return self._posted


class _Server(_ServerBase):
    def __init__(self, provider: OAuthProvider) -> None:
        base: Any = super()
        base.__init__()
        self.provider = provider
        generator: Any = BearerTokenGenerator

        def lifetime(_client: Client, _grant: str) -> int:
            return provider.expires_in

        self.register_token_generator("default", generator(_random, _random, lifetime))
        self.register_grant(_CodeGrant, [cast("Any", CodeChallenge)(required=True)])
        self.register_grant(_RefreshGrant)
        self.register_endpoint(_Revocation)
        self.register_extension(_Issuer(provider))

    def query_client(self, client_id: str) -> Client | None:
        return self.provider.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        self.provider.tokens.append(
            Token(
                request.client.client_id,
                token["access_token"],
                token.get("refresh_token"),
                token.get("scope") or "",
                time.time() + token["expires_in"],
            )
        )

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        del name, args, kwargs

    def create_oauth2_request(self, request: Any) -> Any:
        return _Request(request)

    def handle_response(self, status: int, body: Any, headers: Any) -> _Response:
        return _Response(status, body, dict(headers))


class _CodeGrant(_CodeBase):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def save_authorization_code(self, code: str, request: Any) -> None:
        data: dict[str, str] = request.payload.data
        self.server.provider.codes[code] = Code(
            code,
            request.client.client_id,
            data["redirect_uri"],
            request.scope,
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found: Code | None = self.server.provider.codes.get(code)
        return found if found and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del self.server.provider.codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        del authorization_code
        return "ada"


class _RefreshGrant(_RefreshBase):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        provider: OAuthProvider = self.server.provider
        for token in provider.tokens:
            if token.refresh_token != refresh_token or token.revoked:
                continue
            if token.live:
                return token
            # A rotated token that comes back was stolen or sent twice: nothing of it stays valid.
            provider.reused += 1
            provider.revoke()
        return None

    def authenticate_user(self, refresh_token: Token) -> str:
        del refresh_token
        return "ada"

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.live = False
        self.server.provider.refreshes += 1


class _Revocation(_RevocationBase):
    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        del token_type_hint
        tokens: list[Token] = self.server.provider.tokens
        known = [t for t in tokens if token_string in (t.access_token, t.refresh_token)]
        return known[0] if known else None

    def revoke_token(self, token: Token, request: Any) -> None:
        del request
        token.revoked = True


class _Issuer(_IssuerBase):
    """Authlib makes an instance for the server by calling the extension with it."""

    def __init__(self, provider: OAuthProvider) -> None:
        self._provider = provider

    def get_issuer(self) -> str | None:
        return self._provider.url if self._provider.names_issuer else None


def _as_asked(query: str) -> HttpRequest:
    return HttpRequest("GET", f"/authorize?{query}", {})


def _random(**_facts: Any) -> str:
    return secrets.token_urlsafe(32)


def authorize_query(**params: str) -> str:
    """The query of an authorisation request, for tests that make one by hand."""
    return urlencode(params)
