"""Waits for what somebody who watches a job sees of it."""

from collections.abc import Callable
from contextlib import aclosing

import anyio

from tests.support.patience import PATIENCE_SECONDS
from weft.backend import Backend
from weft.domain.jobs import Job


async def wait_for_job(backend: Backend, job: Job, holds: Callable[[Job], object]) -> Job:
    """Watch a job until the condition holds; fail if the job ends without that."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with aclosing(backend.jobs.watch(job.id)) as states:
            async for current in states:
                if holds(current):
                    return current
    raise AssertionError("the job ended before that held")


async def wait_for_end(backend: Backend, job: Job) -> Job:
    """Watch a job until it has ended."""
    return await wait_for_job(backend, job, lambda seen: seen.status.is_terminal)
