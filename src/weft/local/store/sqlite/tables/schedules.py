"""Schedules on SQLite."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weft.domain.base import Page
from weft.domain.schedules import Schedule
from weft.local.store.base import DueSchedule, ScheduleStore
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import Stamp, Target, record, stamp
from weft.local.store.sqlite.tables.rows import (
    Row,
    Table,
    has_row,
    read_page,
    row_before,
    rows,
    select,
)
from weft.local.store.values import micros, micros_or_none, moment, moment_or_none

_UPCOMING = "schedule_upcoming"


class SqliteSchedules(Table, ScheduleStore):
    async def due(self, limit: int) -> Sequence[DueSchedule]:
        values = {"now": self._database.now(), "limit": limit}
        return await self._database.read(select, _to_due, values, "schedule_due")

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        values = {"before": row_before(cursor, _UPCOMING, {}), "limit": limit + 1}
        return await self._database.read(read_page, _to_due, values, _UPCOMING)

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        by = stamp(self._database)
        values: dict[str, Any] = {
            "connection_id": due.connection_id,
            "slot": micros(due.slot),
            "next_run_at": micros_or_none(next_run),
            "id": str(uuid.uuid4()),
            "now": by.at,
        }
        return await self._database.write_relaxed(_fire, values, by)

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        values = {
            "connection_id": due.connection_id,
            "slot": micros(due.slot),
            "next_run_at": micros_or_none(next_run),
        }
        return await self._database.write_relaxed(has_row, "schedule_move", values)


def _to_due(row: Row) -> DueSchedule:
    schedule = Schedule(
        cron=row["cron"],
        timezone=row["timezone"],
        continuous=bool(row["continuous"]),
        paused=bool(row["paused"]),
        paused_until=moment_or_none(row["paused_until"]),
    )
    return DueSchedule(row["id"], slot=moment(row["next_run_at"]), schedule=schedule)


def _fire(db: Session, values: dict[str, Any], by: Stamp) -> bool:
    turn = next(rows(db, queries()["schedule_turn"], values), None)
    if turn is None:
        return False
    slot, fired = values["slot"], turn["fired"]
    values["repeated_slot"] = slot if fired else None
    db.execute(queries()["schedule_advance"], values)
    # A fired slot that comes again was fired before the clock was set back, perhaps just now, so it
    # is passed over. If another one follows, a whole period has passed: the schedule must not stay
    # silent until the clock reaches slots that were never fired. The job is none of that slot's.
    is_repeated_at_once = fired and turn["repeated_slot"] in (None, slot)
    if turn["waits"] or is_repeated_at_once:
        return False
    job = values | {"slot": None if fired else slot}
    organization_id = db.execute(queries()["job_insert_scheduled"], job).get
    target = Target("job", values["id"], organization_id, values["connection_id"])
    record(db, by, "run", target)
    return True
