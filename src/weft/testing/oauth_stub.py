"""Sources behind OAuth providers that their configuration names, for tests.

`tests/support/oauth/provider.py` is such a provider, with the API that these sources read: `/me`,
`/notes` (a list of ids) and `/notes/ID`. Any other provider with the same API will do.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from weft.domain.base import Json
from weft.domain.connections import AuthMethod
from weft.domain.entities import Entity
from weft.net.client import get_json
from weft.sources.base import ENDPOINT, Checkpoint, Complete, Event, OAuth1, OAuth2, Source

SCOPES = ("notes",)


class OAuthStubConfig(BaseModel):
    """The addresses of the provider and its API."""

    model_config = ConfigDict(extra="forbid")

    provider_url: str = Field(
        description="Origin of the OAuth provider.", json_schema_extra=ENDPOINT
    )
    api_url: str | None = Field(
        default=None, description="Origin of its API, if another.", json_schema_extra=ENDPOINT
    )
    issuer: str | None = Field(default=None, description="What it names itself in answers.")
    secret_in_body: bool = Field(default=False, description="How the client authenticates.")


class OAuthStubCredentials(BaseModel):
    """An access token."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(title="Access token", description="Any token of the provider.")


class OAuth1StubCredentials(BaseModel):
    """The four values that sign requests under OAuth 1.0a."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr
    token_secret: SecretStr
    consumer_key: SecretStr
    consumer_secret: SecretStr


class _Notes(Source[OAuthStubConfig, Any]):
    """Reads the notes, one request for each."""

    entity_types = ("note",)
    labels = ("testing",)
    Config = OAuthStubConfig

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the origin of the API."""
        del options
        return _api_url(config)

    async def check(self) -> str:
        """Ask who the token belongs to."""
        async with self._client("/me") as client:
            me = await get_json(client, "/me", what="the account")
        return f"the notes of {me['name']}"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all notes after the cursor's."""
        done = str((cursor or {}).get("done", ""))
        async with self._client("/notes") as client:
            names = await get_json(client, "/notes", what="the notes")
        for name in sorted(names):
            if name <= done:
                continue
            path = f"/notes/{name}"
            async with self._client(path) as client:
                text = (await get_json(client, path, what="a note"))["text"]
            yield Entity(id=name, type="note", title=name, text=text)
            yield Checkpoint({"done": name})
        yield Complete("the list of notes was read whole")

    def _client(self, path: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        raise NotImplementedError


class OAuthStubSource(_Notes):
    """Notes behind OAuth 2, or any token of the provider."""

    short_name = "oauth_stub"
    name = "OAuth Stub"
    description = "Notes behind an OAuth provider, for tests"
    Credentials = OAuthStubCredentials
    auth_methods = tuple(AuthMethod)

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the provider that the configuration names."""
        del options
        given = cast("OAuthStubConfig", config)
        return OAuth2(
            authorize_url=f"{given.provider_url}/authorize",
            token_url=f"{given.provider_url}/token",
            token_field="token",
            scopes=SCOPES,
            issuer=given.issuer,
            client_auth="client_secret_post" if given.secret_in_body else "client_secret_basic",
        )

    def _client(self, path: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        del path
        token = self.credentials.token.get_secret_value()
        headers = {"authorization": f"Bearer {token}"}
        return self.context.http(base_url=_api_url(self.config), headers=headers)


class OAuth1StubSource(_Notes):
    """Notes behind OAuth 1.0a."""

    short_name = "oauth1_stub"
    name = "OAuth 1 Stub"
    description = "Notes behind an OAuth 1.0a provider, for tests"
    Credentials = OAuth1StubCredentials
    auth_methods = (AuthMethod.OAUTH_BROWSER,)

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the provider that the configuration names."""
        del options
        base = cast("OAuthStubConfig", config).provider_url
        return OAuth1(
            request_token_url=f"{base}/oauth1/request",
            authorize_url=f"{base}/oauth1/authorize",
            access_token_url=f"{base}/oauth1/access",
            token_field="token",
            token_secret_field="token_secret",
            consumer_key_field="consumer_key",
            consumer_secret_field="consumer_secret",
        )

    def _client(self, path: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        # Imported here because Authlib is only needed to sign.
        from authlib.oauth1.rfc5849 import ClientAuth

        signer: Any = ClientAuth
        given = self.credentials
        auth = signer(
            given.consumer_key.get_secret_value(),
            client_secret=given.consumer_secret.get_secret_value(),
            token=given.token.get_secret_value(),
            token_secret=given.token_secret.get_secret_value(),
        )
        base = _api_url(self.config)
        _, headers, _ = auth.prepare("GET", base + path, {}, "")
        return self.context.http(base_url=base, headers=headers)


def _api_url(config: BaseModel) -> str:
    given = cast("OAuthStubConfig", config)
    return given.api_url or given.provider_url
