"""Lists and records: one JSON document, or a table for people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from weft.cli.terminal.context import App, emit, say
from weft.cli.terminal.text import plain
from weft.domain.base import Page

M = TypeVar("M")


class Sealed(Protocol):
    """Something with a secret that may be lost with its key."""

    @property
    def lost(self) -> bool:
        """Return whether no key opens it any more."""
        ...


def tell_side(app: App) -> None:
    """Say that a list is of the local database, where somebody may expect the remote API's."""
    if app.load_settings().api_url is not None:
        say("This is what the local database holds; the API in WEFT_API_URL has its own.")


def show_page(
    app: App,
    page: Page[M],
    to_cells: Callable[[M], Sequence[str]],
    *,
    columns: Sequence[str],
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
    none: str = "",
    footnote: str = "",
) -> None:
    """Print a page of a long list; people get ``footnote`` below it, or ``none`` if it is empty.
    The page's own note takes the place of the footnote.

    ``to_cells`` makes the row of an item; for ``numbers`` and ``wide`` see `print_table`.
    """
    if app.as_json:
        emit(page)
        return
    # Imported here because a program that reads JSON need not wait for rich.
    from weft.cli.terminal.tables import console, print_table

    out = console()
    if none and not page.items:
        out.print(none)
        footnote = ""
    else:
        rows = [to_cells(item) for item in page.items]
        print_table(out, columns, rows, numbers=numbers, wide=wide)
    if page.note:
        on = f" To go on: --cursor {page.next_cursor}" if page.next_cursor else ""
        footnote = plain(page.note) + on
    elif page.next_cursor:
        footnote = f"There are more: raise --limit. {footnote}".rstrip()
    if footnote:
        out.print(footnote, style="dim")


def show_all(
    app: App,
    found: Sequence[M],
    to_json: Callable[[M], Mapping[str, Any]],
    to_cells: Callable[[M], Sequence[str]],
    *,
    columns: Sequence[str],
    wide: Sequence[str],
    none: str,
) -> None:
    """Print a whole list, or ``none`` to people when it is empty."""
    if app.as_json:
        emit({"items": [to_json(one) for one in found]})
    else:
        page = Page[Any](items=tuple(found))
        show_page(app, page, to_cells, columns=columns, wide=wide, none=none)


def show_record(app: App, found: BaseModel, fields: Iterable[tuple[str, str]]) -> None:
    """Print one thing, for people as labelled values."""
    if app.as_json:
        emit(found)
        return
    from weft.cli.terminal.tables import console, print_record  # see show_page

    print_record(console(), fields)


def tell_lost(app: App, found: Sequence[Sealed], again: str) -> None:
    """Tell people, below a list, that some secret is lost and to give it with ``again``."""
    if not app.as_json and any(one.lost for one in found):
        say(f"The key to what is lost is gone; give it again: `{again}`.")
