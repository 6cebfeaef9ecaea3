"""`weft collections`: groups of connections that are searched together."""

from typing import Final

import click

from weft.backend import Backend
from weft.backend.deletions import find_to_delete
from weft.cli.terminal.completion import complete_collection
from weft.cli.terminal.confirm import confirm, describe_deleted, largest_text, undo_text
from weft.cli.terminal.context import App, json_option, pass_app, show
from weft.cli.terminal.groups import ListGroup, limit_options
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import ago, count, plain
from weft.domain.collections import Collection, NewCollection

_NAMED_MAX: Final = 10


@click.group(cls=ListGroup)
def collections() -> None:
    """List, create, rename and delete collections: what is searched together."""


@collections.command("list")
@limit_options
@json_option
@pass_app
def list_collections(app: App, limit: int, cursor: str | None) -> None:
    """List the collections, newest first (the default)."""
    page = app.run(lambda backend: collect(backend.collections.list, cursor, limit))
    show_page(
        app,
        page,
        _cells,
        columns=("collection", "name", "status", "connections", "entities", "created"),
        numbers=("connections", "entities"),
        wide=("name",),
        none="No collections yet. `weft collections create NAME` makes one.",
    )


@collections.command("create")
@click.argument("name")
@click.option(
    "--id", "readable_id", metavar="ID", help="Its readable id; made from the name if left out."
)
@json_option
@pass_app
def create_collection(app: App, name: str, readable_id: str | None) -> None:
    """Create a collection."""
    new = NewCollection(name=name, readable_id=readable_id)
    made = app.run(lambda backend: backend.collections.create(new))
    show(
        app,
        made,
        f"Created the collection '{made.readable_id}'.",
        note=f"Next: weft connections create SOURCE --collection {made.readable_id} ...",
    )


@collections.command("rename")
@click.argument("collection", shell_complete=complete_collection)
@click.argument("name")
@json_option
@pass_app
def rename_collection(app: App, collection: str, name: str) -> None:
    """Give a collection another NAME; its readable id stays."""
    renamed = app.run(lambda backend: backend.collections.update(collection, name=name))
    show(app, renamed, f"The collection '{renamed.readable_id}' is now '{plain(renamed.name)}'.")


@collections.command("delete")
@click.argument("collection", shell_complete=complete_collection)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--permanently", is_flag=True, help="Without undo.")
@json_option
@pass_app
def delete_collection(app: App, collection: str, yes: bool, permanently: bool) -> None:
    """Delete a collection with all its connections and what they synced."""

    async def look(backend: Backend) -> tuple[Collection, str]:
        get, get_deleted = backend.collections.get, backend.trash.get_collection
        found = await find_to_delete(get, get_deleted, collection, permanently=permanently)
        undo = await undo_text(backend, permanently=permanently)
        names = await _name_connections(backend, found)
        return found, _preview_deletion(found, names, await largest_text(backend, found), undo)

    found, preview = app.run(look)
    # Ask while no backend is open, since an open one would have jobs to attend to.
    confirm(app, preview, yes=yes)
    deleted = app.run(lambda backend: backend.collections.delete(found.id, permanently=permanently))
    said = f"Deleted the collection '{deleted.readable_id}'."
    show(app, deleted, said, note=describe_deleted(deleted))


async def _name_connections(backend: Backend, found: Collection) -> str:
    if found.restorable_until is not None:
        return ""
    held = await backend.connections.list(collection=found.readable_id, limit=_NAMED_MAX)
    names = ", ".join(f"'{each.name}'" for each in held.items)
    more = ", ..." if found.connection_count > len(held.items) else ""
    return f" ({names}{more})" if names else ""


def _preview_deletion(found: Collection, names: str, largest: str, undo: str) -> str:
    parts = [
        (
            f"Deletes the collection '{found.readable_id}' with "
            f"{count(found.connection_count, 'connection')}{names} and "
            f"{count(found.entity_count, 'entity', 'entities')}."
        ),
        largest,
        "Nothing changes at the sources.",
        undo,
    ]
    return " ".join(part for part in parts if part)


def _cells(collection: Collection) -> tuple[str, ...]:
    return (
        collection.readable_id,
        collection.name,
        collection.status,
        f"{collection.connection_count:,}",
        f"{collection.entity_count:,}",
        ago(collection.created_at),
    )
