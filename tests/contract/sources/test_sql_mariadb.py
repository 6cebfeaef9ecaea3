"""The source of databases does what every source must do, on a real MariaDB server."""

from collections.abc import Generator
from typing import Any

import pytest
from pymysql import err

from tests.support.sources.databases import HOST, DatabaseServer, run_mariadb
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.sql.source import SqlSource
from weft.testing.database_faults import DatabaseFaults
from weft.testing.http_faults import NO_WAIT
from weft.testing.source_contract import Change, SourceCase, SourceContract

SCHEMA = (
    "drop table if exists customers, notes",
    """create table customers (id int primary key, name text, password_hash text, photo blob,
        updated_at datetime(6) not null, seen date, extra json, mood enum('good', 'bad'),
        spot point)""",
    """create table notes (code varchar(20), part int, body longtext, updated_at datetime not null,
        primary key (code, part))""",
    """insert into customers values
        (1, 'Ada', 'x', x'00', '2026-01-01 10:00', null, '{"k": 1}', 'good', point(1, 2)),
        (2, 'Bob\x07', 'y', null, '2026-01-02 10:00', '2026-01-01', null, null, null)""",
    """insert into notes values ('a/b', 1, 'hidden \u202etext', '2026-01-03 10:00'),
        ('c', 2, '100% plain :not_a_parameter', '2026-01-04 10:00')""",
    "grant select on shop.* to reader@'%'",
)
NO_PARSER = "Rows are values of the driver: nothing is parsed."
FAULTS = DatabaseFaults(
    {
        "permission lost": lambda: err.OperationalError(1142, "SELECT command denied"),
        "table gone": lambda: err.ProgrammingError(1146, "Table 'shop.notes' doesn't exist"),
        "broken answer": lambda: RuntimeError("**WARN**: Received LOAD_LOCAL packet"),
    }
)


@pytest.fixture(scope="module")
def server() -> Generator[DatabaseServer]:
    with run_mariadb() as running:
        yield running


@pytest.fixture
def context() -> SourceContext:
    return SourceContext(http=http_factory({HOST}, clock=NO_WAIT), allow_hosts=frozenset({HOST}))


class TestMariadb(SourceContract):
    """All tables of a database."""

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"cursor_column": "updated_at"}

    @pytest.fixture
    def changed(self) -> frozenset[str]:
        return frozenset({"customers/3", "notes/c,2"})

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
                "insert into customers (id, name, updated_at) values (3, 'Cy', '2026-02-01')",
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


class TestMariadbQuery(TestMariadb):
    """The result of a query, whose ids are a number that grows."""

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        query = "select id, concat(name, ' 100%') as title, extra from customers -- all of them"
        return {"query": query, "id_column": "id", "cursor_column": "id"}

    @pytest.fixture
    def changed(self) -> frozenset[str]:
        return frozenset({"query/3"})
