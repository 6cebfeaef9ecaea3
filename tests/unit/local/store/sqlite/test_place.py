"""A database whose files are removed, replaced or read-only: said, and never written in vain."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process.workers import open_file
from tests.support.store.bench import LEASE, OWNER, Bench, entity, open_bench
from weft.errors import StorageFailed
from weft.local.engine import utc_now
from weft.local.store.base import Store
from weft.local.store.sqlite.file import place
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.report import report

pytestmark = pytest.mark.anyio

Loss = Callable[[Path], object]


def remove_home(home: Path) -> None:
    shutil.rmtree(home)


def rename_home(home: Path) -> None:
    home.rename(home.with_name("moved"))


def replace_home(home: Path) -> None:
    rename_home(home)
    shutil.copytree(home.with_name("moved"), home)


def remove_file(home: Path) -> None:
    (home / "weft.db").unlink()


def replace_file(home: Path) -> None:
    shutil.copy(home / "weft.db", home / "copy.db")
    (home / "copy.db").replace(home / "weft.db")


def remove_wal(home: Path) -> None:
    (home / "weft.db-wal").unlink()


LOSSES = [remove_home, rename_home, replace_home, remove_file, replace_file, remove_wal]


async def fill(bench: Bench) -> None:
    await bench.list_all(await bench.connection(), entity("a", "word"))


async def refuse_all(store: Store) -> str:
    """Try what writes, in both ways; return what is said."""
    with pytest.raises(StorageFailed) as caught:
        await store.collections.insert("organization-1", readable_id="other", name="Other")
    with pytest.raises(StorageFailed):
        await store.jobs.release_dead([OWNER])
    return str(caught.value)


@pytest.mark.parametrize("lose", LOSSES)
async def test_nothing_is_acknowledged_that_nobody_would_find(tmp_path: Path, lose: Loss) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with open_bench(home / "weft.db") as bench:
        await fill(bench)
        await bench.store.verify()
        lose(home)
        with pytest.raises(StorageFailed, match="removed or replaced"):
            await bench.store.verify()
        said = await refuse_all(bench.store)
        assert str(home / "weft.db") in said
        assert "restart Weft" in said
        assert await bench.hits("word") == ["a"], "what is open can be read"


async def test_change_is_refused_if_the_file_goes_while_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    database = await Database.open(path, utc_now)

    def change(db: Session) -> None:
        db.execute("CREATE TABLE late (no INTEGER)")
        path.unlink()

    try:
        with pytest.raises(StorageFailed, match="removed or replaced"):
            await database.write(change)
        found = await database.read(lambda db: list(db.execute("PRAGMA table_info(late)")))
        assert found == []
    finally:
        await database.close()


async def test_files_that_are_put_back_are_written_again(tmp_path: Path) -> None:
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    async with open_bench(home / "weft.db") as bench:
        await fill(bench)
        home.rename(away)
        await refuse_all(bench.store)
        away.rename(home)
        await bench.store.verify()
        await bench.list_all(await bench.connection(), entity("b", "word"))
    async with open_bench(home / "weft.db") as bench:
        assert await bench.hits("word") == ["a", "b"]


@pytest.mark.parametrize("is_noticed", [True, False])
async def test_what_was_acknowledged_outlives_the_loss_of_the_wal(
    tmp_path: Path, is_noticed: bool
) -> None:
    path = tmp_path / "weft.db"
    async with open_bench(path) as bench:
        await fill(bench)
        remove_wal(tmp_path)
        if is_noticed:
            with pytest.raises(StorageFailed):
                await bench.store.verify()
    async with open_bench(path) as bench:
        assert await bench.hits("word") == ["a"]
        bench.check_index()


async def test_end_of_a_process_leaves_the_database_that_replaced_its_own_alone(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    async with open_bench(home / "weft.db") as old:
        await fill(old)
        rename_home(home)
        home.mkdir()
        async with open_bench(home / "weft.db") as new:
            await new.list_all(await new.connection(), entity("new", "word"))
            await old.store.close()
            assert (home / "weft.db-wal").stat().st_size > 0
            await new.list_all(await new.connection(), entity("newer", "word"))
            assert await new.hits("word") == ["new", "newer"]
            new.check_index()
    async with open_bench(tmp_path / "moved" / "weft.db") as moved:
        assert await moved.hits("word") == ["a"]


def make_read_only(monkeypatch: pytest.MonkeyPatch, *, immutable: bool) -> None:
    """Let no file count as one that can be written; root may write every real one."""

    def refuse(_: Path) -> bool:
        return False

    def need(_: Path) -> bool:
        return immutable

    monkeypatch.setattr(place, "can_write", refuse)
    monkeypatch.setattr(place, "_needs_immutable", need)


@pytest.mark.parametrize("immutable", [False, True], ids=["side-files", "immutable"])
async def test_read_only_database_is_read_and_searched_but_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, immutable: bool
) -> None:
    path = tmp_path / "weft.db"
    async with open_bench(path) as bench:
        await fill(bench)
    before = path.read_bytes()
    make_read_only(monkeypatch, immutable=immutable)
    async with open_bench(path) as bench:
        assert bench.store.read_only
        assert await bench.hits("word") == ["a"]
        assert await bench.store.jobs.claim("x", lease=LEASE, host_limit=2) is None
        assert "read-only" in await refuse_all(bench.store)
        await bench.store.verify()
    assert path.read_bytes() == before
    assert (await report(path)).read_only
    assert (await report(path)).problems == ()


async def test_change_beneath_a_file_that_nobody_was_to_write_stops_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weft.db"
    async with open_bench(path) as bench:
        await fill(bench)
    make_read_only(monkeypatch, immutable=True)
    async with open_bench(path) as bench:
        assert await bench.hits("word") == ["a"]
        with open_file(str(path)) as db:
            db.execute("UPDATE any_collection SET name = 'Changed'")
        with pytest.raises(StorageFailed, match="changed by another process"):
            await bench.hits("word")


async def test_read_only_database_of_an_older_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weft.db"
    with open_file(str(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    make_read_only(monkeypatch, immutable=False)
    with pytest.raises(StorageFailed, match="read-only, so it cannot be brought up to date"):
        async with open_bench(path):
            pass
    [problem] = (await report(path)).problems
    assert "read-only" in problem
