"""`weft jobs`: the runs of syncs."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import click

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.cli.terminal.completion import complete_connection, complete_job
from weft.cli.terminal.context import App, emit, json_option, pass_app, show
from weft.cli.terminal.follow import diagnosis
from weft.cli.terminal.groups import ListGroupWithName, limit_options
from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import ago, duration, job_counts, job_outcome, plain, short_ids
from weft.domain.base import Page
from weft.domain.jobs import Job, JobStatus, LogLine, diagnose, shortfall_of
from weft.errors import NotFound, TryLater

LOG_TAIL_LINES = 20
LOG_LINES_MAX = 200


@click.group(cls=ListGroupWithName)
def jobs() -> None:
    """List the runs of syncs (`weft jobs [NAME]`), show one, cancel one."""


@jobs.command("list")
@click.argument("name", required=False, shell_complete=complete_connection)
@click.option(
    "--status",
    type=click.Choice([status.value for status in JobStatus], case_sensitive=False),
    help="Only jobs in this state.",
)
@limit_options
@json_option
@pass_app
def list_jobs(
    app: App, name: str | None, status: str | None, limit: int, cursor: str | None
) -> None:
    """List jobs, newest first (the default). Of the connection NAME, or of all."""
    wanted = None if status is None else JobStatus(status)
    page, names = app.run(_list, name, wanted, limit, cursor, not app.as_json)
    ids = short_ids([job.id for job in page.items])
    show_page(
        app,
        page,
        lambda job: _cells(job, ids[job.id], names),
        columns=("job", "connection", "status", "started", "took", "entities"),
        wide=("connection", "entities"),
        none="No jobs.",
    )


@jobs.command("show")
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@click.option(
    "--log",
    "log_lines",
    type=click.IntRange(0, LOG_LINES_MAX),
    default=LOG_TAIL_LINES,
    help="Lines of its log.",
)
@json_option
@pass_app
def show_job(app: App, job_id: str, log_lines: int) -> None:
    """Show one job with the end of its log. If it failed: why, and what to do.

    ID is the job's id or the beginning of it.
    """
    job, lines, names = app.run(_get, job_id, log_lines)
    if app.as_json:
        found = diagnose(job)
        emit(
            {
                **job.model_dump(mode="json"),
                "warnings": [warning.model_dump(mode="json") for warning in job.warnings],
                "diagnosis": found and found.model_dump(mode="json"),
                "log": [line.model_dump(mode="json") for line in lines],
            }
        )
        return
    _print_job(job, lines, names.get(job.source_connection_id, ""))


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", shell_complete=complete_job)
@json_option
@pass_app
def cancel_job(app: App, job_id: str) -> None:
    """Ask a job to stop; what it has stored stays."""
    job = app.run(lambda backend: backend.jobs.cancel(job_id))
    show(app, job, f"Job {job.id} is {job.status}.")


async def _list(
    backend: Backend,
    name: str | None,
    status: JobStatus | None,
    limit: int,
    cursor: str | None,
    with_names: bool,
) -> tuple[Page[Job], dict[str, str]]:
    page = await collect(partial(backend.jobs.list, name, status=status), cursor, limit)
    return page, await _find_names(backend, page.items) if with_names else {}


async def _get(
    backend: Backend, job_id: str, log_lines: int
) -> tuple[Job, Sequence[LogLine], dict[str, str]]:
    job = await backend.jobs.get(job_id)
    lines = await backend.jobs.log(job.id, limit=log_lines) if log_lines else ()
    return job, lines, await _find_names(backend, [job])


async def _find_names(backend: Backend, items: Sequence[Job]) -> dict[str, str]:
    """Return the connections' names by id, without those that were deleted meanwhile.

    Names are not worth a limit: what the API allows no more stays without.
    """
    wanted = {job.source_connection_id for job in items}
    names: dict[str, str] = {}
    with suppress(TryLater):
        if len(wanted) > 1:  # One page tells of many at once.
            listed = await backend.connections.list(limit=LIST_LIMIT_MAX)
            names = {item.id: item.name for item in listed.items if item.id in wanted}
        for connection_id in wanted - names.keys():
            with suppress(NotFound):
                names[connection_id] = (await backend.connections.get(connection_id)).name
    return names


_KINDS: Final = {True: "full", False: "incremental", None: "-"}


def _cells(job: Job, short_id: str, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        short_id,
        plain(names.get(job.source_connection_id, job.source_connection_id)),
        job.status,
        ago(job.began_at),
        duration(job.duration_seconds),
        job_outcome(job),
    )


def _print_job(job: Job, lines: Sequence[LogLine], connection: str) -> None:
    from weft.cli.terminal.tables import console, print_record, print_table

    out = console()
    facts = [
        ("job", job.id),
        ("connection", f"{plain(connection)} ({job.source_connection_id})"),
        ("status", job.status),
        ("started by", job.trigger or "-"),
        ("kind", _KINDS[job.full_sync]),
        ("started", ago(job.started_at)),
        ("took", duration(job.duration_seconds)),
        ("entities", job_counts(job)),
    ]
    if missing := shortfall_of(job):
        facts.append(("left undone", missing))
    if job.error:
        facts.append(("error", f"{job.error} {with_verbs(job.error_details or '')}".strip()))
    print_record(out, facts)
    for line in diagnosis(job):
        out.print(line)
    if lines:
        out.print("\nLog", style="bold")
        rows = [(f"{line.at:%H:%M:%S}", line.level, plain(line.message)) for line in lines]
        print_table(out, ("UTC", "level", "message"), rows, wide=("message",))
