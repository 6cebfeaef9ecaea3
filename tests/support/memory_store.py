"""A store of plain objects, as small as it can be: proof that the protocol holds no SQLite.

Nothing awaits within a method, so that each is one transaction.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from memory_entities import MemoryEntities
from memory_records import (
    MemoryAudit,
    MemoryAuthProviders,
    MemoryAuthSessions,
    MemoryDataKeys,
    MemoryKeys,
    MemoryNotes,
    MemoryOAuthClients,
    MemorySecrets,
    MemoryTokens,
)
from memory_state import ConnectionState, JobState, State, make_page

from weft.domain import collections as domain
from weft.domain.base import Page
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.schedules import Schedule
from weft.errors import Conflict, ErrorCategory, NotFound
from weft.local.store.base import (
    Claim,
    CollectionStore,
    ConnectionRow,
    ConnectionStore,
    DueSchedule,
    JobStore,
    Outcome,
    ScheduleStore,
    Store,
    WaitingJob,
)

LIVE = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLING)
HELD = (JobStatus.RUNNING, JobStatus.CANCELLING)
UNAUTHORIZED = (
    ConnectionStatus.PENDING_AUTH,
    ConnectionStatus.NEEDS_REAUTH,
    ConnectionStatus.INACTIVE,
)


class MemoryCollections(CollectionStore):
    """See CollectionStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(
        self, organization_id: str, *, readable_id: str, name: str
    ) -> domain.Collection:
        for each in self._state.collections.values():
            if (each.organization_id, each.readable_id) == (organization_id, readable_id):
                raise Conflict("Taken.", field="readable_id")
        now = self._state.clock()
        made = domain.Collection(
            id=str(uuid4()),
            organization_id=organization_id,
            name=name,
            readable_id=readable_id,
            status=domain.CollectionStatus.NEEDS_SOURCE,
            created_at=now,
            modified_at=now,
        )
        self._state.collections[made.id] = made
        self._state.record("create", "collection", made.id, organization_id)
        return made

    def _of(self, organization_id: str) -> list[domain.Collection]:
        own = (e for e in self._state.collections.values() if e.organization_id == organization_id)
        return [self._state.show_collection(each) for each in own]

    async def find(self, organization_id: str, text: str) -> Sequence[domain.Collection]:
        own = self._of(organization_id)
        exact = [e for e in own if text == e.readable_id or text.lower() == e.id]
        named = [e for e in own if text.casefold() == e.name.casefold()]
        prefixed = [e for e in own if len(text) >= 4 and e.id.startswith(text.lower())]
        return list({e.id: e for e in (*exact, *named, *prefixed)}.values())[:5]

    async def list(
        self, organization_id: str, *, cursor: str | None, limit: int
    ) -> Page[domain.Collection]:
        return make_page(self._of(organization_id)[::-1], cursor, limit)

    async def rename(self, collection: domain.Collection, name: str) -> bool:
        found = self._state.collections.get(collection.id)
        if found is None:
            return False
        changes = {"name": name, "modified_at": self._state.clock()}
        self._state.collections[found.id] = found.model_copy(update=changes)
        return True

    async def connection_ids(self, collection: domain.Collection) -> Sequence[str]:
        every = self._state.connections.items()
        return [key for key, each in every if each.collection_id == collection.id][::-1]

    async def delete(self, collection: domain.Collection) -> None:
        if await self.connection_ids(collection):
            raise Conflict("It has connections.")
        if self._state.collections.pop(collection.id, None):
            self._state.record("delete", "collection", collection.id, collection.organization_id)


