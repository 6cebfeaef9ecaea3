"""An engine with sources behind real OAuth providers on 127.0.0.1, and a person's browser."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio.lowlevel

from tests.support.local.harness import COLLECTION, IdleDispatcher, LocalHarness, open_harness
from tests.support.oauth.provider import OAuthProvider
from weft.domain.authorizations import AuthOutcome
from weft.domain.base import Json
from weft.domain.connections import Auth, Connection, NewConnection, OAuthBrowserAuth
from weft.domain.jobs import Job, RunOptions
from weft.local.backend.auth_sessions import LocalAuthSessions
from weft.net.client import Clock, http_factory
from weft.sources.base import SourceContext
from weft.sources.registry import SourceRegistry
from weft.testing.oauth_stub import OAuth1StubSource, OAuthStubSource
from weft.testing.stub import SecretStubSource, StubSource

BASE = "http://127.0.0.1:1"
CLIENT_ID, CLIENT_SECRET = "weft-tests", "cl13nt-s3cr3t-9f27ac51"
RETURN_TO = "https://app.example/done?from=weft"


@dataclass
class OAuthHarness:
    """A harness, and what a browser does with its links."""

    local: LocalHarness
    dispatcher: IdleDispatcher

    @property
    def sessions(self) -> LocalAuthSessions:
        return LocalAuthSessions(self.local.engine, self.dispatcher)

    @property
    def authorization(self) -> Any:
        return self.local.backend.authorization

    async def create(self, config: Json, **fields: Any) -> Connection:
        """A connection of the OAuth stub, to be authorised in a browser with its own client."""
        values: dict[str, Any] = {
            "short_name": "oauth_stub",
            "readable_collection_id": COLLECTION,
            "config": config,
            "auth": own_client(),
        }
        new = NewConnection.model_validate(values | fields)
        return await self.local.backend.connections.create(new)

    async def get(self, connection: Connection) -> Connection:
        return await self.local.backend.connections.get(connection.id)

    async def give_consent(
        self, provider: Any, connection: Connection, *, allow: bool = True
    ) -> AuthOutcome:
        """Follow the link, decide at the provider, and come back."""
        start = await self.sessions.start(token_of(connection))
        back = provider.consent(start.url, allow=allow)
        return await self.sessions.callback(params_of(back), start.browser)

    async def run_sync(self, connection: Connection, *, force: bool = False) -> Job:
        """Run a sync to its end, which may take a second attempt with another token."""
        options = RunOptions(force_full_sync=force)
        job = await self.local.backend.jobs.run(connection.id, options)
        while not (found := await self.local.backend.jobs.get(job.id)).status.is_terminal:
            await self.local.run_claimed(await self.local.claim())
        return found

    async def connect(self, provider: OAuthProvider, **fields: Any) -> Connection:
        """A connection that a person has authorised; it does not sync."""
        fields = {"sync_immediately": False} | fields
        made = await self.create({"provider_url": provider.url}, **fields)
        outcome = await self.give_consent(provider, made)
        assert outcome.ok, outcome.message
        return await self.get(made)


def own_client(**fields: Any) -> Auth:
    """OAuth in a browser with the client that the tests register."""
    given = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uri": RETURN_TO}
    return Auth(oauth_browser=OAuthBrowserAuth.model_validate(given | fields))


def token_of(connection: Connection) -> str:
    """The token in the connection's link."""
    assert connection.auth.auth_url is not None
    return connection.auth.auth_url.rpartition("/")[2]


def params_of(url: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


@asynccontextmanager
async def open_oauth_harness(
    home: Path, *, has_collection: bool = False, **engine: Any
) -> AsyncGenerator[OAuthHarness]:
    """A harness that may reach 127.0.0.1 and shows pages at `BASE`."""

    async def pages() -> str:
        return BASE

    kinds = (StubSource, SecretStubSource, OAuthStubSource, OAuth1StubSource)
    parts: dict[str, Any] = {
        "registry": SourceRegistry([], {kind.short_name: kind for kind in kinds}),
        "context": SourceContext(http=http_factory(["127.0.0.1"], clock=Clock(sleep=_at_once))),
        "pages": pages,
    }
    async with open_harness(home, **(parts | engine)) as harness:
        if not has_collection:
            await harness.create_collection()
        yield OAuthHarness(harness, harness.dispatcher)


async def _at_once(_seconds: float) -> None:
    """Waits between attempts are not what these tests are about."""
    await anyio.lowlevel.checkpoint()
