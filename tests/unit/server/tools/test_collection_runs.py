"""Syncs of all connections of a collection, started and waited for by one call."""

import pytest
from mcp.client import Client

from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import make_connection, make_job
from tests.support.server.task_client import ClientTasks
from tests.support.server.tool_calls import bad, good
from weft.domain.jobs import JobStatus
from weft.errors import Conflict, SourceUnavailable
from weft.server.app import WeftServer

pytestmark = pytest.mark.anyio

ALL = {"readable_collection_id": "docs"}


@pytest.fixture(autouse=True)
def three_connections(backend: FakeBackend) -> None:
    for number in (1, 2, 3):
        backend.connections.rows[f"c{number}"] = make_connection(f"c{number}", name=f"No {number}")


async def test_every_connection_that_pulls_starts_and_no_other(
    connect: Connect, backend: FakeBackend
) -> None:
    other = make_connection("c4", readable_collection_id="other")
    backend.connections.rows["c4"] = other
    backend.connections.rows["c5"] = make_connection("c5", short_name="ingest")
    text, data = await good(connect, "run_sync", **ALL)
    assert [job["source_connection_id"] for job in data["jobs"]] == ["c1", "c2", "c3"]
    assert data["unfinished"] == ["j1", "j2", "j3"]
    assert data["not_started"] == []
    assert text.startswith("3 of 3 syncs of collection docs started, 0 ended.")
    assert "'No 2' c2" in text
    assert "get_job(job_id='j1', wait_seconds=45)" in data["next_step"]


async def test_what_cannot_start_is_told_with_its_reason_and_next_step(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j1"] = make_job("j1", "c1", status=JobStatus.RUNNING)
    backend.jobs.refusals["c2"] = Conflict("Not authorised yet.", hint="Call authorize_connection.")
    backend.jobs.refusals["c3"] = SourceUnavailable("No answer.")
    text, data = await good(connect, "run_sync", **ALL, wait_seconds=45)
    assert text.startswith("0 of 3 syncs of collection docs started, 0 ended.")
    assert data["jobs"] == []
    told = {each["connection_id"]: each["next_step"] for each in data["not_started"]}
    assert told == {
        "c1": "get_job(job_id='j1', wait_seconds=45) follows it.",
        "c2": "Call authorize_connection.",
        "c3": "get_connection(connection_id='c3') says more.",
    }
    assert "not started: 'No 3' c3: No answer." in text


async def test_wait_is_for_all_and_says_which_have_not_ended(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.script = [
        make_job("j1", "c1", status=JobStatus.COMPLETED, entities_inserted=4, entities_skipped=1)
    ]
    text, data = await good(connect, "run_sync", **ALL, wait_seconds=1)
    first, *_ = data["jobs"]
    assert (first["status"], first["entities_inserted"]) == ("COMPLETED", 4)
    assert data["unfinished"] == ["j2", "j3"]
    assert "3 of 3 syncs of collection docs started, 1 ended." in text
    assert "but 1 of what it listed was skipped" in text
    assert "job_id='j2'" in data["next_step"]


async def test_progress_grows_with_the_syncs_that_were_waited_for(
    connect: Connect, backend: FakeBackend
) -> None:
    for number in (2, 3):
        del backend.connections.rows[f"c{number}"]
    backend.jobs.script = [make_job("j1", "c1", status=JobStatus.COMPLETED)]
    seen: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with connect() as client:
        await client.call_tool(
            "run_sync", {**ALL, "wait_seconds": 45}, progress_callback=on_progress
        )
    assert seen == [(1, 1)]


async def test_empty_collection_says_so_and_what_fills_it(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.rows.clear()
    text, data = await good(connect, "run_sync", **ALL)
    assert text.startswith("Collection docs has no connections to sync.")
    assert data["next_step"].startswith("create_connection(readable_collection_id='docs'")


async def test_connections_beyond_the_hundredth_are_not_passed_over_in_silence(
    connect: Connect, backend: FakeBackend
) -> None:
    for number in range(4, 112):
        backend.connections.rows[f"c{number}"] = make_connection(f"c{number}")
    text, _ = await good(connect, "run_sync", **ALL)
    assert text.startswith("100 of 100 syncs")
    assert "The collection has more connections, which were not started" in text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "connection_id is missing"),
        ({**ALL, "connection_id": "c1"}, "exclude each other"),
        ({**ALL, "apply_deletions": True}, "apply_deletions is for one connection"),
        ({**ALL, "confirmation_token": "x"}, "apply_deletions is for one connection"),
        ({"readable_collection_id": "nowhere"}, "No collection has that id"),
    ],
)
async def test_call_that_is_not_clear_starts_nothing(
    connect: Connect, backend: FakeBackend, wrong: dict[str, object], said: str
) -> None:
    assert said in await bad(connect, "run_sync", **wrong)
    assert backend.jobs.rows == {}


async def test_syncs_of_a_collection_are_no_task(server: WeftServer) -> None:
    tasks = ClientTasks(follow=False)
    async with Client(server, mode="2026-07-28", extensions=[tasks]) as client:
        result = await client.call_tool("run_sync", ALL)
    assert tasks.handles == []
    assert result.structured_content is not None
    assert len(result.structured_content["jobs"]) == 3
