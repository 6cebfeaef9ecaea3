"""Time to find the nearest of 100,000 and 1,000,000 vectors, and the rate at which they are stored.

All is CPU time of this process, so that other load matters little; codes are in memory by then.
"""

import tempfile
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.table import Row, percentile
from bench.throughput import open_database
from bench.workload import open_engine
from weft.local.engine import utc_now
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.store import SqliteStore
from weft.local.store.vectors import PACKAGED, Vector
from weft.settings import Settings

SMALL, LARGE = 100_000, 1_000_000
TARGET_MS = {"SMALL": 10.0, "LARGE": 60.0}
MEMORY_TARGET_MB = 64.0
PUT_TARGET = 50_000
DIMENSIONS = 256
CLUSTERS = 1_000
# As much beside its cluster's direction as leaves a cosine of about two thirds.
NOISE = 0.07
CONNECTIONS = 10
BATCH = 1_000
QUERIES = 100
WARM_UP = 5
PAGE = 100
MODEL = "bench"
MB = 1_000_000
_FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
_COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"

Floats: TypeAlias = NDArray[np.float32]


class Search(NamedTuple):
    """Where is searched, and what is wanted."""

    scope: Scope
    wanted: EntityFilter = EntityFilter()


async def rows() -> list[Row]:
    """Measure a small and a large database."""
    return [
        row
        for count, target in ((SMALL, TARGET_MS["SMALL"]), (LARGE, TARGET_MS["LARGE"]))
        for row in await _measure(count, target)
    ]


async def _measure(count: int, target: float) -> list[Row]:
    dice = np.random.default_rng(1)
    centres = _to_unit(dice.standard_normal((CLUSTERS, DIMENSIONS), np.float32))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        path = Settings(home=home).database_path
        async with open_engine(home) as (_, connection_id):
            pass
        searches = _populate(path, count, connection_id)
        store = await SqliteStore.open(path, utc_now)
        try:
            rate, longest = await _embed(store, centres, dice)
            every = searches.pop("all")
            queries_made = _draw(QUERIES + WARM_UP, centres, dice)
            first = await _time(store, every, queries_made[0])
            memory = await _measure_memory(path, every, queries_made[0])
            plain = await _time_again(store, every, queries_made)
            filtered = {
                name: await _time_again(store, search, queries_made)
                for name, search in searches.items()
            }
        finally:
            await store.close()
    what = f"the {PAGE} nearest of {count:,} vectors"
    told = ", ".join(f"{name} {spent:.1f}" for name, spent in filtered.items())
    return [
        Row(f"{what}, p95", plain, target, unit="ms"),
        Row(f"{what}, the slowest filter", max(filtered.values()), target, unit="ms", detail=told),
        Row(f"first search among {count:,} vectors, which reads all codes", first, unit="ms"),
        Row(f"codes of {count:,} vectors in memory", memory, MEMORY_TARGET_MB, unit="MB"),
        Row(
            f"vectors stored, {count:,} in batches of {BATCH:,}",
            rate,
            PUT_TARGET,
            at_most=False,
            unit="/CPU s",
            detail=f"the longest batch {longest:.0f} ms",
        ),
    ]


