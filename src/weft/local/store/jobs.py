"""The parts of a store that queue, run and record jobs, and fire schedules; see `base`."""

from collections.abc import Collection as Ids
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from weft.domain.base import Page
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.local.store.records import Claim, DueSchedule, Outcome, WaitingJob


class JobStore(Protocol):
    """Jobs. Whoever delivers and runs them, only this table counts."""

    async def insert(
        self,
        organization_id: str,
        connection_id: str,
        *,
        trigger: JobTrigger,
        options: RunOptions,
        reserve: timedelta | None = None,
    ) -> Job:
        """Queue one; with ``reserve`` it is not due for so long, except for an ``early`` claim.

        One that is pushed lists everything only if ``options`` say so. Raises Conflict, naming the
        job, while one is live, and NotFound without the connection.
        """
        ...

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        """Get one by its exact id."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Job]:
        """Find by id or a prefix of one; at most five."""
        ...

    async def list(
        self,
        organization_id: str,
        *,
        connection_id: str | None,
        status: JobStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Job]:
        """List a page, newest first."""
        ...

    async def log(
        self, organization_id: str, job_id: str, limit: int, skip: int = 0
    ) -> Sequence[LogLine]:
        """Get the last lines, oldest first, without the ``skip`` newest."""
        ...

    async def request_cancel(self, job: Job) -> bool:
        """Make PENDING CANCELLED and RUNNING CANCELLING; False if the job was neither."""
        ...

    async def find_waiting(
        self, *, host_limit: int, passed_over: Ids[str] = ()
    ) -> WaitingJob | None:
        """Find the oldest waiting job that is due, but none whose mark is in ``passed_over``.

        Jobs of a host with ``host_limit`` running jobs keep waiting.
        """
        ...

    async def explain_wait(self, job_id: str, reason: Outcome) -> bool:
        """Store why a PENDING job waits, until it is claimed; False if it is PENDING no more."""
        ...

    async def claim(
        self,
        owner: str,
        *,
        lease: timedelta,
        host_limit: int,
        job_id: str | None = None,
        early: bool = False,
    ) -> Claim | None:
        """Take the oldest waiting job that is due, or this one if it is, as in `find_waiting`;
        ``early``: also if it is not due yet.

        It is RUNNING under a lease and a new fence.
        """
        ...

    async def heartbeat(self, claim: Claim) -> JobStatus | None:
        """Renew the lease; `EntityStore.commit` does so too.

        Returns the job's status, or None when the claim is lost.
        """
        ...

    async def release_expired(self, *, running: Ids[str] = ()) -> Sequence[str]:
        """Take jobs from owners whose lease has run out; return the jobs' ids.

        RUNNING becomes PENDING, CANCELLING becomes CANCELLED. Jobs in ``running``, which the caller
        runs itself, are left alone. A store may count only the time between calls that follow each
        other closely, so call this several times per lease.
        """
        ...

    async def owners(self) -> Sequence[str]:
        """List the owners that hold jobs now."""
        ...

    async def release_dead(self, owners: Sequence[str]) -> Sequence[str]:
        """Release, as `release_expired`, all jobs of owners that the caller knows are dead."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome, log: Sequence[LogLine]) -> bool:
        """End the job and record it with the connection, or hand it back as PENDING.

        False when the claim is lost. A CANCELLING job ends CANCELLED whatever the outcome says.
        """
        ...

    async def prune(self, *, keep: int, limit: int) -> int:
        """Delete ended jobs beyond the newest ``keep`` of each connection; return how many."""
        ...


class ScheduleStore(Protocol):
    """Schedules that have to be fired."""

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        """List schedules whose time has come and that no live job keeps waiting."""
        ...

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        """Set the next time, and queue a job for the slot; a slot never gets a second job.

        False, without a job, when another process was first, a sync is live (the slot stays due
        then), the connection waits for authorisation, or the slot was fired before the clock was
        set back. Of several such slots in a row, all but the first get a job that is not theirs.
        """
        ...

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        """List schedules with their next time, due or not, each once."""
        ...

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        """Set another next time without firing; False when another process was first."""
        ...
