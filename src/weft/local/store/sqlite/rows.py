"""Rows ↔ domain objects."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    Connection,
    ConnectionStatus,
    EntitySummary,
    EntityTypeSummary,
    SyncSummary,
)
from weft.domain.jobs import Job, JobStatus, JobTrigger
from weft.domain.schedules import Schedule
from weft.errors import ErrorCategory, InvalidInput
from weft.local.store.sqlite.session import Rows
from weft.local.store.values import loads, moment, moment_or_none

Row = Mapping[str, Any]

BEFORE_ALL = 2**63 - 1
SETTINGS_URLS = {
    "composio": "https://platform.composio.dev",
    "pipedream": "https://pipedream.com/accounts",
}
"""Where people mend the accounts that an auth provider of that kind keeps."""


def rows(cursor: Rows) -> Iterator[Row]:
    """Each row as a mapping from column name."""
    names: list[str] | None = None
    for values in cursor:
        if names is None:
            names = [column[0] for column in cursor.get_description()]
        yield dict(zip(names, values, strict=True))


def encode_cursor(no: int) -> str:
    """An opaque cursor that continues a list after row ``no``."""
    return base64.urlsafe_b64encode(f"n{no}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int:
    """The row that a cursor continues after. Raises InvalidInput for one that we did not make."""
    if cursor is None:
        return BEFORE_ALL
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    number = int(text[1:]) if re.fullmatch(r"n[0-9]{1,19}", text) else BEFORE_ALL + 1
    if number > BEFORE_ALL:
        raise InvalidInput(
            "cursor is not one that a list returned.",
            field="cursor",
            hint="Leave it out to start at the first page.",
        )
    return number


def to_collection(row: Row) -> Collection:
    """A row of `collection_columns`."""
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
        created_at=moment(row["created_at"]),
        modified_at=moment(row["modified_at"]),
    )


def to_job(row: Row, prefix: str = "") -> Job:
    """A row of `job_columns`, or the last job within a row of `connection_columns`."""
    started = moment_or_none(row[f"{prefix}started_at"])
    completed = moment_or_none(row[f"{prefix}completed_at"])
    ran = completed - started if started and completed else None
    category = row[f"{prefix}error_category"]
    return Job(
        id=row[f"{prefix}id"],
        source_connection_id=row["id"] if prefix else row["connection_id"],
        status=JobStatus(row[f"{prefix}status"]),
        trigger=JobTrigger(row[f"{prefix}trigger"]),
        full_sync=bool(row[f"{prefix}full_sync"]),
        created_at=moment(row[f"{prefix}created_at"]),
        started_at=started,
        completed_at=completed,
        duration_seconds=None if ran is None else ran.total_seconds(),
        entities_inserted=row[f"{prefix}inserted"],
        entities_updated=row[f"{prefix}updated"],
        entities_deleted=row[f"{prefix}deleted"],
        entities_unchanged=row[f"{prefix}unchanged"],
        entities_skipped=row[f"{prefix}skipped"],
        entities_failed=row[f"{prefix}failed"],
        entities_total=row[f"{prefix}expected"],
        error=row[f"{prefix}error"],
        error_category=ErrorCategory(category) if category else None,
        error_details=row[f"{prefix}error_details"],
    )


def to_connection(row: Row) -> Connection:
    """A row of `connection_columns`."""
    last_job = to_job(row, "job_") if row["job_id"] else None
    running = last_job is not None and last_job.status in (JobStatus.RUNNING, JobStatus.CANCELLING)
    by_type = {
        name: EntityTypeSummary(count=count, last_updated=moment(at))
        for name, count, at in json.loads(row["types"])
    }
    return Connection(
        id=row["id"],
        organization_id=row["organization_id"],
        name=row["name"],
        description=row["description"],
        short_name=row["short_name"],
        readable_collection_id=row["readable_collection_id"],
        status=ConnectionStatus.SYNCING if running else ConnectionStatus(row["state"]),
        auth=AuthDetails(
            method=AuthMethod(row["auth_method"]),
            authenticated=row["authenticated_at"] is not None,
            authenticated_at=moment_or_none(row["authenticated_at"]),
            expires_at=moment_or_none(row["auth_expires_at"]),
            redirect_url=row["redirect_url"],
            provider_readable_id=row["auth_provider"],
        ),
        config=loads(row["config"]),
        schedule=_to_schedule(row),
        sync=SyncSummary(
            total_runs=row["total_runs"],
            successful_runs=row["successful_runs"],
            failed_runs=row["failed_runs"],
            last_job=last_job,
        ),
        sync_id=row["sync_id"],
        entities=EntitySummary(
            total_entities=sum(summary.count for summary in by_type.values()), by_type=by_type
        ),
        error_category=ErrorCategory(row["error_category"]) if row["error_category"] else None,
        error_message=row["error_message"],
        provider_settings_url=SETTINGS_URLS.get(row["auth_provider_kind"] or ""),
        provider_short_name=row["auth_provider_kind"],
        created_at=moment(row["created_at"]),
        modified_at=moment(row["modified_at"]),
        version=row["version"],
    )


def _to_schedule(row: Row) -> Schedule | None:
    if not row["has_schedule"]:
        return None
    cursor = loads(row["cursor"]) if row["cursor"] else {}
    value = cursor.get(row["cursor_field"] or "")
    return Schedule(
        cron=row["cron"],
        timezone=row["timezone"],
        next_run=moment_or_none(row["next_run_at"]),
        continuous=bool(row["continuous"]),
        cursor_field=row["cursor_field"],
        cursor_value=None if value is None else str(value),
    )