def _populate(path: Path, count: int, connection_id: str) -> dict[str, Search]:
    """Make entities of some connections, all waiting; return what is searched for among them."""
    db = open_database(path)
    db.execute("BEGIN IMMEDIATE")
    [organization_id] = (
        str(row[0]) for row in db.execute("SELECT organization_id FROM connection")
    )
    columns = [str(row[1]) for row in db.execute("PRAGMA table_info(any_connection)")]
    names = ", ".join(name for name in columns if name != "no")
    copied = ", ".join({"id": "id || i"}.get(name, name) for name in columns if name != "no")
    db.execute(
        f"{_COUNT} INSERT INTO any_connection ({names})"
        f" SELECT {copied} FROM n CROSS JOIN any_connection",
        {"count": CONNECTIONS - 1},
    )
    db.execute(
        f"{_COUNT} INSERT INTO entity (no, connection_no, source_id, type, hash, updated_at,"
        " media_type) SELECT i, 1 + i % :connections,"
        " printf('documents/%02d/%07d.%s', i % 100, i, iif(i % 97, 'md', 'rst')),"
        " iif(i % 10, 'document', 'page'), zeroblob(16), :first + i * 60000000,"
        " iif(i % 97, 'text/markdown', 'text/x-rst') FROM n",
        {
            "count": count,
            "connections": CONNECTIONS,
            "first": int(_FIRST_DAY.timestamp() * 1_000_000),
        },
    )
    db.execute(
        "INSERT INTO entity_body (no, title, text, metadata, breadcrumbs)"
        " SELECT no, source_id, '', '{}', '[]' FROM entity"
    )
    db.execute(queries()["embedding_insert"], (1, count))
    db.execute("COMMIT")
    every = Scope(organization_id)
    newest = _FIRST_DAY + timedelta(minutes=round(0.95 * count))
    filters = {
        "a type": EntityFilter(type="page"),
        "the newest": EntityFilter(since=newest),
        "a folder of all": EntityFilter(pattern="documents/*"),
        "a folder of 1 %": EntityFilter(pattern="documents/07/*"),
        "an ending": EntityFilter(pattern="*.rst"),
        "a pattern": EntityFilter(pattern="*7.md"),
    }
    return {
        "all": Search(every),
        "a connection": Search(Scope(organization_id, None, connection_id)),
        **{name: Search(every, wanted) for name, wanted in filters.items()},
    }


async def _embed(
    store: SqliteStore, centres: Floats, dice: np.random.Generator
) -> tuple[float, float]:
    """Store vectors of all that waits; return the rate, and the longest batch in milliseconds."""
    await store.vectors.use_models({PACKAGED: MODEL})
    spent: list[float] = []
    count = 0
    while waiting := await store.vectors.take([PACKAGED], BATCH):
        made = _draw(len(waiting), centres, dice)
        vectors = {each.ticket: vector for each, vector in zip(waiting, made, strict=True)}
        start = process_time()
        count += await store.vectors.put(MODEL, vectors)
        spent.append(process_time() - start)
    return count / sum(spent), 1000 * max(spent)


async def _measure_memory(path: Path, search: Search, vector: Vector) -> float:
    """Return the megabytes that a store keeps after its first search."""
    store = await SqliteStore.open(path, utc_now)
    tracemalloc.start()
    try:
        await _find(store, search, vector)
        return tracemalloc.get_traced_memory()[0] / MB
    finally:
        tracemalloc.stop()
        await store.close()


async def _time_again(store: SqliteStore, search: Search, vectors: Sequence[Vector]) -> float:
    """Return the 95th percentile of a search's milliseconds."""
    spent = [await _time(store, search, vector) for vector in vectors]
    return percentile(spent[WARM_UP:], 95)


async def _time(store: SqliteStore, search: Search, vector: Vector) -> float:
    start = process_time()
    await _find(store, search, vector)
    return 1000 * (process_time() - start)


async def _find(store: SqliteStore, search: Search, vector: Vector) -> None:
    found = await store.vectors.nearest(search.scope, MODEL, vector, search.wanted, limit=PAGE)
    assert found


def _draw(count: int, centres: Floats, dice: np.random.Generator) -> list[Vector]:
    near = centres[dice.integers(0, len(centres), count)]
    drawn = dice.standard_normal(near.shape, np.float32)
    drawn *= NOISE
    drawn += near
    drawn *= 127 / np.abs(drawn).max(axis=1, keepdims=True)
    numbers = np.rint(drawn).astype(np.int8)
    codes = np.packbits(drawn > 0, axis=1)
    return [Vector(c.tobytes(), row.tobytes()) for c, row in zip(codes, numbers, strict=True)]


def _to_unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
