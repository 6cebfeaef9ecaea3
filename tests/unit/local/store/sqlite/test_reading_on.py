"""A commit lets its caller read on beside the long statements of SQLite, not before them."""

import asyncio
from threading import Event
from typing import Any

import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.store.bench import Bench, entity
from weft.local.store.sqlite.entities import batches
from weft.local.store.sqlite.entities.batches import write_inserts
from weft.local.store.sqlite.tables.jobs import write_log

pytestmark = pytest.mark.anyio


async def test_commit_lets_read_on_after_its_rows_are_made_and_before_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    told: dict[str, int] = {}

    def look(step: str) -> None:
        # The loop does what it is told in order: what it was told before has been done by now.
        done = Event()
        loop.call_soon_threadsafe(done.set)
        assert done.wait(PATIENCE_SECONDS)
        told[step] = len(bench.read_on)

    def inserts(*arguments: Any) -> range:
        made = write_inserts(*arguments)
        look("rows are made")
        return made

    def log(*arguments: Any) -> None:
        look("before the end")
        assert bench.rows("SELECT count(*) FROM entity") == [(0,)], "nothing is committed yet"
        write_log(*arguments)

    monkeypatch.setattr(batches, "write_inserts", inserts)
    monkeypatch.setattr(batches, "write_log", log)
    await bench.commit(await bench.claim_new(await bench.connection()), entity("a"))
    assert told == {"rows are made": 0, "before the end": 1}
