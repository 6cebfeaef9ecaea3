"""Vectors on SQLite: what only its tables, and the codes in memory, can get wrong."""

from contextlib import closing
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.bench import Bench, entity, open_bench
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.vectors import PACKAGED

pytestmark = pytest.mark.anyio


async def test_entities_of_before_there_were_vectors_wait(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        for _, script in migrations()[:16]:
            db.execute(script)
        db.execute("PRAGMA user_version = 16; PRAGMA journal_mode = WAL")
        db.execute(
            "INSERT INTO entity (no, connection_no, source_id, type, hash)"
            " VALUES (7, 1, 'a', 'note', x'00'), (9, 1, 'b', 'note', x'00')"
        )
    async with open_bench(path) as bench:
        assert bench.rows("SELECT id, no, connection_no, model_no FROM embedding") == [
            (1, 7, 1, 0),
            (2, 9, 1, 0),
        ]
        bench.check_index()


async def test_tickets_are_never_used_twice(bench: Bench) -> None:
    made = await bench.connection()
    tickets = set[int]()
    for text in ("first", "second", "third"):
        await bench.list_all(made, entity("a", text))
        [waiting] = await bench.store.vectors.take([PACKAGED], 2)
        assert waiting.ticket not in tickets
        tickets.add(waiting.ticket)
