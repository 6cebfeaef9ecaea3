"""`weft collections`: groups of connections that are searched together."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

from weft.backend import Backend
from weft.backend.deletions import find_to_delete
from weft.cli.terminal.completion import complete_collection
from weft.cli.terminal.confirm import ask, confirm, describe_deleted, largest_text, undo_text
from weft.cli.terminal.context import App, json_option, organization_option, pass_app, show
from weft.cli.terminal.groups import ListGroup, limit_options
from weft.cli.terminal.listing import show_page
from weft.cli.terminal.paging import collect
from weft.cli.terminal.text import ago, count, plain
from weft.domain.access.principals import organization_id
from weft.domain.collections import Collection, NewCollection
from weft.domain.reading.ways import PACKAGED, WAYS

if TYPE_CHECKING:
    from weft.local.embedding_ways import EmbeddingWays

T = TypeVar("T")

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
    columns = ("collection", "name", "status", "connections", "entities", "created")
    is_shown = any(each.embedded_by != PACKAGED for each in page.items)
    show_page(
        app,
        page,
        lambda each: (*_cells(each), *((each.embedded_by,) if is_shown else ())),
        columns=(*columns, *(("embedded by",) if is_shown else ())),
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


@collections.command("embed")
@click.argument("collection", shell_complete=complete_collection)
@click.option("--by", "way", type=click.Choice(WAYS), required=True, help="See above.")
@click.option("--yes", is_flag=True, help="Do not ask before texts are sent.")
@organization_option("Whose collection it is.")
@json_option
@pass_app
def embed_collection(app: App, collection: str, way: str, yes: bool, organization: str) -> None:
    """Choose the model by which a collection is searched by meaning.

    packaged: the English model that comes with Weft. folder: the model in WEFT_EMBEDDINGS_FOLDER.
    endpoint: the API in WEFT_EMBEDDINGS_URL, to which all texts are sent, and each query. What was
    embedded by another model is embedded anew, while Weft runs; until then it is found by words.
    """

    async def look(ways: "EmbeddingWays") -> tuple[Collection, str | None]:
        return await ways.find(organization_id(organization), collection), ways.receiver(way)

    found, receiver = _run_on_ways(app, look)
    if receiver is not None:
        texts = count(found.entity_count, "text")
        ask(
            app,
            "Send them?",
            f"Sends {texts} of the collection '{found.readable_id}' to {receiver}, those that come "
            "later, and the queries of its searches.",
            yes=yes,
            doing="Sending texts",
            declined="Nothing is sent, and nothing was changed.",
        )
    done = _run_on_ways(app, lambda ways: ways.set(found, way))
    show(
        app,
        done,
        f"The collection '{found.readable_id}' is embedded by {plain(done.model)}. "
        f"{count(done.waiting, 'entity waits', 'entities wait')} for it.",
        note="A `weft serve` that has the same settings embeds them in the background.",
    )


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


def _run_on_ways(app: App, work: Callable[["EmbeddingWays"], Awaitable[T]]) -> T:
    # Imported here because help and usage errors need no engine.
    from weft.assembly.operator import open_embedding_ways

    return app.run_with(open_embedding_ways, work)


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
