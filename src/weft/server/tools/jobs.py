"""Tools that run syncs and follow them."""

from collections.abc import Sequence
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend.collection_runs import run_collection
from weft.domain.connections import Connection, agree_to_deletions
from weft.domain.jobs import Job, JobStatus, LogLine, RunOptions, diagnose
from weft.domain.text.words import quantity
from weft.errors import Conflict, InvalidInput, TryLater
from weft.server.call import ToolCall
from weft.server.elicitation.confirmations import Effect
from weft.server.render.runs import report_runs
from weft.server.render.size import shrink_to_fit
from weft.server.render.structured import (
    JobOut,
    JobReportOut,
    JobsOut,
    RunOut,
    connection_brief,
    job_out,
    page_out,
    reply,
    to_plain,
)
from weft.server.render.text import (
    diagnosis_text,
    job_line,
    job_next_step,
    job_text,
    log_tail,
    log_text,
    more_text,
    older_log_step,
)
from weft.server.render.untrusted import one_line
from weft.server.tools.agreement import Proposal, obtain_agreement
from weft.server.tools.definition import tool
from weft.server.tools.follow import Followed, wait_for_job, wait_for_jobs
from weft.server.tools.parameters import (
    ConfirmationToken,
    Cursor,
    FilterRef,
    JobRef,
    Limit,
    WaitSeconds,
)

LOG_LINES_MAX = 100
LOG_SKIP_MAX = 10**6
_NAME_MAX_CHARS = 120


@tool(
    "Run a sync",
    "Pull the latest data of a connection, or of all in a collection, now. Not needed after"
    " create_connection, which starts the first sync itself. Returns at once, or when it ends"
    " within wait_seconds; it goes on in the background either way: get_job follows it. Fails,"
    " naming the job, if one is running. force_full_sync ignores the cursor of a continuous"
    " connection. apply_deletions makes the deletions that a sync held; the user confirms as in"
    " delete_connection.",
    outside=True,
    dashboard=True,
    deletes_if="apply_deletions",
)
async def run_sync(
    call: ToolCall,
    connection_id: FilterRef = None,
    readable_collection_id: FilterRef = None,
    force_full_sync: bool = False,
    wait_seconds: WaitSeconds = 0,
    apply_deletions: bool = False,
    confirmation_token: ConfirmationToken = None,
) -> Annotated[CallToolResult, RunOut]:
    """Start a job, or one for each connection of a collection, and wait if the caller wants."""
    if readable_collection_id is not None:
        _refuse_with_collection(connection_id, apply_deletions, confirmation_token)
        started = await run_collection(
            call.backend, readable_collection_id, RunOptions(force_full_sync=force_full_sync)
        )
        return report_runs(started, await wait_for_jobs(call, started.jobs, wait_seconds))
    if connection_id is None:
        raise InvalidInput(
            "connection_id is missing.",
            field="connection_id",
            hint="Give it, or readable_collection_id to sync all of a collection.",
        )
    agreed = 0
    if apply_deletions:
        found = await obtain_agreement(
            call,
            confirmation_token,
            lambda: call.backend.connections.get(connection_id),
            _propose_deletions,
        )
        if isinstance(found, CallToolResult):
            return found
        agreed = agree_to_deletions(found)
    elif confirmation_token is not None:
        raise InvalidInput(
            "confirmation_token belongs to apply_deletions.",
            field="confirmation_token",
            hint="Pass apply_deletions=true with it.",
        )
    options = RunOptions(force_full_sync=force_full_sync, agreed_deletions=agreed)
    job = await call.backend.jobs.run(connection_id, options)
    return _report(await wait_for_job(call, job, wait_seconds))


