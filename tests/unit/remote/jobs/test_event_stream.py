"""A job is followed by the API's stream of events, with few requests; without one it is polled."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Literal

import anyio
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tests.support.airweave.backend import SOON, STUB_AUTH, make_connection
from tests.support.patience import PATIENCE_SECONDS
from weft.domain.collections import NewCollection
from weft.domain.jobs import Job, JobStatus
from weft.remote.api.client import EVENT_MAX_BYTES, ApiClient, open_client
from weft.remote.backend import RemoteBackend
from weft.testing.airweave import Airweave, airweave_app
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio

# So short that whoever polls asks many times.
QUICK_POLLS = replace(SOON, watch=0.02, watch_longest=0.02, silence=0.2)
SLOW = {"entity_count": 20, "generation_delay_ms": 50}


@asynccontextmanager
async def serve(world: Airweave) -> AsyncGenerator[RemoteBackend]:
    async with (
        serve_app(airweave_app(world)) as url,
        open_client(url, SecretStr(world.key), timeouts=QUICK_POLLS) as client,
    ):
        backend = RemoteBackend(client)
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
        yield backend


async def follow(backend: RemoteBackend) -> list[Job]:
    made = await make_connection(backend, "stub", auth=STUB_AUTH, config=SLOW)
    assert made.sync.last_job is not None
    with anyio.fail_after(PATIENCE_SECONDS):
        async with aclosing(backend.jobs.watch(made.sync.last_job.id)) as states:
            return [state async for state in states]


def count_reads(world: Airweave) -> int:
    return sum(asked.endswith("/jobs") for asked in world.asked)


async def test_progress_and_end_come_by_events_with_few_requests() -> None:
    world = Airweave(streams="told")
    async with serve(world) as backend:
        states = await follow(backend)
    counts = [state.entities_inserted for state in states]
    assert states[-1].status is JobStatus.COMPLETED
    assert (counts, counts[-1]) == (sorted(counts), 20)
    assert len(set(counts)) > 5, "each event is told"
    assert count_reads(world) <= 5, "first, with the stream, while it waits, and at the end"


@pytest.mark.parametrize("streams", ["silent", "cut"])
async def test_job_is_polled_where_the_stream_tells_nothing(
    streams: Literal["silent", "cut"],
) -> None:
    async with serve(Airweave(streams=streams)) as backend:
        states = await follow(backend)
    assert (states[-1].status, states[-1].entities_inserted) == (JobStatus.COMPLETED, 20)


async def spin(piece: bytes) -> AsyncGenerator[bytes]:
    """Send the same again and again, until the client goes."""
    while True:
        yield piece
        await anyio.sleep(0.01)


async def send(*pieces: bytes) -> AsyncGenerator[bytes]:
    for piece in pieces:
        yield piece


GOOD = b'data: {"a": 1}\n\n'
HOSTILE: dict[str, tuple[Callable[[], AsyncGenerator[bytes]], list[object]]] = {
    "garbage": (lambda: send(bytes(range(256)) * 100, b"\n\n", GOOD), [{"a": 1}]),
    "cut in a character": (
        lambda: send(b'data: "\xc3', b'\xa4"\n\n', b'data: "\xf0\x9f\n', GOOD),
        ["ä", {"a": 1}],
    ),
    "huge event": (lambda: send(b'data: "' + b"x" * EVENT_MAX_BYTES + b'"\n', GOOD), [{"a": 1}]),
    "endless line": (lambda: spin(b"x" * EVENT_MAX_BYTES), []),
    "endless comments": (lambda: spin(b": ping\n\n"), []),
    "endless blanks": (lambda: spin(b" "), []),
}


@asynccontextmanager
async def open_stream(
    content: AsyncGenerator[bytes], status: int = 200, kind: str = "text/event-stream"
) -> AsyncGenerator[ApiClient]:
    async def answer(_request: Request) -> StreamingResponse:
        return StreamingResponse(content, status_code=status, media_type=kind)

    app = Starlette(routes=[Route("/stream", answer)])
    async with (
        serve_app(app) as url,
        open_client(url, SecretStr("key"), timeouts=QUICK_POLLS) as client,
    ):
        yield client


async def list_events(client: ApiClient) -> list[object]:
    with anyio.fail_after(PATIENCE_SECONDS):
        return [event async for event in client.follow("/stream", silence=0.2)]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_stream_ends_without_harm(name: str) -> None:
    make, told = HOSTILE[name]
    async with open_stream(make()) as client:
        assert await list_events(client) == told


async def test_stream_of_more_than_an_answer_may_have_ends() -> None:
    event = b'data: "' + b"x" * (EVENT_MAX_BYTES // 2) + b'"\n\n'
    async with open_stream(send(*[event] * 1000)) as client:
        events = await list_events(client)
    assert 0 < len(events) < 1000


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, "text/html"), (302, "text/event-stream"), (404, "text/event-stream")],
)
async def test_what_is_no_stream_is_not_read(status: int, kind: str) -> None:
    async with open_stream(send(GOOD), status, kind) as client:
        assert await list_events(client) == []


async def test_kind_of_a_stream_may_be_written_in_capitals() -> None:
    async with open_stream(send(GOOD), kind="Text/Event-Stream") as client:
        assert await list_events(client) == [{"a": 1}]


async def test_api_without_streams_is_asked_for_one_once() -> None:
    world = Airweave()
    app = airweave_app(world)
    app.router.routes = [r for r in app.router.routes if "subscribe" not in getattr(r, "path", "")]
    async with (
        serve_app(app) as url,
        open_client(url, SecretStr(world.key), timeouts=QUICK_POLLS) as client,
    ):
        events = [event async for event in client.follow("/sync/job/1/subscribe", silence=1)]
        assert events == []
        asked = len(world.asked)
        assert [event async for event in client.follow("/collections", silence=1)] == []
        assert len(world.asked) == asked, "it is known to have none"
