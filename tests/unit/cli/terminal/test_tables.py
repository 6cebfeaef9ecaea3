"""Tables on terminals of every width, and matches that are highlighted."""

import io

import pytest
from rich.console import Console

from weft.cli.terminal.tables import print_table

HEADERS = ("name", "source", "collection", "status", "entities", "last sync")
ROW = ("Quarterly finances", "github", "quarterly-docs", "active", "1,234", "COMPLETED 3 min ago")


@pytest.mark.parametrize("width", [30, 40, 50, 60, 80, 120])
def test_no_value_is_lost_or_broken_into_letters(width: int) -> None:
    out = io.StringIO()
    print_table(Console(file=out, width=width), HEADERS, [ROW, ROW], wide=("name", "collection"))
    for text in (*HEADERS, "Quarterly", "finances", "github", "active", "1,234", "COMPLETED"):
        assert text in out.getvalue()
