"""Rows ↔ domain objects."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from weft.domain.attention import DeletionHold
from weft.domain.base import Page
from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import Job, JobStatus
from weft.domain.reading.cursors import decode_cursor, encode_cursor, invalid_cursor
from weft.local.store.browse import UNKNOWN
from weft.local.store.sqlite.file.columns import SHOWN
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Bindings, Session
from weft.local.store.values import (
    MICROSECONDS,
    dumps,
    loads,
    micros,
    moment,
    moment_or_none,
)

T = TypeVar("T")

Row = Mapping[str, Any]

BEFORE_ALL = 2**63 - 1
ROWS_A_STATEMENT = 50
_PLACE = re.compile(r"[0-9]{1,19}")
_PAGING = {"before", "limit"}
SETTINGS_URLS = {
    "composio": "https://platform.composio.dev",
    "pipedream": "https://pipedream.com/accounts",
}
"""The page of each kind of auth provider where people repair their accounts."""
_RUNNING = (JobStatus.RUNNING, JobStatus.CANCELLING)
# Describing a statement's columns takes SQLite longer than reading a row. The number of statements
# is fixed, and the columns of each never change.
_column_names: dict[str, tuple[str, ...]] = {}


def rows(db: Session, sql: str, values: Bindings | None = None) -> Iterator[Row]:
    """Run one statement; yield each row as a mapping by column name."""
    cursor = db.execute(sql, values)
    names = _column_names.get(sql)
    for row in cursor:
        if names is None:
            names = _column_names[sql] = tuple(c[0] for c in cursor.get_description())
        yield dict(zip(names, row, strict=True))


class Table:
    """The statements of one or several tables of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database


def read_value(db: Session, query: str, values: Bindings | None = None) -> Any:
    """Run a named query; return the value in its only row, or None."""
    return db.execute(queries()[query], values).get


def has_row(db: Session, query: str, values: Bindings | None = None) -> bool:
    """Run a named query; return whether it found, or wrote and returned, a row."""
    return read_value(db, query, values) is not None


def insert_rows(db: Session, query: str, values: Sequence[tuple[object, ...]]) -> None:
    """Run a named query for each row; it ends with VALUES and the places for one."""
    # Write several rows per statement: after each statement this thread has to queue for Python's
    # lock again, behind the event loop, which is hashing the next batch.
    sql = queries()[query]
    head, places = sql.removesuffix(";").split("VALUES ")
    several = f"{head}VALUES {', '.join([places] * ROWS_A_STATEMENT)}"
    rest = len(values) - len(values) % ROWS_A_STATEMENT
    for start in range(0, rest, ROWS_A_STATEMENT):
        db.execute(several, tuple(chain.from_iterable(values[start : start + ROWS_A_STATEMENT])))
    db.executemany(sql, values[rest:])


def select(
    db: Session, convert: Callable[[Row], T], values: Mapping[str, Any], *names: str
) -> list[T]:
    """Run the query that the named blocks make up; return its rows, converted."""
    sql = " ".join(queries()[name] for name in names)
    return [convert(row) for row in rows(db, sql, values)]


def find_first(
    db: Session, convert: Callable[[Row], T], values: Mapping[str, Any], *names: str
) -> T | None:
    """Return the first row that `select` would, or None."""
    return next(iter(select(db, convert, values, *names)), None)


def read_page(
    db: Session, convert: Callable[[Row], T], values: Mapping[str, Any], *names: str
) -> Page[T]:
    """Return a page; the query's ``limit`` is one more, to tell whether there are others."""
    limit = values["limit"] - 1
    found = select(db, dict[str, Any], values, *names)
    return Page(
        items=tuple(convert(row) for row in found[:limit]),
        next_cursor=next_cursor(found, limit, names[-1], values),
    )


def next_cursor(
    found: Sequence[Row], limit: int, tail: str, values: Mapping[str, Any]
) -> str | None:
    """Make the cursor after ``limit`` rows of query ``tail`` for ``values``; None at its end."""
    if len(found) <= limit:
        return None
    return encode_cursor(found[limit - 1]["no"], tail, _filters(values))


def row_before(cursor: str | None, tail: str, values: Mapping[str, Any]) -> int:
    """Read the row that a cursor continues after. Raises InvalidInput for another list's."""
    if cursor is None:
        return BEFORE_ALL
    number = int(decode_cursor(cursor, _PLACE, tail, _filters(values))[0])
    if number > BEFORE_ALL:
        raise invalid_cursor()
    return number


def to_collection(row: Row) -> Collection:
    """Convert a row of `collection_columns`."""
    return Collection(
        id=row["id"],
        organization_id=row["organization_id"],
        name=row["name"],
        readable_id=row["readable_id"],
        status=CollectionStatus.ACTIVE
        if row["connection_count"]
        else CollectionStatus.NEEDS_SOURCE,
        connection_count=row["connection_count"],
        entity_count=row["entity_count"],
        embedded_by=row["way"],
        restorable_until=moment_or_none(row["restorable_until"]),
        created_at=moment(row["created_at"]),
        modified_at=moment(row["modified_at"]),
    )


