"""Rate at which 100,000 entities are synced, against the raw floor and against dlt → DuckDB."""

import gc
import os
import tempfile
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, cast

import apsw

from bench.table import Row
from bench.workload import generate_entities, one_percent_later, open_engine, time_sync, with_count
from weft.domain.entities import Entity
from weft.local.store.sqlite.file.database import CHECKPOINT_PAGES, WRITER_CACHE_KIB
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.values import micros_or_none

ENTITIES = 100_000
# dlt gets fewer because it would take a minute for all; its start-up is not measured.
PEER_ENTITIES = 20_000
ROUNDS = 3
BATCH = 5_000
HASH = bytes(16)

Seconds = dict[str, list[float]]
Rates = dict[str, list[float]]


async def rows() -> list[Row]:
    """Measure floor, engine and peer in turn, so that other load slows all of them alike.

    Each ratio is the median over the rounds.
    """
    entities = list(generate_entities(ENTITIES))
    seconds: Seconds = defaultdict(list)
    has_peer = all(find_spec(name) for name in ("dlt", "duckdb"))
    # Keep the collector from walking the prepared entities, which are not the engine's.
    gc.collect()
    gc.freeze()
    for _ in range(ROUNDS):
        _measure_floor(entities, seconds)
        _measure_overwriting_floor(entities, seconds)
        await _measure_engine(entities, seconds)
        if has_peer:
            _measure_peer(entities[:PEER_ENTITIES], seconds)
    gc.unfreeze()
    rates = {
        what: [(PEER_ENTITIES if what.startswith("dlt") else ENTITIES) / time for time in times]
        for what, times in seconds.items()
    }
    return [*_own_rows(rates), *(_peer_rows(rates) if has_peer else _no_peer_rows())]


async def _measure_engine(entities: Sequence[Entity], seconds: Seconds) -> None:
    syncs = {
        "first": (with_count(entities), (len(entities), 0, 0, 0)),
        "unchanged": (with_count(entities), (0, 0, len(entities), 0)),
        "changed": (with_count(one_percent_later(entities)), _one_percent(len(entities))),
    }
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder)) as (backend, connection_id):
            for what, (events, expected) in syncs.items():
                job, spent = await time_sync(backend, connection_id, events)
                counts = (job.entities_inserted, job.entities_updated, job.entities_unchanged)
                assert (*counts, job.entities_deleted) == expected, (what, job)
                seconds[what].append(spent)


