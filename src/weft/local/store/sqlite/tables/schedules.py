"""Schedules on SQLite."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weft.domain.base import Page
from weft.domain.schedules import Schedule
from weft.local.store.base import DueSchedule, ScheduleStore
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.audit import Stamp, Target, record, stamp
from weft.local.store.sqlite.tables.rows import Row, next_cursor, row_before, rows
from weft.local.store.values import micros, micros_or_none, moment, moment_or_none

_UPCOMING = "schedule_upcoming"


class SqliteSchedules(ScheduleStore):
    """See ScheduleStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        values = {"now": self._database.now(), "limit": limit}
        return await self._database.read(_select_due, values)

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        values = {"before": row_before(cursor, _UPCOMING, {}), "limit": limit + 1}
        return await self._database.read(_page, values, limit)

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        by = stamp(self._database)
        values = {
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
        return await self._database.write_relaxed(_move, values)

    async def newest_job_at(self) -> datetime | None:
        return moment_or_none(await self._database.read(_newest_job))


def _select_due(db: Session, values: dict[str, Any]) -> list[DueSchedule]:
    return [_to_due(row) for row in rows(db, queries()["schedule_due"], values)]


def _page(db: Session, values: dict[str, Any], limit: int) -> Page[DueSchedule]:
    found = list(rows(db, queries()[_UPCOMING], values))
    return Page[DueSchedule](
        items=tuple(_to_due(row) for row in found[:limit]),
        next_cursor=next_cursor(found, limit, _UPCOMING, values),
    )


def _to_due(row: Row) -> DueSchedule:
    schedule = Schedule(
        cron=row["cron"], timezone=row["timezone"], continuous=bool(row["continuous"])
    )
    return DueSchedule(row["id"], slot=moment(row["next_run_at"]), schedule=schedule)


def _fire(db: Session, values: dict[str, Any], by: Stamp) -> bool:
    if not db.execute(queries()["schedule_advance"], values).get:
        return False
    organization_id = db.execute(queries()["job_insert_scheduled"], values).get
    target = Target("job", values["id"], organization_id, values["connection_id"])
    record(db, by, "run", target)
    return True


def _move(db: Session, values: dict[str, Any]) -> bool:
    return db.execute(queries()["schedule_move"], values).get is not None


def _newest_job(db: Session) -> int | None:
    return db.execute(queries()["schedule_newest_job"]).get