@tool(
    "List jobs",
    "Sync jobs, newest first, of one connection or of all; filter by status, e.g. FAILED. Use it"
    " for history; get_job has one job's log and diagnosis.",
    reads=True,
    quick=True,
)
async def list_jobs(
    call: ToolCall,
    connection_id: FilterRef = None,
    status: JobStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Annotated[CallToolResult, JobsOut]:
    async def page(size: int) -> CallToolResult:
        found = await call.backend.jobs.list(
            connection_id, status=status, cursor=cursor, limit=size
        )
        named = connection_id is None
        lines = [
            f"{quantity(len(found.items), 'job')}:",
            *(f"- {job_line(job, named=named)}" for job in found.items),
        ]
        if not found.items and not found.next_cursor:
            lines = ["No job has this status." if status else "No jobs yet: run_sync starts one."]
        lines += [found.note] if found.note else []
        text = "\n".join(lines + more_text(found.next_cursor))
        return reply(text, page_out([job_out(job) for job in found.items], found))

    return await shrink_to_fit(limit, page)


@tool(
    "Get a job",
    "State, counts and log of one sync; for a failed one the likely cause and the call that mends"
    " it. wait_seconds waits for its end. Find ids with list_jobs.",
    reads=True,
)
async def get_job(
    call: ToolCall,
    job_id: JobRef,
    wait_seconds: WaitSeconds = 0,
    log_lines: Annotated[int, Field(ge=0, le=LOG_LINES_MAX)] = 20,
    log_skip: int = 0,
) -> Annotated[CallToolResult, JobReportOut]:
    """Return one job with its diagnosis and log tail."""
    # A range in the schema would cost every client more tokens than it tells.
    log_skip = min(max(log_skip, 0), LOG_SKIP_MAX)
    job = await call.backend.jobs.get(job_id)
    found = await wait_for_job(call, job, wait_seconds)
    if found.trouble or not log_lines:
        return _report(found)
    try:
        log = await call.backend.jobs.log(found.job.id, limit=log_lines + 1, skip=log_skip)
    except TryLater as error:
        return _report(Followed(found.job, error.message))
    return _report(found, log, log_lines, log_skip)


@tool(
    "Cancel a job",
    "Stop a running sync; what was committed stays. Safe to repeat. To stop future syncs, pause"
    " the schedule with update_connection.",
    destroys=True,
    repeatable=True,
)
async def cancel_job(call: ToolCall, job_id: JobRef) -> Annotated[CallToolResult, JobOut]:
    try:
        job = await call.backend.jobs.cancel(job_id)
    except Conflict:
        job = await call.backend.jobs.get(job_id)
        if job.status is not JobStatus.CANCELLED:
            raise
    return _report(Followed(job))


def job_result(job: Job) -> CallToolResult:
    """Render an ended job as `run_sync` does; a failed sync is an error of the tool."""
    return _report(Followed(job)).model_copy(update={"is_error": job.status is JobStatus.FAILED})


def _refuse_with_collection(connection_id: str | None, applies: bool, token: str | None) -> None:
    if connection_id is not None:
        raise InvalidInput(
            "connection_id and readable_collection_id exclude each other.",
            field="connection_id",
            hint="Give connection_id for one connection, readable_collection_id for all in one.",
        )
    if applies or token is not None:
        raise InvalidInput(
            "apply_deletions is for one connection: somebody has to see what each would lose.",
            field="apply_deletions",
            hint="list_connections(needs_attention=true) shows where deletions are held; then"
            " run_sync(connection_id, apply_deletions=true) for each.",
        )


TOOLS = (run_sync, list_jobs, get_job, cancel_job)


def _propose_deletions(connection: Connection) -> Proposal:
    """Describe the deletions that are held. Raises Conflict if none are."""
    count = agree_to_deletions(connection)
    hold = connection.deletions_held
    names = [one_line(name, _NAME_MAX_CHARS) for name in hold.names] if hold else []
    facts = (connection.organization_id, connection.id, str(connection.version), str(count))
    entities = f"{quantity(count, 'entity')} of {connection.entities.total_entities} stored"
    return Proposal(
        effect=Effect("held deletions", (*facts, *names), count),
        what="these entities",
        lines=[
            f"- connection '{one_line(connection.name)}' ({connection.id})",
            f"- {entities}, which the last sync did not find",
            "- A sync runs first. What it sees again stays; far more than these is held again.",
        ],
        shown={"connection": connection_brief(connection), "untrusted_names": names},
        again="run_sync again with apply_deletions=true",
        names=names,
    )


def _report(
    found: Followed, log: Sequence[LogLine] = (), log_lines: int = 0, log_skip: int = 0
) -> CallToolResult:
    """Show a job; ``log`` has one line more than asked for if there are older ones."""
    job = found.job
    diagnosis = diagnose(job)
    shown = log_tail(log[-log_lines:]) if log_lines else []
    data = job_out(job)
    parts = [job_text(job)]
    next_step = ""
    if diagnosis is None:
        next_step = job_next_step(job)
    else:
        data["diagnosis"] = to_plain(diagnosis)
        parts.append(diagnosis_text(diagnosis))
    if found.trouble:
        data["note"] = f"This is what is known last: {found.trouble}"
        parts.append(data["note"])
    if log_lines:
        data["untrusted_log"] = shown
        parts.append(log_text(shown, log_lines, log_skip))
        if len(shown) < len(log):
            data["next_log_skip"] = log_skip + len(shown)
            parts.append(older_log_step(job.id, data["next_log_skip"]))
    return reply("\n".join(parts), data, next_step=next_step)
