"""The source of databases does what every source must do, on a real PostgreSQL server."""

from collections.abc import Generator
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import errors

from tests.support.sources.database_cases import ServerContract
from tests.support.sources.databases import DatabaseServer, run_postgresql
from weft.testing.database_faults import DatabaseFaults

SCHEMA = (
    "drop schema public cascade",
    "create schema public",
    """create table customers (id int primary key, name text collate "C", password_hash text,
        photo bytea, updated_at timestamptz not null, seen timestamp, tags text[], extra jsonb,
        mood numeric, spot point)""",
    """create table notes (code text, part int, body text, updated_at timestamptz not null,
        primary key (code, part))""",
    """insert into customers values
        (1, 'Ada', 'x', '\\x00', '2026-01-01 10:00+00', 'infinity', '{a,b}', '{"k": 1}', 'NaN'),
        (2, E'Bob\\x07', 'y', null, '2026-01-02 10:00+01', null, null, null, 1.50)""",
    """insert into notes values ('a/b', 1, E'hidden \\u202Etext', '2026-01-03 10:00+00'),
        ('c', 2, '100% plain :not_a_parameter', '2026-01-04 10:00+00')""",
    "grant usage on schema public to reader",
    "grant select on all tables in schema public to reader",
)
FAULTS = DatabaseFaults(
    {
        "permission lost": lambda: errors.InsufficientPrivilege("permission denied"),
        "table gone": lambda: errors.UndefinedTable('relation "notes" does not exist'),
        "broken answer": lambda: psycopg.DatabaseError("lost synchronization with server"),
    }
)


@pytest.fixture(scope="module")
def server() -> Generator[DatabaseServer]:
    with run_postgresql() as running:
        yield running


class TestPostgresql(ServerContract):
    """All tables of a database."""

    schema = SCHEMA
    faults = FAULTS
    changed = frozenset({"public.customers/3", "public.notes/c,2"})


class TestPostgresqlQuery(TestPostgresql):
    """The result of a query, whose ids are a number that grows."""

    config: ClassVar[dict[str, Any]] = {
        "query": "select id, name || ' 100%' as title, extra from customers -- all of them",
        "id_column": "id",
        "cursor_column": "id",
    }
    changed = frozenset({"query/3"})
