"""While hostile content is synced, the server answers everybody else, and a cancel ends the sync.

By default an eighth of each corpus is served, at a size that just needs a process of its own. With
TORTURE_BYTES all of it is served at that size, and the promised seconds are asserted and printed.
"""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Agent, Place, text_of
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sources.hostile.servers import (
    Corpora,
    config_of,
    serve_api,
    serve_packs,
    serve_pages,
    serve_robots,
    serve_sitemaps,
)
from weft.testing.scripted_http import serve

pytestmark = pytest.mark.anyio

TORTURE_BYTES = int(os.environ.get("TORTURE_BYTES", "0"))
SIZE = TORTURE_BYTES or 300 * 1024
STEP = 1 if TORTURE_BYTES else 8
HEALTH_SECONDS_MAX = 1.0
CANCEL_SECONDS_MAX = 5.0
ENDED = {"COMPLETED", "FAILED", "CANCELLED"}
KINDS = ("nothing", "pages", "maps", "robots", "json", "packs", "files", "repositories")


@dataclass
class Pulse:
    """The seconds that `/health` took, each time that it was asked."""

    seconds: list[float] = field(default_factory=list[float])
    answered: anyio.Event = field(default_factory=anyio.Event)

    async def ask(self, client: httpx.AsyncClient) -> None:
        """Ask again and again. Fails if it does not answer at all."""
        while True:
            started = time.monotonic()
            answer = await client.get("/health", timeout=PATIENCE_SECONDS)
            self.seconds.append(time.monotonic() - started)
            assert answer.status_code == 200
            self.answered.set()
            self.answered = anyio.Event()
            await anyio.sleep(0.02)

    async def wait_for_answer(self) -> None:
        """Wait for one more answer; in torture for a second, in which late harm would show."""
        await anyio.sleep(1 if TORTURE_BYTES else 0)
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.answered.wait()


@dataclass(frozen=True, slots=True)
class World:
    """A server, an agent of it, and the hostile servers that it may reach."""

    server: HttpServer
    agent: Agent
    corpora: Corpora
    urls: dict[str, str]


@pytest.fixture(scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[World]:
    place = Place.make(tmp_path_factory.mktemp("hostile"))
    corpora = Corpora(place.files, SIZE, STEP)
    corpora.write()
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for kind, handler in (
            ("pages", serve_pages(corpora)),
            ("maps", serve_sitemaps(corpora)),
            ("json", serve_api(corpora)),
            ("packs", serve_packs(corpora)),
        ):
            urls[kind] = (await stack.enter_async_context(serve(handler))).url
        settings = {
            "WEFT_ALLOW_HOSTS": "127.0.0.1",
            "WEFT_GITHUB_API_URL": urls["json"],
            "WEFT_INLINE_CREDENTIALS": "allow",
            "WEFT_HTTP_REQUESTS_PER_MINUTE": "1000000",
        }
        server = await stack.enter_async_context(http_server(place, **settings))
        agent = await stack.enter_async_context(server.agent())
        await agent.collection("hostile")
        yield World(server, agent, corpora, urls)


@asynccontextmanager
async def watch_health(world: World, kind: str) -> AsyncGenerator[None]:
    """Ask for the server's health all the time, and judge how long it took."""
    pulse = Pulse()
    async with world.server.client(token="") as client, anyio.create_task_group() as group:
        group.start_soon(pulse.ask, client)
        yield
        await pulse.wait_for_answer()
        group.cancel_scope.cancel()
    if TORTURE_BYTES:
        slowest = max(pulse.seconds)
        print(f"{kind}: slowest of {len(pulse.seconds)} healths {slowest:.2f} s")  # noqa: T201
        assert slowest <= HEALTH_SECONDS_MAX


def list_things(world: World, kind: str) -> list[str]:
    """List what one connection each is made to."""
    if kind in ("pages", "maps"):
        return [""]
    if kind == "nothing":
        return []
    return ["pages", "texts", "ignored"] if kind == "files" else world.corpora.list_names(kind)


@pytest.mark.parametrize("kind", KINDS)
async def test_hostile_content_stops_nobody(world: World, kind: str) -> None:
    async with watch_health(world, kind):
        connections = [
            made for name in list_things(world, kind) if (made := await connect(world, kind, name))
        ]
        for connection in connections:
            job = await world.agent.ok("run_sync", connection_id=connection)
            await wait_for_end(world, job.data["id"])


@pytest.mark.parametrize("kind", ["pages", "maps", "files"])
async def test_cancel_ends_the_sync_of_hostile_content(world: World, kind: str) -> None:
    connection = await connect(world, kind, list_things(world, kind)[0])
    assert connection
    async with watch_health(world, f"cancelled {kind}"):
        job = await world.agent.ok("run_sync", connection_id=connection, force_full_sync=True)
        job_id = job.data["id"]
        while job.data["status"] == "PENDING":
            job = await world.agent.ok("get_job", job_id=job_id)
        await anyio.sleep(1 if TORTURE_BYTES else 0)
        started = time.monotonic()
        await world.agent.call("cancel_job", job_id=job_id)
        status = await wait_for_end(world, job_id)
        seconds = time.monotonic() - started
    assert status in {"CANCELLED", "COMPLETED"}
    if TORTURE_BYTES:
        print(f"{kind}: {status} {seconds:.2f} s after the cancel")  # noqa: T201
        assert status == "CANCELLED"
        assert seconds <= CANCEL_SECONDS_MAX


def test_its_children_end_with_the_server(world: World) -> None:
    children = Path(f"/proc/{world.server.process.pid}/task/{world.server.process.pid}/children")
    if not children.exists():
        pytest.skip("no list of child processes on this system")
    assert len(children.read_text().split()) <= 2


async def connect(world: World, kind: str, name: str) -> str | None:
    """Make a connection without a first sync; None if it was refused for what was read."""
    async with AsyncExitStack() as stack:
        url = world.urls.get(kind, "")
        if kind == "robots":
            url = (await stack.enter_async_context(serve(serve_robots(world.corpora, name)))).url
        given = config_of(kind, url, world.corpora, name)
        result = await world.agent.call(
            "create_connection",
            readable_collection_id="hostile",
            name=f"{kind} {name} {time.monotonic_ns()}",
            sync_immediately=kind == "robots",
            **given,
        )
        text = text_of(result)
        assert "inside Weft" not in text
        if result.is_error or result.structured_content is None:
            assert kind not in ("pages", "maps", "files"), text
            return None
        connection = result.structured_content["id"]
        if kind == "robots":
            # Its site is gone after this.
            job = await world.agent.ok("list_jobs", connection_id=connection)
            await wait_for_end(world, job.data["items"][0]["id"])
            return None
        return connection


async def wait_for_end(world: World, job_id: str) -> str:
    """Wait for the end of a job, which may take long; return how it ended."""
    with anyio.fail_after(20 * PATIENCE_SECONDS):
        while True:
            job = await world.agent.ok("get_job", job_id=job_id, wait_seconds=1)
            if job.data["status"] == "PENDING" and job.data.get("error"):
                # It was read, and would be read again later.
                await world.agent.call("cancel_job", job_id=job_id)
            elif job.data["status"] in ENDED:
                assert job.data.get("error_category") != "internal", job.text
                return job.data["status"]
