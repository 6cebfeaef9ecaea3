"""Tables and records on a terminal, drawn with rich."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Final

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from weft.cli.terminal.text import plain

WIDE_MIN_CHARS: Final = 14
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
    """Print one line a row where it fits; ``wide`` columns wrap or shrink first.

    Where even these would have no room for words, each row is a record instead.
    """
    rows = [[plain(cell, lines=True) for cell in row] for row in rows]
    if not _fits(out.width, headers, rows, wide):
        for number, row in enumerate(rows):
            if number:
                out.print()
            print_record(out, ((h, cell) for h, cell in zip(headers, row, strict=True) if cell))
        return
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


def _fits(
    width: int, headers: Sequence[str], rows: Sequence[Sequence[str]], wide: Sequence[str]
) -> bool:
    """Return whether each wide column gets what it needs, or at least enough for words."""
    needed = 0
    for column, header in enumerate(headers):
        longest = max(cell_len(text) for text in (header, *(row[column] for row in rows)))
        needed += 1 + (min(longest, WIDE_MIN_CHARS) if header in wide else longest)
    return needed - 1 <= width


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
