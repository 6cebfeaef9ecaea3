"""Schedules under an injected clock: every slot fires once. See also `test_scheduler_clocks`."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

import apsw
import pytest

from tests.support.local.harness import LocalHarness
from tests.support.local.schedules import (
    MINUTE,
    collect_fired,
    connect_scheduled,
    end_job,
    find_next_time,
    fire_and_end,
    list_slots,
    run_scheduler_until,
)
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.domain.jobs import JobStatus, JobTrigger
from weft.domain.schedules import CONTINUOUS_INTERVAL, ScheduleSpec
from weft.errors import AuthenticationFailed, StorageFailed
from weft.local.jobs import scheduler
from weft.local.jobs.scheduler import fire_due, realign
from weft.local.store.base import DueSchedule

pytestmark = pytest.mark.anyio


async def test_slot_fires_once_at_its_time(local: LocalHarness) -> None:
    made = await connect_scheduled(local, "30 12 * * *")
    local.clock.pass_time(minutes=30, seconds=-1)
    assert not await fire_due(local.engine)
    local.clock.pass_time(seconds=1)
    assert await fire_due(local.engine) == 1
    assert await fire_due(local.engine) == 0
    job = (await local.backend.connections.get(made.id)).sync.last_job
    assert job is not None
    assert (job.trigger, job.status) == (JobTrigger.SCHEDULE, JobStatus.PENDING)
    assert await find_next_time(local, made) == local.clock.now + timedelta(days=1)


async def test_time_zone_that_is_gone_is_taken_as_utc_and_stops_no_other_schedule(
    local: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    lost = await connect_scheduled(local, "30 12 * * *", "Europe/Berlin")
    kept = await connect_scheduled(local, "30 12 * * *")
    with closing(cast("Any", apsw.Connection(str(local.home / "weft.db")))) as db:
        db.execute("UPDATE any_connection SET timezone = 'Gone/Zone' WHERE id = ?", (lost.id,))
    local.clock.pass_time(days=1)
    assert await fire_due(local.engine) == 2
    assert "Gone/Zone" in caplog.text
    assert await find_next_time(local, lost) == await find_next_time(local, kept)


async def test_missed_slots_become_one_job(local: LocalHarness) -> None:
    made = await connect_scheduled(local, "*/10 * * * *")
    local.clock.pass_time(days=2, minutes=3)
    assert await fire_and_end(local)
    assert not await fire_and_end(local)
    assert await find_next_time(local, made) == local.clock.now + timedelta(minutes=7)
    assert len(list_slots(local)) == 1


async def test_slots_that_meet_a_running_sync_are_made_up_for_once_after_it(
    local: LocalHarness,
) -> None:
    made = await connect_scheduled(local, "* * * * *")
    await local.backend.jobs.run(made.id)
    first = local.clock.pass_time(minutes=1)
    assert not await fire_due(local.engine)
    for _ in range(2):
        local.clock.pass_time(minutes=1)
        assert not await fire_due(local.engine)
    assert await find_next_time(local, made) == first, "it says which slot waits"
    await end_job(local)
    local.clock.pass_time(seconds=10)
    assert await fire_and_end(local)
    assert list_slots(local) == [first]
    assert not await fire_and_end(local), "once"
    local.clock.pass_time(seconds=50)
    assert await fire_and_end(local)
    assert list_slots(local) == [first, first + 3 * MINUTE]


async def test_connection_that_needs_authorization_does_not_fire(local: LocalHarness) -> None:
    waiting = await local.connect(
        short_name="secret_stub",
        schedule=ScheduleSpec(cron="* * * * *"),
        sync_immediately=None,
    )
    assert waiting.status is ConnectionStatus.PENDING_AUTH
    refused = await connect_scheduled(local, "* * * * *")

    async def refuse(token: str | None) -> str:
        raise AuthenticationFailed("The token was refused.")

    local.script.check = refuse
    await local.backend.connections.check(refused.id)
    local.clock.pass_time(minutes=1)
    assert not await fire_due(local.engine)
    assert await find_next_time(local, refused) == local.clock.now + MINUTE

    async def content(token: str | None) -> str:
        return "reached"

    local.script.check = content
    await local.backend.connections.check(refused.id)
    local.clock.pass_time(minutes=1)
    assert await fire_due(local.engine) == 1


async def test_continuous_connection_runs_on_its_interval(local: LocalHarness) -> None:
    made = await local.connect(schedule=ScheduleSpec(continuous=True))
    start = local.clock.now
    fired = await collect_fired(local, start + 4 * CONTINUOUS_INTERVAL, MINUTE)
    assert fired == [start + n * CONTINUOUS_INTERVAL for n in range(1, 5)]
    local.clock.pass_time(days=1)
    assert await fire_and_end(local)
    assert await find_next_time(local, made) == local.clock.now + CONTINUOUS_INTERVAL
    local.clock.pass_time(days=-1)
    await realign(local.engine)
    assert await find_next_time(local, made) == local.clock.now + CONTINUOUS_INTERVAL


async def test_changed_schedule_sets_the_next_time_and_a_removed_one_never_fires(
    local: LocalHarness,
) -> None:
    made = await connect_scheduled(local, "0 0 1 1 *")
    change = ConnectionChange(schedule=ScheduleSpec(cron="5 * * * *"))
    await local.backend.connections.update(made.id, change)
    assert await find_next_time(local, made) == local.clock.now + 5 * MINUTE
    local.clock.pass_time(minutes=5)
    assert await fire_and_end(local)
    await local.backend.connections.update(made.id, ConnectionChange(schedule=None))
    local.clock.pass_time(days=400)
    assert not await fire_due(local.engine)


async def test_update_with_an_old_next_time_fires_no_slot_again(local: LocalHarness) -> None:
    # The update read the connection before the slot was fired, and writes it back afterwards.
    made = await connect_scheduled(local, "* * * * *")
    slot = local.clock.now + MINUTE
    assert made.schedule is not None
    due = DueSchedule(
        connection_id=made.id, slot=local.clock.now + 2 * MINUTE, schedule=made.schedule
    )
    local.clock.pass_time(minutes=1)
    assert await fire_and_end(local)
    assert await local.engine.store.schedules.move(due, slot)
    assert not await fire_and_end(local)
    assert list_slots(local) == [slot]


async def test_more_schedules_than_one_look_takes_are_all_fired(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "DUE_LIMIT", 3)
    monkeypatch.setattr(scheduler, "REALIGN_LIMIT", 3)
    for _ in range(8):
        await connect_scheduled(local, "* * * * *")
    local.clock.pass_time(minutes=1)
    assert await fire_due(local.engine) == 8
    local.clock.pass_time(days=-1)
    assert await realign(local.engine) == 8


async def test_scheduler_outlives_a_database_that_is_full_for_a_while(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)
    made = await connect_scheduled(local, "* * * * *")
    local.clock.pass_time(minutes=1)
    due, failures = local.engine.store.schedules.due, 0

    async def full(limit: int) -> Sequence[DueSchedule]:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise StorageFailed("The disk is full.")
        return await due(limit)

    monkeypatch.setattr(local.engine.store.schedules, "due", full)

    async def has_fired() -> bool:
        return (await local.backend.connections.get(made.id)).sync.last_job is not None

    await run_scheduler_until(local, has_fired)
    warnings = [record for record in caplog.records if "cannot fire" in record.message]
    assert len(warnings) == 1
