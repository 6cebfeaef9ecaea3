"""Authors of entities that were stored before there was a column for them."""

from contextlib import closing
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.bench import open_bench
from weft.local.store.sqlite.file.authors import AUTHORS_VERSION
from weft.local.store.sqlite.file.queries import migrations

pytestmark = pytest.mark.anyio

METADATA = {
    "a": '{"author":"Zoë Müller"}',
    "b": '{"from":"Ada","to":"Zoë"}',
    "c": '{"path":"author"}',
    "d": "{}",
}


async def test_authors_of_what_is_stored_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        for _, script in migrations()[: AUTHORS_VERSION - 1]:
            db.execute(script)
        for no, (name, metadata) in enumerate(METADATA.items(), 1):
            slim = "INSERT INTO entity (no, connection_no, source_id, type, hash)"
            db.execute(f"{slim} VALUES (?, 1, ?, 'note', x'00')", (no, name))
            body = "INSERT INTO entity_body (no, title, text, metadata, breadcrumbs)"
            db.execute(f"{body} VALUES (?, ?, 'word', ?, '[]')", (no, name, metadata))
        db.execute(f"PRAGMA user_version = {AUTHORS_VERSION - 1}; PRAGMA journal_mode = WAL")
    async with open_bench(path) as bench:
        found = bench.rows("SELECT source_id, author FROM entity ORDER BY no")
    assert found == [("a", "zoe muller"), ("b", "ada"), ("c", None), ("d", None)]
