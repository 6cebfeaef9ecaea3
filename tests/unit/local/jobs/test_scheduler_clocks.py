"""Slots under a clock that jumps, goes back or keeps daylight saving: each fires once."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.local.harness import LocalHarness
from tests.support.local.schedules import (
    MINUTE,
    collect_fired,
    connect_scheduled,
    find_next_time,
    fire_and_end,
    list_slots,
    run_scheduler_until,
)
from weft.local.jobs import scheduler
from weft.local.jobs.scheduler import realign

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)], ids=["hour", "day"])
async def test_clock_that_jumps_ahead_fires_once(local: LocalHarness, jump: timedelta) -> None:
    await connect_scheduled(local, "* * * * *")
    before = await collect_fired(local, local.clock.now + 5 * MINUTE, timedelta(seconds=10))
    local.clock.now += jump
    assert await fire_and_end(local)
    after = await collect_fired(local, local.clock.now + 5 * MINUTE, timedelta(seconds=10))
    assert (len(before), len(after)) == (5, 5)
    assert len(set(list_slots(local))) == len(list_slots(local)) == 11


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)], ids=["hour", "day"])
@pytest.mark.parametrize("kept", [1, 100])
async def test_clock_that_goes_back_fires_no_slot_again_and_silences_nothing(
    local: LocalHarness, jump: timedelta, kept: int
) -> None:
    made = await connect_scheduled(local, "*/15 * * * *")
    start = local.clock.now
    await collect_fired(local, start + jump, 5 * MINUTE)
    fired = list_slots(local)
    assert len(fired) == jump / (15 * MINUTE)
    while await local.engine.store.jobs.prune(keep=kept, limit=50):
        pass
    local.clock.now -= jump
    assert await realign(local.engine) == 1
    again = await collect_fired(local, start + jump + timedelta(hours=1), 5 * MINUTE)
    # One slot is passed over, perhaps it was fired just now; then jobs come at their pace.
    assert again == [start + n * 15 * MINUTE for n in range(2, len(fired) + 5)]
    kept_slots = list_slots(local)
    assert len(kept_slots) == len(set(kept_slots))
    # Only the hour that is new has slots of its own.
    assert kept_slots[-4:] == again[-4:]
    assert {*kept_slots[:-4]} <= {*fired}
    assert await find_next_time(local, made) == local.clock.now + 15 * MINUTE


async def test_clock_that_was_ahead_for_a_while_does_not_silence_a_schedule(
    local: LocalHarness,
) -> None:
    daily = await connect_scheduled(local, "0 18 * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    assert await fire_and_end(local), "missed while the clock jumped over it"
    assert await find_next_time(local, daily) == start + timedelta(days=1, hours=6)
    local.clock.now = start
    # Six o'clock of this day was fired, at the wrong time; so the next one is tomorrow's.
    assert await realign(local.engine) == 1
    assert await collect_fired(local, start + timedelta(days=2), 15 * MINUTE) == [
        start + timedelta(days=1, hours=6)
    ]


async def test_slot_that_is_due_when_the_clock_goes_back_is_fired_and_not_put_off(
    local: LocalHarness,
) -> None:
    await connect_scheduled(local, "0 * * * *")
    local.clock.pass_time(hours=1, minutes=30)
    local.clock.pass_time(minutes=-10)
    assert await realign(local.engine) == 0
    assert await fire_and_end(local)


async def test_slots_that_only_a_wrong_clock_skipped_are_fired_in_their_time(
    local: LocalHarness,
) -> None:
    await connect_scheduled(local, "0 * * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    ahead = await collect_fired(local, local.clock.now + timedelta(hours=2), 15 * MINUTE)
    assert len(ahead) == 3, "the missed ones as one, then two in time"
    local.clock.now = start + MINUTE
    await realign(local.engine)
    later = await collect_fired(local, start + timedelta(hours=5, minutes=1), 15 * MINUTE)
    # The first one was the slot that stood for all that were jumped over.
    assert [at.hour - start.hour for at in later] == [2, 3, 4, 5]
    assert len(set(list_slots(local))) == len(list_slots(local))


async def test_daylight_saving_neither_doubles_nor_drops_a_daily_slot(local: LocalHarness) -> None:
    # 02:30 does not exist on 29 March 2026 in Berlin, and comes twice on 25 October.
    local.clock.now = datetime(2026, 3, 27, 12, tzinfo=UTC)
    await connect_scheduled(local, "30 2 * * *", "Europe/Berlin")
    spring = await collect_fired(local, datetime(2026, 4, 1, 12, tzinfo=UTC), 15 * MINUTE)
    assert [at.strftime("%d %H:%M") for at in spring] == [
        "28 01:30",
        "29 01:00",
        "30 00:30",
        "31 00:30",
        "01 00:30",
    ]
    local.clock.now = datetime(2026, 10, 23, 12, tzinfo=UTC)
    assert await fire_and_end(local)
    autumn = await collect_fired(local, datetime(2026, 10, 27, 12, tzinfo=UTC), 15 * MINUTE)
    assert [at.strftime("%d %H:%M") for at in autumn] == [
        "24 00:30",
        "25 00:30",
        "26 01:30",
        "27 01:30",
    ]


@pytest.mark.parametrize(
    ("timezone", "day"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 22, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 20, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, 2, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 1, tzinfo=UTC)),
    ],
)
async def test_hourly_slots_pass_daylight_saving_once_each(
    local: LocalHarness, timezone: str, day: datetime
) -> None:
    local.clock.now = day
    await connect_scheduled(local, "0 * * * *", timezone)
    fired = await collect_fired(local, day + timedelta(hours=12), 15 * MINUTE)
    assert len(set(list_slots(local))) == len(list_slots(local)) == len(fired)
    # An hour that clocks show twice may count as one, never as more than there are.
    assert 11 <= len(fired) <= 12


async def test_scheduler_notices_that_the_clock_went_back(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)
    made = await connect_scheduled(local, "* * * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    stages = iter([start + timedelta(days=1, minutes=1), start + 2 * MINUTE])
    stage = next(stages)

    async def is_reached() -> bool:
        nonlocal stage
        if await find_next_time(local, made) != stage:
            return False
        following = next(stages, None)
        if following is None:
            return True
        stage = following
        local.clock.now = start + timedelta(seconds=70)
        return False

    await run_scheduler_until(local, is_reached)


async def test_scheduler_that_starts_after_the_clock_went_back_notices_too(
    local: LocalHarness,
) -> None:
    made = await connect_scheduled(local, "* * * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    assert await fire_and_end(local)
    local.clock.now = start + timedelta(seconds=70)

    async def is_reached() -> bool:
        return await find_next_time(local, made) == start + 2 * MINUTE

    await run_scheduler_until(local, is_reached)