def to_job(row: Row) -> Job:
    """Convert a row of `job_columns`."""
    return Job.model_validate(_job_fields(row))


def to_connection(row: Row) -> Connection:
    """Convert a row of `connection_columns`."""
    types: list[tuple[str, int, int]] = json.loads(row["types"])
    # Validate the whole in one go: building the parts one by one takes more than twice as long.
    return Connection.model_validate(
        {
            **{name: row[name] for name in SHOWN},
            "readable_collection_id": row["readable_collection_id"],
            "status": _status_of(row),
            "auth": {
                "method": row["auth_method"],
                "authenticated": row["authenticated_at"] is not None,
                "has_credentials": bool(row["has_credentials"]),
                "authenticated_at": moment_or_none(row["authenticated_at"]),
                "expires_at": moment_or_none(row["auth_expires_at"]),
                "redirect_url": row["redirect_url"],
                "provider_readable_id": row["auth_provider"],
            },
            "config": loads(row["config"]),
            "schedule": _schedule_fields(row),
            "sync": {
                "total_runs": row["total_runs"],
                "successful_runs": row["successful_runs"],
                "failed_runs": row["failed_runs"],
                "last_job": _job_fields(row, "job_") if row["job_id"] else None,
            },
            "entities": {
                "total_entities": sum(count for _, count, _ in types),
                "by_type": {
                    name: {"count": count, "last_updated": moment(at)} for name, count, at in types
                },
            },
            "deletions_held": _hold_fields(row["hold"]) if row["hold"] else None,
            "provider_settings_url": SETTINGS_URLS.get(row["auth_provider_kind"] or ""),
            "provider_short_name": row["auth_provider_kind"],
            "restorable_until": moment_or_none(row["restorable_until"]),
            "created_at": moment(row["created_at"]),
            "modified_at": moment(row["modified_at"]),
            "version": row["version"],
        }
    )


def _status_of(row: Row) -> str:
    if row["job_status"] in _RUNNING:
        return ConnectionStatus.SYNCING
    paused = row["paused"] and row["state"] == ConnectionStatus.ACTIVE
    return ConnectionStatus.INACTIVE if paused else row["state"]


def _filters(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _PAGING}


def _job_fields(row: Row, prefix: str = "") -> dict[str, Any]:
    """Take a job from its own row, or the last job from a row of `connection_columns`."""
    started = moment_or_none(row[f"{prefix}started_at"])
    completed = moment_or_none(row[f"{prefix}completed_at"])
    return {
        "id": row[f"{prefix}id"],
        "source_connection_id": row["id"] if prefix else row["connection_id"],
        "connection_name": row["name"] if prefix else row["connection_name"],
        "status": row[f"{prefix}status"],
        "trigger": row[f"{prefix}trigger"],
        "full_sync": bool(row[f"{prefix}full_sync"]),
        "created_at": moment(row[f"{prefix}created_at"]),
        "started_at": started,
        "completed_at": completed,
        "duration_seconds": row[f"{prefix}ran"] / MICROSECONDS if started and completed else None,
        "entities_inserted": row[f"{prefix}inserted"],
        "entities_updated": row[f"{prefix}updated"],
        "entities_deleted": row[f"{prefix}deleted"],
        "entities_unchanged": row[f"{prefix}unchanged"],
        "entities_skipped": row[f"{prefix}skipped"],
        "entities_failed": row[f"{prefix}failed"],
        "entities_total": row[f"{prefix}expected"],
        "incomplete": bool(row[f"{prefix}incomplete"]),
        "deletions_held": row[f"{prefix}held"] or 0,
        "findings": _finding_fields(row[f"{prefix}findings"]),
        "error": row[f"{prefix}error"],
        "error_category": row[f"{prefix}error_category"],
        "error_details": row[f"{prefix}error_details"],
    }


def _finding_fields(column: str) -> list[dict[str, Any]]:
    """Read the findings of a job, the most frequent first."""
    if column == "[]":
        return []
    found = sorted(json.loads(column), key=lambda each: (-each[2], *each[:2]))
    return [
        {"kind": kind, "reason": reason, "count": None if count == UNKNOWN else count}
        for kind, reason, count in found
    ]


def dump_hold(hold: DeletionHold) -> str:
    """Write what is held as a column of a job and of a connection."""
    return dumps({**vars(hold), "held_at": micros(hold.held_at)})


def _hold_fields(column: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(column)
    return {**found, "held_at": moment(found["held_at"])}


def _schedule_fields(row: Row) -> dict[str, Any] | None:
    if not row["has_schedule"]:
        return None
    cursor = loads(row["cursor"]) if row["cursor"] else {}
    value = cursor.get(row["cursor_field"] or "")
    return {
        "cron": row["cron"],
        "timezone": row["timezone"],
        "next_run": moment_or_none(row["next_run_at"]),
        "continuous": bool(row["continuous"]),
        "cursor_field": row["cursor_field"],
        "cursor_value": None if value is None else str(value),
        "paused": bool(row["paused"]),
        "paused_until": moment_or_none(row["paused_until"]),
    }
