"""Takes what is pushed to a connection of the local backend."""

from typing import Final, cast

import anyio

from weft.backend import Ingest
from weft.domain.connections import Connection, agree_to_deletions
from weft.domain.jobs import Job, JobStatus, JobTrigger, RunOptions
from weft.domain.pushing import INGEST, Push
from weft.errors import Conflict, Fenced, InvalidInput, NotFound
from weft.local.engine import Engine
from weft.local.jobs.push import AWAITS_BATCH, PAUSE_MAX, write_batch
from weft.local.resolve import find_connection, find_job
from weft.local.store.base import Claim

TURN_SECONDS: Final = 10.0
"""How long a push waits for another one of the same connection to be written."""
_LOOK_SECONDS: Final = 0.5
_NO_HOST_LIMIT: Final = 1_000_000


class LocalIngest(Ingest):
    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def push(self, connection: str, push: Push, *, apply_deletions: bool = False) -> Job:
        push.validate_ids()
        if apply_deletions and (push.job_id or not push.replace):
            raise InvalidInput(
                "apply_deletions goes with the first batch of a push that replaces all.",
                field="apply_deletions",
            )
        found = await find_connection(self._engine.store, self._organization_id, connection)
        if found.short_name != INGEST:
            raise Conflict(
                f"The connection reads {found.short_name}: nothing can be pushed to it.",
                field="connection_id",
                hint=f"Push to a connection of the source '{INGEST}'.",
            )
        agreed = agree_to_deletions(found) if apply_deletions else 0
        job: Job | None = None
        # A caller that goes away must not leave a job behind that nobody ends.
        with anyio.CancelScope(shield=True):
            if push.job_id is None:
                job = await self._write(await self._begin(found, push, agreed), push)
            else:
                job = await self._write(await self._find_open(found, push), push)
        return cast("Job", job)

    async def _write(self, job: Job, push: Push) -> Job:
        claim = await self._claim(job)
        try:
            await write_batch(self._engine, claim, push, replaces=bool(job.full_sync))
        except Fenced:
            raise Conflict("The push was cancelled meanwhile.", field="job_id") from None
        return await find_job(self._engine.store, self._organization_id, job.id)

    async def _begin(self, found: Connection, push: Push, agreed: int) -> Job:
        """Queue the job of a new push, after any other that is just being written."""
        options = RunOptions(force_full_sync=push.replace, agreed_deletions=agreed)
        end = anyio.current_time() + TURN_SECONDS
        while True:
            mark = self._engine.changes.mark()
            try:
                return await self._engine.store.jobs.insert(
                    self._organization_id,
                    found.id,
                    trigger=JobTrigger.PUSH,
                    options=options,
                    reserve=PAUSE_MAX,
                )
            except Conflict as error:
                await self._refuse_open(error.job_id)
                if anyio.current_time() >= end:
                    raise
            await self._engine.changes.wait(mark, _LOOK_SECONDS)

    async def _refuse_open(self, job_id: str | None) -> None:
        """Raise Conflict if the job in the way is of a push that waits for its next batch."""
        live = await self._engine.store.jobs.get(self._organization_id, job_id or "")
        if live is not None and live.status is JobStatus.PENDING and live.error == AWAITS_BATCH:
            raise Conflict(
                f"A push of several batches is open: job {live.id}.",
                field="connection_id",
                hint="Go on with its job_id, or cancel that job first.",
                job_id=live.id,
            )

    async def _find_open(self, found: Connection, push: Push) -> Job:
        try:
            job = await find_job(self._engine.store, self._organization_id, push.job_id or "")
        except NotFound:
            job = None
        if job is None or job.source_connection_id != found.id or job.trigger != JobTrigger.PUSH:
            raise NotFound("No push to this connection has that job_id.", field="job_id")
        if job.status is not JobStatus.PENDING:
            raise Conflict(
                f"The push takes no batch now: its job is {job.status}.",
                field="job_id",
                hint="If it has ended, push without job_id: what is there already stays as it is.",
                job_id=job.id,
            )
        if push.replace and not job.full_sync:
            raise InvalidInput("replace must be said in the first batch.", field="replace")
        return job

    async def _claim(self, job: Job) -> Claim:
        claim = await self._engine.store.jobs.claim(
            self._engine.owner,
            lease=self._engine.limits.lease,
            host_limit=_NO_HOST_LIMIT,
            job_id=job.id,
            early=True,
        )
        if claim is None:
            raise Conflict("Another batch of this push is being written.", job_id=job.id)
        return claim
