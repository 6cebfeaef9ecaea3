"""A paused schedule stays silent, and goes on by itself where the pause has an end."""

from datetime import timedelta

import pytest

from tests.support.local.harness import LocalHarness
from tests.support.local.schedules import collect_fired, connect_scheduled, find_next_time
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.domain.schedules import ScheduleSpec
from weft.local.jobs.scheduler import fire_due, realign

pytestmark = pytest.mark.anyio


async def test_pause_with_an_end_is_over_with_the_first_run_after_it(local: LocalHarness) -> None:
    made = await connect_scheduled(local, "0 12 * * *")
    end = local.clock.now + timedelta(days=10, hours=1)
    pause = ConnectionChange(schedule=ScheduleSpec(paused_until=end))
    await local.backend.connections.update(made.id, pause)
    await realign(local.engine)
    fired = await collect_fired(local, end + timedelta(days=2), timedelta(minutes=30))
    assert fired
    assert end <= fired[0] < end + timedelta(days=1)
    after = await local.backend.connections.get(made.id)
    assert after.schedule is not None
    assert (after.schedule.paused, after.schedule.paused_until) == (False, None)
    assert after.status is ConnectionStatus.ACTIVE


async def test_pause_without_an_end_is_neither_fired_nor_realigned(local: LocalHarness) -> None:
    made = await connect_scheduled(local, "0 12 * * *")
    pause = ConnectionChange(schedule=ScheduleSpec(paused=True))
    await local.backend.connections.update(made.id, pause)
    local.clock.pass_time(days=30)
    assert await realign(local.engine) == 0
    assert not await fire_due(local.engine)
    assert await find_next_time(local, made) is None
    resume = ConnectionChange(schedule=ScheduleSpec(paused=False))
    await local.backend.connections.update(made.id, resume)
    assert not await fire_due(local.engine), "what was missed is not made up for"
    local.clock.pass_time(days=1)
    assert await fire_due(local.engine) == 1
