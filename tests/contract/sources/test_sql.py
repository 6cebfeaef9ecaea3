"""The source of databases does what every source must do, on SQLite."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from weft.sources.sql.source import SqlSource
from weft.testing.database_faults import DatabaseFaults
from weft.testing.folder_faults import FolderFaults
from weft.testing.source_contract import Change, SourceCase, SourceContract, offline_context

SCHEMA = """
create table customers (id integer primary key, name text, password_hash text, photo blob,
    updated_at text not null);
create table notes (code text primary key, body text, updated_at text not null);
insert into customers values (1, 'Ada', 'x', x'00', '2026-01-01 10:00:00'),
    (2, 'Bob' || char(7), 'y', null, '2026-01-02 10:00:00');
insert into notes values ('a/b', 'hidden ' || char(8238) || 'text', '2026-01-03 10:00:00'),
    ('c', 'plain', '2026-01-04 10:00:00');
"""
ERRORS = {
    "no such table": lambda: sqlite3.OperationalError("no such table: customers"),
    "damaged": lambda: sqlite3.DatabaseError("database disk image is malformed"),
}
NO_PARSER = "Rows are values of the driver: nothing is parsed."


def run(path: Path, script: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()


def prepare(folder: Path) -> Path:
    path = folder / "data" / "shop.db"
    path.parent.mkdir()
    run(path, SCHEMA)
    return path


class TestSqlite(SourceContract):
    """A SQLite file, with a column that tells what is new."""

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"cursor_column": "updated_at"}

    @pytest.fixture
    def case(self, tmp_path: Path, config: dict[str, Any]) -> SourceCase:
        path = prepare(tmp_path)

        async def mutate() -> Change:
            run(
                path,
                "insert into customers values (3, 'Cy', 'z', null, '2026-02-01');"
                "update notes set body = 'changed', updated_at = '2026-02-02' where code = 'c'",
            )
            return Change(frozenset({"customers/3", "notes/c"}))

        return SourceCase(
            SqlSource,
            {"path": str(path), **config},
            offline_context(files_roots=(tmp_path,)),
            mutate=mutate,
            hostile=NO_PARSER,
            faults=DatabaseFaults(ERRORS),
        )


class TestSqliteFolder(SourceContract):
    """A SQLite file whose folder is moved away and replaced."""

    @pytest.fixture
    def case(self, tmp_path: Path) -> SourceCase:
        path = prepare(tmp_path)
        return SourceCase(
            SqlSource,
            {"path": str(path), "cursor_column": "updated_at"},
            offline_context(files_roots=(tmp_path,)),
            hostile=NO_PARSER,
            faults=FolderFaults(path.parent),
        )
