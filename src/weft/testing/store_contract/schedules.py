"""Schedules: each slot is fired once, however many processes try."""

from datetime import timedelta
from typing import Any

import pytest

from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import JobTrigger
from weft.domain.schedules import Schedule
from weft.local.store.base import DueSchedule, Store
from weft.testing.store_contract.support import (
    OWNER,
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
    async def test_slot_that_meets_a_live_job_is_fired_once_after_it(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_scheduled(store)
        due = await find_due(store, pass_time)
        job = await queue_job(store, made)
        assert not await store.schedules.fire(due, next_run=due.slot + HOUR)
        pass_time(HOUR)
        assert list(await store.schedules.due(9)) == [], "it waits for the job"
        assert (await claim_next(store)).job_id == job.id
        assert list(await store.schedules.due(9)) == []
        assert await store.jobs.request_cancel(job)
        assert await store.jobs.release_dead([OWNER]) == [job.id]
        [again] = await store.schedules.due(9)
        assert (again.connection_id, again.slot) == (due.connection_id, due.slot)
        assert await store.schedules.fire(again, next_run=due.slot + 2 * HOUR)
        assert list(await store.schedules.due(9)) == []

    @pytest.mark.anyio
    async def test_missing_authorisation_takes_the_slots_turn(
        self, store: Store, pass_time: PassTime
    ) -> None:
        await make_scheduled(store, state=ConnectionStatus.NEEDS_REAUTH)
        due = await find_due(store, pass_time)
        assert not await store.schedules.fire(due, next_run=due.slot + HOUR)
        assert list(await store.schedules.due(9)) == []

    @pytest.mark.anyio
    async def test_only_the_first_of_several_fired_slots_is_passed_over(
        self, store: Store, pass_time: PassTime
    ) -> None:
        await make_scheduled(store)
        due = await find_due(store, pass_time)
        slots = [due.slot + n * HOUR for n in range(3)]

        async def fire(number: int) -> bool:
            each = DueSchedule(due.connection_id, slots[number], due.schedule)
            if not await store.schedules.fire(each, next_run=slots[(number + 1) % 3]):
                return False
            return await finish(store, await claim_next(store))

        assert [await fire(n) for n in range(3)] == [True, True, True]
        # The clock was set back to before the first of them.
        assert [await fire(n) for n in range(3)] == [False, True, True]

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
