"""Following, cancelling and deleting what another process runs."""

import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.jobs import wait_for_end, wait_for_job
from tests.support.local.embedded import Embedded, open_embedded
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.workers import Onlooker, Workers, open_file, start_running_job
from weft.domain.base import Json
from weft.domain.connections import Connection, NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.errors import NotFound
from weft.local.backend import connections as connections_module

pytestmark = pytest.mark.anyio

WAITERS = 50
LOOKS = 3
LOOKS_PER_SECOND_MAX = 10

STEADY: Json = {"entities": 100_000, "rate": 500.0, "page_size": 50}


def read_inserted(workers: Workers, job: Job) -> int:
    """Read the count from the file itself, without waiting; -1 when the job is gone."""
    with open_file(str(workers.home / "weft.db")) as db:
        found = db.execute("SELECT inserted FROM job WHERE id = ?", (job.id,)).get
    return -1 if found is None else found


async def test_progress_and_end_of_another_processs_job_are_seen(
    workers: Workers, onlooker: Onlooker
) -> None:
    job = await start_running_job(
        workers, onlooker, {"entities": 1_500, "rate": 500.0, "page_size": 50}
    )
    seen = [job.entities_inserted]
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in onlooker.backend.jobs.watch(job.id):
            assert current.entities_inserted <= read_inserted(workers, job)
            seen.append(current.entities_inserted)
            job = current
    assert job.status is JobStatus.COMPLETED
    assert seen == sorted(seen)
    assert seen[-1] == 1_500


