"""Two servers, A and B, that keep every request, and an engine whose sources may reach both.

Credentials are given for A; a test then leads the connection to B, and looks at what B heard.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel

from tests.support.local.embedded import Embedded, open_embedded
from tests.support.patience import PATIENCE_SECONDS
from tests.support.secrets.canary import Canaries
from tests.support.secrets.echo_upstream import EchoUpstream, serve_echo
from weft.domain.base import Json
from weft.domain.connections import Auth, Connection, DirectAuth, OAuthTokenAuth
from weft.errors import WeftError
from weft.local.engine import EngineLimits
from weft.net.client import Clock, http_factory
from weft.sources.base import AnySource, SourceContext
from weft.sources.git.source import GitSource
from weft.sources.github.source import GitHubSource
from weft.sources.web.source import WebSource
from weft.testing.oauth_stub import OAuthStubSource

SOURCES: Mapping[str, type[AnySource]] = {
    kind.short_name: kind for kind in (GitSource, GitHubSource, WebSource, OAuthStubSource)
}
LIMITS = EngineLimits(retries=0)
NEW = "new"


@dataclass
class TwoServers:
    """An engine, and the servers A and B."""

    local: Embedded
    a: EchoUpstream
    b: EchoUpstream
    canaries: Canaries = field(default_factory=Canaries)

    def secret(self, name: str) -> str:
        return self.canaries.by_name.get(name) or self.canaries.make(name)

    def auth(self, method: str, age: str = "old", *, seconds: int = 3600) -> Auth:
        """Make old or new credentials for a method. OAuth tokens live for ``seconds``."""
        if method == "direct":
            return Auth(direct=DirectAuth(credentials={"token": self.secret(f"{age} token")}))
        if method == "git":
            given: Json = {"access_token": self.secret(f"{age} token"), "username": "ada"}
            return Auth(direct=DirectAuth(credentials=given))
        return Auth(
            oauth_token=OAuthTokenAuth(
                access_token=self.secret(f"{age} access"),
                refresh_token=self.secret(f"{age} refresh"),
                expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
            )
        )

    def old_at_b(self) -> set[str]:
        """Return the names of the old secrets that reached B."""
        return {name for name in self.at_b() if not name.startswith(NEW)}

    def at_b(self) -> set[str]:
        return self.canaries.find(self.b.list_received())

    def at_a(self) -> set[str]:
        return self.canaries.find(self.a.list_received())

    async def use_everywhere(self, connection: Connection) -> None:
        """Do all that uses a connection's credentials, and ignore errors."""
        connections = self.local.backend.connections
        for use in (connections.check, self._sync, connections.check):
            with suppress(WeftError):
                await use(connection.id)

    async def _sync(self, connection_id: str) -> None:
        jobs = self.local.backend.jobs
        job = await jobs.run(connection_id)
        with anyio.fail_after(PATIENCE_SECONDS):
            async for current in jobs.watch(job.id):
                if current.waits_for_process:  # It was moved to where no process may go.
                    await jobs.cancel(job.id)


@asynccontextmanager
async def open_two_servers(home: Path, **options: str) -> AsyncGenerator[TwoServers]:
    """Serve A and B, and open an engine that may reach both."""
    async with serve_echo() as a, serve_echo() as b:
        a.elsewhere = b.url
        context = SourceContext(
            http=http_factory(["127.0.0.1", "localhost"], clock=Clock(sleep=_at_once)),
            allow_hosts=frozenset({"127.0.0.1", "localhost"}),
            options={name: value.format(a=a.url, b=b.url) for name, value in options.items()},
        )
        async with open_embedded(home, sources=SOURCES, context=context, limits=LIMITS) as local:
            yield TwoServers(local, a, b)


async def _at_once(_seconds: float) -> None:
    await anyio.lowlevel.checkpoint()


def config_at(short_name: str, upstream_url: str, mode: str = "ok") -> Json:
    """Return the configuration that points a source at ``upstream_url``."""
    if short_name == "git":
        return {"repo": f"{upstream_url}/m-{mode}/r.git"}
    if short_name == "github":
        return {"repo_name": f"m-{mode}/repo"}
    return {"provider_url": f"{upstream_url}/m-{mode}"}
