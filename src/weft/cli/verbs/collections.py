"""`weft collections`: what is searched together."""

import click

from weft.backend import Backend
from weft.cli.terminal.confirm import confirm
from weft.cli.terminal.context import App, emit, json_option, pass_app, say
from weft.cli.terminal.groups import ListGroup, limit_options
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import ago, count
from weft.domain.base import Page
from weft.domain.collections import Collection, NewCollection


@click.group(cls=ListGroup)
def collections() -> None:
    """List, create and delete collections: what is searched together."""


@collections.command("list")
@limit_options
@json_option
@pass_app
def list_collections(app: App, limit: int, cursor: str | None) -> None:
    """List the collections, newest first (the default)."""

    async def work(backend: Backend) -> Page[Collection]:
        return await collect(
            lambda c, n: backend.collections.list(cursor=c, limit=n), cursor, limit
        )

    page = app.run(work)
    if app.as_json:
        emit(page)
        return
    from weft.cli.terminal.tables import console, print_table

    out = console()
    if not page.items:
        out.print("No collections yet. `weft collections create NAME` makes one.")
        return
    rows = [
        (
            c.readable_id,
            c.name,
            c.status,
            f"{c.connection_count:,}",
            f"{c.entity_count:,}",
            ago(c.created_at),
        )
        for c in page.items
    ]
    numbers = ("connections", "entities")
    headers = ("collection", "name", "status", *numbers, "created")
    print_table(out, headers, rows, numbers=numbers, wide=("name",))
    if page.next_cursor:
        out.print("There are more: raise --limit.", style="dim")


@collections.command("create")
@click.argument("name")
@click.option(
    "--id", "readable_id", metavar="ID", help="Its readable id; made from the name if left out."
)
@json_option
@pass_app
def create_collection(app: App, name: str, readable_id: str | None) -> None:
    """Create a collection."""

    async def work(backend: Backend) -> Collection:
        return await backend.collections.create(NewCollection(name=name, readable_id=readable_id))

    made = app.run(work)
    if app.as_json:
        emit(made)
        return
    click.echo(f"Created the collection '{made.readable_id}'.")
    say(f"Next: weft connections create SOURCE --collection {made.readable_id} ...")


@collections.command("delete")
@click.argument("collection")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_app
def delete_collection(app: App, collection: str, yes: bool) -> None:
    """Delete a collection with all its connections and what they synced."""

    async def look(backend: Backend) -> Collection:
        return await backend.collections.get(collection)

    async def remove(backend: Backend) -> Collection:
        return await backend.collections.delete(found.id)

    found = app.run(look)
    preview = (
        f"Deletes the collection '{found.readable_id}' with "
        f"{count(found.connection_count, 'connection')} and "
        f"{count(found.entity_count, 'entity', 'entities')}. "
        "Nothing changes at the sources. There is no undo."
    )
    # The backend is closed while a person thinks: an open one would have jobs to attend to.
    confirm(app, preview, yes=yes)
    deleted = app.run(remove)
    if app.as_json:
        emit(deleted)
    else:
        click.echo(f"Deleted the collection '{deleted.readable_id}'.")
