"""Jobs of the local backend."""

from collections.abc import AsyncGenerator, Sequence

from weft.backend import LIST_LIMIT_DEFAULT, Jobs, validate_limit
from weft.domain.base import Page
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.pushing import HOW_TO_APPLY, INGEST, how_to_push
from weft.errors import Conflict, NotFound
from weft.local.auth.credentials import load_ref
from weft.local.engine import Engine
from weft.local.jobs.obstacles import find_obstacle, waiting_outcome
from weft.local.jobs.runner import Dispatcher
from weft.local.resolve import find_connection, find_job

LOG_LIMIT_MAX = 200
WATCH_FALLBACK_SECONDS = 5.0


class LocalJobs(Jobs):
    def __init__(self, engine: Engine, organization_id: str, dispatcher: Dispatcher) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._dispatcher = dispatcher

    async def run(self, connection: str, options: RunOptions = RUN_DEFAULTS) -> Job:
        found = await find_connection(self._engine.store, self._organization_id, connection)
        return await self.start(found, JobTrigger.MANUAL, options)

    async def start(
        self, connection: Connection, trigger: JobTrigger, options: RunOptions = RUN_DEFAULTS
    ) -> Job:
        """Queue a job with any trigger. Raises Conflict as `run` does.

        If this process cannot run it, another may: the job says at once what it waits for.
        """
        if connection.short_name == INGEST:
            raise Conflict(
                "There is nothing to pull: this connection holds what is pushed to it.",
                field="connection_id",
                hint=HOW_TO_APPLY if options.agreed_deletions else how_to_push(connection.id),
            )
        if connection.status is ConnectionStatus.PENDING_AUTH:
            raise Conflict(
                "The connection is not authorised yet, so it cannot sync.",
                field="connection_id",
                hint=f"Call authorize_connection(connection_id='{connection.id}') first.",
            )
        jobs = self._engine.store.jobs
        obstacle = None
        if self._engine.runs_jobs:
            obstacle = await find_obstacle(self._engine, await load_ref(self._engine, connection))
        job = await jobs.insert(
            self._organization_id, connection.id, trigger=trigger, options=options
        )
        if obstacle is not None and await jobs.explain_wait(job.id, waiting_outcome(obstacle)):
            job = await self.get(job.id)
        self._engine.changes.announce()
        await self._dispatcher.deliver(job.id)
        return job

    async def list(
        self,
        connection: str | None = None,
        *,
        status: JobStatus | None = None,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Job]:
        store = self._engine.store
        connection_id = None
        if connection is not None:
            connection_id = (await find_connection(store, self._organization_id, connection)).id
        page = await store.jobs.list(
            self._organization_id,
            connection_id=connection_id,
            status=status,
            cursor=cursor,
            limit=validate_limit(limit),
        )
        told = tuple(self._engine.holds.annotate(job) for job in page.items)
        return page.model_copy(update={"items": told})

    async def get(self, job: str) -> Job:
        found = await find_job(self._engine.store, self._organization_id, job)
        return self._engine.holds.annotate(found)

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        seen: Job | None = None
        job_id = job
        while seen is None or not seen.status.is_terminal:
            mark = self._engine.changes.mark()
            current = await self.get(job_id)
            job_id = current.id
            if current != seen:
                seen = current
                yield current
            else:
                await self._engine.changes.wait(mark, WATCH_FALLBACK_SECONDS)

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> Sequence[LogLine]:
        found = await self.get(job)
        return await self._engine.store.jobs.log(
            self._organization_id, found.id, validate_limit(limit, maximum=LOG_LIMIT_MAX), skip
        )

    async def cancel(self, job: str) -> Job:
        found = await self.get(job)
        if await self._engine.store.jobs.request_cancel(found):
            self._engine.changes.announce()
        try:
            current = await self.get(found.id)
        except NotFound:
            return found.model_copy(update={"status": JobStatus.CANCELLED})
        if current.status not in (JobStatus.CANCELLING, JobStatus.CANCELLED) or (
            found.status.is_terminal
        ):
            raise Conflict(
                f"The job has already ended: it is {current.status}.",
                field="job_id",
                hint="There is nothing to cancel; get_job shows its outcome.",
            )
        return current
