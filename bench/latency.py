"""Latency of reading one thing or a page among 10,000 connections and 1,000,000 jobs.

Each call is compared with its bare query: the same statement on the same file, run on this thread.
The ratio shows the cost of threads, transactions, validation and models.
"""

import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter

from bench.table import Row, percentile
from bench.throughput import open_database
from bench.workload import open_engine
from weft.backend import LIST_LIMIT_DEFAULT, Backend
from weft.domain.reading.cursors import encode_cursor
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.settings import Settings

CONNECTIONS = 10_000
JOBS = 1_000_000
ROUNDS = 25
CALLS_A_ROUND = 20
WARM_UP_ROUNDS = 3
TARGET = 10.0

_UUID = (
    "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-' || hex(randomblob(2)) || '-'"
    " || hex(randomblob(2)) || '-' || hex(randomblob(6)))"
)
_COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"

Call = Callable[[int], Awaitable[object]]
Query = Callable[[int], object]


async def rows() -> list[Row]:
    """Run the bare query and the call in turn on random rows; compares 95th percentiles."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with open_engine(home) as (backend, connection_id):
            path = Settings(home=home).database_path
            await backend.jobs.run(connection_id)
            async for _ in backend.jobs.watch((await backend.jobs.list()).items[0].id):
                pass
            db = open_database(path)
            _populate(db)
            found = [
                await _compare(what, call, query)
                for what, (call, query) in _calls(backend, db).items()
            ]
    return found


def _populate(db: Session) -> None:
    """Copy the connection and the job that the engine made, under new ids and names."""
    db.execute("BEGIN IMMEDIATE")
    columns = _columns(db, "connection")
    copied = ", ".join({"id": _UUID, "name": "name || ' ' || i"}.get(c, c) for c in columns)
    db.execute(
        f"{_COUNT} INSERT INTO any_connection ({', '.join(columns)})"
        f" SELECT {copied} FROM n CROSS JOIN connection c",
        (CONNECTIONS - 1,),
    )
    columns = _columns(db, "job")
    copied = ", ".join({"id": _UUID, "connection_no": "c.no"}.get(c, f"j.{c}") for c in columns)
    db.execute(
        f"{_COUNT} INSERT INTO job ({', '.join(columns)}) SELECT {copied}"
        " FROM n CROSS JOIN job j CROSS JOIN connection c",
        (JOBS // CONNECTIONS,),
    )
    db.execute(
        "INSERT OR IGNORE INTO entity_type SELECT no, type, '', 1000, created_at FROM connection,"
        " (SELECT 'document' AS type UNION SELECT 'page')"
    )
    db.execute("COMMIT")


def _columns(db: Session, table: str) -> list[str]:
    names = [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]
    return [name for name in names if name != "no"]


def _calls(backend: Backend, db: Session) -> dict[str, tuple[Call, Query]]:
    """Pair each call with its bare query; both take the number of a row."""
    organization_id = db.execute("SELECT organization_id FROM connection LIMIT 1").get
    connection_ids = [str(row[0]) for row in db.execute("SELECT id FROM connection ORDER BY no")]
    job_ids = [str(row[0]) for row in db.execute("SELECT id FROM job WHERE no % 100 = 0")]
    connections = f"{queries()['connection_columns']} {queries()['connection_from']} "
    jobs = f"{queries()['job_columns']} "
    # CROSS JOIN forces the order in which the index helps, whatever the planner would choose.
    newest_jobs = jobs.replace("JOIN connection", "CROSS JOIN connection")

    def bare(sql: str, **values: object) -> list[object]:
        return list(db.execute(sql, {"organization_id": organization_id, **values}))

    def page(number: int) -> dict[str, object]:
        return {"before": number, "limit": LIST_LIMIT_DEFAULT + 1, "status": None}

    def cursor(number: int, tail: str, **filters: object) -> str:
        return encode_cursor(number, tail, {"organization_id": organization_id, **filters})

    def job_number(number: int) -> int:
        return number * (JOBS // CONNECTIONS)

    return {
        "list_connections": (
            lambda n: backend.connections.list(cursor=cursor(n, "connection_list")),
            lambda n: bare(connections + queries()["connection_list"], **page(n)),
        ),
        "get_connection": (
            lambda n: backend.connections.get(connection_ids[n]),
            lambda n: bare(connections + queries()["connection_by_id"], id=connection_ids[n]),
        ),
        "list_jobs": (
            lambda n: backend.jobs.list(cursor=cursor(job_number(n), "job_list", status=None)),
            lambda n: bare(newest_jobs + queries()["job_list"], **page(job_number(n))),
        ),
        "list_jobs of a connection": (
            lambda n: backend.jobs.list(connection_ids[n]),
            lambda n: bare(
                jobs + queries()["job_list_of_connection"],
                connection_id=connection_ids[n],
                **page(JOBS * 2),
            ),
        ),
        "get_job": (
            lambda n: backend.jobs.get(job_ids[n]),
            lambda n: bare(jobs + queries()["job_by_id"], id=job_ids[n]),
        ),
    }


async def _compare(what: str, call: Call, query: Query) -> Row:
    dice = random.Random(3)
    ours: list[float] = []
    floor: list[float] = []
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        if number == WARM_UP_ROUNDS:
            ours.clear()
            floor.clear()
        for _ in range(CALLS_A_ROUND):
            place = dice.randrange(LIST_LIMIT_DEFAULT * 2, CONNECTIONS - 1)
            start = perf_counter()
            assert query(place)
            floor.append(perf_counter() - start)
        for _ in range(CALLS_A_ROUND):
            place = dice.randrange(LIST_LIMIT_DEFAULT * 2, CONNECTIONS - 1)
            start = perf_counter()
            await call(place)
            ours.append(perf_counter() - start)
    p95, p95_floor = percentile(ours, 95) * 1000, percentile(floor, 95) * 1000
    return Row(
        f"{what} among {CONNECTIONS:,} connections and {JOBS:,} jobs, p95 against the bare query",
        p95 / p95_floor,
        TARGET,
        detail=f"{p95:.2f} ms, bare {p95_floor:.3f} ms",
    )
