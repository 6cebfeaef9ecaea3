"""Wait a bounded time for a job, and report its progress meanwhile."""

import time
from contextlib import aclosing
from typing import Final, NamedTuple

import anyio

from weft.domain.jobs import TAKEOVER_SECONDS, Job
from weft.errors import TryLater
from weft.server.call import ToolCall
from weft.server.render.untrusted import one_line

# Many clients abandon a call after 60 seconds.
WAIT_SECONDS_MAX: Final = 45
LAST_LOOK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.0
"""Kept of a call's time for its answer, after the wait and the last look."""

_REPORT_INTERVAL_SECONDS = 0.5


class Followed(NamedTuple):
    """A job as it was last seen, and why it was not seen later, if a look at it failed."""

    job: Job
    trouble: str | None = None


async def wait_for_job(call: ToolCall, job: Job, seconds: float) -> Followed:
    """Wait until the job has ended, ``seconds`` have passed or the server shuts down.

    A job that no process takes is not waited for: the caller should hear what it needs. Cancelling
    the wait leaves the job running, and so does a backend that cannot be asked meanwhile.
    """
    if seconds <= 0 or job.status.is_terminal:
        return Followed(job)
    report = _Progress(call)
    call_ends_in = anyio.current_effective_deadline() - anyio.current_time()
    seconds = min(seconds, max(0, call_ends_in - LAST_LOOK_SECONDS - ANSWER_SECONDS))
    with call.waits.within(seconds) as scope:
        end = scope.deadline
        try:
            async with aclosing(call.backend.jobs.watch(job.id)) as states:
                async for state in states:
                    job = state
                    await report(job)
                    taken_until = anyio.current_time() + TAKEOVER_SECONDS
                    scope.deadline = min(end, taken_until) if job.waits_for_process else end
        except TryLater:
            pass  # The last look may succeed, or says why it does not.
    return Followed(job) if job.status.is_terminal else await _look_again(call, job)


async def _look_again(call: ToolCall, job: Job) -> Followed:
    trouble = "there was no answer in time."
    with anyio.move_on_after(LAST_LOOK_SECONDS):
        try:
            return Followed(await call.backend.jobs.get(job.id))
        except TryLater as error:
            trouble = error.message
    return Followed(job, trouble)


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
