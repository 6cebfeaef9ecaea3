"""Lists that are shown whole: as one JSON document, or as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from weft.cli.terminal.context import App, emit, say

M = TypeVar("M")


class Sealed(Protocol):
    """Something with a secret that may be lost with its key."""

    @property
    def lost(self) -> bool:
        """Whether nothing opens it any more."""
        ...


def show_all(
    app: App,
    found: Sequence[M],
    shown: Callable[[M], Mapping[str, Any]],
    cells: Callable[[M], Sequence[str]],
    *,
    columns: Sequence[str],
    wide: Sequence[str],
    none: str,
) -> None:
    """Print ``found``: ``shown`` makes objects of JSON, ``cells`` rows below ``columns``.

    People who have nothing yet read ``none`` instead. For ``wide`` see `print_table`.
    """
    if app.as_json:
        emit({"items": [shown(one) for one in found]})
        return
    # Imported here because a program that reads JSON need not wait for rich.
    from weft.cli.terminal.tables import console, print_table

    out = console()
    if not found:
        out.print(none)
        return
    print_table(out, columns, [cells(one) for one in found], wide=wide)


def tell_lost(app: App, found: Sequence[Sealed], again: str) -> None:
    """Say to people below a list which command gives what was lost ``again``."""
    if not app.as_json and any(one.lost for one in found):
        say(f"The key to what is lost is gone; give it again: `{again}`.")
