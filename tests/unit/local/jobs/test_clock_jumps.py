"""Schedules under a clock that jumps at random, and durations that it does not change."""

from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.local.harness import LocalHarness, open_harness
from tests.support.store.bench import open_bench
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus, JobTrigger
from weft.domain.schedules import ScheduleSpec
from weft.local.jobs.scheduler import fire_due, realign
from weft.local.store.base import Outcome

pytestmark = pytest.mark.anyio

PERIOD = timedelta(minutes=15)
PACE = timedelta(minutes=5)
JUMPS = st.one_of(
    st.sampled_from([timedelta(hours=1), timedelta(days=1), timedelta(days=365)]),
    st.timedeltas(timedelta(minutes=1), timedelta(days=3)),
)
# A jump, how many steps the clock then runs, and whether old jobs are pruned after them.
WALKS = st.lists(
    st.tuples(JUMPS, st.booleans(), st.integers(0, 12), st.booleans()), min_size=1, max_size=6
)


class Walk:
    """A scheduler under a clock that jumps; remembers every slot that was fired."""

    def __init__(self, local: LocalHarness, made: Connection) -> None:
        self.local = local
        self.made = made
        self.fired: list[int] = []

    async def step(self) -> bool:
        """Let a few minutes pass; return whether a job was queued, which is ended at once."""
        self.local.clock.now += PACE
        if not await fire_due(self.local.engine):
            return False
        with closing(cast("Any", apsw.Connection(str(self.local.home / "weft.db")))) as db:
            [(slot,)] = db.execute("SELECT slot FROM job ORDER BY no DESC LIMIT 1")
        if slot is not None:
            self.fired.append(slot)
        claim = await self.local.claim()
        return await self.local.engine.store.jobs.finish(claim, Outcome(JobStatus.COMPLETED), [])

    async def jump(self, by: timedelta) -> None:
        """Set the clock, as the scheduler notices it."""
        self.local.clock.now += by
        if by < timedelta():
            await realign(self.local.engine)

    async def prune(self) -> None:
        """Drop all jobs but the newest."""
        while await self.local.engine.store.jobs.prune(keep=1, limit=50):
            pass


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(WALKS)
async def test_no_slot_fires_twice_and_no_schedule_falls_silent(
    tmp_path_factory: pytest.TempPathFactory, walk: list[tuple[timedelta, bool, int, bool]]
) -> None:
    async with open_harness(tmp_path_factory.mktemp("home")) as local:
        await local.create_collection()
        made = await local.connect(schedule=ScheduleSpec(cron="*/15 * * * *"))
        clock = Walk(local, made)
        right = local.clock.now
        for by, ahead, steps, prunes in walk:
            await clock.jump(by if ahead else -by)
            for _ in range(steps):
                right += PACE
                await clock.step()
            if prunes:
                await clock.prune()
        # The clock is right again: each period has a job, or passes over a slot that had one early.
        await clock.jump(right - local.clock.now)
        in_periods = [sum([await clock.step() for _ in range(PERIOD // PACE)]) for _ in range(12)]
        assert in_periods[0] <= 2, "what was missed, and what is due"
        assert {*in_periods[1:]} <= {0, 1}
        assert all(any(pair) for pair in pairwise(in_periods)), (in_periods, walk)
        assert len(clock.fired) == len(set(clock.fired)), "a slot was fired twice"


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(days=365)], ids=["days", "year"])
async def test_clock_that_was_ahead_silences_nothing_once_its_jobs_are_pruned(
    local: LocalHarness, ahead: timedelta
) -> None:
    made = await local.connect(schedule=ScheduleSpec(cron="*/5 * * * *"))
    clock = Walk(local, made)
    await clock.jump(ahead)
    early = [await clock.step() for _ in range(3)]
    assert early == [True] * 3
    await clock.jump(-ahead)
    for _ in range(4):
        await local.backend.jobs.run(made.id)
        claim = await local.claim()
        await local.engine.store.jobs.finish(claim, Outcome(JobStatus.COMPLETED), [])
    await clock.prune()
    later = [await clock.step() for _ in range(4)]
    assert later == [True] * 4
    assert len(clock.fired) == 7, "they are slots of their own"
    jobs = (await local.backend.jobs.list(made.id)).items
    assert {job.trigger for job in jobs} <= {JobTrigger.SCHEDULE, JobTrigger.MANUAL}
    # The slots of the wrong time come at last, and were fired.
    await clock.jump(ahead - 9 * PACE)
    for _ in range(12):
        await clock.step()
    assert len(clock.fired) == len(set(clock.fired))


@pytest.mark.parametrize("kept", [1, 1000])
async def test_clock_that_was_ahead_for_long_silences_nothing(
    local: LocalHarness, kept: int
) -> None:
    made = await local.connect(schedule=ScheduleSpec(cron="*/5 * * * *"))
    clock = Walk(local, made)
    await clock.jump(timedelta(hours=2))
    for _ in range(48):
        assert await clock.step()
        while await local.engine.store.jobs.prune(keep=kept, limit=50):
            pass
    await clock.jump(timedelta(hours=-2))
    later = [await clock.step() for _ in range(48)]
    # The first was fired less than a period ago, with a clock that was ahead.
    assert later == [False] + [True] * 47
    assert len(clock.fired) == len(set(clock.fired))


async def test_duration_is_the_time_that_passed_whatever_the_clock_shows(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "weft.db") as bench:
        made = await bench.connection()
        claim = await bench.claim_new(made)
        bench.clock.seconds += 5
        bench.clock.now += timedelta(days=365)
        await bench.commit(claim)
        bench.clock.seconds += 1  # Not counted: its owner is killed before it says so.
        assert await bench.store.jobs.release_dead([claim.owner]) == [claim.job_id]
        bench.clock.now -= timedelta(days=800)
        bench.clock.seconds = 1000.0  # Another process, on another computer perhaps.
        again = await bench.claim()
        assert again is not None
        bench.clock.seconds += 2.5
        assert await bench.finish(again)
        assert (await bench.job(claim)).duration_seconds == 7.5
        last = (await bench.get(made)).sync.last_job
        assert last is not None
        assert last.duration_seconds == 7.5
