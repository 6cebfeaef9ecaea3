"""Runs and reads the jobs of a remote API, whose routes name each job with its connection."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Final

import anyio

from weft.backend import LIST_LIMIT_DEFAULT, Jobs, validate_limit
from weft.domain.base import Page
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.domain.cursors import encode_cursor
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, LogLine, RunOptions
from weft.domain.names import pick_one
from weft.domain.schedules import ScheduleSpec
from weft.errors import Conflict, InvalidInput, NotFound, RateLimited, TryLater, Unsupported
from weft.remote.client import send_or_find
from weft.remote.collections import CONNECTIONS_PATH
from weft.remote.connections import RemoteConnections, waits_in_vain
from weft.remote.meanings import AlreadyLive, NoSync
from weft.remote.paging import fits_id, skip_of, whole_id
from weft.remote.state import RemoteState
from weft.remote.waiting.claims import Claims
from weft.wire.jobs import read_job, read_job_log, read_jobs

WINDOW: Final = 1000
"""The number of a connection's newest jobs that the API shows. Older ones cannot be read."""

RECENT: Final = 100
CONNECTIONS_MAX: Final = 50
"""The most connections whose jobs are read, one request each, to find one or to list all."""

AT_ONCE: Final = 4
SURE_PREFIX_CHARS: Final = 8
RATE_PAUSE_MAX: Final = 30.0
# This schedule hardly ever fires, and is removed again at once.
_NOW: Final = datetime.max.replace(tzinfo=UTC)
_REPAIR_CRON: Final = "0 0 1 1 *"


