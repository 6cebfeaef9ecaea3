"""The next job that waits, and the claim that its runner holds."""

from datetime import timedelta
from typing import Any

from weft.domain.connections import AuthMethod
from weft.domain.jobs import RunOptions
from weft.local.store.base import Claim, WaitingJob
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
    connection = next(rows(db, queries()["job_claim_connection"], {"no": job["connection_no"]}))
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
        mark=f"{job['id']}:{job['fence']}:{connection['version']}",
        running_since=seconds - job["ran"] / MICROSECONDS,
    )