async def test_many_waiters_look_at_the_database_as_one(
    workers: Workers, onlooker: Onlooker, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await start_running_job(workers, onlooker, STEADY)
    workers.send_signal(workers.processes[0], signal.SIGSTOP)
    looks = reads = 0
    looked = anyio.Event()
    wait_for_change, find = onlooker.engine.store.wait_for_change, onlooker.engine.store.jobs.find

    async def count_look(seen: int, seconds: float) -> int:
        nonlocal looks
        looks += 1
        if looks == LOOKS:
            looked.set()
        return await wait_for_change(seen, seconds)

    async def count_find(organization_id: str, text: str) -> Sequence[Job]:
        nonlocal reads
        reads += 1
        return await find(organization_id, text)

    monkeypatch.setattr(onlooker.engine.store, "wait_for_change", count_look)
    monkeypatch.setattr(onlooker.engine.store.jobs, "find", count_find)
    waiting = 0
    passed = 0.0

    async def wait() -> None:
        nonlocal waiting
        async for _ in onlooker.backend.jobs.watch(job.id):
            waiting += 1

    async with anyio.create_task_group() as group:
        for _ in range(WAITERS):
            group.start_soon(wait)
        with anyio.fail_after(PATIENCE_SECONDS):
            while waiting < WAITERS:
                await onlooker.engine.changes.wait(onlooker.engine.changes.mark(), 0.05)
        looks = reads = 0
        looked = anyio.Event()
        started = anyio.current_time()
        with anyio.fail_after(PATIENCE_SECONDS):
            await looked.wait()
        passed = anyio.current_time() - started
        group.cancel_scope.cancel()
    # However many wait, and however slow the machine is: looks are far apart.
    assert looks <= LOOKS_PER_SECOND_MAX * passed
    # Nothing changed, so nobody read the job again, but for the rare look to be on the safe side.
    assert reads <= WAITERS


async def test_nobody_waits_and_nobody_looks(
    onlooker: Onlooker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def count_look(seen: int, seconds: float) -> int:
        nonlocal looks
        looks += 1
        return 1

    monkeypatch.setattr(onlooker.engine.store, "wait_for_change", count_look)
    with anyio.move_on_after(0.7):
        await anyio.Event().wait()
    assert looks <= 1


async def test_cancel_of_another_processs_job_is_acknowledged_and_nothing_is_written_after(
    workers: Workers, onlooker: Onlooker
) -> None:
    job = await start_running_job(workers, onlooker, STEADY)
    cancelling = await onlooker.backend.jobs.cancel(job.id)
    assert cancelling.status in (JobStatus.CANCELLING, JobStatus.CANCELLED)
    job = await wait_for_end(onlooker.backend, job)
    assert job.status is JobStatus.CANCELLED
    connection = await onlooker.backend.connections.get(job.source_connection_id)
    assert connection.entities.total_entities == job.entities_inserted > 0
    # The owner has let go: it takes the next job of the connection, which goes on from there.
    again = await onlooker.backend.jobs.run(connection.id)
    await wait_for_job(onlooker.backend, again, lambda seen: seen.entities_processed)
    assert (await onlooker.backend.jobs.get(job.id)) == job


async def test_cancel_during_long_silence_of_the_source_is_acknowledged(
    workers: Workers, onlooker: Onlooker
) -> None:
    config: Json = {"entities": 1_000, "seconds_per_entity": 2.0}
    job = await start_running_job(workers, onlooker, config)
    await onlooker.backend.jobs.cancel(job.id)
    await wait_for_end(onlooker.backend, job)


async def test_delete_stops_the_sync_of_another_process(
    workers: Workers, onlooker: Onlooker
) -> None:
    job = await start_running_job(workers, onlooker, STEADY)
    before = await onlooker.backend.connections.delete(job.source_connection_id)
    assert before.id == job.source_connection_id
    with pytest.raises(NotFound):
        await onlooker.backend.jobs.get(job.id)
    assert count_leftovers(workers) == 0
    assert workers.complaints() == ""


async def test_delete_fences_out_an_owner_that_was_stopped(
    workers: Workers, onlooker: Onlooker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "DELETE_WAIT_SECONDS", 1.0)
    job = await start_running_job(workers, onlooker, STEADY)
    frozen = workers.processes[0]
    workers.send_signal(frozen, signal.SIGSTOP)
    started = anyio.current_time()
    await onlooker.backend.connections.delete(job.source_connection_id)
    assert anyio.current_time() - started >= 1.0
    assert count_leftovers(workers) == 0
    workers.send_signal(frozen, signal.SIGCONT)
    # It lives, it is done with what it had, and it does what comes next.
    new = NewConnection(short_name="stub", readable_collection_id="docs", config={"entities": 5})
    after = (await onlooker.backend.connections.create(new)).sync.last_job
    assert after is not None
    assert (await wait_for_end(onlooker.backend, after)).status is JobStatus.COMPLETED
    assert count_leftovers(workers) == 5


def count_leftovers(workers: Workers) -> int:
    """Entities that can be found, of whatever connection."""
    with open_file(str(workers.home / "weft.db")) as db:
        return db.execute(
            "SELECT count(*) FROM entity e JOIN connection c ON c.no = e.connection_no"
        ).get


@asynccontextmanager
async def open_two(home: Path) -> AsyncGenerator[tuple[Embedded, Embedded, Connection]]:
    """An engine that runs jobs, one that does not, and a connection that syncs for long."""
    async with open_embedded(home) as first, open_embedded(home, runs_jobs=False) as second:
        yield first, second, await first.connect(STEADY)


async def test_cancel_from_both_sides_ends_one_job_once(tmp_path: Path) -> None:
    async with open_two(tmp_path) as (first, second, connection):
        job = await first.backend.jobs.run(connection.id)
        await wait_for_job(second.backend, job, lambda seen: seen.status is JobStatus.RUNNING)
        async with anyio.create_task_group() as group:
            for engine in (first, second, first, second):
                group.start_soon(engine.backend.jobs.cancel, job.id)
        ended = await second.wait_for_end(job)
        assert ended.status is JobStatus.CANCELLED
        summary = (await first.backend.connections.get(connection.id)).sync
        assert summary.total_runs == 1
