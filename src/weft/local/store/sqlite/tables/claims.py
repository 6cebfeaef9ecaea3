"""The next job that waits, and the claim that its runner holds, for each write under it."""

from datetime import timedelta
from typing import Any, NamedTuple

from weft.domain.connections import AuthMethod
from weft.domain.jobs import RunOptions
from weft.local.store.base import Claim, WaitingJob
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.rows import Row, rows
from weft.local.store.values import MICROSECONDS, loads, moment_or_none

_AS_STORED = (
    "job_id",
    "mark",
    "error",
    "connection_id",
    "organization_id",
    "short_name",
    "credentials",
)


def to_waiting(row: Row) -> WaitingJob:
    """Convert a row of `job_next`."""
    return WaitingJob(
        **{name: row[name] for name in _AS_STORED},
        config=loads(row["config"]),
        auth_method=AuthMethod(row["auth_method"]),
        auth_expires_at=moment_or_none(row["auth_expires_at"]),
    )


def claim_next(
    db: Session, values: dict[str, Any], holder: dict[str, Any], lease: timedelta, seconds: float
) -> Claim | None:
    """Give the job that `job_next` finds to ``holder``, in the caller's transaction.

    ``seconds`` is the present on the monotonic clock.
    """
    found = next(rows(db, queries()["job_next"], values), None)
    if found is None:
        return None
    job = next(rows(db, queries()["job_claim"], holder | {"no": found["no"]}))
    db.execute(queries()["reason_resume"], {"no": found["no"]})
    connection = next(rows(db, queries()["job_claim_connection"], {"no": found["no"]}))
    return Claim(
        job_id=job["id"],
        owner=holder["owner"],
        fence=job["fence"],
        lease=lease,
        connection_id=connection["id"],
        organization_id=connection["organization_id"],
        short_name=connection["short_name"],
        config=loads(connection["config"]),
        auth_method=AuthMethod(connection["auth_method"]),
        authenticated_at=moment_or_none(connection["authenticated_at"]),
        auth_expires_at=moment_or_none(connection["auth_expires_at"]),
        credentials=connection["credentials"],
        cursor=loads(connection["cursor"]) if connection["cursor"] else None,
        checkpoint=loads(job["checkpoint"]) if job["checkpoint"] and job["full_sync"] else None,
        options=RunOptions.model_validate_json(job["options"]),
        # The configuration may have changed since the job was queued.
        full_sync=bool(job["full_sync"] or connection["list_again"]),
        listing=job["listing"],
        attempts=job["attempts"],
        resumed=job["fence"] > 1,
        renewed=bool(job["renewed"]),
        mark=connection["mark"],
        running_since=seconds - job["ran"] / MICROSECONDS,
    )


class Held(NamedTuple):
    """The rows of a job that a claim still holds, and the job's status."""

    job_no: int
    connection_no: int
    status: str


def find_held(db: Session, claim: Claim) -> Held | None:
    """Find the rows that the claim holds, in the caller's transaction; None if it is lost."""
    values = {"id": claim.job_id, "fence": claim.fence, "owner": claim.owner}
    row = db.execute(queries()["job_held"], values).fetchone()
    return None if row is None else Held(*row)


class Lap(NamedTuple):
    """The time of a write under a claim, and how long the job has run; both in microseconds."""

    now: int
    ran: int


def read_lap(database: Database, claim: Claim) -> Lap:
    """Read the clocks for a write under the claim."""
    ran = database.monotonic() - claim.running_since
    return Lap(database.now(), round(ran * MICROSECONDS))


def renew(db: Session, job_no: int, lap: Lap) -> None:
    """Renew the lease, and record how long the job has run."""
    db.execute(queries()["job_renew"], {"no": job_no, "now": lap.now, "ran": lap.ran})
