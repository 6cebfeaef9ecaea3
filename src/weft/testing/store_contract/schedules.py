"""Schedules: each slot is fired once, however many processes try."""

from datetime import timedelta
from typing import Any

import pytest

from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import JobTrigger
from weft.domain.schedules import Schedule
from weft.local.store.base import DueSchedule, Store
from weft.testing.store_contract.support import (
    PassTime,
    claim_next,
    finish,
    get_connection,
    make_connection,
    queue_job,
)

HOUR = timedelta(hours=1)


async def make_scheduled(store: Store, **columns: Any) -> Connection:
    schedule = Schedule(cron="0 * * * *", next_run=await store.now() + HOUR)
    return await make_connection(store, schedule=schedule, **columns)


async def find_due(store: Store, pass_time: PassTime) -> DueSchedule:
    assert list(await store.schedules.due(9)) == []
    pass_time(HOUR)
    [due] = await store.schedules.due(9)
    return due


class ScheduleContract:
    """Firing schedules that are due."""

    @pytest.mark.anyio
    async def test_slot_is_fired_once(self, store: Store, pass_time: PassTime) -> None:
        made = await make_scheduled(store)
        due = await find_due(store, pass_time)
        assert due.connection_id == made.id
        following = due.slot + HOUR
        assert await store.schedules.fire(due, next_run=following)
        assert not await store.schedules.fire(due, next_run=following)
        job = (await get_connection(store, made.id)).sync.last_job
        assert job is not None
        assert job.trigger is JobTrigger.SCHEDULE
        assert await finish(store, await claim_next(store))
        # The clock went back, and the slot comes again.
        assert await store.schedules.move(DueSchedule(made.id, following, due.schedule), due.slot)
        assert not await store.schedules.fire(due, next_run=following)

    @pytest.mark.anyio
    async def test_live_job_or_missing_authorisation_takes_the_slots_turn(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_scheduled(store)
        await queue_job(store, made)
        due = await find_due(store, pass_time)
        assert not await store.schedules.fire(due, next_run=due.slot + HOUR)
        assert list(await store.schedules.due(9)) == []
        await make_scheduled(store, state=ConnectionStatus.NEEDS_REAUTH)
        pass_time(HOUR)
        for each in await store.schedules.due(9):
            assert not await store.schedules.fire(each, next_run=None)

    @pytest.mark.anyio
    async def test_upcoming_schedules_are_paged_and_moved(self, store: Store) -> None:
        made = {(await make_scheduled(store)).id for _ in range(3)}
        await make_connection(store)
        first = await store.schedules.upcoming(cursor=None, limit=2)
        rest = await store.schedules.upcoming(cursor=first.next_cursor, limit=2)
        assert rest.next_cursor is None
        assert {each.connection_id for each in (*first.items, *rest.items)} == made
        each = first.items[0]
        assert await store.schedules.move(each, each.slot - timedelta(minutes=5))
        assert not await store.schedules.move(each, None), "somebody has moved it"

    @pytest.mark.anyio
    async def test_newest_job_tells_its_time(self, store: Store, pass_time: PassTime) -> None:
        assert await store.schedules.newest_job_at() is None
        await queue_job(store, await make_connection(store))
        made_at = await store.now()
        pass_time(HOUR)
        assert await store.schedules.newest_job_at() == made_at
