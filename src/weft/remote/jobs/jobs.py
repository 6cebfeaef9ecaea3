"""Runs and reads the jobs of a remote API, whose routes name each job with its connection."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from weft.backend import LIST_LIMIT_DEFAULT, Jobs, validate_limit
from weft.domain.base import Page
from weft.domain.connections import ConnectionChange, ConnectionStatus
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, LogLine, RunOptions
from weft.domain.reading.cursors import encode_cursor
from weft.domain.schedules import ScheduleSpec
from weft.domain.text.names import pick_one
from weft.errors import Conflict, InvalidInput, NotFound, Unsupported
from weft.remote.api.client import send_or_find
from weft.remote.api.meanings import AlreadyLive, NoSync
from weft.remote.api.paging import fits_id, skip_of, whole_id
from weft.remote.api.paths import connection_path, jobs_path
from weft.remote.connections.connections import RemoteConnections, waits_in_vain
from weft.remote.jobs.across_connections import WINDOW, AcrossConnections, NotAmongAsked, fetch_jobs
from weft.remote.jobs.watching import watch_job
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.claims import Claims
from weft.wire.jobs import read_job, read_jobs

RECENT: Final = 100
_ANY_CONNECTION: Final = str(uuid.UUID(int=0))

# This schedule hardly ever fires, and is removed again at once.
_REPAIR_CRON: Final = "0 0 1 1 *"


class RemoteJobs(Jobs):
    def __init__(self, state: RemoteState, connections: RemoteConnections, claims: Claims) -> None:
        self._state = state
        self._client = state.client
        self._connections = connections
        self._claims = claims
        self._owners = state.job_owners
        self._across = AcrossConnections(state)

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
            latest = await fetch_jobs(self._state, connection_id, 1)
            return latest[0] if latest and latest[0].id != newest else None

        job = await send_or_find(
            lambda: self._client.send(
                "POST",
                f"{connection_path(connection_id)}/run",
                lambda body: read_job(body, connection_id),
                params=params,
                missing="connection_id",
            ),
            look,
            self._client.timeouts,
            unknown="Whether a sync was started is not known: see list_jobs before run_sync.",
        )
        self._state.own_changes.announce()
        await self._owners.keep([job])
        return self._state.name_job(job)

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
        if connection is None:
            page = await self._across.list(status=status, cursor=cursor, size=size)
            await self._owners.keep(page.items)
            return page
        owner = await self._connections.resolve_id(connection)
        listed = ("jobs", owner, status)
        skip = skip_of(cursor, *listed)
        wanted = WINDOW if status else min(WINDOW, skip + size + 1)
        found = await fetch_jobs(self._state, owner, wanted)
        fitting = [job for job in found if status in (None, job.status)]
        more = encode_cursor(skip + size, *listed) if len(fitting) > skip + size else None
        shown = fitting[skip : skip + size]
        await self._owners.keep(shown)
        return Page(items=tuple(shown), next_cursor=more)

    async def get(self, job: str) -> Job:
        text = job.strip().lower()
        owner = await self._owners.find(text)
        if owner is not None:
            found = await self._find_among(owner, text, RECENT) or await self._find_among(
                owner, text, WINDOW
            )
        else:
            found = await self._across.find(text)
        one = pick_one(found, "job", "job_id", lambda item: item.id)
        await self._owners.keep([one])
        return one

    def watch(self, job: str) -> AsyncGenerator[Job]:
        """Follow the job by its events where the API tells them, and else poll less and less."""
        return watch_job(self._client, self.get, job)

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> Sequence[LogLine]:
        """Return the error of a failed job, as the API keeps no log."""
        if limit < 1:
            raise InvalidInput("limit must be at least 1.", field="limit")
        known = self._state.log_of.get(job)
        if known is None:
            known = self._state.log_of.get((await self.get(job)).id, ())
        return known[skip : skip + limit]

    async def cancel(self, job: str) -> Job:
        """Cancel a job. If the answer is lost, the job's status shows whether it is stopping."""
        try:
            found = await self.get(job)
        except NotAmongAsked as error:
            return await self._cancel_unseen(job.strip().lower(), error)
        if found.status.is_terminal:
            raise _ended_error(found)
        path = f"{jobs_path(found.source_connection_id)}/{found.id}/cancel"

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
        return self._state.name_job(stopped)

    async def _cancel_unseen(self, job_id: str, error: NotAmongAsked) -> Job:
        """Cancel a job whose connection is not known: Airweave's route looks at the job's id only.

        The answer repeats the id in the path, so the job is returned without its connection's.
        Raises ``error`` if this API does not find the job in this way.
        """
        if whole_id(job_id) is None:
            raise error
        try:
            stopped = await self._client.send(
                "POST", f"{jobs_path(_ANY_CONNECTION)}/{job_id}/cancel", read_job, missing="job_id"
            )
        except NotFound:
            raise error from None
        except Conflict:
            raise Conflict("The job has ended, or is stopping already.", field="job_id") from None
        self._state.own_changes.announce()
        if stopped.source_connection_id != _ANY_CONNECTION:
            return stopped
        return stopped.model_copy(update={"source_connection_id": ""})

    async def _find_among(self, connection_id: str, text: str, limit: int) -> Sequence[Job]:
        try:
            found = await fetch_jobs(self._state, connection_id, limit)
        except NotFound:
            return []
        return [job for job in found if fits_id(job.id, text)]

    async def _params_of(self, connection_id: str, options: RunOptions) -> dict[str, bool]:
        """Return the options as parameters. Only another Weft holds, and applies, deletions."""
        params = {"force_full_sync": True} if options.force_full_sync else {}
        if not options.agreed_deletions:
            return params
        if (await self._state.fetch_connection(connection_id)).deletions_held is None:
            raise Unsupported(
                "No deletions are held there: an Airweave API deletes without asking.",
                field="apply_deletions",
                hint="Call run_sync without apply_deletions.",
            )
        return {**params, "apply_deletions": True}

    async def _prepare_run(self, connection_id: str) -> str | None:
        try:
            found = await self._client.get(
                jobs_path(connection_id),
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
        found = await self._state.fetch_connection(connection_id)
        if found.status is ConnectionStatus.PENDING_AUTH:
            raise Conflict(
                "The connection has nothing to sync before it is authorised.",
                field="connection_id",
                hint=f"Call authorize_connection(connection_id='{found.id}') for a link.",
            )
        if found.federated_search:
            raise Unsupported(
                f"'{found.short_name}' is searched live and never synced: there is nothing to run.",
                field="connection_id",
                hint="Call search on its collection.",
            )
        if found.schedule is not None:
            return
        for spec in (ScheduleSpec(cron=_REPAIR_CRON), None):
            await self._connections.update(connection_id, ConnectionChange(schedule=spec))

    async def _cancel_stuck(self, connection_id: str) -> bool:
        """Cancel the first sync of an authorised connection if it waits in vain to be started."""
        found = await self._state.fetch_connection(connection_id)
        if not waits_in_vain(found) or found.sync.last_job is None:
            return False
        await self.cancel(found.sync.last_job.id)
        return True

    async def _find_live_job(self, connection_id: str, error: AlreadyLive) -> Conflict:
        job_id = error.job_id
        if job_id is None:
            newest = await fetch_jobs(self._state, connection_id, 5)
            job_id = next((job.id for job in newest if not job.status.is_terminal), None)
        if job_id is None:
            return Conflict(error.message, hint="It has just ended: call run_sync again.")
        self._owners.learn(job_id, connection_id)
        return Conflict(
            f"A sync of this connection is running already: job {job_id}.",
            field="connection_id",
            hint=f"Follow it with get_job(job_id='{job_id}') or stop it with "
            f"cancel_job(job_id='{job_id}').",
            job_id=job_id,
        )


def _ended_error(job: Job) -> Conflict:
    return Conflict(f"The job has ended: it is {job.status.value}.", field="job_id")
