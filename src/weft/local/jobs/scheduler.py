"""Fires schedules. Every process does; the store gives each slot to only one of them.

Slots that were missed while no process ran, while the computer slept or while a sync ran become
one: the job is for the first of them, and the next slot lies in the future.

A clock that ran ahead has set the next times too far away. Once it is set back, they are set
again; a slot that was fired is not fired twice, however often its time comes. That could silence a
schedule for as long as the clock was ahead, so the store passes over only the first such slot of
several in a row, and fires the others without a slot of their own.
"""

import logging
import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

import anyio
import anyio.lowlevel

from weft.domain.schedules import next_run
from weft.errors import WeftError
from weft.local.engine import Engine
from weft.local.store.base import DueSchedule

POLL_SECONDS = 1.0
DUE_LIMIT = 100
REALIGN_LIMIT = 500
# A clock that is set back while this process runs is noticed at once; one that was set back before,
# slowly, or while the computer slept, at these times.
REALIGN_SECONDS = 600.0
BACKWARD_STEP = timedelta(seconds=1)

logger = logging.getLogger(__name__)


async def run_scheduler(engine: Engine) -> None:
    """Fire due schedules, once a second, until cancelled."""
    trouble: str | None = None
    zero: datetime | None = None
    realigned = -math.inf
    while True:
        try:
            # The wall-clock time of the monotonic clock's zero changes when the wall clock is set.
            now_zero = await engine.store.now() - timedelta(seconds=anyio.current_time())
            went_back = zero is not None and now_zero < zero - BACKWARD_STEP
            if went_back or anyio.current_time() - realigned >= REALIGN_SECONDS:
                await realign(engine)
                realigned = anyio.current_time()
            zero = now_zero
            await fire_due(engine)
            trouble = None
        except WeftError as error:
            if str(error) != trouble:
                logger.warning("cannot fire schedules: %s", error)
            trouble = str(error)
        await anyio.sleep(POLL_SECONDS)


async def fire_due(engine: Engine) -> int:
    """Queue a job for each schedule that is due now; return how many were queued here."""
    now = await engine.store.now()
    fired = 0
    more = True
    while more:
        due = await engine.store.schedules.due(DUE_LIMIT)
        for each in due:
            following = _following(each, now)
            fired += await engine.store.schedules.fire(each, next_run=following)
        more = len(due) == DUE_LIMIT
    if fired:
        engine.changes.announce()
        engine.work.announce()
    return fired


async def realign(engine: Engine) -> int:
    """Bring forward next times that lie beyond the schedule's next slot; return how many."""
    schedules, now = engine.store.schedules, await engine.store.now()
    moved = 0
    page = await schedules.upcoming(cursor=None, limit=REALIGN_LIMIT)
    while True:
        for each in page.items:
            nearest = _following(each, now)
            if nearest is not None and nearest < each.slot:
                moved += await schedules.move(each, nearest)
        if page.next_cursor is None:
            break
        await anyio.lowlevel.checkpoint()
        page = await schedules.upcoming(cursor=page.next_cursor, limit=REALIGN_LIMIT)
    if moved:
        engine.changes.announce()
    return moved


def _following(due: DueSchedule, now: datetime) -> datetime | None:
    try:
        return next_run(due.schedule, after=now, last_start=now)
    except ZoneInfoNotFoundError:
        # The schedule was made with time zone data that this machine lacks.
        logger.warning("no time zone %s here: taken as UTC", due.schedule.timezone)
        in_utc = due.schedule.model_copy(update={"timezone": "UTC"})
        return next_run(in_utc, after=now, last_start=now)
