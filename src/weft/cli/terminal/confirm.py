"""Ask before what cannot be taken back, and say how what can be is undone."""

import click

from weft.backend import Backend
from weft.cli.terminal.context import App, say
from weft.cli.terminal.text import plain
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.errors import InvalidInput

EXIT_DECLINED = 1
NO_UNDO = "There is no undo."


def confirm(app: App, preview: str, *, yes: bool) -> None:
    """Show ``preview`` and ask whether to delete; see `ask`."""
    ask(app, "Delete?", preview, yes=yes, doing="Deleting", declined="Nothing was deleted.")


def ask(app: App, question: str, preview: str, *, yes: bool, doing: str, declined: str) -> None:
    """Show ``preview`` and ask y/N, unless ``yes``; end the command when the answer is no.

    Raises InvalidInput when there is nobody to ask.
    """
    if yes:
        return
    text = plain(preview)
    if not app.can_ask():
        raise InvalidInput(
            f"{doing} was not confirmed.", field="yes", hint=f"{text} Pass --yes to do it."
        )
    say(text)
    if not click.confirm(question, default=False, err=True):
        say(declined)
        raise click.exceptions.Exit(EXIT_DECLINED)


async def undo_text(backend: Backend, *, permanently: bool) -> str:
    """Say how long what is deleted now can be restored."""
    until = None if permanently else await backend.trash.end()
    if until is None:
        return NO_UNDO
    return f"`weft restore` can undo it until {until:%Y-%m-%d %H:%M} UTC."


async def largest_text(backend: Backend, found: Connection | Collection) -> str:
    """Name the largest documents of what would be deleted; empty where nobody can list them."""
    if backend.browse is None or found.restorable_until is not None:
        return ""
    if isinstance(found, Connection):
        largest = await backend.browse.largest(connection=found.id)
        total = found.entities.total_entities
    else:
        largest = await backend.browse.largest(collection=found.id)
        total = found.entity_count
    if not largest.items:
        return ""
    names = [f"{each.source_entity_id} ({each.size:,} bytes of text)" for each in largest.items]
    some = f" of {largest.looked_at:,} looked at" if total > largest.looked_at else ""
    return f"The largest documents{some}: {', '.join(names)}."


def describe_deleted(gone: Connection | Collection) -> str:
    """Say what can be done about a deletion; empty if nothing can."""
    if gone.restorable_until is None:
        return ""
    return f"`weft restore {gone.id}` undoes it until {gone.restorable_until:%Y-%m-%d %H:%M} UTC."
