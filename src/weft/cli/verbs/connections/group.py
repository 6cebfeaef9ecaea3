"""`weft connections`: list, show, check and delete; the other verbs are added here."""

from functools import partial

import click

from weft.backend import Backend
from weft.backend.deletions import find_to_delete
from weft.cli.terminal.completion import complete_connection, complete_source
from weft.cli.terminal.confirm import confirm, describe_deleted, largest_text, undo_text
from weft.cli.terminal.context import App, json_option, pass_app, show
from weft.cli.terminal.filters import collection_filter
from weft.cli.terminal.groups import ListGroup, limit_options
from weft.cli.terminal.hints import with_verbs
from weft.cli.terminal.listing import show_page, show_record
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import count, plain
from weft.cli.verbs.connections.authorize import authorize_connection
from weft.cli.verbs.connections.fields import COLUMNS, cells_of, facts_of
from weft.cli.verbs.connections.previews import preview_lines
from weft.cli.verbs.connections.write import create_connection, update_connection
from weft.domain.base import Page
from weft.domain.connections import Connection, ConnectionStatus, ConnectionTotals
from weft.domain.jobs import LIVE_STATUSES

NAME_HELP = "NAME is the connection's name, its id, or the beginning of its id."


@click.group(cls=ListGroup)
def connections() -> None:
    """List, show, create, update, authorize, check and delete source connections."""


@connections.command("list")
@collection_filter
@click.option(
    "--source",
    "short_name",
    metavar="SOURCE",
    shell_complete=complete_source,
    help="Only of this source.",
)
@click.option(
    "--status",
    type=click.Choice([status.value for status in ConnectionStatus]),
    help="Only in this state.",
)
@click.option("--needs-attention", is_flag=True, help="Only those that need somebody.")
@limit_options
@json_option
@pass_app
def list_connections(
    app: App,
    collection: str | None,
    short_name: str | None,
    status: str | None,
    needs_attention: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """List the connections, newest first (the default)."""
    filters = {
        "collection": collection,
        "short_name": short_name,
        "status": None if status is None else ConnectionStatus(status),
        "needs_attention": needs_attention,
    }

    async def work(backend: Backend) -> tuple[Page[Connection], str]:
        found = await collect(partial(backend.connections.list, **filters), cursor, limit)
        if found.next_cursor is None or app.as_json:
            return found, ""
        totals = await backend.connections.totals(collection=collection, short_name=short_name)
        return found, _tell_rest(totals)

    page, rest = app.run(work)
    show_page(
        app,
        page,
        cells_of,
        columns=COLUMNS,
        numbers=("entities",),
        wide=("name", "collection"),
        footnote=rest,
        none="No connection fits."
        if any(filters.values())
        else "No connections. `weft connections create --help` tells how to make one.",
    )


@connections.command("show", epilog=NAME_HELP)
@click.argument("name", shell_complete=complete_connection)
@json_option
@pass_app
def show_connection(app: App, name: str) -> None:
    """Show one connection in full."""
    connection = app.run(lambda backend: backend.connections.get(name))
    show_record(app, connection, facts_of(connection))


@connections.command("check", epilog=NAME_HELP)
@click.argument("name", shell_complete=complete_connection)
@json_option
@pass_app
def check_connection(app: App, name: str) -> None:
    """Try the configuration and credentials at the source now."""
    result = app.run(lambda backend: backend.connections.check(name))
    word = "ok" if result.ok else "problem"
    told = plain(" ".join([f"{word}:", result.detail, with_verbs(result.hint or "")]))
    show(app, result, "\n".join([told, *preview_lines(result.preview)]))
    raise click.exceptions.Exit(0 if result.ok else 1)


@connections.command("delete", epilog=NAME_HELP)
@click.argument("name", shell_complete=complete_connection)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--permanently", is_flag=True, help="Without undo.")
@json_option
@pass_app
def delete_connection(app: App, name: str, yes: bool, permanently: bool) -> None:
    """Delete a connection, its history and what it synced."""

    async def look(backend: Backend) -> tuple[Connection, str]:
        get, get_deleted = backend.connections.get, backend.trash.get_connection
        found = await find_to_delete(get, get_deleted, name, permanently=permanently)
        undo = await undo_text(backend, permanently=permanently)
        return found, _preview_deletion(found, await largest_text(backend, found), undo)

    found, preview = app.run(look)
    # Ask while no backend is open, since an open one would have jobs to attend to.
    confirm(app, preview, yes=yes)
    deleted = app.run(
        lambda backend: backend.connections.delete(
            found.id, expected_version=found.version, permanently=permanently
        )
    )
    total = count(deleted.entities.total_entities, "entity", "entities")
    said = f"Deleted '{plain(deleted.name)}' with {total}."
    show(app, deleted, said, note=describe_deleted(deleted))


connections.add_command(create_connection)
connections.add_command(update_connection)
connections.add_command(authorize_connection)


def _tell_rest(totals: ConnectionTotals) -> str:
    """Say how many there are in all, and how many of them need somebody."""
    said = f"In all: {'at least ' if totals.is_partial else ''}{totals.connections}."
    if not totals.needs_attention:
        return said
    needing = f"{'At least ' if totals.attention_is_partial else ''}{totals.needs_attention}"
    word = "needs" if totals.needs_attention == 1 else "need"
    return f"{said} {needing} {word} attention: --needs-attention."


def _preview_deletion(connection: Connection, largest: str, undo: str) -> str:
    total = count(connection.entities.total_entities, "entity", "entities")
    runs = count(connection.sync.total_runs, "run")
    parts = [f"Deletes '{connection.name}' ({connection.short_name}) with {total} and its {runs}."]
    job = connection.sync.last_job
    if job is not None and job.status in LIVE_STATUSES:
        parts.append(f"Its sync is {job.status} and will be cancelled.")
    if connection.schedule is not None:
        parts.append("Its schedule ends.")
    parts += [largest, "Nothing changes at the source.", undo]
    return " ".join(part for part in parts if part)
