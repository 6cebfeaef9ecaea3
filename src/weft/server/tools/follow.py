"""Wait a bounded time for a job, and report its progress meanwhile."""

import time
from contextlib import aclosing
from typing import Final

import anyio

from weft.domain.jobs import TAKEOVER_SECONDS, Job
from weft.server.call import ToolCall
from weft.server.render.untrusted import one_line

# Many clients abandon a call after 60 seconds.
WAIT_SECONDS_MAX: Final = 45
_REPORT_INTERVAL_SECONDS = 0.5


async def wait_for_job(call: ToolCall, job: Job, seconds: float) -> Job:
    """Wait until the job has ended, ``seconds`` have passed or the server shuts down.

    A job that no process takes is not waited for: the caller should hear what it needs. Cancelling
    the wait leaves the job running.
    """
    if seconds <= 0 or job.status.is_terminal:
        return job
    report = _Progress(call)
    with call.waits.within(seconds) as scope:
        end = scope.deadline
        async with aclosing(call.backend.jobs.watch(job.id)) as states:
            async for state in states:
                await report(state)
                taken_until = anyio.current_time() + TAKEOVER_SECONDS
                scope.deadline = min(end, taken_until) if state.waits_for_process else end
                if state.status.is_terminal:
                    return state
    return await call.backend.jobs.get(job.id)


class _Progress:
    """Reports strictly growing progress at a bounded rate, as the protocol demands."""

    def __init__(self, call: ToolCall) -> None:
        self._call = call
        self._last_value = -1
        self._last_time = 0.0

    async def __call__(self, job: Job) -> None:
        value = job.entities_processed
        now = time.monotonic()
        due = now - self._last_time >= _REPORT_INTERVAL_SECONDS or job.status.is_terminal
        if value <= self._last_value or not due:
            return
        self._last_value, self._last_time = value, now
        total = job.entities_total
        await self._call.report_progress(
            value,
            None if total is None else max(total, value),
            one_line(f"{job.status.value}: {value} entities processed"),
        )
