"""The tools that run a sync, wait for it, explain it and cancel it."""

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.server.fakes import Connect, FakeBackend
from tests.support.server.records import NOW, make_job
from tests.support.server.tool_calls import bad, good, items
from weft.domain.base import Page
from weft.domain.jobs import Job, JobStatus, LogLine
from weft.errors import ErrorCategory

pytestmark = pytest.mark.anyio


async def test_run_returns_the_job_at_once(connect: Connect) -> None:
    text, data = await good(connect, "run_sync", connection_id="c1")
    assert data["status"] == "PENDING"
    assert "get_job(job_id='j1'" in text


async def test_running_job_is_named_with_the_way_out(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j7"] = make_job("j7", status=JobStatus.RUNNING)
    text = await bad(connect, "run_sync", connection_id="c1")
    assert "get_job(job_id='j7')" in text
    assert "cancel_job(job_id='j7')" in text


async def test_waiting_run_returns_at_the_end_with_growing_progress(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.script = [
        make_job("j1", status=JobStatus.RUNNING, entities_inserted=5, entities_total=4),
        make_job("j1", status=JobStatus.COMPLETED, entities_inserted=3),
        make_job("j1", status=JobStatus.COMPLETED, entities_inserted=9),
    ]
    seen: list[tuple[float, float | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with connect() as client:
        result = await client.call_tool(
            "run_sync",
            {"connection_id": "c1", "wait_seconds": 45},
            progress_callback=on_progress,
        )
    assert result.structured_content is not None
    assert result.structured_content["status"] == "COMPLETED"
    assert [value for value, _ in seen] == sorted({value for value, _ in seen})
    assert backend.jobs.unwatched.is_set()


async def test_cancelled_call_leaves_the_job_running(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.script = [make_job("j1", status=JobStatus.RUNNING)]
    async with connect() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                client.call_tool, "run_sync", {"connection_id": "c1", "wait_seconds": 45}
            )
            with anyio.fail_after(PATIENCE_SECONDS):
                await backend.jobs.watching.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(PATIENCE_SECONDS):
            await backend.jobs.unwatched.wait()
    assert backend.jobs.rows["j1"].status is JobStatus.RUNNING


async def test_wait_ends_with_the_present_state(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.script = [make_job("j1", status=JobStatus.RUNNING, entities_inserted=1)]
    _, data = await good(connect, "run_sync", connection_id="c1", wait_seconds=1)
    assert data["status"] == "RUNNING"


async def test_sync_that_fails_while_it_is_waited_for_comes_with_its_diagnosis(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.script = [
        make_job("j1", status=JobStatus.FAILED, error_category=ErrorCategory.API_KEY_INVALID)
    ]
    text, data = await good(connect, "run_sync", connection_id="c1", wait_seconds=1)
    for said in data["diagnosis"].values():
        assert said in text
    assert data["diagnosis"]["category"] == "api_key_invalid"
    assert "authorize_connection(connection_id='c1')" in text
    assert "get_job" not in text


async def test_failed_job_comes_with_diagnosis_and_log(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j1"] = make_job(
        "j1",
        status=JobStatus.FAILED,
        error="Refused.",
        error_category=ErrorCategory.API_KEY_INVALID,
    )
    backend.jobs.lines = [LogLine(at=NOW, level="ERROR", message="evil\u202e\nname")]
    text, data = await good(connect, "get_job", job_id="j1")
    assert "authorize_connection(connection_id='c1')" in text
    assert "<untrusted-content id=" in text
    assert data["untrusted_log"] == [
        {"at": "2026-01-02T03:04:05Z", "level": "ERROR", "message": "evil name"}
    ]


async def test_complete_sync_with_failures_does_not_pass_for_whole(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED, entities_failed=2)
    text, _ = await good(connect, "get_job", job_id="j1")
    assert "2 of what it listed could not be read" in text
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED, entities_inserted=2)
    text, _ = await good(connect, "get_job", job_id="j1")
    assert "could not be read" not in text


async def test_ended_job_without_entities_says_that_there_were_none(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED)
    text, _ = await good(connect, "get_job", job_id="j1")
    assert "entities: 0 processed" in text
    assert "so far" not in text


async def test_long_log_is_cut_to_its_end(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED)
    backend.jobs.lines = [
        LogLine(at=NOW, level="INFO", message=f"{number} " + "é" * 5000) for number in range(100)
    ]
    text, _ = await good(connect, "get_job", job_id="j1", log_lines=100)
    assert "\n2026-01-02T03:04:05Z INFO 99 " in text


async def test_log_is_read_to_its_beginning(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED)
    backend.jobs.lines = [LogLine(at=NOW, level="INFO", message=str(one)) for one in range(5)]
    text, data = await good(connect, "get_job", job_id="j1", log_lines=2)
    read = [line["message"] for line in data["untrusted_log"]]
    while "next_log_skip" in data:
        assert f"log_skip={data['next_log_skip']}" in text
        text, data = await good(
            connect, "get_job", job_id="j1", log_lines=2, log_skip=data["next_log_skip"]
        )
        read[:0] = [line["message"] for line in data["untrusted_log"]]
    assert read == ["0", "1", "2", "3", "4"]
    assert "log, last 1 line before the newest 4" in text


async def test_skipping_beyond_a_log_does_not_call_it_empty(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED)
    backend.jobs.lines = [LogLine(at=NOW, level="INFO", message="begun")]
    text, data = await good(connect, "get_job", job_id="j1", log_skip=9)
    assert "log: no lines before the newest 9" in text
    assert data["untrusted_log"] == []
    text, _ = await good(connect, "get_job", job_id="j1", log_skip=-9)
    assert "begun" in text


async def test_large_page_shrinks_and_keeps_a_true_cursor(
    connect: Connect, backend: FakeBackend
) -> None:
    for number in range(100):
        backend.jobs.rows[f"k{number}"] = make_job(
            f"k{number}", status=JobStatus.FAILED, error="x" * 3000
        )
    _, data = await good(connect, "list_jobs", limit=100)
    assert data["next_cursor"] == str(len(items(data)))


async def test_cancel_is_repeatable_until_the_end(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.RUNNING)
    _, data = await good(connect, "cancel_job", job_id="j1")
    assert data["status"] == "CANCELLING"
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.COMPLETED)
    assert "ended" in await bad(connect, "cancel_job", job_id="j1")


async def test_part_of_the_jobs_is_not_taken_for_all(
    connect: Connect, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "These are of connections 1 to 50 of 1000."

    async def list_part(*_: object, **_options: object) -> Page[Job]:
        return Page(items=(), next_cursor="more", note=note)

    monkeypatch.setattr(backend.jobs, "list", list_part)
    text, data = await good(connect, "list_jobs", status="FAILED")
    assert note in text
    assert "cursor='more'" in text
    assert "No job" not in text
    assert data["note"] == note
