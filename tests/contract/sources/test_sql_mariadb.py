"""The source of databases does what every source must do, on a real MariaDB server."""

from collections.abc import Generator
from typing import Any, ClassVar

import pytest
from pymysql import err

from tests.support.sources.database_cases import ServerContract
from tests.support.sources.databases import DatabaseServer, run_mariadb
from weft.testing.database_faults import DatabaseFaults

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


class TestMariadb(ServerContract):
    """All tables of a database."""

    schema = SCHEMA
    faults = FAULTS
    changed = frozenset({"customers/3", "notes/c,2"})


class TestMariadbQuery(TestMariadb):
    """The result of a query, whose ids are a number that grows."""

    config: ClassVar[dict[str, Any]] = {
        "query": "select id, concat(name, ' 100%') as title, extra from customers -- all of them",
        "id_column": "id",
        "cursor_column": "id",
    }
    changed = frozenset({"query/3"})
