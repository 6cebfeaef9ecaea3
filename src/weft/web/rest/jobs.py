"""Runs of syncs."""

from functools import partial

from weft.domain.connections import agree_to_deletions
from weft.domain.jobs import RunOptions
from weft.errors import NotFound
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.web.rest.paging import LimitQuery, fetch_slice
from weft.wire.jobs import JobAnswer
from weft.wire.requests import RunQuery

operation = partial(define, toolset="jobs")
_ONE = "/source-connections/{source_connection_id}"


@operation(
    "POST",
    f"{_ONE}/run",
    JobAnswer,
    query=RunQuery,
    deletes_if="apply_deletions",
    statuses=(400, 404, 409),
)
async def run_source_connection(call: ApiCall[RunQuery, Nothing]) -> JobAnswer:
    """Start a sync in the background. Answers 409 while one is running."""
    connection_id, agreed = call.path["source_connection_id"], 0
    if call.query.apply_deletions:
        agreed = agree_to_deletions(await call.backend.connections.get(connection_id))
    options = RunOptions(force_full_sync=call.query.force_full_sync, agreed_deletions=agreed)
    return JobAnswer.of(await call.backend.jobs.run(connection_id, options))


@operation("GET", f"{_ONE}/jobs", list[JobAnswer], query=LimitQuery, statuses=(404,))
async def list_source_connection_jobs(call: ApiCall[LimitQuery, Nothing]) -> list[JobAnswer]:
    """List the syncs of a source connection, newest first."""
    fetch = partial(call.backend.jobs.list, call.path["source_connection_id"])
    found = await fetch_slice(fetch, skip=0, limit=call.query.limit)
    return [JobAnswer.of(item) for item in found]


@operation("POST", f"{_ONE}/jobs/{{job_id}}/cancel", JobAnswer, statuses=(404, 409))
async def cancel_job(call: ApiCall[Nothing, Nothing]) -> JobAnswer:
    """Ask a sync to stop. Answers 409 when it has ended."""
    connection = await call.backend.connections.get(call.path["source_connection_id"])
    found = await call.backend.jobs.get(call.path["job_id"])
    if found.source_connection_id != connection.id:
        raise NotFound("Sync job not found.", field="job_id")
    return JobAnswer.of(await call.backend.jobs.cancel(found.id))


OPERATIONS = (run_source_connection, list_source_connection_jobs, cancel_job)
