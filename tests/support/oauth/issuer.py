"""An OAuth issuer with one key at a time, for tests."""

import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve

AUDIENCE = "https://weft.example/mcp"


def new_key(name: str) -> ECKey:
    """A key pair with that id."""
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"})


@dataclass
class Issuer:
    """An issuer of signed tokens; tests change what it publishes."""

    key: ECKey = field(default_factory=lambda: new_key("first"))
    site: Site | None = None
    up: bool = True
    hangs: bool = False
    claimed: str | None = None
    keys_url: object = None
    keys: object = None

    @property
    def url(self) -> str:
        assert self.site is not None
        return self.site.url

    def token(self, *, key: ECKey | None = None, **claims: Any) -> str:
        """An access token with the usual claims; None leaves one out."""
        usual: dict[str, Any] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "exp": int(time.time()) + 600,
            "scope": "use weft:write",
        }
        signed = key or self.key
        kept = {name: value for name, value in (usual | claims).items() if value is not None}
        return self.sign(json.dumps(kept), signed)

    def sign(self, claims: str, key: ECKey | None = None) -> str:
        """An access token with exactly these claims, however strange."""
        signed = key or self.key
        header = {"alg": "ES256", "kid": signed.kid}
        return jws.serialize_compact(header, claims, signed, algorithms=["ES256"])

    def answer(self, asked: HttpRequest) -> HttpReply:
        """The metadata and the keys."""
        if not self.up:
            return HttpReply(503)
        if self.hangs:
            return HttpReply(body=b"{}", hang=True)
        if asked.path == "/.well-known/oauth-authorization-server":
            keys_url = self.keys_url or f"{self.url}/keys"
            return as_json({"issuer": self.claimed or self.url, "jwks_uri": keys_url})
        if asked.path == "/keys":
            return as_json(self.keys or KeySet([self.key]).as_dict(private=False))
        return HttpReply(404)


@asynccontextmanager
async def serve_issuer() -> AsyncGenerator[Issuer]:
    """A running issuer."""
    issuer = Issuer()
    async with serve(issuer.answer) as site:
        issuer.site = site
        yield issuer
