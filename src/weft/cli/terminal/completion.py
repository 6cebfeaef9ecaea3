"""Completes names in the shell: connections, collections, sources and jobs.

Of the local database only: with WEFT_API_URL each press of the key would cost requests there.
"""

import shlex
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import click
from click.shell_completion import CompletionItem

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.cli.terminal.context import App
from weft.cli.terminal.text import SHORT_ID_CHARS, plain

JOBS_MAX: Final = 20

Names = Sequence[tuple[str, str, str]]
"""Id, name and what helps to tell it from others."""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(read: Callable[[Backend], Awaitable[Names]]) -> Complete:
    """Make what completes a parameter from names that a backend knows."""

    def complete(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        app = ctx.find_object(App) or App()
        try:
            settings = app.load_settings()
            # A key press neither asks an API nor creates a database.
            if settings.api_url is not None or not settings.database_path.exists():
                return []
            return _list_fitting(app.run(read), incomplete)
        except Exception:  # noqa: BLE001 (there is no place in a prompt for an error)
            return []

    return complete


@_completer
async def complete_connection(backend: Backend) -> Names:
    """Complete the name of a connection."""
    page = await backend.connections.list(limit=LIST_LIMIT_MAX)
    return [(one.id, one.name, one.short_name) for one in page.items]


@_completer
async def complete_collection(backend: Backend) -> Names:
    """Complete the readable id of a collection."""
    page = await backend.collections.list(limit=LIST_LIMIT_MAX)
    return [(one.readable_id, one.readable_id, one.name) for one in page.items]


@_completer
async def complete_job(backend: Backend) -> Names:
    """Complete the id of one of the newest jobs."""
    page = await backend.jobs.list(limit=JOBS_MAX)
    return [(one.id, one.id[:SHORT_ID_CHARS], one.status.value) for one in page.items]


def complete_source(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the short name of an installed source."""
    from weft.sources.registry import SourceRegistry  # only this key press needs it

    return _list_fitting(((name, name, "") for name in SourceRegistry().names()), incomplete)


def _list_fitting(names: Iterable[tuple[str, str, str]], incomplete: str) -> list[CompletionItem]:
    """Return what begins as typed. A name that a shell would split is completed to its id."""
    wanted = incomplete.casefold()
    items: list[CompletionItem] = []
    for one, name, more in names:
        if not (name.casefold().startswith(wanted) or one.startswith(incomplete)):
            continue
        is_word = shlex.quote(name) == name
        told = [more] if is_word else [name, more]
        items.append(CompletionItem(name if is_word else one, help=plain(", ".join(told))))
    return items
