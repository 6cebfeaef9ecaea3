"""`weft sync`: run one connection's sync and watch it."""

import click

from weft.backend import Backend
from weft.cli.terminal.context import App, json_option, pass_app, say, show
from weft.cli.terminal.follow import conclude, follow
from weft.cli.terminal.groups import Verb
from weft.domain.jobs import Job, RunOptions
from weft.errors import Conflict

QUEUED_NOTE = (
    "Queued. It runs while a Weft process is open: an agent's server, or a `weft sync` that waits."
)


@click.command(cls=Verb)
@click.argument("name")
@click.option("--full", is_flag=True, help="Read everything again, ignoring the cursor.")
@click.option("--no-wait", is_flag=True, help="Queue the sync and return at once.")
@json_option
@pass_app
def sync(app: App, name: str, full: bool, no_wait: bool) -> None:
    """Sync the connection NAME now and show how it goes.

    NAME is a connection's name, its id, or the beginning of its id. Ctrl-C asks the sync to
    cancel; what it has stored stays. A sync that is queued or running already is followed, and
    Ctrl-C then only stops following it. Exit codes: 0 completed, 1 failed, 130 cancelled.
    """
    job = app.run(_run, name, full, not no_wait, run_jobs=not no_wait)
    if not no_wait:
        conclude(app, job)
    show(app, job, f"Job {job.id} is {job.status}.", note=QUEUED_NOTE)


async def _run(backend: Backend, name: str, full: bool, waits: bool) -> Job:
    connection = await backend.connections.get(name)
    started = True
    try:
        job = await backend.jobs.run(connection.id, RunOptions(force_full_sync=full))
    except Conflict as conflict:
        if conflict.job_id is None or full:
            raise
        started = False
        job = await backend.jobs.get(conflict.job_id)
        say(f"A sync of '{connection.name}' is {job.status} already; following it.")
    if not waits:
        return job
    return await follow(backend, job, name=connection.name, cancels=started)
