"""Texts of before the index had names and parts get them, and a kill meanwhile changes nothing."""

import sys
from contextlib import closing
from pathlib import Path
from signal import SIGKILL
from typing import Any, cast

import anyio
import apsw
import pytest

from tests.support.store.bench import open_bench
from weft.local.store.sqlite.file import respell
from weft.local.store.sqlite.file.queries import migrations

pytestmark = pytest.mark.anyio

COUNT = 7
OLDER = 16
OPEN_AND_DIE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import anyio
from weft.local.store.sqlite.file import respell
from weft.local.store.sqlite.file.database import Database

seen = []

def find_parts(text):
    seen.append(text)
    if len(seen) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return text.upper()

respell.NUMBERS_A_STEP = 2
respell.find_parts = find_parts
anyio.run(Database.open, Path(sys.argv[1]), lambda: datetime.now(UTC))
"""


def connect(path: Path) -> Any:
    return closing(cast("Any", apsw).Connection(str(path)))


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A database of before, with entities that are indexed as they were then."""
    path = tmp_path / "weft.db"
    with connect(path) as db:
        for _, script in migrations()[:OLDER]:
            db.execute(script)
        for no in range(1, COUNT + 1):
            db.execute(
                "INSERT INTO entity (no, connection_no, source_id, type, hash)"
                " VALUES (?1, 1, 'commit:' || ?1 || 'facade', 'page', zeroblob(16))",
                (no,),
            )
            db.execute(
                "INSERT INTO entity_body (no, title, text, metadata, breadcrumbs)"
                " VALUES (?, 'HTTPServer', 'getUserProfile 東京都', '{}', '[]')",
                (no,),
            )
        db.execute(
            "INSERT INTO entity_fts (rowid, title, text) SELECT no, title, text FROM entity_body;"
            f"PRAGMA user_version = {OLDER}; PRAGMA journal_mode = WAL"
        )
    return path


async def test_stored_texts_get_names_and_parts(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(respell, "NUMBERS_A_STEP", 2)
    monkeypatch.setattr(respell, "TOLD_FROM", COUNT)
    async with open_bench(older) as bench:
        for words in ("parts : profile", "parts : 京都", "names : server", "names : 3fac*"):
            found = bench.rows("SELECT count(*) FROM entity_fts WHERE entity_fts MATCH ?", words)
            assert found == [(1 if "3" in words else COUNT,)], words
        bench.check_index()
    assert "indexes the stored texts anew" in capsys.readouterr().err


async def test_kill_meanwhile_leaves_everything_as_it_was(older: Path) -> None:
    died = await anyio.run_process([sys.executable, "-c", OPEN_AND_DIE, str(older)], check=False)
    assert died.returncode == -SIGKILL
    with connect(older) as db:
        assert db.pragma("user_version") == OLDER
        db.execute("INSERT INTO entity_fts (entity_fts, rank) VALUES ('integrity-check', 1)")
        assert db.pragma("integrity_check") == "ok"
    async with open_bench(older) as bench:
        assert bench.rows("SELECT DISTINCT parts FROM entity_body")[0][0].startswith("get User")
        bench.check_index()
