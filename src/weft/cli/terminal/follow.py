"""Follows a job to its end: a progress bar on the terminal, Ctrl-C to cancel."""

import math
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

import anyio
import click
from anyio.abc import TaskGroup, TaskStatus

from weft.backend import Backend
from weft.cli.terminal.context import App, emit, say
from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.text import duration, job_counts, plain
from weft.domain.jobs import TAKEOVER_SECONDS, Job, JobStatus, JobTrigger, diagnose, shortfall_of
from weft.errors import Conflict, ErrorCategory

CANCEL_WAIT_SECONDS = 15.0
EXIT_CODES = {JobStatus.COMPLETED: 0, JobStatus.FAILED: 1}
EXIT_CANCELLED = 130

_NAME_MAX_CHARS = 24
_REMEDIES = {
    ErrorCategory.OAUTH_CREDENTIALS_EXPIRED: "weft connections authorize {id}",
    ErrorCategory.API_KEY_INVALID: "weft connections update {id} --credentials",
    ErrorCategory.CONFIG_INVALID: "weft connections update {id} --config key=value",
    ErrorCategory.ACCESS_DENIED: "give the credentials access at the source, then weft sync {id}",
    ErrorCategory.RATE_LIMITED: "wait for the limit to reset, then weft sync {id}",
    ErrorCategory.SOURCE_UNAVAILABLE: "weft sync {id} (what was synced is kept)",
    ErrorCategory.STORAGE_FAILED: "weft doctor, then free space",
    ErrorCategory.KEY_UNAVAILABLE: "weft doctor, then restore the key",
}


async def follow(backend: Backend, job: Job, *, name: str, cancels: bool) -> Job:
    """Show the job until it ends or the person stops waiting; return its last state.

    With ``cancels`` the first Ctrl-C asks the job to cancel and the second stops waiting;
    without, the first one stops waiting and the job goes on. A job that no process takes is
    not waited for.
    """
    latest, told = job, None
    with _progress(name) as show:
        async with anyio.create_task_group() as tasks:
            await tasks.start(_handle_interrupts, tasks, backend, job.id, cancels)
            async for latest in backend.jobs.watch(job.id):
                show(latest)
                taken_until = anyio.current_time() + TAKEOVER_SECONDS
                tasks.cancel_scope.deadline = taken_until if latest.waits_for_process else math.inf
                told = _tell_wait(latest, told)
            tasks.cancel_scope.cancel()
    return latest if latest.status.is_terminal else await backend.jobs.get(job.id)


def conclude(app: App, job: Job) -> None:
    """Print how the job ended and exit with its code."""
    if app.as_json:
        emit(job)
    else:
        from weft.cli.terminal.tables import console  # see _progress

        out = console()
        for line in summary(job):
            out.print(line)
    raise click.exceptions.Exit(exit_code(job))


def exit_code(job: Job) -> int:
    """Return 0 for completed, 1 for failed or not taken, 130 for cancelled or not followed."""
    return 1 if job.waits_for_process else EXIT_CODES.get(job.status, EXIT_CANCELLED)


def summary(job: Job) -> list[str]:
    """Tell the outcome of a job, and after a failure the cause and what to do, in lines."""
    lines = [f"{job.status} after {duration(job.duration_seconds)}: {job_counts(job)}."]
    if job.waits_for_process:
        lines = [
            f"{job.status}: no process that has what it needs has taken it. weft jobs show {job.id}"
        ]
    elif not job.status.is_terminal:
        lines = [
            f"{job.status}: {job_counts(job)}.",
            f"It goes on while a Weft process is open: weft jobs show {job.id}",
        ]
    if job.error:
        lines.append(plain(f"Error: {job.error} {with_verbs(job.error_details or '')}"))
    if missing := shortfall_of(job):
        lines.append(f"But {missing}: weft jobs show {job.id}")
    if job.deletions_held:
        owner = job.source_connection_id
        verb = f"sync {owner}"
        if job.trigger is JobTrigger.PUSH:
            verb = f"push {owner} … --replace"
        lines.append(f"Next: `weft {verb} --apply-deletions` shows them and asks first.")
    return [*lines, *diagnosis(job)]


def diagnosis(job: Job) -> list[str]:
    """Tell the likely cause of a failure or a wait and the command that mends it, in lines."""
    found = diagnose(job)
    if found is None:
        return []
    if job.waits_for_process:
        return [
            f"Likely cause: {found.likely_cause}",
            f"Next: {with_verbs(found.next_step)}",
        ]
    remedy = _REMEDIES.get(found.category or ErrorCategory.INTERNAL, "weft jobs show " + job.id)
    return [
        f"Likely cause: {found.likely_cause}",
        f"Next: {remedy.format(id=job.source_connection_id)}",
    ]


async def _handle_interrupts(
    tasks: TaskGroup,
    backend: Backend,
    job_id: str,
    cancels: bool,
    *,
    task_status: TaskStatus[None],
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        asked = False
        async for _ in signals:
            if asked or not cancels:
                tasks.cancel_scope.cancel()
                return
            asked = True
            tasks.start_soon(_cancel_and_wait, tasks, backend, job_id)


async def _cancel_and_wait(tasks: TaskGroup, backend: Backend, job_id: str) -> None:
    say("Asking the sync to cancel. Ctrl-C again stops waiting for it.")
    try:
        await backend.jobs.cancel(job_id)
    except Conflict:
        return  # It has just ended by itself; the watch shows how.
    await anyio.sleep(CANCEL_WAIT_SECONDS)
    tasks.cancel_scope.cancel()


def _tell_wait(job: Job, told: str | None) -> str | None:
    """Say why a job waits, unless that was ``told`` before; return the reason told last."""
    if job.status.is_terminal or job.error is None or job.error == told:
        return told
    say(plain(f"{job.status}: {job.error}"))
    return job.error


@contextmanager
def _progress(name: str) -> Generator[Callable[[Job], None]]:
    """Yield a function that draws a job's progress on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _job: None
        return
    # Imported here because rich is slow to import, and only a terminal needs it.
    from weft.cli.terminal.progress_bar import progress_bar

    with progress_bar(plain(name)[:_NAME_MAX_CHARS]) as advance:
        yield lambda job: advance(
            job.entities_processed, job.entities_total, f"{job.status} {_changes(job)}"
        )


def _changes(job: Job) -> str:
    changes = (
        f"+{job.entities_inserted:,}",
        f"~{job.entities_updated:,}",
        f"-{job.entities_deleted:,}",
    )
    return " ".join(changes)
