"""`weft restore`: bring back what was deleted, or list what can be."""

from collections.abc import Sequence
from contextlib import suppress

import click

from weft.backend import Backend
from weft.cli.terminal.context import App, emit, json_option, pass_app, show
from weft.cli.terminal.groups import Verb
from weft.cli.terminal.text import ago, count, plain
from weft.cli.verbs.connections.fields import schedule_line
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.restoring import Restorable, Restored
from weft.errors import NotFound


@click.command(cls=Verb)
@click.argument("name", required=False)
@json_option
@pass_app
def restore(app: App, name: str | None) -> None:
    """Bring back the deleted connection or collection NAME with all it had; or list what can be."""
    if name is None:
        _show_restorable(app, app.run(lambda backend: backend.trash.list()))
        return
    restored = app.run(lambda backend: _restore(backend, name))
    taken = restored.former_readable_id
    show(
        app,
        restored,
        _describe(restored),
        note=f"Another collection is called '{taken}' by now." if taken else "",
    )


async def _restore(backend: Backend, name: str) -> Restored:
    try:
        return await backend.trash.restore(connection=name)
    except NotFound:
        with suppress(NotFound):
            return await backend.trash.restore(collection=name)
        raise


def _describe(restored: Restored) -> str:
    what = count(restored.connection_count, "connection")
    if restored.collection is not None:
        what += f" and the collection '{restored.collection.readable_id}'"
    lines = [
        f"- '{plain(each.name)}' with "
        f"{count(each.entities.total_entities, 'entity', 'entities')}: {schedule_line(each)}"
        for each in restored.connections
    ]
    return "\n".join([f"Restored {what}.", *lines])


def _show_restorable(app: App, found: Restorable) -> None:
    if app.as_json:
        emit(found)
        return
    # Imported here because a program that reads JSON need not wait for rich.
    from weft.cli.terminal.tables import console, print_table

    out = console()
    rows = [_connection_cells(each) for each in found.connections]
    rows += [_collection_cells(each) for each in found.collections]
    if not rows:
        out.print("Nothing can be restored.")
        return
    columns = ("what", "name", "collection", "entities", "id", "restorable")
    print_table(out, columns, rows, numbers=("entities",), wide=("name", "collection"))
    if found.more:
        out.print("Older ones are not listed; they can be named as well.", style="dim")


def _connection_cells(found: Connection) -> Sequence[str]:
    total = f"{found.entities.total_entities:,}"
    until = ago(found.restorable_until)
    return ("connection", found.name, found.readable_collection_id, total, found.id, until)


def _collection_cells(found: Collection) -> Sequence[str]:
    until = ago(found.restorable_until)
    total = f"{found.entity_count:,}"
    return ("collection", found.name, found.readable_id, total, found.id, until)
