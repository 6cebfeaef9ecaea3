"""Wait a bounded time for a job, and report its progress meanwhile."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

import anyio

from weft.domain.jobs import TAKEOVER_SECONDS, Job
from weft.domain.text.words import quantity
from weft.errors import TryLater
from weft.server.call import ToolCall
from weft.server.render.untrusted import one_line

# Many clients abandon a call after 60 seconds.
WAIT_SECONDS_MAX: Final = 45
LAST_LOOK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.0
"""Kept of a call's time for its answer, after the wait and the last look."""

_REPORT_INTERVAL_SECONDS = 0.5
_LOOKS_AT_ONCE = 8
_NO_ANSWER = "there was no answer in time."


class Followed(NamedTuple):
    """A job as it was last seen, and why it was not seen later, if a look at it failed."""

    job: Job
    trouble: str | None = None


async def wait_for_job(
    call: ToolCall,
    job: Job,
    seconds: float,
    report: Callable[[Job], Awaitable[None]] | None = None,
) -> Followed:
    """Wait until the job has ended, ``seconds`` have passed or the server shuts down.

    A job that no process takes is not waited for: the caller should hear what it needs. Cancelling
    the wait leaves the job running, and so does a backend that cannot be asked meanwhile.
    """
    if seconds <= 0 or job.status.is_terminal:
        return Followed(job)
    report = report or _Progress(call)
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


async def wait_for_jobs(call: ToolCall, jobs: Sequence[Job], seconds: float) -> list[Followed]:
    """Wait for several jobs as `wait_for_job` does for one; no longer in all."""
    if seconds <= 0:
        return [Followed(job) for job in jobs]
    # Each look takes its time: one after the wait for a job, and one at all that have not ended.
    call_ends_at = anyio.current_effective_deadline() - 2 * LAST_LOOK_SECONDS - ANSWER_SECONDS
    end = min(anyio.current_time() + seconds, call_ends_at)
    followed: list[Followed] = []
    for number, job in enumerate(jobs, 1):
        left = end - anyio.current_time()
        followed.append(await wait_for_job(call, job, left, _report_nothing))
        if left > 0:
            await call.report_progress(number, len(jobs), f"{number} of {len(jobs)} syncs seen")
    seen = await _look_at_all(call, followed)
    # A backend may tell the names of connections with none but the jobs that it starts.
    return [
        each._replace(job=each.job.model_copy(update={"connection_name": job.connection_name}))
        for each, job in zip(seen, jobs, strict=True)
    ]


async def _report_nothing(job: Job) -> None:
    """Leave the progress to the number of jobs: it must grow, and each job begins at zero."""


async def _look_at_all(call: ToolCall, followed: Sequence[Followed]) -> list[Followed]:
    """Look once more at what had not ended when it was seen last."""
    seen = list(followed)
    slots = anyio.CapacityLimiter(_LOOKS_AT_ONCE)

    async def look(place: int) -> None:
        async with slots:
            seen[place] = await _look_again(call, seen[place].job)

    open_places = [n for n, each in enumerate(seen) if not each.job.status.is_terminal]
    for place in open_places:
        seen[place] = Followed(seen[place].job, _NO_ANSWER)
    with anyio.move_on_after(LAST_LOOK_SECONDS):
        async with anyio.create_task_group() as tasks:
            for place in open_places:
                tasks.start_soon(look, place)
    return seen


async def _look_again(call: ToolCall, job: Job) -> Followed:
    trouble = _NO_ANSWER
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
            one_line(f"{job.status.value}: {quantity(value, 'entity')} processed"),
        )
