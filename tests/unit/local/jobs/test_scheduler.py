"""Schedules under an injected clock: every slot fires once, whatever the clock does."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import anyio
import apsw
import pytest
from local_harness import LocalHarness
from patience import PATIENCE_SECONDS

from weft.domain.connections import Connection, ConnectionChange, ConnectionStatus
from weft.domain.jobs import JobStatus, JobTrigger
from weft.domain.schedules import CONTINUOUS_INTERVAL, ScheduleSpec
from weft.errors import AuthenticationFailed, StorageFailed
from weft.local.jobs import scheduler
from weft.local.jobs.scheduler import fire_due, realign, run_scheduler
from weft.local.store.base import DueSchedule, Outcome
from weft.local.store.values import moment

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)


async def connect_scheduled(local: LocalHarness, cron: str, timezone: str = "UTC") -> Connection:
    return await local.connect(schedule=ScheduleSpec(cron=cron, timezone=timezone))


async def end_job(local: LocalHarness) -> None:
    """End the queued job without a sync."""
    claim = await local.claim()
    outcome = Outcome(JobStatus.COMPLETED)
    assert await local.engine.store.jobs.finish(claim, outcome, [])


async def next_time(local: LocalHarness, made: Connection) -> datetime | None:
    schedule = (await local.backend.connections.get(made.id)).schedule
    assert schedule is not None
    return schedule.next_run


async def step(local: LocalHarness) -> bool:
    """What a second of the scheduler does; a job that it queued is ended. Whether there was one."""
    if not await fire_due(local.engine):
        return False
    await end_job(local)
    return True


async def collect_fired(local: LocalHarness, end: datetime, pace: timedelta) -> list[datetime]:
    """Let the clock run to ``end``; the times at which a job was queued."""
    fired: list[datetime] = []
    while local.clock.now < end:
        local.clock.now += pace
        if await step(local):
            fired.append(local.clock.now)
    return fired


def slots(local: LocalHarness) -> list[datetime]:
    """The slots of all jobs, as the store has them, in the order in which they were queued."""
    with closing(cast("Any", apsw.Connection(str(local.home / "weft.db")))) as db:
        found = [row[0] for row in db.execute("SELECT slot FROM job ORDER BY no")]
    return [moment(slot) for slot in found if slot is not None]


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
    assert await next_time(local, made) == local.clock.now + timedelta(days=1)


async def test_time_zone_that_is_gone_is_taken_as_utc_and_stops_no_other_schedule(
    local: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    lost = await connect_scheduled(local, "30 12 * * *", "Europe/Berlin")
    kept = await connect_scheduled(local, "30 12 * * *")
    with closing(cast("Any", apsw.Connection(str(local.home / "weft.db")))) as db:
        db.execute("UPDATE connection SET timezone = 'Gone/Zone' WHERE id = ?", (lost.id,))
    local.clock.pass_time(days=1)
    assert await fire_due(local.engine) == 2
    assert "Gone/Zone" in caplog.text
    assert await next_time(local, lost) == await next_time(local, kept)


async def test_missed_slots_become_one_job(local: LocalHarness) -> None:
    made = await connect_scheduled(local, "*/10 * * * *")
    local.clock.pass_time(days=2, minutes=3)
    assert await step(local)
    assert not await step(local)
    assert await next_time(local, made) == local.clock.now + timedelta(minutes=7)
    assert len(slots(local)) == 1


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)], ids=["hour", "day"])
async def test_clock_that_jumps_ahead_fires_once(local: LocalHarness, jump: timedelta) -> None:
    await connect_scheduled(local, "* * * * *")
    before = await collect_fired(local, local.clock.now + 5 * MINUTE, timedelta(seconds=10))
    local.clock.now += jump
    assert await step(local)
    after = await collect_fired(local, local.clock.now + 5 * MINUTE, timedelta(seconds=10))
    assert (len(before), len(after)) == (5, 5)
    assert len(set(slots(local))) == len(slots(local)) == 11


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)], ids=["hour", "day"])
@pytest.mark.parametrize("kept", [1, 100])
async def test_clock_that_goes_back_fires_no_slot_again_and_silences_nothing(
    local: LocalHarness, jump: timedelta, kept: int
) -> None:
    made = await connect_scheduled(local, "*/15 * * * *")
    start = local.clock.now
    await collect_fired(local, start + jump, 5 * MINUTE)
    fired = slots(local)
    assert len(fired) == jump / (15 * MINUTE)
    while await local.engine.store.jobs.prune(keep=kept, limit=50):
        pass
    local.clock.now -= jump
    assert await realign(local.engine) == 1
    again = await collect_fired(local, start + jump + timedelta(hours=1), 5 * MINUTE)
    # One slot is passed over, perhaps it was fired just now; then jobs come at their pace.
    assert again == [start + n * 15 * MINUTE for n in range(2, len(fired) + 5)]
    kept_slots = slots(local)
    assert len(kept_slots) == len(set(kept_slots))
    # Only the hour that is new has slots of its own.
    assert kept_slots[-4:] == again[-4:]
    assert {*kept_slots[:-4]} <= {*fired}
    assert await next_time(local, made) == local.clock.now + 15 * MINUTE


async def test_clock_that_was_ahead_for_a_while_does_not_silence_a_schedule(
    local: LocalHarness,
) -> None:
    daily = await connect_scheduled(local, "0 18 * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    assert await step(local), "missed while the clock jumped over it"
    assert await next_time(local, daily) == start + timedelta(days=1, hours=6)
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
    assert await step(local)


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
    assert len(set(slots(local))) == len(slots(local))


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
    assert await step(local)
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
    assert len(set(slots(local))) == len(slots(local)) == len(fired)
    # An hour that clocks show twice may count as one, never as more than there are.
    assert 11 <= len(fired) <= 12


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
    assert await next_time(local, made) == first, "it says which slot waits"
    await end_job(local)
    local.clock.pass_time(seconds=10)
    assert await step(local)
    assert slots(local) == [first]
    assert not await step(local), "once"
    local.clock.pass_time(seconds=50)
    assert await step(local)
    assert slots(local) == [first, first + 3 * MINUTE]


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
    assert await next_time(local, refused) == local.clock.now + MINUTE

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
    assert await step(local)
    assert await next_time(local, made) == local.clock.now + CONTINUOUS_INTERVAL
    local.clock.pass_time(days=-1)
    await realign(local.engine)
    assert await next_time(local, made) == local.clock.now + CONTINUOUS_INTERVAL


async def test_changed_schedule_sets_the_next_time_and_a_removed_one_never_fires(
    local: LocalHarness,
) -> None:
    made = await connect_scheduled(local, "0 0 1 1 *")
    change = ConnectionChange(schedule=ScheduleSpec(cron="5 * * * *"))
    await local.backend.connections.update(made.id, change)
    assert await next_time(local, made) == local.clock.now + 5 * MINUTE
    local.clock.pass_time(minutes=5)
    assert await step(local)
    await local.backend.connections.update(made.id, ConnectionChange(schedule=None))
    local.clock.pass_time(days=400)
    assert not await fire_due(local.engine)


async def test_update_with_an_old_next_time_fires_no_slot_again(local: LocalHarness) -> None:
    # The update read the connection before the slot was fired, and writes it back afterwards.
    made = await connect_scheduled(local, "* * * * *")
    slot = local.clock.now + MINUTE
    due = DueSchedule(
        connection_id=made.id,
        slot=local.clock.now + 2 * MINUTE,
        schedule=(made.schedule or _fail()),
    )
    local.clock.pass_time(minutes=1)
    assert await step(local)
    assert await local.engine.store.schedules.move(due, slot)
    assert not await step(local)
    assert slots(local) == [slot]


def _fail() -> Any:
    raise AssertionError("the connection has a schedule")


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


async def scheduler_does(local: LocalHarness, wanted: Any) -> None:
    """Run the scheduler until ``wanted()`` holds."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(run_scheduler, local.engine)
            while not await wanted():
                await local.engine.changes.wait(local.engine.changes.mark(), 0.01)
            group.cancel_scope.cancel()


async def test_scheduler_notices_that_the_clock_went_back(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "POLL_SECONDS", 0.01)
    made = await connect_scheduled(local, "* * * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    stages = iter([start + timedelta(days=1, minutes=1), start + 2 * MINUTE])
    stage = next(stages)

    async def reached() -> bool:
        nonlocal stage
        if await next_time(local, made) != stage:
            return False
        following = next(stages, None)
        if following is None:
            return True
        stage = following
        local.clock.now = start + timedelta(seconds=70)
        return False

    await scheduler_does(local, reached)


async def test_scheduler_that_starts_after_the_clock_went_back_notices_too(
    local: LocalHarness,
) -> None:
    made = await connect_scheduled(local, "* * * * *")
    start = local.clock.now
    local.clock.pass_time(days=1)
    assert await step(local)
    local.clock.now = start + timedelta(seconds=70)

    async def reached() -> bool:
        return await next_time(local, made) == start + 2 * MINUTE

    await scheduler_does(local, reached)


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

    async def fired() -> bool:
        return (await local.backend.connections.get(made.id)).sync.last_job is not None

    await scheduler_does(local, fired)
    warnings = [record for record in caplog.records if "cannot fire" in record.message]
    assert len(warnings) == 1
