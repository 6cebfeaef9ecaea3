"""Over an API that allows ten requests a minute, calls about jobs end in time and say the truth."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp.client import Client

from tests.support.airweave.backend import STUB_AUTH, Place, make_connection
from tests.support.server.fakes import text_of
from tests.support.virtual_time import VIRTUAL, LoopClock
from weft.domain.collections import NewCollection
from weft.remote.api.timeouts import Timeouts
from weft.server.app import CALL_SECONDS_MAX
from weft.server.build import build_server
from weft.testing.airweave import Airweave

pytestmark = pytest.mark.anyio

CONFIG = {"entity_count": 10, "generation_delay_ms": 12_000}
Open = Callable[[], AbstractAsyncContextManager[tuple[Client, str]]]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL


@pytest.fixture
def place() -> Place:
    return Place(Airweave(clock=LoopClock()))


@pytest.fixture(params=["legacy", "2026-07-28"])
def open_client(place: Place, request: pytest.FixtureRequest) -> Open:
    """Return an opener of a client, with the id of a connection whose sync takes two minutes."""

    @asynccontextmanager
    async def open_limited() -> AsyncGenerator[tuple[Client, str]]:
        async with place.open(timeouts=Timeouts()) as backend:
            await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
            made = await make_connection(backend, "stub", auth=STUB_AUTH, config=CONFIG)
            place.world.requests_per_minute = 10
            server = build_server(lambda _: backend, version="9.9")
            async with Client(server, mode=request.param) as client:
                yield client, made.id

    return open_limited


def job_of(place: Place, connection_id: str) -> str:
    job = place.world.connections[connection_id].last_job
    assert job is not None
    return job.id


def use_up_the_plan(place: Place, left: int = 0) -> None:
    place.world.window = (int(place.world.clock.now().timestamp()), 10 - left)


async def test_waiting_for_a_job_stays_within_the_plan_and_the_time(
    place: Place, open_client: Open
) -> None:
    async with open_client() as (client, connection_id):
        arguments = {"job_id": job_of(place, connection_id), "wait_seconds": 45}
        asked, started = len(place.world.asked), anyio.current_time()
        result = await client.call_tool("get_job", arguments)
        assert anyio.current_time() - started < CALL_SECONDS_MAX
        assert len(place.world.asked) - asked <= 8
    assert not result.is_error
    assert "RUNNING" in text_of(result)
    assert "known last" not in text_of(result)


@pytest.mark.parametrize("left", [0, 1, 2])
async def test_last_state_comes_in_time_when_the_plan_is_used_up_meanwhile(
    place: Place, open_client: Open, left: int
) -> None:
    async with open_client() as (client, connection_id):
        await anyio.sleep(20)
        use_up_the_plan(place, left)
        started = anyio.current_time()
        arguments = {"job_id": job_of(place, connection_id), "wait_seconds": 30}
        result = await client.call_tool("get_job", arguments)
        assert anyio.current_time() - started < CALL_SECONDS_MAX
    text = text_of(result)
    assert "stopped after" not in text
    assert "rate limit of the Airweave API" in text
    assert result.is_error == (left == 0), "without any state there is only the reason"
    if left:
        assert result.structured_content is not None
        assert result.structured_content["status"] == "RUNNING"
        assert "known last" in text


async def test_sync_that_was_started_is_reported_though_nothing_can_be_asked_of_it(
    place: Place, open_client: Open
) -> None:
    async with open_client() as (client, connection_id):
        await anyio.sleep(200)
        use_up_the_plan(place, 2)
        arguments = {"connection_id": connection_id, "wait_seconds": 45}
        result = await client.call_tool("run_sync", arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["status"] in ("PENDING", "RUNNING")
    assert "known last" in text_of(result)


async def test_limit_that_ends_within_the_call_is_waited_for(
    place: Place, open_client: Open
) -> None:
    async with open_client() as (client, connection_id):
        job_id = job_of(place, connection_id)
        use_up_the_plan(place)
        await anyio.sleep(30)
        started = anyio.current_time()
        result = await client.call_tool("get_job", {"job_id": job_id})
        waited = anyio.current_time() - started
    assert not result.is_error, text_of(result)
    assert 25 < waited < 40


async def test_list_of_jobs_says_when_the_limit_ends(place: Place, open_client: Open) -> None:
    async with open_client() as (client, _):
        use_up_the_plan(place, 1)
        result = await client.call_tool("list_jobs", {})
    assert result.is_error
    assert re.search(r"rate limit of the Airweave API .* in \d+ s", text_of(result))
