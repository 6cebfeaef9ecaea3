"""Run jobs in this process: claim, run, keep the lease, cancel, hand back.

The job table decides who runs a job; a dispatcher only passes on that there is work. The one here
runs jobs itself; another could send the job's id to a worker elsewhere, which claims it in the
same way.
"""

import logging
from datetime import datetime
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from weft.domain.jobs import JobStatus, LogLine
from weft.errors import WeftError
from weft.local.engine import Engine
from weft.local.jobs.obstacles import JobPicker
from weft.local.jobs.sync import sync
from weft.local.process_liveness import ProcessLock
from weft.local.store.base import Claim, Outcome

POLL_SECONDS = 0.5
SETTLE_SECONDS = 5.0
RENEWALS_PER_LEASE = 4

logger = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """Makes sure that some process runs queued jobs."""

    async def deliver(self, job_id: str) -> None:
        """Take note that the job with this id has been queued."""
        ...


class EmbeddedRunner(Dispatcher):
    """Runs jobs in this process, a few at a time, in the name of the ``lock``'s owner."""

    def __init__(self, engine: Engine, lock: ProcessLock, owner: str) -> None:
        self._engine = engine
        self._lock = lock
        self._owner = owner
        self._slots = anyio.CapacityLimiter(engine.limits.syncs)
        self._running: set[str] = set()
        self._picker = JobPicker(engine, owner)

    async def deliver(self, job_id: str) -> None:
        del job_id  # Every process takes the oldest job, so the id does not matter.
        self._engine.work.announce()

    async def run(self) -> None:
        """Claim and run jobs until cancelled; unfinished ones are handed back then."""
        async with anyio.create_task_group() as group:
            while True:
                mark = self._engine.work.mark()
                try:
                    await self._start_jobs(group)
                    self._tell_queue(None)
                except WeftError as error:
                    self._tell_queue(error.message)
                await self._engine.work.wait(mark, POLL_SECONDS)

    def _tell_queue(self, trouble: str | None) -> None:
        # A full or busy database stops syncing but not the tools: try again, and log the same
        # trouble only once.
        if self._engine.holds.hold_queue(trouble):
            if trouble is not None:
                logger.warning("cannot look for jobs: %s", trouble)
            self._engine.changes.announce()

    async def _start_jobs(self, group: TaskGroup) -> None:
        jobs = self._engine.store.jobs
        dead = [owner for owner in await jobs.owners() if self._lock.is_dead(owner)]
        released = [
            *await jobs.release_dead(dead),
            *await jobs.release_expired(running=self._running),
        ]
        if released:
            self._engine.changes.announce()
        while self._slots.available_tokens > 0:
            claim = await self._picker.claim()
            if claim is None:
                return
            self._engine.holds.release(claim.job_id)
            self._engine.changes.announce()
            self._slots.acquire_on_behalf_of_nowait((claim.job_id, claim.fence))
            self._running.add(claim.job_id)
            group.start_soon(self._run_job, claim)

    async def _run_job(self, claim: Claim) -> None:
        # If this process ends before there is an outcome, the job goes on elsewhere or later.
        outcome = Outcome(JobStatus.PENDING)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._supervise, claim, group)
                outcome = await sync(self._engine, claim)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                self._picker.note_end(claim, outcome)
                await self._settle(claim, outcome)
            self._slots.release_on_behalf_of((claim.job_id, claim.fence))
            self._running.discard(claim.job_id)
            self._engine.changes.announce()
            self._engine.work.announce()

    async def _supervise(self, claim: Claim, group: TaskGroup) -> None:
        """Keep the lease, and stop the sync when it was cancelled or taken away."""
        renew_seconds = self._engine.limits.lease.total_seconds() / RENEWALS_PER_LEASE
        renewed = anyio.current_time()
        while True:
            mark = self._engine.changes.mark()
            may_go_on = await self._may_go_on(claim)
            if may_go_on and anyio.current_time() - renewed >= renew_seconds:
                renewed = anyio.current_time()
                may_go_on = await self._renew(claim)
            if not may_go_on:
                group.cancel_scope.cancel()
                return
            await self._engine.changes.wait(mark, renew_seconds)

    async def _may_go_on(self, claim: Claim) -> bool:
        try:
            job = await self._engine.store.jobs.get(claim.organization_id, claim.job_id)
        except WeftError as error:
            # Every commit checks the fence, so a failed look is no reason to stop.
            logger.warning("job %s: cannot be looked at: %s", claim.job_id, error)
            return True
        return job is not None and job.status is JobStatus.RUNNING

    async def _renew(self, claim: Claim) -> bool:
        try:
            return await self._engine.store.jobs.heartbeat(claim) is not None
        except WeftError as error:
            logger.warning("job %s: lease not renewed: %s", claim.job_id, error)
            return True

    async def _settle(self, claim: Claim, outcome: Outcome) -> None:
        """Record how the job ended; try again while the database cannot be written.

        If that takes too long, the lease runs out, and the process that claims the job next settles
        it.
        """
        deadline = anyio.current_time() + SETTLE_SECONDS
        while True:
            log = _last_lines(outcome, self._engine.clock())
            try:
                await self._engine.store.jobs.finish(claim, outcome, log)
            except WeftError as error:
                if self._engine.holds.hold(claim.job_id, error.message):
                    self._engine.changes.announce()
                if anyio.current_time() >= deadline:
                    logger.warning("job %s: outcome not stored: %s", claim.job_id, error)
                    return
                await anyio.sleep(POLL_SECONDS)
            else:
                self._engine.holds.release(claim.job_id)
                return


def _last_lines(outcome: Outcome, now: datetime) -> list[LogLine]:
    match outcome.status:
        case JobStatus.COMPLETED:
            return [LogLine(at=now, level="info", message="Completed.")]
        case JobStatus.FAILED:
            return [LogLine(at=now, level="error", message=f"Failed: {outcome.error}")]
        case JobStatus.PENDING:
            text = outcome.error or "Interrupted; it goes on where it stopped."
            return [LogLine(at=now, level="warning", message=text)]
        case _:
            return [LogLine(at=now, level="info", message="Cancelled.")]
