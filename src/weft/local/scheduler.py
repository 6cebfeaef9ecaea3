"""Fires schedules. Every process does; the store lets one of them have each slot.

Slots that were missed while no process ran, or while the computer slept, become one: the job is
for the first of them, and the next slot lies in the future.
"""

import logging

import anyio

from weft.domain.schedules import next_run
from weft.errors import WeftError
from weft.local.engine import Engine

POLL_SECONDS = 1.0
DUE_LIMIT = 100

logger = logging.getLogger(__name__)


async def run_scheduler(engine: Engine) -> None:
    """Fire what is due, once a second, until cancelled."""
    trouble: str | None = None
    while True:
        try:
            await fire_due(engine)
            trouble = None
        except WeftError as error:
            if str(error) != trouble:
                logger.warning("cannot fire schedules: %s", error)
            trouble = str(error)
        await anyio.sleep(POLL_SECONDS)


async def fire_due(engine: Engine) -> int:
    """Queue a job for each schedule that is due now; returns how many were queued here."""
    now = engine.clock()
    fired = 0
    for due in await engine.store.schedules.due(now, DUE_LIMIT):
        following = next_run(due.schedule, after=now, last_start=now)
        fired += await engine.store.schedules.fire(due, next_run=following, now=now)
    if fired:
        engine.changes.announce()
        engine.work.announce()
    return fired
