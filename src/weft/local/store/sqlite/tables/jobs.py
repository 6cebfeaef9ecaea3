"""Jobs on SQLite. Claims and fences are checked inside the transaction that relies on them."""

import uuid
from array import array
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from weft.domain.base import Page
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.errors import Conflict, NotFound
from weft.local.store.base import Claim, JobStore, Outcome, WaitingJob
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.audit import (
    Stamp,
    Target,
    connection_target,
    record,
    stamp,
    write_audited,
)
from weft.local.store.sqlite.tables.claims import (
    Held,
    Lap,
    claim_next,
    find_held,
    read_lap,
    renew,
    to_waiting,
)
from weft.local.store.sqlite.tables.connections import is_as_read
from weft.local.store.sqlite.tables.leases import LeaseWatch
from weft.local.store.sqlite.tables.rows import (
    Table,
    find_first,
    has_row,
    read_page,
    row_before,
    rows,
    select,
    to_job,
)
from weft.local.store.values import MICROSECOND, dumps, micros, moment

RETRY_WAIT_MAX = timedelta(minutes=10)

_ID_PREFIX_MIN_CHARS = 3


class SqliteJobs(Table, JobStore):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._leases = LeaseWatch()

    async def insert(
        self,
        organization_id: str,
        connection_id: str,
        *,
        trigger: JobTrigger,
        options: RunOptions,
        reserve: timedelta | None = None,
    ) -> Job:
        job_id, now = new_job_id(), self._database.now()
        values = {
            "id": job_id,
            "organization_id": organization_id,
            "connection_id": connection_id,
            "trigger": trigger,
            "options": options.model_dump_json(),
            "force_full_sync": options.force_full_sync or options.agreed_deletions > 0,
            "retry_at": None if reserve is None else now + reserve // MICROSECOND,
            "now": now,
        }
        target = Target("job", job_id, organization_id, connection_id)
        return await write_audited(self._database, "run", target, _insert, values)

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        values = {"organization_id": organization_id, "id": job_id}
        return await self._database.peek(find_first, to_job, values, "job_columns", "job_by_id")

    async def find(self, organization_id: str, text: str) -> Sequence[Job]:
        return await self._database.peek(_find, organization_id, text.lower())

    async def list(
        self,
        organization_id: str,
        *,
        connection_id: str | None,
        status: JobStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Job]:
        values: dict[str, Any] = {
            "organization_id": organization_id,
            "status": status,
            "limit": limit + 1,
        }
        tail = "job_list"
        if connection_id is not None:
            tail = "job_list_of_connection"
            values["connection_id"] = connection_id
        values["before"] = row_before(cursor, tail, values)
        # No index has the status, so finding a rare one means reading all jobs.
        look = self._database.peek if status is None else self._database.read
        return await look(read_page, to_job, values, "job_columns", tail)

    async def log(
        self, organization_id: str, job_id: str, limit: int, skip: int = 0
    ) -> Sequence[LogLine]:
        values = {
            "organization_id": organization_id,
            "id": job_id,
            "limit": limit,
            "skip": skip,
        }
        return await self._database.read(_log, values)

    async def request_cancel(self, job: Job) -> bool:
        return await self._database.write(_request_cancel, job.id, stamp(self._database))

    async def find_waiting(
        self, *, host_limit: int, passed_over: Collection[str] = ()
    ) -> WaitingJob | None:
        # Most looks find nothing, and must be cheap.
        if not await self._database.peek(has_row, "job_any_waiting"):
            return None
        values = self._next_values(host_limit, passed_over=passed_over)
        return await self._database.read(find_first, to_waiting, values, "job_next")

    async def explain_wait(self, job_id: str, reason: Outcome) -> bool:
        values = _error_values(reason) | {"id": job_id}
        return await self._database.write_relaxed(has_row, "job_explain_wait", values)

    async def claim(
        self,
        owner: str,
        *,
        lease: timedelta,
        host_limit: int,
        job_id: str | None = None,
        early: bool = False,
    ) -> Claim | None:
        # Most looks find nothing, and must not take the write lock.
        if not await self._database.peek(has_row, "job_any_waiting"):
            return None
        values = self._next_values(host_limit, job_id=job_id, early=early)
        holder = {"owner": owner, "lease_length": lease // MICROSECOND, "now": values["now"]}
        seconds = self._database.monotonic()
        return await self._database.write_relaxed(claim_next, values, holder, lease, seconds)

    def _next_values(
        self,
        host_limit: int,
        *,
        job_id: str | None = None,
        passed_over: Collection[str] = (),
        early: bool = False,
    ) -> dict[str, Any]:
        return {
            "job_id": job_id,
            "early": early,
            "host_limit": host_limit,
            "retry_max": RETRY_WAIT_MAX // MICROSECOND,
            "now": self._database.now(),
            # carray refuses an empty array; the empty text matches no mark.
            "passed_over": carray(("", *passed_over)),
        }

    async def heartbeat(self, claim: Claim) -> JobStatus | None:
        return await self._database.write_relaxed(
            _heartbeat, claim, read_lap(self._database, claim)
        )

    async def release_expired(self, *, running: Collection[str] = ()) -> Sequence[str]:
        leases = await self._database.read(_leases)
        watched = {lease.mark: lease.seconds for lease in leases if lease.job_id not in running}
        expired = self._leases.find_expired(watched, self._database.monotonic())
        return await self._release((), expired) if expired else ()

    async def owners(self) -> Sequence[str]:
        return await self._database.peek(_owners)

    async def release_dead(self, owners: Sequence[str]) -> Sequence[str]:
        return await self._release(owners, ()) if owners else ()

    async def _release(self, owners: Sequence[str], marks: Sequence[str]) -> Sequence[str]:
        # carray refuses an empty array; the empty text matches no owner and no mark.
        values = {"owners": carray(("", *owners)), "marks": carray(("", *marks))}
        return await self._database.write(_release, values | {"now": self._database.now()})

    async def finish(self, claim: Claim, outcome: Outcome, log: Sequence[LogLine]) -> bool:
        by, lap = stamp(self._database), read_lap(self._database, claim)
        return await self._database.write(_finish, claim, outcome, log, by, lap)

    async def prune(self, *, keep: int, limit: int) -> int:
        values = {"keep": keep, "limit": limit, "now": self._database.now()}
        # Looking takes long if there are many jobs, so do not hold the write lock.
        crowded = await self._database.read(_find_crowded, values)
        if not crowded:
            return 0
        return await self._database.write_relaxed(_prune, values, crowded)


def new_job_id() -> str:
    """Make a random id; as it is a task id too, it must not be guessable."""
    return str(uuid.uuid4())


def write_log(db: Session, job_no: int, log: Sequence[LogLine]) -> None:
    """Append lines to a job's log, within the caller's transaction."""
    db.executemany(
        queries()["job_log_insert"],
        (
            {
                "job_no": job_no,
                "at": micros(line.at),
                "level": line.level,
                # A source's id or reason may be invalid Unicode; the line is still worth having.
                "message": line.message.encode(errors="replace").decode(),
            }
            for line in log
        ),
    )


def _insert(db: Session, values: dict[str, Any]) -> Job:
    live = db.execute(queries()["job_live_of_connection"], values).fetchone()
    if live is not None:
        job_id, status = live
        raise Conflict(
            f"A sync of this connection is already {status}: job {job_id}.",
            field="connection_id",
            hint=f"Follow it with get_job(job_id='{job_id}'), or stop it with cancel_job.",
            job_id=str(job_id),
        )
    if db.execute(queries()["job_insert"], values).get is None:
        raise NotFound("The connection was deleted meanwhile.", field="connection_id")
    return _select(db, "job_by_id", values)[0]


def _select(db: Session, tail: str, values: dict[str, Any]) -> list[Job]:
    return select(db, to_job, values, "job_columns", tail)


def _find(db: Session, organization_id: str, text: str) -> list[Job]:
    values = {"organization_id": organization_id, "text": text, "id": text}
    found = _select(db, "job_by_id", values)
    if not found and len(text) >= _ID_PREFIX_MIN_CHARS:
        found = _select(db, "job_by_prefix", values)
    return found


def _log(db: Session, values: dict[str, Any]) -> list[LogLine]:
    found = [
        LogLine(at=moment(row["at"]), level=row["level"], message=row["message"])
        for row in rows(db, queries()["job_log_tail"], values)
    ]
    return found[::-1]


def _request_cancel(db: Session, job_id: str, by: Stamp) -> bool:
    row = db.execute(queries()["job_to_cancel"], {"id": job_id}).fetchone()
    if row is None:
        return False
    number, connection_no, organization_id, connection_id = row
    values = {"no": number, "now": by.at}
    if db.execute(queries()["job_cancel_pending"], values).get is not None:
        count_end(db, number, connection_no, JobStatus.CANCELLED)
    elif db.execute(queries()["job_cancel_running"], values).get is None:
        return False
    record(db, by, "cancel", Target("job", job_id, organization_id, connection_id))
    return True


def count_end(db: Session, job_no: object, connection_no: object, status: JobStatus) -> None:
    """Count an ended job with its connection, in the caller's transaction."""
    for step in ("job_list_again", "job_forget_seen"):
        db.execute(queries()[step], {"job_no": job_no})
    values = {"connection_no": connection_no, "status": status}
    db.execute(queries()["job_count_run"], values)


class _Lease(NamedTuple):
    job_id: str
    mark: str
    seconds: float


def _leases(db: Session) -> list[_Lease]:
    return [_Lease(*row) for row in db.execute(queries()["job_leases"])]


def _owners(db: Session) -> list[str]:
    return [owner for (owner,) in db.execute(queries()["job_owners"])]


def _release(db: Session, values: dict[str, Any]) -> list[str]:
    released = list(rows(db, queries()["job_release"], values))
    for row in released:
        if row["status"] == JobStatus.CANCELLED:
            count_end(db, row["no"], row["connection_no"], JobStatus.CANCELLED)
    return [row["id"] for row in released]


def _heartbeat(db: Session, claim: Claim, lap: Lap) -> JobStatus | None:
    held = find_held(db, claim)
    if held is None:
        return None
    renew(db, held.job_no, lap)
    return JobStatus(held.status)


def _finish(
    db: Session, claim: Claim, outcome: Outcome, log: Sequence[LogLine], by: Stamp, lap: Lap
) -> bool:
    held = find_held(db, claim)
    if held is None:
        return False
    if held.status == JobStatus.CANCELLING:
        outcome = Outcome(JobStatus.CANCELLED)
        log = [LogLine(at=moment(by.at), level="info", message="Cancelled.")]
    write_log(db, held.job_no, log)
    renew(db, held.job_no, lap)
    if outcome.status is JobStatus.PENDING:
        wait = outcome.retry_after
        values = {
            "no": held.job_no,
            "retry_at": None if wait is None else by.at + wait // MICROSECOND,
            "renewed": outcome.renewed,
        }
        db.execute(queries()["job_hand_back"], values | _error_values(outcome))
        return True
    _end(db, claim, held, outcome, by)
    return True


def _end(db: Session, claim: Claim, held: Held, outcome: Outcome, by: Stamp) -> None:
    values = {"no": held.job_no, "now": by.at, "status": outcome.status}
    db.execute(queries()["job_finish"], values | _error_values(outcome))
    if outcome.status is JobStatus.COMPLETED:
        config = dumps(claim.config)
        values = {"no": held.job_no, "config": config}
        db.execute(queries()["job_promote_checkpoint"], values)
        db.execute(queries()["job_tell_hold"], values)
        db.execute(queries()["job_settle"], {"no": held.job_no})
        db.execute(queries()["job_drop_held"], {"no": held.job_no})
    count_end(db, held.job_no, held.connection_no, outcome.status)
    if outcome.connection_state is not None and is_as_read(
        db, held.connection_no, claim.config, claim.authenticated_at
    ):
        failed = outcome.status is JobStatus.FAILED
        mark = {
            "no": held.connection_no,
            "state": outcome.connection_state,
            "error_category": outcome.error_category if failed else None,
            "error_message": outcome.error if failed else None,
        }
        state = db.execute(queries()["connection_state"], mark).get
        db.execute(queries()["connection_mark"], mark)
        if state != outcome.connection_state:
            target = connection_target(claim.organization_id, claim.connection_id)
            record(db, by, outcome.connection_state.value, target)


def _error_values(outcome: Outcome) -> dict[str, str | None]:
    return {
        "error": outcome.error,
        "error_category": outcome.error_category,
        "error_details": outcome.error_details,
    }


def _find_crowded(db: Session, values: dict[str, int]) -> list[int]:
    return [number for (number,) in db.execute(queries()["job_crowded"], values)]


def _prune(db: Session, values: dict[str, int], connection_nos: Sequence[int]) -> int:
    named = values | {"connection_nos": carray(array("q", connection_nos))}
    pruned = list(rows(db, queries()["job_prune"], named))
    fired = [{**row, "now": values["now"]} for row in pruned if row["slot"] is not None]
    for step in ("schedule_prune_slot", "schedule_keep_early_slot", "schedule_drop_early_slots"):
        db.executemany(queries()[step], fired)
    return len(pruned)
