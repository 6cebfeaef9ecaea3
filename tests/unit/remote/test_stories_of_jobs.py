"""The recorded story of jobs, told through Weft's backend; its surprises surprise nobody."""

import pytest

from tests.support.airweave.backend import STUB_AUTH, Place, make_connection, wait_until_synced
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.errors import Conflict
from weft.testing.airweave.world import FAILING_SEED, STUCK_SEED

pytestmark = pytest.mark.anyio


async def test_error_is_only_in_the_job(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH, config={"seed": FAILING_SEED})
        await wait_until_synced(place.world, made.id, "failed")
        found = await backend.connections.get(made.id)
        assert found.sync.last_job is not None
        (line,) = await backend.jobs.log(found.sync.last_job.id)
    assert found.status is ConnectionStatus.ERROR
    last = found.sync.last_job
    assert (last.status, last.completed_at, last.duration_seconds) == (
        JobStatus.FAILED,
        None,
        None,
    )
    assert line.message == "Upstream exploded while listing"


async def test_status_and_skip_of_jobs_are_ignored_so_weft_filters(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH)
        await wait_until_synced(place.world, made.id)
        await backend.jobs.run(made.id)
        await wait_until_synced(place.world, made.id)
        first = await backend.jobs.list(made.id, limit=1)
        second = await backend.jobs.list(made.id, limit=1, cursor=first.next_cursor)
        failed = await backend.jobs.list(made.id, status=JobStatus.FAILED)
    assert first.items[0].id != second.items[0].id
    assert (second.next_cursor, failed.items) == (None, ())


async def test_cancelled_run_is_in_neither_count(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH, config={"seed": STUCK_SEED})
        (job,) = (await backend.jobs.list(made.id)).items
        await backend.jobs.cancel(job.id)
        found = await backend.connections.get(made.id)
    assert found.status is ConnectionStatus.ACTIVE
    assert (found.sync.successful_runs, found.sync.failed_runs) == (0, 0)


async def test_pending_job_is_cancelled_and_a_second_cancel_says_so(place: Place) -> None:
    async with place.open() as backend:
        made = await make_connection(backend, "stub", auth=STUB_AUTH, config={"seed": STUCK_SEED})
        (job,) = (await backend.jobs.list(made.id)).items
        assert (await backend.jobs.cancel(job.id)).status is JobStatus.CANCELLED
        with pytest.raises(Conflict, match="CANCELLED"):
            await backend.jobs.cancel(job.id)
