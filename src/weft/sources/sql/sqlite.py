"""Open a SQLite file that nothing but reading may be done to."""

import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.sources.base import SourceContext
from weft.sources.roots import find_start
from weft.sources.sql.connect import STATEMENT_SECONDS, Link
from weft.sources.trees import tree_at

_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_STEPS_BETWEEN_CHECKS: Final = 100_000

_SQLITE_ACTIONS: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    }
)
# Some builds have them: they take addresses of memory, or reach files and programs.
_DANGEROUS_FUNCTIONS: Final = frozenset(
    {"fts3_tokenizer", "load_extension", "icu_load_collation", "readfile", "writefile", "edit"}
    | {"fsdir", "lsmode", "zipfile"}
)
_SQLITE_PRAGMAS: Final = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"}
    | {"foreign_key_list", "database_list", "read_uncommitted"}
)


def open_inside(path: str, context: SourceContext) -> Link:
    """Open a configured file. Raises NotPermitted or an error of the field ``path``.

    SQLite opens by name, so that the file is looked at before and after.
    """
    start = find_start(path, context, field="path")
    if not start.is_file:
        raise SourceMisconfigured("The path is a folder, not a SQLite file.", field="path")
    tree = tree_at(start.root, context)
    try:
        before = tree.identify_file(start.parts)
        link = open_sqlite(start.path)
        if tree.identify_file(start.parts) != before:
            link.raw.close()
            raise SourceUnavailable("The database file was replaced while it was opened.")
    except OSError:
        raise SourceMisconfigured(
            "The database file cannot be read, or is a link.", field="path"
        ) from None
    return link


def open_sqlite(path: Path) -> Link:
    """Open a file that is never written."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _decode_text
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_authorize_reading)
    deadline = _Deadline()
    connection.set_progress_handler(deadline.is_over, _STEPS_BETWEEN_CHECKS)

    def abort() -> None:
        deadline.end()
        # It may be closed already.
        with suppress(sqlite3.ProgrammingError):
            connection.interrupt()

    # Python's driver begins none for reading, so each statement would see another state.
    return Link("sqlite", connection, abort, ("BEGIN",), deadline.start)


class _Deadline:
    """The time until which SQLite may work on a page; it asks between its steps."""

    def __init__(self) -> None:
        self._at = time.monotonic() + STATEMENT_SECONDS
        self._ended = False

    def start(self) -> None:
        self._at = time.monotonic() + STATEMENT_SECONDS

    def end(self) -> None:
        self._ended = True

    def is_over(self) -> bool:
        return self._ended or time.monotonic() > self._at


def _authorize_reading(
    action: int, first: str | None, second: str | None, _database: str | None, _by: str | None
) -> int:
    allowed = action in _SQLITE_ACTIONS or (
        action == sqlite3.SQLITE_PRAGMA and first in _SQLITE_PRAGMAS
    )
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _DANGEROUS_FUNCTIONS:
        allowed = False
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")
