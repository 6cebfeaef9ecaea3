"""`weft sync`: run the sync of a connection, or of all in a collection, and watch."""

from collections.abc import Sequence
from pathlib import Path

import click

from weft.backend import Backend
from weft.backend.collection_runs import run_collection
from weft.cli.terminal.completion import complete_collection, complete_connection
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, emit, json_option, pass_app, say, show
from weft.cli.terminal.embedding import find_trouble, wait_for_collection, wait_for_connection
from weft.cli.terminal.follow import EXIT_CANCELLED, conclude, exit_code, follow, summary
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.text import count, plain
from weft.domain.collections import CollectionRun
from weft.domain.connections import agree_to_deletions
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, RunOptions
from weft.errors import Conflict

NAMES_SHOWN = 10
QUEUED_NOTE = (
    "Queued. It runs while a Weft process is open: an agent's server, or a `weft sync` that waits."
)


@click.command(cls=Verb)
@click.argument("name", required=False, shell_complete=complete_connection)
@click.option(
    "--collection",
    metavar="ID",
    shell_complete=complete_collection,
    help="Sync all connections of this collection instead of one.",
)
@click.option("--full", is_flag=True, help="Read everything again, ignoring the cursor.")
@click.option("--no-wait", is_flag=True, help="Queue the sync and return at once.")
@click.option(
    "--apply-deletions", is_flag=True, help="Make the deletions that an earlier sync held."
)
@click.option("--yes", is_flag=True, help="Do not ask before that.")
@json_option
@pass_app
def sync(
    app: App,
    name: str | None,
    collection: str | None,
    full: bool,
    no_wait: bool,
    apply_deletions: bool,
    yes: bool,
) -> None:
    """Sync the connection NAME now and show how it goes.

    NAME is a connection's name, its id, or the beginning of its id. Ctrl-C asks the sync to
    cancel; what it has stored stays. A sync that is queued or running already is followed, and
    Ctrl-C then only stops following it, as it does with --collection. At the end it waits until
    what was stored is embedded, to be found by meaning; Ctrl-C leaves that to the next process.
    Exit codes: 0 completed, 1 failed or not started, 130 cancelled or not followed.
    """
    if collection is not None:
        if name is not None or apply_deletions:
            raise click.UsageError("--collection goes with neither NAME nor --apply-deletions.")
        trouble = find_trouble(app)
        run = app.run(_run_all, collection, full, not no_wait, trouble, run_jobs=not no_wait)
        _conclude_all(app, *run, waited=not no_wait)
        return
    if name is None:
        raise click.UsageError("Give the NAME of a connection, or --collection for all of one.")
    agreed = _confirm_deletions(app, name, yes) if apply_deletions else 0
    options = RunOptions(force_full_sync=full, agreed_deletions=agreed)
    trouble = find_trouble(app)
    job = app.run(_run, name, options, not no_wait, trouble, run_jobs=not no_wait)
    if not no_wait:
        conclude(app, job)
    show(app, job, f"Job {job.id} is {job.status}.", note=QUEUED_NOTE)


def _confirm_deletions(app: App, name: str, yes: bool) -> int:
    """Show what is held and ask; return how many deletions the person agrees to."""
    # Ask while no backend is open, since an open one would have jobs to attend to.
    found = app.run(lambda backend: backend.connections.get(name))
    agreed = agree_to_deletions(found)
    hold = found.deletions_held
    names = ", ".join(hold.names[:NAMES_SHOWN]) if hold else ""
    total = count(agreed, "entity", "entities")
    confirm(
        app,
        f"Deletes {total} of {found.entities.total_entities:,} of '{found.name}' that the last sync"
        f" did not list: {names}{', …' if agreed > NAMES_SHOWN else ''}. A sync runs first: what it"
        " sees again stays. Nothing changes at the source. There is no undo.",
        yes=yes,
    )
    return agreed


async def _run(backend: Backend, name: str, options: RunOptions, waits: bool, trouble: Path) -> Job:
    connection = await backend.connections.get(name)
    started = True
    try:
        job = await backend.jobs.run(connection.id, options)
    except Conflict as conflict:
        if conflict.job_id is None or options != RUN_DEFAULTS:
            raise
        started = False
        job = await backend.jobs.get(conflict.job_id)
        say(f"A sync of '{connection.name}' is {job.status} already; following it.")
    if not waits:
        return job
    last = await follow(backend, job, name=connection.name, cancels=started)

    if last.status is JobStatus.COMPLETED:
        await wait_for_connection(backend, connection.id, trouble)
    return last


async def _run_all(
    backend: Backend, collection: str, full: bool, waits: bool, trouble: Path
) -> tuple[CollectionRun, Sequence[Job]]:
    """Start all syncs of a collection, and follow one after the other; they run side by side."""
    started = await run_collection(backend, collection, RunOptions(force_full_sync=full))
    if not waits:
        return started, started.jobs
    jobs = list(started.jobs)
    for place, job in enumerate(jobs):
        last = await follow(backend, job, name=job.connection_name or "", cancels=False)
        jobs[place] = last.model_copy(update={"connection_name": job.connection_name})
        if exit_code(last) == EXIT_CANCELLED and not last.status.is_terminal:
            return started, jobs  # The person has stopped following.

    await wait_for_collection(backend, started.readable_collection_id, trouble)
    return started, jobs


def _conclude_all(app: App, started: CollectionRun, jobs: Sequence[Job], *, waited: bool) -> None:
    """Print what became of each sync of a collection, and exit with the worst of their codes."""
    if app.as_json:
        emit(started.model_copy(update={"jobs": tuple(jobs)}))
    for job in () if app.as_json else jobs:
        lines = summary(job) if waited else [f"Job {job.id} is {job.status}."]
        click.echo("\n".join([f"{plain(job.connection_name or job.id)}: {lines[0]}", *lines[1:]]))
    if not app.as_json:
        _tell_rest(started, queued=bool(jobs) and not waited)
    codes = {exit_code(job) for job in jobs} if waited else {0}
    refused = bool(started.not_started or started.more)
    raise click.exceptions.Exit(
        EXIT_CANCELLED if EXIT_CANCELLED in codes else int(refused or 1 in codes)
    )


def _tell_rest(started: CollectionRun, *, queued: bool) -> None:
    for each in started.not_started:
        why = with_verbs(f"{each.reason} {each.next_step}")
        say(plain(f"Not started: {each.connection_name}: {why}"))
    if started.more:
        say("The collection has more connections, which were not started: weft connections")
    if not started.jobs and not started.not_started:
        say("The collection has no connections to sync.")
    if queued:
        say(QUEUED_NOTE)
