"""`weft sync`: run one connection's sync and watch it."""

import click

from weft.backend import Backend
from weft.cli.terminal.completion import complete_connection
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, json_option, pass_app, say, show
from weft.cli.terminal.follow import conclude, follow
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import count
from weft.domain.connections import agree_to_deletions
from weft.domain.jobs import RUN_DEFAULTS, Job, RunOptions
from weft.errors import Conflict

NAMES_SHOWN = 10
QUEUED_NOTE = (
    "Queued. It runs while a Weft process is open: an agent's server, or a `weft sync` that waits."
)


@click.command(cls=Verb)
@click.argument("name", shell_complete=complete_connection)
@click.option("--full", is_flag=True, help="Read everything again, ignoring the cursor.")
@click.option("--no-wait", is_flag=True, help="Queue the sync and return at once.")
@click.option(
    "--apply-deletions", is_flag=True, help="Make the deletions that an earlier sync held."
)
@click.option("--yes", is_flag=True, help="Do not ask before that.")
@json_option
@pass_app
def sync(app: App, name: str, full: bool, no_wait: bool, apply_deletions: bool, yes: bool) -> None:
    """Sync the connection NAME now and show how it goes.

    NAME is a connection's name, its id, or the beginning of its id. Ctrl-C asks the sync to
    cancel; what it has stored stays. A sync that is queued or running already is followed, and
    Ctrl-C then only stops following it. Exit codes: 0 completed, 1 failed, 130 cancelled.
    """
    agreed = _confirm_deletions(app, name, yes) if apply_deletions else 0
    options = RunOptions(force_full_sync=full, agreed_deletions=agreed)
    job = app.run(_run, name, options, not no_wait, run_jobs=not no_wait)
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


async def _run(backend: Backend, name: str, options: RunOptions, waits: bool) -> Job:
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
    return await follow(backend, job, name=connection.name, cancels=started)