class MemoryConnections(ConnectionStore):
    """See ConnectionStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _get(self, organization_id: str, connection_id: str) -> ConnectionState | None:
        found = self._state.connections.get(connection_id)
        return found if found and found.row.organization_id == organization_id else None

    def _of(self, organization_id: str) -> list[Connection]:
        every = self._state.connections.values()
        own = [each for each in every if each.row.organization_id == organization_id]
        return [self._state.show_connection(each) for each in reversed(own)]

    async def insert(self, row: ConnectionRow) -> None:
        key = (row.organization_id, row.readable_collection_id)
        for each in self._state.collections.values():
            if (each.organization_id, each.readable_id) == key:
                now = self._state.clock()
                self._state.connections[row.id] = ConnectionState(row, each.id, now, now)
                self._state.record("create", "connection", row.id, row.organization_id, row.id)
                return
        raise NotFound("The collection is gone.", field="readable_collection_id")

    async def get(self, organization_id: str, connection_id: str) -> Connection | None:
        found = self._get(organization_id, connection_id)
        return self._state.show_connection(found) if found else None

    async def find(self, organization_id: str, text: str) -> Sequence[Connection]:
        own = self._of(organization_id)
        exact = [e for e in own if e.id == text.lower()]
        named = [e for e in own if e.name.casefold() == text.casefold()]
        prefixed = [e for e in own if len(text) >= 4 and e.id.startswith(text.lower())]
        return (exact or named or prefixed)[:5]

    async def list(
        self,
        organization_id: str,
        *,
        readable_collection_id: str | None,
        short_name: str | None,
        status: ConnectionStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        found = [
            each
            for each in self._of(organization_id)
            if readable_collection_id in (None, each.readable_collection_id)
            and short_name in (None, each.short_name)
            and status in (None, each.status)
        ]
        return make_page(found, cursor, limit)

    async def update(
        self,
        row: ConnectionRow,
        *,
        expected_version: int,
        reset_cursor: bool,
        set_state: bool,
        set_auth: bool,
    ) -> bool:
        found = self._get(row.organization_id, row.id)
        if found is None or found.version != expected_version:
            return False
        kept = () if set_state else ("state", "error_category", "error_message")
        if not set_auth:
            auth = ("auth_method", "authenticated_at", "auth_expires_at", "credentials")
            kept = (*kept, *auth, "auth_provider")
        found.row = replace(row, **{name: getattr(found.row, name) for name in kept})
        found.version += 1
        found.modified_at = self._state.clock()
        if reset_cursor:
            found.cursor = found.hold = None
            for each in self._state.jobs.values():
                if each.job.source_connection_id == row.id and each.job.status in LIVE:
                    each.checkpoint, each.counted = None, {}
                    each.options = each.options.model_copy(update={"agreed_deletions": 0})
        if set_auth:
            self._state.leases.pop(row.id, None)
            session = self._state.sessions.get(row.id)
            if session and row.authenticated_at:
                self._state.sessions[row.id] = replace(
                    session,
                    link=None,
                    state=None,
                    browser=None,
                    completed_at=session.completed_at or self._state.clock(),
                )
        self._state.record("update", "connection", row.id, row.organization_id, row.id)
        return True

    async def credentials(self, organization_id: str, connection_id: str) -> str | None:
        found = self._get(organization_id, connection_id)
        return found.row.credentials if found else None

    async def mark(
        self,
        found: Connection,
        state: ConnectionStatus,
        error_category: ErrorCategory | None,
        error_message: str | None,
    ) -> None:
        stored = self._state.connections.get(found.id)
        if stored is None:
            return
        now = (stored.row.config, stored.row.authenticated_at)
        if now == (found.config, found.auth.authenticated_at):
            stored.row = replace(
                stored.row, state=state, error_category=error_category, error_message=error_message
            )

    async def delete(self, organization_id: str, connection_id: str) -> Connection | None:
        found = self._get(organization_id, connection_id)
        if found is None:
            return None
        state, shown = self._state, self._state.show_connection(found)
        del state.connections[connection_id]
        state.jobs = {
            k: e for k, e in state.jobs.items() if e.job.source_connection_id != connection_id
        }
        state.entities = {k: e for k, e in state.entities.items() if k[0] != connection_id}
        state.sessions.pop(connection_id, None)
        state.leases.pop(connection_id, None)
        state.data_keys.pop((organization_id, connection_id), None)
        state.record("delete", "connection", connection_id, organization_id, connection_id)
        return shown


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
    ) -> Job:
        connection = self._state.connections.get(connection_id)
        if connection is None or connection.row.organization_id != organization_id:
            raise NotFound("The connection is gone.", field="connection_id")
        for each in self._state.jobs.values():
            if each.job.source_connection_id == connection_id and each.job.status in LIVE:
                raise Conflict("A job is live.", job_id=each.job.id)
        schedule = connection.row.schedule or Schedule()
        full = options.force_full_sync or not schedule.continuous or connection.cursor is None
        job = Job(
            id=str(uuid4()),
            source_connection_id=connection_id,
            status=JobStatus.PENDING,
            trigger=trigger,
            full_sync=full,
            created_at=self._state.clock(),
        )
        self._state.jobs[job.id] = JobState(job, organization_id, options)
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

    async def log(self, organization_id: str, job_id: str, limit: int) -> Sequence[LogLine]:
        found = self._state.jobs.get(job_id)
        return found.log[-limit:] if found and found.organization_id == organization_id else []

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
        self, owner: str, *, lease: timedelta, host_limit: int, job_id: str | None = None
    ) -> Claim | None:
        now = self._state.clock()
        for each, connection in self._due(host_limit):
            if job_id not in (None, each.job.id):
                continue
            each.owner, each.fence, each.lease_until = owner, each.fence + 1, now + lease
            each.claimed_at = now
            each.seen_before = frozenset(key for _, key in each.seen)
            each.set(
                **_error_fields(Outcome(JobStatus.RUNNING)),
                status=JobStatus.RUNNING,
                started_at=each.job.started_at or now,
                entities_skipped=each.counted.get("skipped", 0),
                entities_failed=each.counted.get("failed", 0),
            )
            return _make_claim(each, connection, lease)
        return None

    def _due(self, host_limit: int) -> Iterator[tuple[JobState, ConnectionState]]:
        now = self._state.clock()
        for each in self._state.jobs.values():
            if each.job.status is not JobStatus.PENDING or (each.retry_at and each.retry_at > now):
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
            connection.cursor = held.checkpoint or connection.cursor
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
        checkpoint=job.checkpoint,
        options=job.options,
        full_sync=bool(job.job.full_sync),
        listing=job.listing,
        attempts=job.attempts,
        resumed=job.fence > 1,
        renewed=job.renewed,
    )


class MemorySchedules(ScheduleStore):
    """See ScheduleStore."""

    def __init__(self, state: State, jobs: MemoryJobs) -> None:
        self._state = state
        self._jobs = jobs

    def _all(self) -> list[DueSchedule]:
        rows = [each.row for each in self._state.connections.values()]
        return [
            DueSchedule(row.id, row.schedule.next_run, row.schedule)
            for row in rows
            if row.schedule and row.schedule.next_run
        ]

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        now = self._state.clock()
        found = (e for e in self._all() if e.slot <= now and not self._is_live(e))
        return sorted(found, key=lambda e: e.slot)[:limit]

    def _is_live(self, due: DueSchedule) -> bool:
        own = (e.job for e in self._state.jobs.values())
        return any(j.source_connection_id == due.connection_id and j.status in LIVE for j in own)

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        if self._is_live(due) or not await self.move(due, next_run):
            return False
        connection = self._state.connections[due.connection_id]
        fired, repeated = due.slot in connection.slots, connection.repeated_slot
        connection.repeated_slot = due.slot if fired else None
        if connection.row.state in UNAUTHORIZED or (fired and repeated in (None, due.slot)):
            return False
        await self._jobs.insert(
            connection.row.organization_id,
            due.connection_id,
            trigger=JobTrigger.SCHEDULE,
            options=RunOptions(),
        )
        connection.slots.add(due.slot)
        return True

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        return make_page(self._all()[::-1], cursor, limit)

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        found = self._state.connections.get(due.connection_id)
        schedule = found.row.schedule if found else None
        if found is None or schedule is None or schedule.next_run != due.slot:
            return False
        moved = schedule.model_copy(update={"next_run": next_run})
        found.row = replace(found.row, schedule=moved)
        return True


class MemoryStore(Store):
    """See Store."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._state = state = State(clock)
        self.read_only = False
        self.collections = MemoryCollections(state)
        self.connections = MemoryConnections(state)
        self.jobs = MemoryJobs(state)
        self.schedules = MemorySchedules(state, self.jobs)
        self.entities = MemoryEntities(state)
        self.keys = MemoryKeys(state)
        self.data_keys = MemoryDataKeys(state)
        self.secrets = MemorySecrets(state)
        self.audit = MemoryAudit(state)
        self.auth_sessions = MemoryAuthSessions(state)
        self.tokens = MemoryTokens(state)
        self.oauth_clients = MemoryOAuthClients(state)
        self.auth_providers = MemoryAuthProviders(state)
        self.notes = MemoryNotes(state)

    async def now(self) -> datetime:
        return self._state.clock()

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        return self._state.changes

    async def verify(self) -> None:
        pass

    async def close(self) -> None:
        pass
