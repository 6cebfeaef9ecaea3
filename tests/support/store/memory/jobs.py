"""The jobs of the store of plain objects."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from tests.support.store.memory.state import ConnectionState, JobState, State, make_page
from weft.domain.base import Page
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.schedules import Schedule
from weft.errors import Conflict, NotFound
from weft.local.store.base import (
    Claim,
    JobStore,
    Outcome,
    WaitingJob,
)

LIVE = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLING)
HELD = (JobStatus.RUNNING, JobStatus.CANCELLING)
UNAUTHORIZED = (
    ConnectionStatus.PENDING_AUTH,
    ConnectionStatus.NEEDS_REAUTH,
    ConnectionStatus.INACTIVE,
)


class MemoryJobs(JobStore):
    """See JobStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(
        self,
        organization_id: str,
        connection_id: str,
        *,
        trigger: JobTrigger,
        options: RunOptions,
        reserve: timedelta | None = None,
    ) -> Job:
        connection = self._state.connections.get(connection_id)
        if connection is None or connection.row.organization_id != organization_id:
            raise NotFound("The connection is gone.", field="connection_id")
        for each in self._state.jobs.values():
            if each.job.source_connection_id == connection_id and each.job.status in LIVE:
                raise Conflict("A job is live.", job_id=each.job.id)
        schedule = connection.row.schedule or Schedule()
        starts_over = connection.cursor is None or connection.list_again
        full = options.force_full_sync or (
            trigger is not JobTrigger.PUSH and (not schedule.continuous or starts_over)
        )
        job = Job(
            id=str(uuid4()),
            source_connection_id=connection_id,
            status=JobStatus.PENDING,
            trigger=trigger,
            full_sync=full,
            created_at=self._state.clock(),
        )
        made = self._state.jobs[job.id] = JobState(job, organization_id, options)
        made.retry_at = None if reserve is None else self._state.clock() + reserve
        self._state.record("run", "job", job.id, organization_id, connection_id)
        return job

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        found = self._state.jobs.get(job_id)
        return found.job if found and found.organization_id == organization_id else None

    async def find(self, organization_id: str, text: str) -> Sequence[Job]:
        own = [e.job for e in self._state.jobs.values() if e.organization_id == organization_id]
        return [job for job in own if len(text) >= 4 and job.id.startswith(text.lower())][:5]

    async def list(
        self,
        organization_id: str,
        *,
        connection_id: str | None,
        status: JobStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Job]:
        found = [
            each.job
            for each in self._state.jobs.values()
            if each.organization_id == organization_id
            and connection_id in (None, each.job.source_connection_id)
            and status in (None, each.job.status)
        ]
        return make_page(found[::-1], cursor, limit)

    async def log(
        self, organization_id: str, job_id: str, limit: int, skip: int = 0
    ) -> Sequence[LogLine]:
        found = self._state.jobs.get(job_id)
        if found is None or found.organization_id != organization_id:
            return []
        return found.log[: len(found.log) - skip][-limit:]

    async def request_cancel(self, job: Job) -> bool:
        found = self._state.jobs.get(job.id)
        if found is None or found.job.status not in (JobStatus.PENDING, JobStatus.RUNNING):
            return False
        if found.job.status is JobStatus.PENDING:
            found.set(**_error_fields(Outcome(JobStatus.CANCELLED)))
            self._state.end_job(found, JobStatus.CANCELLED)
        else:
            found.set(status=JobStatus.CANCELLING)
        connection_id = found.job.source_connection_id
        self._state.record("cancel", "job", job.id, found.organization_id, connection_id)
        return True

    async def find_waiting(
        self, *, host_limit: int, passed_over: Collection[str] = ()
    ) -> WaitingJob | None:
        for each, connection in self._due(host_limit):
            mark = f"{each.job.id}:{connection.version}"
            if mark not in passed_over:
                row = connection.row
                return WaitingJob(
                    job_id=each.job.id,
                    mark=mark,
                    error=each.job.error,
                    connection_id=row.id,
                    organization_id=row.organization_id,
                    short_name=row.short_name,
                    config=row.config,
                    auth_method=row.auth_method,
                    auth_expires_at=row.auth_expires_at,
                    credentials=row.credentials,
                )
        return None

    async def explain_wait(self, job_id: str, reason: Outcome) -> bool:
        found = self._state.jobs.get(job_id)
        if found is None or found.job.status is not JobStatus.PENDING:
            return False
        found.set(**_error_fields(reason))
        return True

    async def claim(
        self,
        owner: str,
        *,
        lease: timedelta,
        host_limit: int,
        job_id: str | None = None,
        early: bool = False,
    ) -> Claim | None:
        now = self._state.clock()
        for each, connection in self._due(host_limit, early=early):
            if job_id not in (None, each.job.id):
                continue
            each.owner, each.fence, each.lease_until = owner, each.fence + 1, now + lease
            each.claimed_at = now
            each.seen_before = frozenset(key for _, key in each.seen)
            each.reasons = each.reasons_before.copy()
            each.omitted = each.omitted_before.copy()
            each.show_findings()
            each.set(
                **_error_fields(Outcome(JobStatus.RUNNING)),
                status=JobStatus.RUNNING,
                started_at=each.job.started_at or now,
                entities_skipped=each.counted.get("skipped", 0),
                entities_failed=each.counted.get("failed", 0),
            )
            return _make_claim(each, connection, lease)
        return None

    def _due(
        self, host_limit: int, *, early: bool = False
    ) -> Iterator[tuple[JobState, ConnectionState]]:
        now = self._state.clock()
        for each in self._state.jobs.values():
            waits = each.retry_at and each.retry_at > now and not early
            if each.job.status is not JobStatus.PENDING or waits:
                continue
            connection = self._state.connections[each.job.source_connection_id]
            if not connection.row.host or self._running(connection.row.host) < host_limit:
                yield each, connection

    def _running(self, host: str) -> int:
        return sum(
            each.job.status in HELD
            and self._state.connections[each.job.source_connection_id].row.host == host
            for each in self._state.jobs.values()
        )

    async def heartbeat(self, claim: Claim) -> JobStatus | None:
        held = self._state.find_held(claim)
        if held is None:
            return None
        held.lease_until = self._state.clock() + claim.lease
        return held.job.status

    async def release_expired(self, *, running: Collection[str] = ()) -> Sequence[str]:
        now = self._state.clock()
        return self._release(
            lambda e: e.job.id not in running and e.lease_until is not None and e.lease_until < now
        )

    async def owners(self) -> Sequence[str]:
        return sorted({each.owner for each in self._state.jobs.values() if each.owner})

    async def release_dead(self, owners: Sequence[str]) -> Sequence[str]:
        return self._release(lambda each: each.owner in owners)

    def _release(self, is_free: Callable[[JobState], bool]) -> Sequence[str]:
        free = [e for e in self._state.jobs.values() if e.job.status in HELD and is_free(e)]
        for each in free:
            if each.job.status is JobStatus.CANCELLING:
                self._state.end_job(each, JobStatus.CANCELLED)
            else:
                each.set(status=JobStatus.PENDING)
                each.owner = each.lease_until = each.retry_at = None
        return [each.job.id for each in free]

    async def finish(self, claim: Claim, outcome: Outcome, log: Sequence[LogLine]) -> bool:
        held = self._state.find_held(claim)
        if held is None:
            return False
        now, cancelled = self._state.clock(), held.job.status is JobStatus.CANCELLING
        outcome = Outcome(JobStatus.CANCELLED) if cancelled else outcome
        held.log += log
        held.ran += now - (held.claimed_at or now)
        held.set(**_error_fields(outcome))
        if outcome.status is JobStatus.PENDING:
            held.set(status=JobStatus.PENDING)
            held.retry_at = now + outcome.retry_after if outcome.retry_after is not None else None
            held.attempts += outcome.retry_after is not None
            held.renewed |= outcome.renewed
            held.owner = held.lease_until = None
            return True
        connection = self._state.connections[claim.connection_id]
        is_same = connection.row.config == claim.config
        if outcome.status is JobStatus.COMPLETED and is_same:
            if held.checkpoint and not held.hold:
                connection.cursor = held.checkpoint
                connection.list_again &= not held.job.full_sync
                connection.list_again |= held.job.incomplete
            if held.hold or (held.job.full_sync and not held.job.incomplete):
                connection.hold = held.hold
        if outcome.status is JobStatus.COMPLETED and not (held.hold or held.job.incomplete):
            connection.settled = frozenset(
                name for owner, name in self._state.entities if owner == claim.connection_id
            )
        self._state.end_job(held, outcome.status)
        is_same &= connection.row.authenticated_at == claim.authenticated_at
        if outcome.connection_state and is_same:
            failed = outcome.status is JobStatus.FAILED
            connection.row = replace(
                connection.row,
                state=outcome.connection_state,
                error_category=outcome.error_category if failed else None,
                error_message=outcome.error if failed else None,
            )
        return True

    async def prune(self, *, keep: int, limit: int) -> int:
        doomed: list[str] = []
        for connection_id in self._state.connections:
            own = [
                e for e in self._state.jobs.values() if e.job.source_connection_id == connection_id
            ]
            doomed += [e.job.id for e in own[: max(0, len(own) - keep)] if e.job.status not in LIVE]
        for job_id in doomed[:limit]:
            del self._state.jobs[job_id]
        return len(doomed[:limit])


def _error_fields(outcome: Outcome) -> dict[str, Any]:
    return {
        "error": outcome.error,
        "error_category": outcome.error_category,
        "error_details": outcome.error_details,
    }


def _make_claim(job: JobState, connection: ConnectionState, lease: timedelta) -> Claim:
    row = connection.row
    return Claim(
        job_id=job.job.id,
        owner=job.owner or "",
        fence=job.fence,
        lease=lease,
        connection_id=row.id,
        organization_id=row.organization_id,
        short_name=row.short_name,
        config=row.config,
        auth_method=row.auth_method,
        authenticated_at=row.authenticated_at,
        auth_expires_at=row.auth_expires_at,
        credentials=row.credentials,
        cursor=connection.cursor,
        checkpoint=job.checkpoint if job.job.full_sync else None,
        options=job.options,
        full_sync=bool(job.job.full_sync or connection.list_again),
        listing=job.listing,
        attempts=job.attempts,
        resumed=job.fence > 1,
        renewed=job.renewed,
    )
