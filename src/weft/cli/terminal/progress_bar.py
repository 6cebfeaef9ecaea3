"""The progress bar that `weft sync` and `weft demo` share."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

BAR_WIDTH_CHARS = 16


class Advance(Protocol):
    """Draw a new state: how many are done, of how many (None: unknown), and a note."""

    def __call__(self, done: float, total: float | None, note: str = "", /) -> None: ...


@contextmanager
def progress_bar(
    title: str, out: Console | None = None, *, keep: bool = False
) -> Generator[Advance]:
    """Draw a bar with counts and rate; with ``keep`` its last state stays on the screen."""
    console = out or Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=BAR_WIDTH_CHARS),
        _Counts(),
        _Rate(),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
    )
    # Anything but a terminal would get an empty line for each bar.
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=not keep, disable=hidden) as progress:
        task = progress.add_task(title, total=None, note="")

        def advance(done: float, total: float | None, note: str = "") -> None:
            # A total below what is done is out of date, and would draw a full bar.
            shown = total if total is not None and total >= done else None
            progress.update(task, completed=done, total=shown, note=note)

        yield advance


class _Counts(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = f"/{task.total:,.0f}" if task.total is not None else ""
        return Text(f"{task.completed:,.0f}{total}")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:,.0f}/s", style="cyan")
