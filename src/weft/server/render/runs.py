"""The syncs of a collection, as one result."""

from collections.abc import Sequence
from typing import Protocol

from mcp_types import CallToolResult

from weft.domain.collections import CollectionRun, NotStarted
from weft.domain.jobs import Job, diagnose
from weft.domain.text.words import quantity
from weft.server.render.size import Structured
from weft.server.render.structured import job_out, reply
from weft.server.render.text import job_line
from weft.server.render.untrusted import one_line

_SHOWN = frozenset({"deletions_held", "warnings", "error", "error_category"})
_COUNTED = ("inserted", "updated", "deleted", "unchanged", "skipped", "failed")


class Seen(Protocol):
    """A job as it was last seen, and why it was not seen later."""

    @property
    def job(self) -> Job: ...
    @property
    def trouble(self) -> str | None: ...


def report_runs(started: CollectionRun, seen: Sequence[Seen]) -> CallToolResult:
    """Tell which syncs were started and how far they are, and which were not and why."""
    jobs = [each.job for each in seen]
    unfinished = [job for job in jobs if not job.status.is_terminal]
    asked = len(jobs) + len(started.not_started)
    lines = [
        f"{len(jobs)} of {quantity(asked, 'sync')} of collection {started.readable_collection_id} "
        f"started, {len(jobs) - len(unfinished)} ended."
        if asked
        else f"Collection {started.readable_collection_id} has no connections to sync."
    ]
    lines += map(_job_lines, jobs)
    lines += map(_not_started_line, started.not_started)
    data: Structured = {
        "readable_collection_id": started.readable_collection_id,
        "jobs": [_job_brief(job) for job in jobs],
        "not_started": [_not_started_out(each) for each in started.not_started],
        "unfinished": [job.id for job in unfinished],
    }
    unsure = [each for each in seen if each.trouble]
    notes = [f"Job {each.job.id} is as it was last seen: {each.trouble}" for each in unsure[:1]]
    if len(unsure) > 1:
        notes = [f"{quantity(len(unsure), 'job')} are as they were last seen: {unsure[0].trouble}"]
    if started.more:
        notes.append(
            "The collection has more connections, which were not started: list_connections("
            f"readable_collection_id='{started.readable_collection_id}') names all, "
            "run_sync(connection_id) starts one."
        )
    return reply("\n".join(lines), data, notes=notes, next_step=_next_step(started, unfinished))


def _job_lines(job: Job) -> str:
    line = f"- {job_line(job, named=True)}"
    if found := diagnose(job):
        line += f"\n  next step: {found.next_step}"
    return line


def _not_started_line(each: NotStarted) -> str:
    name = one_line(each.connection_name)
    return f"- not started: '{name}' {each.connection_id}: {one_line(each.reason)} {each.next_step}"


def _job_brief(job: Job) -> Structured:
    """Return the fields that say whose job it is and what became of it, without zeros."""
    data = job_out(job)
    counts = {f"entities_{name}": data.get(f"entities_{name}") for name in _COUNTED}
    named = {
        "id": job.id,
        "source_connection_id": job.source_connection_id,
        "connection_name": one_line(job.connection_name or ""),
        "status": job.status.value,
    }
    said = named | {key: value for key, value in counts.items() if value}
    said |= {key: data[key] for key in _SHOWN if data.get(key)}
    if found := diagnose(job):
        said["next_step"] = found.next_step
    return said


def _not_started_out(each: NotStarted) -> Structured:
    return {
        "connection_id": each.connection_id,
        "connection_name": one_line(each.connection_name),
        "reason": one_line(each.reason),
        "next_step": each.next_step,
    }


def _next_step(started: CollectionRun, unfinished: Sequence[Job]) -> str:
    if unfinished:
        return (
            f"get_job(job_id='{unfinished[0].id}', wait_seconds=45) waits for one, "
            "list_jobs shows how far each is."
        )
    if not started.jobs and not started.not_started:
        return f"create_connection(readable_collection_id='{started.readable_collection_id}', …)."
    return ""
