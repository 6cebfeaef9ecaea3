"""An OAuth 1.0a provider with an API behind it, for tests. Authlib checks the signatures."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth1.rfc5849 import signature
from authlib.oauth1.rfc5849.wrapper import OAuth1Request

from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve

_signature: Any = signature
_Request: Any = OAuth1Request


@dataclass
class Credential:
    """A token with its secret; ``verifier`` is known once a person consented to a request token."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    callback: str = ""
    verifier: str | None = None

    def get_oauth_token_secret(self) -> str:
        return self.secret


@dataclass
class OAuth1Provider:
    """The provider; it has one consumer."""

    consumer_key: str = "consumer"
    consumer_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    requests: dict[str, Credential] = field(default_factory=dict[str, Credential])
    tokens: dict[str, Credential] = field(default_factory=dict[str, Credential])
    notes: dict[str, str] = field(default_factory=lambda: {"n1": "first note"})
    site: Site | None = None

    @property
    def url(self) -> str:
        assert self.site is not None
        return self.site.url

    def get_client_secret(self) -> str:
        return self.consumer_secret

    def consent(self, authorize_url: str, *, allow: bool = True) -> str:
        """Decide as a person does; returns where the browser is sent."""
        token = parse_qs(urlsplit(authorize_url).query)["oauth_token"][0]
        request = self.requests[token]
        if not allow:
            return f"{request.callback}?{urlencode({'denied': token})}"
        request.verifier = secrets.token_urlsafe(12)
        query = urlencode({"oauth_token": token, "oauth_verifier": request.verifier})
        return f"{request.callback}?{query}"

    def answer(self, asked: HttpRequest) -> HttpReply:
        """One request, refused unless its signature is right."""
        signed = _Request(
            asked.method, f"https://provider.invalid{asked.target}", "", _title(asked)
        )
        signed.uri = f"{self.url}{asked.target}"
        known = self.requests if asked.path == "/oauth1/access" else self.tokens
        signed.client, signed.credential = self, known.get(signed.token or "")
        if signed.client_id != self.consumer_key or not _signature.verify_hmac_sha1(signed):
            return HttpReply(401, b"the provider's own words")
        match asked.path:
            case "/oauth1/request":
                credential = Credential(callback=signed.redirect_uri)
                self.requests[credential.token] = credential
                return _issue(credential, oauth_callback_confirmed="true")
            case "/oauth1/access":
                request = self.requests.pop(signed.token)
                if request.verifier is None or request.verifier != _verifier(signed):
                    return HttpReply(401)
                credential = Credential()
                self.tokens[credential.token] = credential
                return _issue(credential)
            case path:
                return self._api(path, signed.token)

    def _api(self, path: str, token: str | None) -> HttpReply:
        if token not in self.tokens:
            return HttpReply(401)
        if path == "/me":
            return as_json({"name": "ada"})
        if path == "/notes":
            return as_json(sorted(self.notes))
        return as_json({"text": self.notes[path.removeprefix("/notes/")]})


@asynccontextmanager
async def serve_oauth1_provider() -> AsyncGenerator[OAuth1Provider]:
    """A running provider."""
    provider = OAuth1Provider()
    async with serve(provider.answer) as site:
        provider.site = site
        yield provider


def _issue(credential: Credential, **more: str) -> HttpReply:
    fields = {"oauth_token": credential.token, "oauth_token_secret": credential.secret, **more}
    return HttpReply(200, urlencode(fields).encode())


def _verifier(signed: Any) -> str | None:
    return signed.oauth_params.get("oauth_verifier")


def _title(asked: HttpRequest) -> dict[str, str]:
    return {name.title(): value for name, value in asked.headers.items()}
