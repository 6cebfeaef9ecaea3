"""Released migrations never change, and a database of before them is told apart."""

from contextlib import closing
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.open import open_store
from weft.errors import StorageFailed
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.sqlite.file.schema import SHAPES, digest_shape
from weft.local.store.sqlite.report import report

pytestmark = pytest.mark.anyio

MIGRATIONS = files("weft.local.store.sqlite") / "migrations"
# A released migration is never edited: what it made is in people's files. Add another one instead.
RELEASED = {
    "0001_initial.sql": "f087971d22b792f8",
    "0002_keys.sql": "93d4977a1863b9a7",
    "0003_vault.sql": "3ea50b0878d0ba43",
    "0004_authorization.sql": "9e703eb78b6bbad9",
    "0005_allowed_hosts.sql": "99e9a0af2ceb0387",
    "0006_run_options.sql": "a18274ad602cb626",
    "0007_lease_length.sql": "b4b61ce54b4822b2",
    "0008_clocks.sql": "26e7f0662bb358c0",
    "0009_deletion_hold.sql": "31a95a6e7dc34fb2",
    "0010_remote_notes.sql": "68e7db293c6d6854",
    "0011_settled.sql": "7a400eecc70a49ad",
    "0012_list_again.sql": "f1cd33ff0441ab90",
    "0013_pause.sql": "7cc00a7f749adbb3",
    "0014_browse.sql": "81c889f313599a95",
    "0015_media_types.sql": "492bcaaad672c75b",
    "0016_undo.sql": "558d9501cdde8dc1",
    "0017_vectors.sql": "9d2b676bbfd358d5",
    "0018_spelling.sql": "5f317181707e910d",
    "0019_authors.sql": "40b1b70cff0851cf",
}
# `0001` as it was in four commits before it was frozen; their version is 1 all the same.
SCHEMAS = Path(__file__).parents[4] / "fixtures" / "schemas"
UNRELEASED = [path.read_text(encoding="utf-8") for path in sorted(SCHEMAS.glob("*.sql"))]


def connect_memory() -> Any:
    return closing(cast("Any", apsw).Connection(":memory:"))


def test_released_migrations_are_as_they_were() -> None:
    digests = {
        each.name: sha256(each.read_bytes()).hexdigest()[:16] for each in MIGRATIONS.iterdir()
    }
    assert digests == RELEASED


def test_shapes_are_those_that_the_migrations_make() -> None:
    with connect_memory() as db:
        shapes = {0: digest_shape(db)}
        for number, script in migrations():
            db.execute(script)
            shapes[number] = digest_shape(db)
    assert shapes == SHAPES


@pytest.mark.parametrize("script", UNRELEASED, ids=range(len(UNRELEASED)))
async def test_database_of_before_the_release_is_refused_and_left_alone(
    tmp_path: Path, script: str
) -> None:
    path = tmp_path / "weft.db"
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        db.execute(f"{script}; PRAGMA user_version = 1; PRAGMA journal_mode = WAL")
    with pytest.raises(StorageFailed, match="before the first release") as caught:
        await open_store(path)
    assert "WEFT_HOME" in (caught.value.hint or "")
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        assert db.pragma("user_version") == 1


async def test_doctor_tells_such_a_database_apart(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    await (await open_store(path)).close()
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        db.execute("ALTER TABLE job DROP COLUMN lease_length")
    [problem] = (await report(path)).problems
    assert "before the first release" in problem


def test_there_are_such_databases() -> None:
    assert len(UNRELEASED) == 4
