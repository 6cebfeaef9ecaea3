"""Connections as text: when they sync next."""

from datetime import UTC, datetime

import pytest

from tests.support.server.records import make_connection, make_job
from weft.domain.connections import SyncSummary
from weft.domain.jobs import JobStatus
from weft.domain.schedules import Schedule
from weft.server.render.schedules import schedule_text
from weft.server.render.text import connection_line

SCHEDULE = Schedule(cron="0 2 * * *", next_run=datetime(2026, 5, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (JobStatus.RUNNING, "2026-05-01T02:00:00Z, or once the present sync has ended"),
        (JobStatus.PENDING, "2026-05-01T02:00:00Z, or once the present sync has ended"),
        (JobStatus.COMPLETED, "next run 2026-05-01T02:00:00Z"),
        (None, "next run 2026-05-01T02:00:00Z"),
    ],
)
def test_next_run_that_meets_a_sync_is_said_to_follow_it(
    status: JobStatus | None, ends: str
) -> None:
    job = None if status is None else make_job("j1", status=status)
    connection = make_connection("c1", schedule=SCHEDULE, sync=SyncSummary(last_job=job))
    assert schedule_text(connection).endswith(ends)
    assert ends in connection_line(connection)
