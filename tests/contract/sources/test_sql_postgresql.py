"""The source of databases does what every source must do, on a real PostgreSQL server."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.support.sources.databases import HOST, DatabaseServer, run_postgresql
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.sql.source import SqlSource
from weft.testing.database_faults import DatabaseFaults
from weft.testing.http_faults import NO_WAIT
from weft.testing.source_contract import Change, SourceCase, SourceContract

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
NO_PARSER = "Rows are values of the driver: nothing is parsed."
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


@pytest.fixture
def context() -> SourceContext:
    return SourceContext(http=http_factory({HOST}, clock=NO_WAIT), allow_hosts=frozenset({HOST}))


class TestPostgresql(SourceContract):
    """All tables of a database."""

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"cursor_column": "updated_at"}

    @pytest.fixture
    def changed(self) -> frozenset[str]:
        return frozenset({"public.customers/3", "public.notes/c,2"})

    @pytest.fixture
    def case(
        self,
        server: DatabaseServer,
        context: SourceContext,
        config: dict[str, Any],
        changed: frozenset[str],
    ) -> SourceCase:
        server.run(*SCHEMA)

        async def mutate() -> Change:
            server.run(
                "insert into customers values (3, 'Cy', 'z', null, '2026-02-01')",
                "update notes set body = 'changed', updated_at = '2026-02-02' where code = 'c'",
            )
            return Change(changed)

        return SourceCase(
            SqlSource,
            {"url": server.url, **config},
            context,
            credentials=server.credentials,
            bad_credentials={**server.credentials, "password": "battery-staple"},
            mutate=mutate,
            hostile=NO_PARSER,
            faults=FAULTS,
        )


class TestPostgresqlQuery(TestPostgresql):
    """The result of a query, whose ids are a number that grows."""

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        query = "select id, name || ' 100%' as title, extra from customers -- all of them"
        return {"query": query, "id_column": "id", "cursor_column": "id"}

    @pytest.fixture
    def changed(self) -> frozenset[str]:
        return frozenset({"query/3"})
