"""Leases run out by the monotonic clock alone: the wall clock may jump as it likes."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.local.harness import LocalHarness, open_harness, run_jobs
from tests.support.patience import PATIENCE_SECONDS
from weft.domain.jobs import JobStatus
from weft.local.engine import EngineLimits
from weft.local.process_liveness import ProcessLock

pytestmark = pytest.mark.anyio

LEASE_SECONDS = 1.0


async def _hold_by_another(local: LocalHarness) -> str:
    made = await local.connect()
    job = await local.backend.jobs.run(made.id)
    await local.claim("another")
    return job.id


async def _wait_for_end(local: LocalHarness, job_id: str) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not (await local.backend.jobs.get(job_id)).status.is_terminal:
            await local.engine.changes.wait(local.engine.changes.mark(), 0.02)


@pytest.mark.parametrize("hours", [1, 24, -1, -24])
async def test_clock_that_jumps_takes_no_job_from_a_living_owner(
    tmp_path: Path, hours: int
) -> None:
    limits = EngineLimits(lease=timedelta(minutes=10))
    async with open_harness(tmp_path, limits=limits) as local:
        await local.create_collection()
        job_id = await _hold_by_another(local)
        local.clock.pass_time(hours=hours)
        with ProcessLock(local.home / "processes", "another"):
            async with run_jobs(local):
                other = await local.connect()
                # The runner has looked, and looked again, once it has done a job of its own.
                for _ in range(2):
                    await _wait_for_end(local, (await local.backend.jobs.run(other.id)).id)
                assert (await local.backend.jobs.get(job_id)).status is JobStatus.RUNNING
                assert await local.engine.store.jobs.owners() == ["another"]


@pytest.mark.parametrize("hours", [0, -24])
async def test_silent_owner_loses_its_job_even_when_the_clock_goes_back(
    tmp_path: Path, hours: int
) -> None:
    limits = EngineLimits(lease=timedelta(seconds=LEASE_SECONDS))
    async with open_harness(tmp_path, limits=limits) as local:
        await local.create_collection()
        job_id = await _hold_by_another(local)
        local.clock.pass_time(hours=hours)
        with ProcessLock(local.home / "processes", "another"):
            async with run_jobs(local):
                started = anyio.current_time()
                await _wait_for_end(local, job_id)
                assert anyio.current_time() - started >= LEASE_SECONDS


async def test_silent_owner_that_was_stopping_is_reaped(tmp_path: Path) -> None:
    limits = EngineLimits(lease=timedelta(seconds=LEASE_SECONDS))
    async with open_harness(tmp_path, limits=limits) as local:
        await local.create_collection()
        job_id = await _hold_by_another(local)
        await local.backend.jobs.cancel(job_id)
        local.clock.pass_time(hours=-24)
        with ProcessLock(local.home / "processes", "another"):
            async with run_jobs(local):
                await _wait_for_end(local, job_id)
        assert (await local.backend.jobs.get(job_id)).status is JobStatus.CANCELLED
