"""Runs jobs in this process: claim, run, keep the lease, cancel, hand back.

The job table is the truth; a dispatcher only tells someone that there is work. This one runs it
itself; another may send the job's id to a worker elsewhere, which claims and runs it the same way.
"""

import logging
import uuid
from datetime import datetime
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from weft.domain.jobs import JobStatus, LogLine
from weft.errors import StorageFailed, WeftError
from weft.local.engine import Engine
from weft.local.lease import RENEW_SECONDS, lease_until
from weft.local.store.base import Claim, Outcome
from weft.local.sync import sync

POLL_SECONDS = 1.0
WATCH_SECONDS = 0.5
PURGE_BATCH = 500
PURGE_POLL_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """Sees to it that queued jobs are run by someone."""

    async def deliver(self, job_id: str) -> None:
        """The job with this id has been queued."""
        ...


class EmbeddedRunner(Dispatcher):
    """Runs jobs in this process, a few at a time."""

    def __init__(self, engine: Engine, *, concurrency: int) -> None:
        self._engine = engine
        self._slots = anyio.CapacityLimiter(concurrency)
        self._owner = str(uuid.uuid4())

    async def deliver(self, job_id: str) -> None:
        del job_id  # Whoever looks first takes the oldest job.
        self._engine.work.announce()

    async def run(self) -> None:
        """Claim and run jobs until cancelled; unfinished ones are handed back then."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._purge)
            while True:
                mark = self._engine.work.mark()
                try:
                    await self._start_jobs(group)
                except WeftError as error:
                    # The database is busy or full: syncing stops, the tools go on, we try again.
                    logger.warning("cannot look for jobs: %s", error)
                await self._engine.work.wait(mark, POLL_SECONDS)

    async def _start_jobs(self, group: TaskGroup) -> None:
        jobs = self._engine.store.jobs
        now = self._engine.clock()
        if await jobs.reap(now):
            self._engine.changes.announce()
        while self._slots.available_tokens > 0:
            now = self._engine.clock()
            claim = await jobs.claim(self._owner, now=now, lease_until=lease_until(now))
            if claim is None:
                return
            self._engine.changes.announce()
            self._slots.acquire_on_behalf_of_nowait(claim.job_id)
            group.start_soon(self._run_job, claim)

    async def _run_job(self, claim: Claim) -> None:
        outcome: Outcome | None = None
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._supervise, claim, group)
                outcome = await sync(self._engine, claim)
                group.cancel_scope.cancel()
        finally:
            # Runs on shutdown too: the job is then neither lost nor stuck.
            with anyio.CancelScope(shield=True):
                await self._settle(claim, outcome)
                self._slots.release_on_behalf_of(claim.job_id)
            self._engine.changes.announce()
            self._engine.work.announce()

    async def _supervise(self, claim: Claim, group: TaskGroup) -> None:
        """Keep the lease, and stop the sync when it was cancelled or taken away."""
        renewed = anyio.current_time()
        while True:
            mark = self._engine.changes.mark()
            if not await self._may_go_on(claim):
                group.cancel_scope.cancel()
                return
            if anyio.current_time() - renewed >= RENEW_SECONDS:
                renewed = anyio.current_time()
                await self._renew(claim, group)
            await self._engine.changes.wait(mark, WATCH_SECONDS)

    async def _may_go_on(self, claim: Claim) -> bool:
        try:
            job = await self._engine.store.jobs.get(claim.organization_id, claim.job_id)
        except StorageFailed as error:
            # Every commit checks again, so a look that failed is no reason to stop.
            logger.warning("job %s: cannot be looked at: %s", claim.job_id, error)
            return True
        return job is not None and job.status is JobStatus.RUNNING

    async def _renew(self, claim: Claim, group: TaskGroup) -> None:
        try:
            until = lease_until(self._engine.clock())
            if await self._engine.store.jobs.renew(claim, until) is None:
                group.cancel_scope.cancel()
        except StorageFailed as error:
            logger.warning("job %s: lease not renewed: %s", claim.job_id, error)

    async def _settle(self, claim: Claim, outcome: Outcome | None) -> None:
        jobs = self._engine.store.jobs
        now = self._engine.clock()
        try:
            if outcome is None:
                await jobs.hand_back(claim)
                # Only has an effect on a job that was asked to stop.
                outcome = Outcome(JobStatus.CANCELLED)
            await jobs.finish(claim, outcome, [_last_line(outcome, now)], now)
        except WeftError as error:
            # The lease runs out, and whoever claims the job next settles it.
            logger.warning("job %s: outcome not stored: %s", claim.job_id, error)

    async def _purge(self) -> None:
        while True:
            mark = self._engine.work.mark()
            try:
                while await self._engine.store.entities.purge(PURGE_BATCH):
                    await anyio.lowlevel.checkpoint()
            except WeftError as error:
                logger.warning("cannot clean up: %s", error)
            await self._engine.work.wait(mark, PURGE_POLL_SECONDS)


def _last_line(outcome: Outcome, now: datetime) -> LogLine:
    match outcome.status:
        case JobStatus.COMPLETED:
            return LogLine(at=now, level="info", message="Completed.")
        case JobStatus.FAILED:
            return LogLine(at=now, level="error", message=f"Failed: {outcome.error}")
        case _:
            return LogLine(at=now, level="info", message="Cancelled.")
