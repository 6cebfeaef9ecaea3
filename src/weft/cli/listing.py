"""Lists that are shown whole: as one JSON document, or as a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from weft.cli.context import App, emit

M = TypeVar("M")


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
    from weft.cli.output import console, print_table

    out = console()
    if not found:
        out.print(none)
        return
    print_table(out, columns, [cells(one) for one in found], wide=wide)