def _one_percent(count: int) -> tuple[int, int, int, int]:
    return (0, count // 100, count - 2 * (count // 100), count // 100)


def _measure_floor(entities: Sequence[Entity], seconds: Seconds) -> None:
    """Write the same rows to the same tables and index, on one thread with nothing around it."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "floor.db")
        _fill(db, entities, seconds, "floor first")
        with _time(seconds, "floor unchanged"):
            same = sum(
                _count_same(db, entities[start : start + BATCH])
                for start in range(0, len(entities), BATCH)
            )
        assert same == len(entities)


def _measure_overwriting_floor(entities: Sequence[Entity], seconds: Seconds) -> None:
    """Write them once more with secure_delete, which Weft's writer uses too."""
    with tempfile.TemporaryDirectory() as folder:
        db = open_database(Path(folder) / "floor.db")
        db.execute("PRAGMA secure_delete = ON")
        _fill(db, entities, seconds, "overwriting floor first")


def _fill(db: Session, entities: Sequence[Entity], seconds: Seconds, what: str) -> None:
    records = [
        (no, 1, e.id, e.type, HASH, None, micros_or_none(e.updated_at), None, None, None)
        for no, e in enumerate(entities, 1)
    ]
    bodies = [
        (no, e.title, e.text, e.url, micros_or_none(e.updated_at), "{}", "[]", "", "")
        for no, e in enumerate(entities, 1)
    ]
    for _, script in migrations():
        db.execute(script)
    with _time(seconds, what):
        for start in range(0, len(entities), BATCH):
            _insert(db, records[start : start + BATCH], bodies[start : start + BATCH])


def open_database(path: Path) -> Session:
    """Open a database with the settings of Weft's writer, but for those about deleting."""
    # Typed as the engine does it: the types of apsw are incomplete on Python 3.11.
    db = cast("Session", apsw.Connection(str(path)))
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        f"cache_size = -{WRITER_CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        db.execute(f"PRAGMA {pragma}")
    return db


def _insert(
    db: Session, records: Sequence[tuple[object, ...]], bodies: Sequence[tuple[object, ...]]
) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO entity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", records)
    db.executemany("INSERT INTO entity_body VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", bodies)
    db.executemany(
        "INSERT INTO embedding (no, connection_no) VALUES (?, ?)",
        (record[:2] for record in records),
    )
    db.executemany(
        "INSERT INTO entity_fts (rowid, title, text) VALUES (?, ?, ?)",
        (body[:3] for body in bodies),
    )
    db.execute("COMMIT")


def _count_same(db: Session, entities: Sequence[Entity]) -> int:
    ids = carray(tuple(entity.id for entity in entities))
    found = db.execute(
        "SELECT e.source_id, e.hash FROM carray(?) k"
        " CROSS JOIN entity e ON e.connection_no = 1 AND e.source_id = k.value",
        (ids,),
    )
    hashes: dict[Any, Any] = dict(iter(found))
    return sum(hashes[entity.id] == HASH for entity in entities)


def _measure_peer(entities: Sequence[Entity], seconds: Seconds) -> None:
    # Imported here: only the extra `bench` brings it, and it takes two seconds.
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    dlt: Any = import_module("dlt")
    records = [
        {
            "id": e.id,
            "type": e.type,
            "title": e.title,
            "text": e.text,
            "url": e.url,
            "updated_at": e.updated_at,
        }
        for e in entities
    ]
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=f"{folder}/state",
            destination=dlt.destinations.duckdb(f"{folder}/peer.duckdb"),
            dataset_name="bench",
        )
        for what in ("dlt first", "dlt unchanged"):
            resource = dlt.resource(
                records, name="entity", primary_key="id", write_disposition="merge"
            )
            with _time(seconds, what):
                pipeline.run(resource)


@contextmanager
def _time(seconds: Seconds, what: str) -> Generator[None]:
    start = perf_counter()
    yield
    seconds[what].append(perf_counter() - start)


def _own_rows(rates: Rates) -> list[Row]:
    return [
        _row(rates, "first sync against the raw floor", "first", "floor first", 0.8),
        _row(
            rates,
            "the same where the floor overwrites what it frees",
            "first",
            "overwriting floor first",
        ),
        _row(rates, "unchanged re-sync against the first sync", "unchanged", "first", 10),
        _row(rates, "unchanged re-sync against looking hashes up", "unchanged", "floor unchanged"),
        _row(rates, "1 % changed, 1 % deleted, against the first sync", "changed", "first"),
    ]


def _peer_rows(rates: Rates) -> list[Row]:
    return [
        _row(rates, "first sync against dlt → DuckDB merge", "first", "dlt first", 4),
        _row(
            rates, "unchanged re-sync against dlt → DuckDB merge", "unchanged", "dlt unchanged", 50
        ),
    ]


def _row(rates: Rates, what: str, ours: str, theirs: str, target: float | None = None) -> Row:
    detail = f"{median(rates[ours]):,.0f}/s, {theirs} {median(rates[theirs]):,.0f}/s"
    if theirs.startswith("dlt"):
        detail += f" of {PEER_ENTITIES:,} rows"
    pairs = zip(rates[ours], rates[theirs], strict=True)
    return Row(what, median(a / b for a, b in pairs), target, at_most=False, detail=detail)


def _no_peer_rows() -> list[Row]:
    reason = "skipped: dlt and duckdb are not installed; `pip install -e '.[bench]'`"
    return [
        Row("first sync against dlt → DuckDB merge", 0, detail=reason),
        Row("unchanged re-sync against dlt → DuckDB merge", 0, detail=reason),
    ]