class RemoteJobs(Jobs):
    def __init__(self, state: RemoteState, connections: RemoteConnections, claims: Claims) -> None:
        self._state = state
        self._client = state.client
        self._connections = connections
        self._claims = claims

    async def run(self, connection: str, options: RunOptions = RUN_DEFAULTS) -> Job:
        """Start a sync. The newest job is noted first: if the answer is lost, a newer job must be
        the one that we asked for, since a connection has one live job at a time.
        """
        connection_id = await self._connections.resolve_id(connection)
        if await self._claims.is_held(connection_id):
            await self._connections.get(connection_id)  # This starts the sync that waits for it.
        try:
            return await self._run(connection_id, options)
        except AlreadyLive as error:
            if not await self._cancel_stuck(connection_id):
                raise await self._find_live_job(connection_id, error) from None
        return await self._run(connection_id, options)

    async def _run(self, connection_id: str, options: RunOptions) -> Job:
        params = await self._params_of(connection_id, options)
        newest = await self._prepare_run(connection_id)

        async def look() -> Job | None:
            latest = await self._fetch(connection_id, 1)
            return latest[0] if latest and latest[0].id != newest else None

        job = await send_or_find(
            lambda: self._client.send(
                "POST",
                f"{CONNECTIONS_PATH}/{connection_id}/run",
                lambda body: read_job(body, connection_id),
                params=params,
                missing="connection_id",
            ),
            look,
            self._client.timeouts,
            unknown="Whether a sync was started is not known: see list_jobs before run_sync.",
        )
        self._state.own_changes.announce()
        return self._state.learn_job(job)

    async def list(
        self,
        connection: str | None = None,
        *,
        status: JobStatus | None = None,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Job]:
        """List jobs. The API lists the newest WINDOW of a connection, without filter or offset."""
        size = validate_limit(limit)
        owner = None if connection is None else await self._connections.resolve_id(connection)
        listed = ("jobs", owner, status)
        skip = skip_of(cursor, *listed)
        wanted = WINDOW if status else min(WINDOW, skip + size + 1)
        found = await (self._fetch_of_all(wanted) if owner is None else self._fetch(owner, wanted))
        fitting = [job for job in found if status in (None, job.status)]
        more = encode_cursor(skip + size, *listed) if len(fitting) > skip + size else None
        return Page(items=tuple(fitting[skip : skip + size]), next_cursor=more)

    async def get(self, job: str) -> Job:
        text = job.strip().lower()
        owner = self._known_owner(text)
        if owner is not None:
            found = await self._find_among(owner, text, RECENT) or await self._find_among(
                owner, text, WINDOW
            )
        else:
            found = [item for item in await self._fetch_of_all(WINDOW) if fits_id(item.id, text)]
        return pick_one(found, "job", "job_id", lambda item: item.id)

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        """Poll the job, less and less often. Short failures of the API are ignored."""
        timeouts = self._client.timeouts
        seen: Job | None = None
        pause, failures = timeouts.watch, 0
        while True:
            try:
                now = await self.get(job)
            except TryLater as error:
                failures += 1
                if seen is None or failures > timeouts.reports:
                    raise
                asked = error.retry_after if isinstance(error, RateLimited) else None
                await anyio.sleep(min(asked or pause, RATE_PAUSE_MAX))
                continue
            failures = 0
            if now != seen:
                pause = timeouts.watch
                seen = now
                yield now
            if now.status.is_terminal:
                return
            await anyio.sleep(pause)
            pause = min(pause * 1.5, timeouts.watch_longest)

    async def log(self, job: str, *, limit: int = 20) -> Sequence[LogLine]:
        """Return the error of a failed job, as the API keeps no log."""
        if limit < 1:
            raise InvalidInput("limit must be at least 1.", field="limit")
        found = await self.get(job)
        raw = await self._client.get(
            _jobs_path(found.source_connection_id),
            lambda body: body,
            params={"limit": RECENT},
            missing="job_id",
        )
        items = raw if isinstance(raw, list) else []
        mine = [item for item in items if isinstance(item, dict) and item.get("id") == found.id]
        return read_job_log(mine[0])[:limit] if mine else []

    async def cancel(self, job: str) -> Job:
        """Cancel a job. If the answer is lost, the job's status shows whether it is stopping."""
        found = await self.get(job)
        if found.status.is_terminal:
            raise _ended_error(found)
        path = f"{_jobs_path(found.source_connection_id)}/{found.id}/cancel"

        async def look() -> Job | None:
            now = await self.get(found.id)
            stopping = now.status is JobStatus.CANCELLING or now.status.is_terminal
            return now if stopping else None

        try:
            stopped = await send_or_find(
                lambda: self._client.send(
                    "POST",
                    path,
                    lambda body: read_job(body, found.source_connection_id),
                    missing="job_id",
                ),
                look,
                self._client.timeouts,
                unknown="Whether the job was cancelled is not known: call cancel_job again.",
            )
        except Conflict:
            stopped = await self.get(found.id)
            if stopped.status is not JobStatus.CANCELLING:
                raise _ended_error(stopped) from None
        self._state.own_changes.announce()
        return stopped

    async def _fetch(self, connection_id: str, limit: int) -> Sequence[Job]:
        try:
            found = await self._client.get(
                _jobs_path(connection_id),
                read_jobs,
                params={"limit": limit},
                missing="connection_id",
            )
        except NoSync:
            return []
        return [self._state.learn_job(job) for job in found]

    async def _fetch_of_all(self, limit: int) -> Sequence[Job]:
        page = await self._connections.list(limit=CONNECTIONS_MAX)
        if page.next_cursor is not None:
            raise Unsupported(
                f"There are more than {CONNECTIONS_MAX} connections, and the Airweave API lists "
                "the jobs of one connection only.",
                field="connection_id",
                hint="Name the connection, and use the whole id of a job that list_jobs showed.",
            )
        found: list[Job] = []
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def add(connection_id: str) -> None:
            async with limiter:
                try:
                    found.extend(await self._fetch(connection_id, limit))
                except NotFound:
                    return  # It was deleted meanwhile.

        for item in page.items if len(page.items) == 1 else ():
            await add(item.id)
        if len(page.items) > 1:
            async with anyio.create_task_group() as group:
                for item in page.items:
                    group.start_soon(add, item.id)
        # What has not started waits now, so it comes first.
        return sorted(found, key=lambda job: job.began_at or job.completed_at or _NOW, reverse=True)

    def _known_owner(self, text: str) -> str | None:
        if whole_id(text) is not None:
            return self._state.owner_of.get(text)
        if len(text) < SURE_PREFIX_CHARS:
            return None
        known = [owner for job_id, owner in self._state.owner_of.items() if fits_id(job_id, text)]
        return known[0] if len(known) == 1 else None

    async def _find_among(self, connection_id: str, text: str, limit: int) -> Sequence[Job]:
        try:
            found = await self._fetch(connection_id, limit)
        except NotFound:
            return []
        return [job for job in found if fits_id(job.id, text)]

    async def _params_of(self, connection_id: str, options: RunOptions) -> dict[str, bool]:
        """Return the options as parameters. Only another Weft holds, and applies, deletions."""
        params = {"force_full_sync": True} if options.force_full_sync else {}
        if not options.agreed_deletions:
            return params
        if (await self._connections.fetch(connection_id)).deletions_held is None:
            raise Unsupported(
                "No deletions are held there: an Airweave API deletes without asking.",
                field="apply_deletions",
                hint="Call run_sync without apply_deletions.",
            )
        return {**params, "apply_deletions": True}

    async def _prepare_run(self, connection_id: str) -> str | None:
        try:
            found = await self._client.get(
                _jobs_path(connection_id),
                read_jobs,
                params={"limit": 1},
                missing="connection_id",
            )
        except NoSync:
            await self._make_runnable(connection_id)
            return None
        return found[0].id if found else None

    async def _make_runnable(self, connection_id: str) -> None:
        """Give a connection a sync to run: Airweave creates none without a schedule and a first
        sync. Setting a schedule creates it, and removing the schedule again does no harm.
        """
        found = await self._connections.fetch(connection_id)
        if found.status is ConnectionStatus.PENDING_AUTH:
            raise Conflict(
                "The connection has nothing to sync before it is authorised.",
                field="connection_id",
                hint=f"Call authorize_connection(connection_id='{found.id}') for a link.",
            )
        if found.schedule is not None:
            return
        for spec in (ScheduleSpec(cron=_REPAIR_CRON), None):
            await self._connections.update(connection_id, ConnectionChange(schedule=spec))

    async def _cancel_stuck(self, connection_id: str) -> bool:
        """Cancel the first sync of an authorised connection if it waits in vain to be started."""
        found = await self._connections.fetch(connection_id)
        if not waits_in_vain(found) or found.sync.last_job is None:
            return False
        await self.cancel(found.sync.last_job.id)
        return True

    async def _find_live_job(self, connection_id: str, error: AlreadyLive) -> Conflict:
        job_id = error.job_id
        if job_id is None:
            live = [
                job for job in await self._fetch(connection_id, 5) if not job.status.is_terminal
            ]
            job_id = live[0].id if live else None
        if job_id is None:
            return Conflict(error.message, hint="It has just ended: call run_sync again.")
        self._state.owner_of.remember(job_id, connection_id)
        return Conflict(
            f"A sync of this connection is running already: job {job_id}.",
            field="connection_id",
            hint=f"Follow it with get_job(job_id='{job_id}') or stop it with "
            f"cancel_job(job_id='{job_id}').",
            job_id=job_id,
        )


def _jobs_path(connection_id: str) -> str:
    return f"{CONNECTIONS_PATH}/{connection_id}/jobs"


def _ended_error(job: Job) -> Conflict:
    return Conflict(f"The job has ended: it is {job.status.value}.", field="job_id")
