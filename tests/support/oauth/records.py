"""The records of the tests' OAuth provider: clients, codes and tokens."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin

CALLBACK_PATH = "/source-connections/callback"

# Authlib has no types: its classes are Any here, by name and on purpose.
_ClientBase: Any = ClientMixin
_TokenBase: Any = TokenMixin


@dataclass
class Client(_ClientBase):
    """A registered client. A public one has no secret; without ``redirect_uris`` any callback of
    Weft on a loopback address is accepted, whatever its port (RFC 8252).
    """

    client_id: str
    client_secret: str | None = None
    redirect_uris: tuple[str, ...] = ()

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        parts = urlsplit(redirect_uri)
        loopback = parts.hostname == "127.0.0.1" and parts.path.endswith(CALLBACK_PATH)
        return redirect_uri in self.redirect_uris if self.redirect_uris else loopback

    def check_client_secret(self, client_secret: str) -> bool:
        return self.client_secret is not None and client_secret == self.client_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        del endpoint
        return (method == "none") == (self.client_secret is None)

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in {"authorization_code", "refresh_token"}


@dataclass
class Code:
    """An authorisation code; what the token request must repeat."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope or ""


@dataclass
class Token(_TokenBase):
    """A pair of tokens as it was issued."""

    client_id: str
    access_token: str
    refresh_token: str | None
    scope: str
    expires_at: float
    live: bool = True
    """Whether the refresh token may still be used."""
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return int(self.expires_at - time.time())

    def is_expired(self) -> bool:
        return self.expires_at <= time.time()

    def is_revoked(self) -> bool:
        return self.revoked
