"""Random syncs leave in the store what they would leave in a plain dictionary."""

import random
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.store.bench import Bench, entity, open_bench
from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus
from weft.local.store.base import BatchEvent
from weft.sources.base import (
    Deleted,
    Failed,
    Note,
    Skipped,
    Unchanged,
)

IDS = [f"id{n}" for n in range(8)]
WORDS = ["apple", "berry", "cherry"]
KINDS = ["note", "page"]


@dataclass(frozen=True)
class Sync:
    """A random sync: full or incremental, in batches, perhaps interrupted before its end."""

    full: bool
    complete: bool
    batches: tuple[tuple[BatchEvent, ...], ...]


def random_syncs(seed: int) -> list[Sync]:
    """Drawn evenly from a seed: drawn by hypothesis, hardly two syncs would meet an entity."""
    draw = random.Random(seed)

    def event() -> BatchEvent:
        source_id = draw.choice(IDS)
        match draw.randrange(9):
            case 0:
                return Deleted(source_id)
            case 1:
                return Unchanged(source_id)
            case 2:
                return Failed(source_id, "reason")
            case 3:
                return Skipped(source_id, "reason")
            case _:
                version = draw.choice([None, None, "1", "2"])
                text, kind = draw.choice(WORDS), draw.choice(KINDS)
                return entity(source_id, text, kind=kind, version=version)

    def sync() -> Sync:
        batches = (
            tuple(event() for _ in range(draw.randint(1, 6))) for _ in range(draw.randint(1, 3))
        )
        return Sync(draw.random() < 0.6, draw.random() < 0.8, tuple(batches))

    return [sync() for _ in range(draw.randint(2, 5))]


class Oracle:
    """The entities that must be stored, found by the plainest means."""

    def __init__(self) -> None:
        self.stored: dict[str, Entity] = {}

    def sync(self, sync: Sync) -> None:
        seen, gone = set[str](), set[str]()
        for batch in sync.batches:
            for event in _last_events(batch):
                match event:
                    case Entity():
                        self.stored[event.id] = event
                        seen.add(event.id)
                        gone.discard(event.id)
                    case Deleted(id=source_id):
                        gone.add(source_id)
                    case Unchanged(id=source_id) | Failed(id=source_id):
                        seen |= {source_id} & self.stored.keys()
                        gone.discard(source_id)
                    case _:
                        pass
        if sync.complete:
            kept = (seen if sync.full else self.stored.keys()) - gone
            self.stored = {key: value for key, value in self.stored.items() if key in kept}


def _last_events(batch: tuple[BatchEvent, ...]) -> list[BatchEvent]:
    last: dict[str, BatchEvent] = {}
    for event in batch:
        if not isinstance(event, Note):
            last[event.id] = event
    return list(last.values())


async def _follow(syncs: list[Sync]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_bench(Path(folder) / "weft.db") as bench:
            made, oracle = await bench.connection(), Oracle()
            await bench.list_all(await bench.connection(), entity("id0", "bystander"))
            for sync in syncs:
                await _run(bench, await bench.claim_new(made), sync)
                oracle.sync(sync)
                bench.pass_time(minutes=1)
                expected = Counter(item.type for item in oracle.stored.values())
                # One that was emptied keeps the types that it had, with counts of none.
                assert Counter(await bench.types(made)) == expected
                for word in WORDS:
                    fitting = [key for key, item in oracle.stored.items() if item.text == word]
                    assert await bench.hits(word) == sorted(fitting)
                assert await bench.hits("bystander") == ["id0"]
            bench.check_index()
            found = bench.rows(
                "SELECT e.source_id, e.type, b.text, e.version"
                " FROM entity e JOIN entity_body b USING (no)"
                " JOIN connection c ON c.no = e.connection_no WHERE c.id = ?",
                made.id,
            )
            wanted = {
                (key, item.type, item.text, item.version) for key, item in oracle.stored.items()
            }
            assert set(found) == wanted


async def _run(bench: Bench, claim: Any, sync: Sync) -> None:
    if sync.full:
        claim = await bench.store.entities.begin_listing(claim)
    else:
        claim = replace(claim, full_sync=False)
    for batch in sync.batches:
        await bench.commit(claim, *batch)
    if sync.complete:
        await bench.sweep(claim)
    assert await bench.finish(claim, JobStatus.COMPLETED if sync.complete else JobStatus.FAILED)


def test_random_syncs_leave_what_a_dictionary_would() -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 2**32))
    def follow(seed: int) -> None:
        anyio.run(_follow, random_syncs(seed))

    follow()
