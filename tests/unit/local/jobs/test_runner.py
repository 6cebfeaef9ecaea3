"""The runner: a few jobs at once, each ended truly, and none lost when its process stops."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.jobs import wait_for_end
from tests.support.local.harness import (
    COLLECTION,
    PATIENCE_SECONDS,
    LocalHarness,
    fetch_of,
    note,
    open_harness,
    run_jobs,
)
from weft.domain.base import Json
from weft.domain.connections import Connection, ConnectionStatus, NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.errors import StorageFailed, WeftError
from weft.local.engine import EngineLimits
from weft.local.jobs import runner as module
from weft.local.jobs import sync
from weft.local.process_liveness import ProcessLock
from weft.sources.base import Checkpoint, Event, SourceContext

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def prompt_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "BATCH_SECONDS", 0.02)


class Gate:
    """A source that yields one entity, says that it did, and waits to be let on."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.cursors: list[Json | None] = []
        self.entered = anyio.Event()
        self.open = anyio.Event()

    async def fetch(self, cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        self.cursors.append(cursor)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            yield note("first", "word")
            yield Checkpoint({"page": 1})
            self.entered.set()
            await self.open.wait()
            yield note("second", "word")
        finally:
            self.inside -= 1


async def until_stored(local: LocalHarness, connection: Connection, count: int) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while await local.count_entities(connection) < count:
            await local.engine.changes.wait(local.engine.changes.mark(), 0.02)


async def test_queued_job_is_run_to_its_end_and_logged(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(note("a", "word"))
    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await wait_for_end(backend, await backend.jobs.run(made.id))
    assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, 1)
    assert (await local.read_log(job))[-1] == "Completed."
    assert await local.search_titles("word") == ["a"]


async def test_job_queued_before_the_runner_started_is_run(local: LocalHarness) -> None:
    job = await local.backend.jobs.run((await local.connect()).id)
    async with run_jobs(local) as backend:
        assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED


async def test_first_sync_starts_by_itself(local: LocalHarness) -> None:
    async with run_jobs(local) as backend:
        made = await backend.connections.create(
            NewConnection(short_name="stub", readable_collection_id=COLLECTION)
        )
        assert made.sync.last_job is not None
        job = await wait_for_end(backend, made.sync.last_job)
    assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, 10)


async def test_no_more_jobs_run_at_once_than_the_operator_allows(tmp_path: Path) -> None:
    gate = Gate()
    async with open_harness(tmp_path, limits=EngineLimits(syncs=2, syncs_per_host=10)) as local:
        await local.create_collection()
        local.script.fetch = gate.fetch
        connections = [await local.connect() for _ in range(5)]
        async with run_jobs(local) as backend:
            jobs = [await backend.jobs.run(made.id) for made in connections]
            for made in connections[:2]:
                await until_stored(local, made, 1)
            statuses = [(await backend.jobs.get(job.id)).status for job in jobs]
            assert statuses == [JobStatus.RUNNING] * 2 + [JobStatus.PENDING] * 3
            gate.open.set()
            for job in jobs:
                assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED
    assert gate.most == 2


async def test_one_host_gets_no_more_jobs_at_once_than_its_share(tmp_path: Path) -> None:
    gate = Gate()
    async with open_harness(tmp_path, limits=EngineLimits(syncs=4, syncs_per_host=1)) as local:
        await local.create_collection()
        local.script.fetch = gate.fetch
        hosts = ["https://a.example", "https://a.example", "https://b.example"]
        connections = [await local.connect(config={"host": host}) for host in hosts]
        async with run_jobs(local) as backend:
            jobs = [await backend.jobs.run(made.id) for made in connections]
            for made in (connections[0], connections[2]):
                await until_stored(local, made, 1)
            assert (await backend.jobs.get(jobs[1].id)).status is JobStatus.PENDING
            gate.open.set()
            for job in jobs:
                assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED
    assert gate.most == 2


async def test_cancelled_job_is_stopped_while_its_source_waits(local: LocalHarness) -> None:
    gate = Gate()
    local.script.fetch = gate.fetch
    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await backend.jobs.run(made.id)
        await until_stored(local, made, 1)
        await backend.jobs.cancel(job.id)
        job = await wait_for_end(backend, job)
    assert (job.status, job.entities_inserted) == (JobStatus.CANCELLED, 1)
    assert gate.inside == 0, "the source was closed"
    assert (await local.read_log(job))[-1] == "Cancelled."
    assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE


async def test_job_of_a_stopped_process_goes_on_in_the_next_one(local: LocalHarness) -> None:
    gate = Gate()
    local.script.fetch = gate.fetch
    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await backend.jobs.run(made.id)
        await until_stored(local, made, 1)
    waiting = await local.backend.jobs.get(job.id)
    assert (waiting.status, waiting.entities_inserted) == (JobStatus.PENDING, 1)
    assert any("Interrupted" in line for line in await local.read_log(job))
    gate.open.set()
    async with run_jobs(local) as backend:
        done = await wait_for_end(backend, job)
    assert (done.status, done.entities_inserted) == (JobStatus.COMPLETED, 2)
    assert gate.cursors == [None, {"page": 1}]
    assert (await local.backend.connections.get(made.id)).sync.total_runs == 1


