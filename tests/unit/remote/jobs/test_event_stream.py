"""A job is followed by the API's stream of events, with few requests; without one it is polled."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Literal

import anyio
import pytest
from airweave_backend import SOON, STUB_AUTH, make_connection
from patience import PATIENCE_SECONDS
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from weft.domain.collections import NewCollection
from weft.domain.jobs import Job, JobStatus
from weft.remote.api.client import open_client
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


async def test_stream_of_comments_is_as_good_as_silent() -> None:
    async def write(_request: Request) -> StreamingResponse:
        async def pieces() -> AsyncGenerator[bytes]:
            while True:
                yield b": still here\n\n"
                await anyio.sleep(0.01)

        return StreamingResponse(pieces(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/events", write)])
    async with (
        serve_app(app) as url,
        open_client(url, SecretStr("key"), timeouts=QUICK_POLLS) as client,
    ):
        with anyio.fail_after(PATIENCE_SECONDS):
            assert [event async for event in client.follow("/events", silence=0.1)] == []


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
