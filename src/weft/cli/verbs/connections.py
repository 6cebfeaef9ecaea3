"""`weft connections`: list, show, check, delete; `connect` and `authorize` add the others."""

import click

from weft.backend import Backend
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, emit, json_option, pass_app
from weft.cli.terminal.groups import ListGroup, limit_options
from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import ago, config_text, count, job_counts, plain
from weft.cli.verbs.connections_authorize import authorize_connection
from weft.cli.verbs.connections_write import create_connection, update_connection
from weft.domain.base import Page
from weft.domain.connections import CheckResult, Connection, ConnectionStatus
from weft.domain.jobs import LIVE_STATUSES

NAME_HELP = "NAME is the connection's name, its id, or the beginning of its id."


@click.group(cls=ListGroup)
def connections() -> None:
    """List, show, create, update, authorize, check and delete source connections."""


@connections.command("list")
@click.option("--collection", metavar="ID", help="Only of this collection.")
@click.option("--source", "short_name", metavar="SOURCE", help="Only of this source.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in ConnectionStatus]),
    help="Only in this state.",
)
@limit_options
@json_option
@pass_app
def list_connections(
    app: App,
    collection: str | None,
    short_name: str | None,
    status: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List the connections, newest first (the default)."""
    wanted = None if status is None else ConnectionStatus(status)

    async def work(backend: Backend) -> Page[Connection]:
        return await collect(
            lambda c, n: backend.connections.list(
                collection=collection, short_name=short_name, status=wanted, cursor=c, limit=n
            ),
            cursor,
            limit,
        )

    page = app.run(work)
    if app.as_json:
        emit(page)
        return
    from weft.cli.terminal.tables import console, print_table

    out = console()
    if not page.items:
        out.print("No connections. `weft connections create --help` tells how to make one.")
        return
    rows = [
        (
            plain(c.name),
            c.short_name,
            c.readable_collection_id,
            c.status,
            f"{c.entities.total_entities:,}",
            _last_sync(c),
        )
        for c in page.items
    ]
    headers = ("name", "source", "collection", "status", "entities", "last sync")
    print_table(out, headers, rows, numbers=("entities",), wide=("name", "collection"))
    if page.next_cursor:
        out.print("There are more: raise --limit.", style="dim")


@connections.command("show", epilog=NAME_HELP)
@click.argument("name")
@json_option
@pass_app
def show_connection(app: App, name: str) -> None:
    """Show one connection in full."""

    async def work(backend: Backend) -> Connection:
        return await backend.connections.get(name)

    connection = app.run(work)
    if app.as_json:
        emit(connection)
        return
    from weft.cli.terminal.tables import console, print_record

    print_record(console(), _facts(connection))


@connections.command("check", epilog=NAME_HELP)
@click.argument("name")
@json_option
@pass_app
def check_connection(app: App, name: str) -> None:
    """Try the configuration and credentials at the source now."""

    async def work(backend: Backend) -> CheckResult:
        return await backend.connections.check(name)

    result = app.run(work)
    if app.as_json:
        emit(result)
    else:
        word = "ok" if result.ok else "problem"
        click.echo(plain(" ".join([f"{word}:", result.detail, with_verbs(result.hint or "")])))
    raise click.exceptions.Exit(0 if result.ok else 1)


@connections.command("delete", epilog=NAME_HELP)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_app
def delete_connection(app: App, name: str, yes: bool) -> None:
    """Delete a connection, its history and what it synced."""

    async def look(backend: Backend) -> Connection:
        return await backend.connections.get(name)

    async def remove(backend: Backend) -> Connection:
        return await backend.connections.delete(found.id, expected_version=found.version)

    found = app.run(look)
    # The backend is closed while a person thinks: an open one would have jobs to attend to.
    confirm(app, _deletion(found), yes=yes)
    deleted = app.run(remove)
    if app.as_json:
        emit(deleted)
    else:
        total = count(deleted.entities.total_entities, "entity", "entities")
        click.echo(f"Deleted '{plain(deleted.name)}' with {total}.")


connections.add_command(create_connection)
connections.add_command(update_connection)
connections.add_command(authorize_connection)


def _deletion(connection: Connection) -> str:
    total = count(connection.entities.total_entities, "entity", "entities")
    runs = count(connection.sync.total_runs, "run")
    parts = [f"Deletes '{connection.name}' ({connection.short_name}) with {total} and its {runs}."]
    job = connection.sync.last_job
    if job is not None and job.status in LIVE_STATUSES:
        parts.append(f"Its sync is {job.status} and will be cancelled.")
    if connection.schedule is not None:
        parts.append("Its schedule ends.")
    return " ".join([*parts, "Nothing changes at the source. There is no undo."])


def _last_sync(connection: Connection) -> str:
    job = connection.sync.last_job
    if job is None:
        return "never"
    return f"{job.status} {ago(job.completed_at or job.started_at or job.created_at)}"


def _facts(connection: Connection) -> list[tuple[str, str]]:
    auth, runs = connection.auth, connection.sync
    by_type = connection.entities.by_type.items()
    types = ", ".join(f"{summary.count:,} {name}" for name, summary in by_type)
    total = f"{connection.entities.total_entities:,}"
    facts = [
        ("name", connection.name),
        ("id", connection.id),
        ("source", connection.short_name),
        ("collection", connection.readable_collection_id),
        ("status", connection.status),
        ("problem", connection.error_message or ""),
        ("description", connection.description or ""),
        ("config", config_text(connection.config)),
        ("authentication", f"{auth.method}, {'' if auth.authenticated else 'not '}authenticated"),
        ("schedule", _schedule(connection)),
        ("entities", f"{total} ({types})" if types else total),
        ("last sync", _last_sync(connection)),
        ("last counts", job_counts(runs.last_job) if runs.last_job else ""),
        (
            "runs",
            f"{runs.total_runs:,}: {runs.successful_runs:,} completed, {runs.failed_runs:,} failed",
        ),
        ("created", ago(connection.created_at)),
        ("changed", f"{ago(connection.modified_at)} (version {connection.version})"),
    ]
    return [(label, value) for label, value in facts if value]


def _schedule(connection: Connection) -> str:
    schedule = connection.schedule
    if schedule is None:
        return "none"
    words = ["continuous"] if schedule.continuous else []
    if schedule.cron:
        words.append(f"{schedule.cron} ({schedule.timezone})")
    if schedule.next_run:
        words.append(f"next {schedule.next_run:%Y-%m-%d %H:%M} UTC")
    return ", ".join(words) or "none"