async def test_crash_of_one_sync_leaves_the_runner_running(
    local: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        raise RuntimeError("s3cr3t-canary")
        yield

    made = await local.connect()
    async with run_jobs(local) as backend:
        local.script.fetch = crash
        assert (
            await wait_for_end(backend, await backend.jobs.run(made.id))
        ).status is JobStatus.FAILED
        local.script.fetch = fetch_of(note("a"))
        job = await wait_for_end(backend, await backend.jobs.run(made.id))
    assert job.status is JobStatus.COMPLETED
    assert "s3cr3t" not in caplog.text


async def test_trouble_with_the_database_is_waited_out_and_told_once(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    looks = 0
    looked_often = anyio.Event()
    owners = local.engine.store.jobs.owners

    async def busy() -> list[str]:
        nonlocal looks
        looks += 1
        if looks < 10:
            raise StorageFailed("The database is busy.")
        looked_often.set()
        return list(await owners())

    monkeypatch.setattr(local.engine.store.jobs, "owners", busy)
    job = await local.backend.jobs.run((await local.connect()).id)
    with caplog.at_level(logging.WARNING):
        async with run_jobs(local) as backend:
            with anyio.fail_after(PATIENCE_SECONDS):
                await looked_often.wait()
            assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED
    assert caplog.text.count("cannot look for jobs") == 1


async def test_outcome_is_stored_although_the_first_attempt_failed(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    attempts = 0
    finish = local.engine.store.jobs.finish

    async def unsteady(*arguments: object) -> bool:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise StorageFailed("The disk is full.")
        return await finish(*arguments)  # pyright: ignore[reportArgumentType] (passed on)

    monkeypatch.setattr(local.engine.store.jobs, "finish", unsteady)
    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await wait_for_end(backend, await backend.jobs.run(made.id))
    assert (job.status, attempts) == (JobStatus.COMPLETED, 3)


@pytest.mark.parametrize("error", [StorageFailed("Busy."), WeftError("Refused.")])
async def test_look_at_a_running_job_that_fails_stops_neither_the_job_nor_the_runner(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch, error: WeftError
) -> None:
    gate = Gate()
    local.script.fetch = gate.fetch
    failed = anyio.Event()
    get = local.engine.store.jobs.get

    async def failing_once(organization_id: str, job_id: str) -> Job | None:
        if not failed.is_set():
            failed.set()
            raise error
        return await get(organization_id, job_id)

    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await backend.jobs.run(made.id)
        monkeypatch.setattr(local.engine.store.jobs, "get", failing_once)
        with anyio.fail_after(PATIENCE_SECONDS):
            await failed.wait()
        gate.open.set()
        assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED


async def test_lease_is_renewed_while_a_source_takes_its_time(tmp_path: Path) -> None:
    gate = Gate()
    limits = EngineLimits(lease=timedelta(seconds=0.08))
    async with open_harness(tmp_path, limits=limits) as local:
        await local.create_collection()
        local.script.fetch = gate.fetch
        renewed = _renewals(local, 3)
        made = await local.connect()
        async with run_jobs(local) as backend:
            job = await backend.jobs.run(made.id)
            with anyio.fail_after(PATIENCE_SECONDS):
                await renewed.wait()
            gate.open.set()
            assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED


def _renewals(local: LocalHarness, wanted: int) -> anyio.Event:
    """Set when the lease has been renewed that often."""
    count, reached = 0, anyio.Event()
    heartbeat = local.engine.store.jobs.heartbeat

    async def count_and_renew(*arguments: object) -> JobStatus | None:
        nonlocal count
        count += 1
        if count == wanted:
            reached.set()
        return await heartbeat(*arguments)  # pyright: ignore[reportArgumentType] (passed on)

    local.engine.store.jobs.heartbeat = count_and_renew  # pyright: ignore[reportAttributeAccessIssue] (a spy)
    return reached


async def test_job_that_another_process_took_over_is_left_to_it(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the runner does not take it back at once.
    monkeypatch.setattr(module, "POLL_SECONDS", PATIENCE_SECONDS)
    gate = Gate()
    local.script.fetch = gate.fetch
    made = await local.connect()
    with ProcessLock(local.home / "processes", "another"):
        async with run_jobs(local) as backend:
            job = await backend.jobs.run(made.id)
            await until_stored(local, made, 1)
            jobs = local.engine.store.jobs
            assert await jobs.release_dead(await jobs.owners()) == [job.id]
            taken = await local.claim("another")
            assert taken.job_id == job.id
            gate.open.set()
            with anyio.fail_after(PATIENCE_SECONDS):
                while gate.inside:
                    await local.engine.changes.wait(local.engine.changes.mark(), 0.02)
        current = await local.backend.jobs.get(job.id)
        assert (current.status, await local.count_entities(made)) == (JobStatus.RUNNING, 1)
        assert await local.engine.store.jobs.owners() == ["another"]


@asynccontextmanager
async def _two(home: Path) -> AsyncGenerator[tuple[LocalHarness, LocalHarness]]:
    async with open_harness(home) as first, open_harness(home) as second:
        await first.create_collection()
        yield first, second


async def test_two_runners_on_one_database_share_the_jobs(tmp_path: Path) -> None:
    async with _two(tmp_path) as (first, second):
        for local in (first, second):
            local.script.fetch = fetch_of(note("a"), note("b"))
        connections = [await first.connect() for _ in range(6)]
        jobs = [await first.backend.jobs.run(made.id) for made in connections]
        async with run_jobs(first) as backend, run_jobs(second):
            done = [await wait_for_end(backend, job) for job in jobs]
        assert {job.status for job in done} == {JobStatus.COMPLETED}
        assert [job.entities_inserted for job in done] == [2] * 6
        log = [await first.read_log(job) for job in done]
        assert all(lines.count("Completed.") == 1 for lines in log)
        runs = [await first.backend.connections.get(made.id) for made in connections]
        assert [made.sync.total_runs for made in runs] == [1] * 6
