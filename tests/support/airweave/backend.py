"""A remote backend over the stand-in of Airweave, and the person who uses its links."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import httpx
from pydantic import SecretStr
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.airweave.replay import QUICK
from tests.support.patience import wait_until
from weft.domain.connections import Auth, Connection, ConnectionStatus, NewConnection
from weft.remote.api.client import open_client
from weft.remote.api.timeouts import Timeouts
from weft.remote.backend import RemoteBackend
from weft.remote.state.notes import MemoryNotes
from weft.remote.waiting.needs import ResolveSecrets
from weft.testing.airweave import Airweave, airweave_app, authorize

URL = "http://airweave.test"
PAGES = "http://127.0.0.1:8765"
SOON = replace(QUICK, consent=0.01, consent_longest=0.02)


def make_direct_auth(**credentials: str) -> Auth:
    return Auth.model_validate({"direct": {"credentials": credentials}})


STUB_AUTH = make_direct_auth(stub_key="any")


async def give_pages_url() -> str:
    return PAGES


@dataclass
class Place:
    """An organisation at Airweave, and what one Weft keeps of it; processes come and go."""

    world: Airweave = field(default_factory=Airweave)
    notes: MemoryNotes = field(default_factory=MemoryNotes)
    failing: str | None = None
    """Paths with this end answer 503."""

    @asynccontextmanager
    async def open(
        self,
        *,
        timeouts: Timeouts = SOON,
        resolve: ResolveSecrets | None = None,
        pages: Callable[[], Awaitable[str]] | None = give_pages_url,
        watch: bool = False,
    ) -> AsyncGenerator[RemoteBackend]:
        """Open a backend, as a process does; with ``watch`` it looks after what has begun."""
        transport = httpx.ASGITransport(self._build_app())
        key = SecretStr(self.world.key)
        async with (
            open_client(URL, key, timeouts=timeouts, transport=transport) as client,
            anyio.create_task_group() as group,
        ):
            backend = RemoteBackend(client, self.notes, pages=pages, resolve_secrets=resolve)
            if watch:
                group.start_soon(backend.claims.watch)
            yield backend
            group.cancel_scope.cancel()

    def _build_app(self) -> ASGIApp:
        app = airweave_app(self.world)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            fails = self.failing is not None and scope["path"].endswith(self.failing)
            await (Response(status_code=503) if fails else app)(scope, receive, send)

        return answer

    async def consent(self, auth_url: str | None) -> str:
        """Agree in a browser; return where the browser ends."""
        assert auth_url is not None
        transport = httpx.ASGITransport(airweave_app(self.world))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            return await authorize(http, auth_url)

    def count_asked(self, end: str) -> int:
        """Count the requests that ended so."""
        return sum(each.endswith(end) for each in self.world.asked)


async def make_connection(
    backend: RemoteBackend, short_name: str, *, auth: Auth | None = None, **given: object
) -> Connection:
    """Create a connection in the collection `docs`."""
    new = NewConnection.model_validate(
        {"short_name": short_name, "readable_collection_id": "docs", "auth": auth, **given}
    )
    return await backend.connections.create(new)


async def wait_until_synced(world: Airweave, connection_id: str, status: str = "completed") -> None:
    """Wait until the connection's newest job at Airweave has that status."""

    def has_it() -> bool:
        world.settle()
        job = world.connections[connection_id].last_job
        return job is not None and job.status == status

    await wait_until(has_it)


async def wait_for_status(
    backend: RemoteBackend, connection_id: str, status: ConnectionStatus
) -> None:
    """Wait until the connection has that status."""

    async def has_it() -> bool:
        return (await backend.connections.get(connection_id)).status is status

    await wait_until(has_it)
