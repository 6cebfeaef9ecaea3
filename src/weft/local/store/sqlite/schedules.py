"""Schedules on SQLite."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from weft.domain.acting import Actor, current_actor
from weft.domain.schedules import Schedule
from weft.local.store.base import DueSchedule, ScheduleStore
from weft.local.store.sqlite.audit import Target, record
from weft.local.store.sqlite.database import Database
from weft.local.store.sqlite.queries import queries
from weft.local.store.sqlite.rows import rows
from weft.local.store.sqlite.session import Session
from weft.local.store.values import micros, micros_or_none, moment, moment_or_none


class SqliteSchedules(ScheduleStore):
    """See ScheduleStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: datetime, limit: int) -> Sequence[DueSchedule]:
        values = {"now": micros(now), "limit": limit}
        return await self._database.read(_select, "schedule_due", values)

    async def upcoming(self, after: int, limit: int) -> Sequence[DueSchedule]:
        values = {"after": after, "limit": limit}
        return await self._database.read(_select, "schedule_upcoming", values)

    async def fire(self, due: DueSchedule, *, next_run: datetime | None, now: datetime) -> bool:
        values = {
            "no": due.connection_no,
            "slot": micros(due.slot),
            "next_run_at": micros_or_none(next_run),
            "id": str(uuid.uuid4()),
            "now": micros(now),
        }
        return await self._database.write_relaxed(_fire, values, current_actor())

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        values = {
            "no": due.connection_no,
            "slot": micros(due.slot),
            "next_run_at": micros_or_none(next_run),
        }
        return await self._database.write_relaxed(_move, values)

    async def newest_job_at(self) -> datetime | None:
        return moment_or_none(await self._database.read(_newest_job))


def _select(db: Session, query: str, values: dict[str, Any]) -> list[DueSchedule]:
    return [
        DueSchedule(
            connection_no=row["no"],
            slot=moment(row["next_run_at"]),
            schedule=Schedule(
                cron=row["cron"], timezone=row["timezone"], continuous=bool(row["continuous"])
            ),
        )
        for row in rows(db, queries()[query], values)
    ]


def _fire(db: Session, values: dict[str, Any], actor: Actor) -> bool:
    if not db.execute(queries()["schedule_advance"], values).get:
        return False
    organization_id, connection_id = next(
        iter(db.execute(queries()["job_insert_scheduled"], values))
    )
    record(db, actor, "run", Target("job", values["id"], organization_id, connection_id))
    return True


def _move(db: Session, values: dict[str, Any]) -> bool:
    return db.execute(queries()["schedule_move"], values).get is not None


def _newest_job(db: Session) -> int | None:
    return db.execute(queries()["schedule_newest_job"]).get
