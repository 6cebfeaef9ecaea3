"""Tables and records on a terminal, drawn with rich."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from weft.cli.terminal.text import plain

STYLES: Mapping[str, str] = {
    "active": "green",
    "syncing": "cyan",
    "pending_auth": "yellow",
    "needs_reauth": "red",
    "error": "red",
    "inactive": "dim",
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "PENDING": "cyan",
    "CANCELLING": "yellow",
    "CANCELLED": "yellow",
    "FAILED": "red",
    "ACTIVE": "green",
    "NEEDS SOURCE": "yellow",
    "ERROR": "red",
    "ok": "green",
    "problem": "red",
}


def console(file: IO[str] | None = None) -> Console:
    """Make a console that prints text as it is: no markup, emoji codes or highlighting."""
    return Console(
        file=file or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=False
    )


def print_table(
    out: Console,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    wide: Sequence[str] = (),
) -> None:
    """Print one line a row where it fits; ``wide`` columns wrap or shrink first."""
    # Columns are set close together, because 80 characters are few.
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    for header in headers:
        flexible = header in wide
        table.add_column(
            header,
            justify="right" if header in numbers else "left",
            no_wrap=not flexible,
            overflow="fold" if flexible else "ellipsis",
        )
    for row in rows:
        table.add_row(*(style_cell(cell) for cell in row))
    out.print(table)


def print_record(out: Console, fields: Iterable[tuple[str, str]]) -> None:
    """Print labelled values, one below the other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for label, value in fields:
        table.add_row(label, style_cell(value))
    out.print(table)


def style_cell(value: str) -> Text:
    """Colour ``value`` if it is the name of a state."""
    text = plain(value, lines=True)
    return Text(text, style=STYLES.get(text, ""))
