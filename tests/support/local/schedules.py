"""A scheduler that tests step by hand, and the slots that it has fired."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, cast

import anyio
import apsw

from tests.support.local.harness import LocalHarness
from tests.support.patience import PATIENCE_SECONDS
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.local.jobs.scheduler import fire_due, run_scheduler
from weft.local.store.base import Outcome
from weft.local.store.values import moment

MINUTE = timedelta(minutes=1)


async def connect_scheduled(local: LocalHarness, cron: str, timezone: str = "UTC") -> Connection:
    return await local.connect(schedule=ScheduleSpec(cron=cron, timezone=timezone))


async def end_job(local: LocalHarness) -> None:
    """End the queued job without a sync."""
    claim = await local.claim()
    outcome = Outcome(JobStatus.COMPLETED)
    assert await local.engine.store.jobs.finish(claim, outcome, [])


async def find_next_time(local: LocalHarness, made: Connection) -> datetime | None:
    schedule = (await local.backend.connections.get(made.id)).schedule
    assert schedule is not None
    return schedule.next_run


async def fire_and_end(local: LocalHarness) -> bool:
    """Fire what is due and end the job that it queued; return whether there was one."""
    if not await fire_due(local.engine):
        return False
    await end_job(local)
    return True


async def collect_fired(local: LocalHarness, end: datetime, pace: timedelta) -> list[datetime]:
    """Let the clock run to ``end``; return the times at which a job was queued."""
    fired: list[datetime] = []
    while local.clock.now < end:
        local.clock.now += pace
        if await fire_and_end(local):
            fired.append(local.clock.now)
    return fired


def list_slots(local: LocalHarness) -> list[datetime]:
    """List the slots of all jobs, as the store has them, in the order in which they were queued."""
    with closing(cast("Any", apsw.Connection(str(local.home / "weft.db")))) as db:
        found = [row[0] for row in db.execute("SELECT slot FROM job ORDER BY no")]
    return [moment(slot) for slot in found if slot is not None]


async def run_scheduler_until(local: LocalHarness, holds: Callable[[], Awaitable[bool]]) -> None:
    """Run the scheduler until the condition holds."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(run_scheduler, local.engine)
            while not await holds():
                await local.engine.changes.wait(local.engine.changes.mark(), 0.01)
            group.cancel_scope.cancel()
