"""Follows a job of a remote API: by its stream of events where it has one, and else by polling."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

import anyio

from weft.domain.jobs import Job, JobStatus
from weft.errors import RateLimited, TryLater
from weft.remote.api.client import ApiClient
from weft.wire.jobs import read_progress

RATE_PAUSE_MAX: Final = 30.0
RATE_SHARE: Final = 2
"""Following a job takes at most every second request that the API allows."""

EVENTS_TRUSTED_SECONDS: Final = 60.0
"""A job whose events come is read again after this time, in case they miss something."""


async def watch_job(
    client: ApiClient, fetch: Callable[[str], Awaitable[Job]], job: str
) -> AsyncGenerator[Job]:
    """Yield the job now and after each change. Short failures of the API are ignored."""
    timeouts = client.timeouts
    seen: Job | None = None
    pause, failures, listens = timeouts.watch, 0, True
    while True:
        try:
            now = await fetch(job)
        except TryLater as error:
            failures += 1
            if seen is None or failures > timeouts.reports:
                raise
            asked = error.retry_after if isinstance(error, RateLimited) else None
            await anyio.sleep(max(min(asked or pause, RATE_PAUSE_MAX), client.pace(RATE_SHARE)))
            continue
        failures = 0
        if now != seen:
            pause, seen = timeouts.watch, now
            yield now
        if listens and not now.status.is_terminal:
            began = anyio.current_time()
            async with aclosing(_listen(client, fetch, now)) as states:
                async for now in states:
                    seen = now
                    yield now
            # A stream that ends at once would be opened again and again.
            listens = anyio.current_time() - began >= timeouts.watch_longest
        if now.status.is_terminal:
            return
        await anyio.sleep(max(pause, client.pace(RATE_SHARE)))
        pause = min(pause * 1.5, timeouts.watch_longest)


async def _listen(
    client: ApiClient, fetch: Callable[[str], Awaitable[Job]], job: Job
) -> AsyncGenerator[Job]:
    """Yield the job after each event, until the stream tells the end, ends or falls silent.

    Airweave repeats no event, tells an unknown job nothing, and does not say when a job begins or
    is cancelled before that. So the job is read when the stream is open, unless requests are few,
    and from time to time.
    """
    # Falling silent costs two requests: a new stream, and reading the job.
    silence = max(client.timeouts.silence, client.pace(2 * RATE_SHARE))
    trusted_early = max(client.timeouts.watch, client.pace(RATE_SHARE))
    is_small_plan = trusted_early > client.timeouts.watch_longest
    read_at = anyio.current_time() if is_small_plan else float("-inf")
    path = f"/sync/job/{quote(job.id, safe='')}/subscribe"
    async with aclosing(client.follow(path, silence=silence)) as events:
        async for event in events:
            progress = read_progress(event)
            has_ended = progress is not None and progress.status is not None
            waits = job.status is JobStatus.PENDING and progress is not None
            trusted = trusted_early if waits else EVENTS_TRUSTED_SECONDS
            now = job
            if has_ended or anyio.current_time() - read_at > trusted:
                read_at = anyio.current_time()
                try:
                    now = await fetch(job.id)
                except TryLater:
                    return
            if progress is not None and not now.status.is_terminal:
                now = progress.count_in(now)
            if now != job:
                job = now
                yield job
            if has_ended or job.status.is_terminal:
                return
