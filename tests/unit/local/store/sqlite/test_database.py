"""The database file: private, migrated once, shared by processes, and silent about its SQL."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import anyio
import apsw
import pytest

from tests.support.store.bench import Bench, entity, open_bench
from weft.domain.jobs import RunOptions
from weft.errors import ErrorCategory, StorageFailed, WeftError
from weft.local.engine import utc_now
from weft.local.store.sqlite.file import database, session
from weft.local.store.sqlite.file.database import Database, storage_error
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.sqlite.file.session import AsyncSession, Session

pytestmark = pytest.mark.anyio

NEWEST = max(number for number, _ in migrations())
OPENERS = 4
CANARY = "SELECT s3cr3t FROM connection"

OPEN = """
import sys
from pathlib import Path
import anyio
from weft.local.from_settings import open_store
from weft.settings import Settings

async def main():
    async with open_store(Settings(home=Path(sys.argv[1]).parent)) as store:
        page = await store.jobs.list("o", connection_id=None, status=None, cursor=None, limit=1)
    print(len(page.items))

print("ready", flush=True)
sys.stdin.readline()
anyio.run(main)
"""


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def direct(path: Path) -> Any:
    return closing(cast("Any", apsw).Connection(str(path)))


def execute(db: Session, sql: str) -> Any:
    return db.execute(sql).get


@pytest.mark.parametrize("kind", list(subclasses(apsw.Error)), ids=lambda kind: kind.__name__)
async def test_every_database_error_is_told_without_its_text(kind: type[apsw.Error]) -> None:
    mapped = storage_error(kind(CANARY))
    assert isinstance(mapped, WeftError)
    shown = f"{mapped} {mapped.field}"
    assert "SELECT" not in shown
    assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (apsw.FullError, "full"),
        (apsw.BusyError, "busy"),
        (apsw.LockedError, "busy"),
        (apsw.IOError, "read or written"),
        (apsw.CantOpenError, "read or written"),
        (apsw.ReadOnlyError, "read or written"),
        (apsw.CorruptError, "damaged"),
        (apsw.NotADBError, "damaged"),
    ],
)
async def test_trouble_with_the_disk_is_a_storage_failure_with_a_way_out(
    kind: type[apsw.Error], words: str
) -> None:
    mapped = storage_error(kind(CANARY))
    assert isinstance(mapped, StorageFailed)
    assert mapped.category is ErrorCategory.STORAGE_FAILED
    assert words in mapped.message
    assert mapped.hint


async def test_mistake_in_the_sql_is_not_taken_for_trouble_with_the_disk() -> None:
    assert not isinstance(storage_error(apsw.SQLError(CANARY)), StorageFailed)


async def test_error_inside_the_work_is_mapped_and_rolled_back(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "weft.db", utc_now)
    try:
        await database.write(execute, "INSERT INTO sequence (name, value) VALUES ('x', 1)")
        for call in (database.write, database.read):
            with pytest.raises(WeftError) as caught:
                await call(execute, "SELECT s3cr3t FROM sequence")
            assert "s3cr3t" not in str(caught.value)
        assert await database.read(execute, "SELECT value FROM sequence WHERE name = 'x'") == 1
    finally:
        await database.close()


def _insert_and_break(db: Session) -> None:
    db.execute("INSERT INTO sequence (name, value) VALUES ('x', 1)")
    raise ZeroDivisionError


async def test_work_that_raises_is_rolled_back_and_the_next_one_goes_on(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "weft.db", utc_now)
    try:
        with pytest.raises(ZeroDivisionError):
            await database.write(_insert_and_break)
        count = "SELECT count(*) FROM sequence WHERE name = 'x'"
        assert await database.read(execute, count) == 0
        await database.write(execute, "INSERT INTO sequence (name, value) VALUES ('x', 2)")
        assert await database.read(execute, count) == 1
    finally:
        await database.close()


async def test_reader_cannot_write(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "weft.db", utc_now)
    try:
        with pytest.raises(WeftError):
            await database.read(execute, "DELETE FROM sequence")
        assert await database.read(execute, "SELECT count(*) FROM sequence") == 1
    finally:
        await database.close()


async def test_statement_with_a_bound_value_is_planned_once(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "w.db", utc_now)
    for run in (database.peek, database.read, database.write):
        assert await run(keeps_its_plans)
    await database.close()


def keeps_its_plans(db: Session) -> bool:
    return bool(db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1))


async def test_cancelled_writer_still_learns_that_its_write_was_done(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "weft.db", utc_now)
    try:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await database.write(execute, "INSERT INTO sequence (name, value) VALUES ('x', 1)")
        assert await database.read(execute, "SELECT value FROM sequence WHERE name = 'x'") == 1
    finally:
        await database.close()


async def test_change_by_another_process_changes_the_data_version(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    database = await Database.open(path, utc_now)
    try:
        first = database.data_version()
        assert database.data_version() == first
        with direct(path) as other:
            other.execute("INSERT INTO sequence (name, value) VALUES ('x', 1)")
        second = database.data_version()
        assert second != first
        await database.write(execute, "UPDATE sequence SET value = 2 WHERE name = 'x'")
        assert database.data_version() != second
    finally:
        await database.close()


async def test_fresh_file_gets_the_newest_schema_and_keeps_its_data(tmp_path: Path) -> None:
    path = tmp_path / "new" / "weft.db"
    async with open_bench(path) as bench:
        await bench.list_all(await bench.connection(), entity("a", "alpha"))
    with direct(path) as db:
        assert db.pragma("user_version") == NEWEST
        assert db.pragma("journal_mode") == "wal"
    async with open_bench(path) as bench:
        assert bench.rows("SELECT source_id FROM entity") == [("a",)]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such modes")
async def test_all_files_are_their_owners_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        async with open_bench(tmp_path / "home" / "weft.db") as bench:
            await bench.connection()
            files = list((tmp_path / "home").iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(previous)
    assert modes == dict.fromkeys(("weft.db", "weft.db-wal", "weft.db-shm"), 0o600)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


async def test_migrations_are_numbered_without_gaps() -> None:
    assert [number for number, _ in migrations()] == list(range(1, NEWEST + 1))


def copy_into_older(db: Any, path: Path, *, version: int) -> None:
    """Make the schema as it was in a version, with the content of a file of today."""
    for _, script in migrations()[:version]:
        db.execute(script)
    db.execute(f"PRAGMA foreign_keys = OFF; PRAGMA user_version = {version}")
    db.execute("ATTACH ? AS new", (str(path),))
    for (table,) in db.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table'"
        " AND name IN (SELECT name FROM new.sqlite_schema)"
    ).fetchall():
        if "_fts" not in table and not table.startswith("sqlite_"):
            names = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(
                f"INSERT OR REPLACE INTO main.{table} ({names}) SELECT {names} FROM new.{table}"
            )
    db.execute("DETACH new")


async def test_jobs_queued_before_options_were_stored_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    async with open_bench(tmp_path / "new.db") as bench:
        for _ in range(2):
            await bench.queue(await bench.connection())
    with direct(path) as db:
        copy_into_older(db, tmp_path / "new.db", version=5)
        db.execute("UPDATE job SET force_full_sync = 1 WHERE no = 1")
    async with open_bench(path) as bench:
        claims = [await bench.claim(f"owner-{n}") for n in range(2)]
    assert [claim and claim.options for claim in claims] == [
        RunOptions(force_full_sync=True),
        RunOptions(),
    ]


async def test_bodies_that_waited_for_an_older_purge_are_cleared(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with direct(path) as db:
        for _, script in migrations()[:15]:
            db.execute(script)
        db.execute(
            "INSERT INTO entity_body VALUES (1, 'gone', 'word', NULL, NULL, '{}', '[]'),"
            " (2, 'kept', 'word', NULL, NULL, '{}', '[]');"
            "INSERT INTO entity_fts (rowid, title, text) SELECT no, title, text FROM entity_body;"
            "INSERT INTO purge VALUES (1); PRAGMA user_version = 15; PRAGMA journal_mode = WAL"
        )
    async with open_bench(path) as bench:
        assert bench.rows("SELECT title FROM entity_body") == [("kept",)]
        bench.check_index()


async def test_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with direct(path) as db:
        db.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(StorageFailed, match="newer version") as caught:
        await Database.open(path, utc_now)
    assert "Upgrade" in (caught.value.hint or "")
    with direct(path) as db:
        assert db.pragma("user_version") == NEWEST + 1
        assert list(db.execute("SELECT name FROM sqlite_schema")) == []


async def test_migration_that_breaks_leaves_an_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.local.store.sqlite.file import database  # the module, whose name is patched

    path = tmp_path / "weft.db"
    broken = [*migrations(), (NEWEST + 1, "CREATE TABLE late (x); SELECT nonsense;")]
    monkeypatch.setattr(database, "migrations", lambda: broken)
    with pytest.raises(WeftError):
        await Database.open(path, utc_now)
    with direct(path) as db:
        assert db.pragma("user_version") == 0
        assert list(db.execute("SELECT name FROM sqlite_schema")) == []
    monkeypatch.undo()
    await (await Database.open(path, utc_now)).close()


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\0" + b"\xff" * 200]
)
async def test_file_that_is_no_database_is_a_storage_failure(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "weft.db"
    path.write_bytes(content)
    with pytest.raises(StorageFailed):
        await Database.open(path, utc_now)
    assert path.read_bytes() == content


async def test_file_that_cannot_be_opened_to_the_end_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_sessions: list[AsyncSession] = []
    prepared: list[Session] = []

    async def connect(path: str) -> AsyncSession:
        opened_sessions.append(await session.connect(path))
        return opened_sessions[-1]

    def prepare(db: Session) -> None:
        prepared.append(db)
        if len(prepared) == database.READERS:
            raise apsw.BusyError

    monkeypatch.setattr(database, "connect", connect)
    monkeypatch.setattr(database, "_prepare_reader", prepare)
    with pytest.raises(StorageFailed, match="busy"):
        await Database.open(tmp_path / "weft.db", utc_now)
    assert len(opened_sessions) == 1 + database.READERS
    for each in opened_sessions:
        with pytest.raises(apsw.ConnectionClosedError):
            await each.async_run(execute, each, "SELECT 1")


async def test_folder_in_the_place_of_the_file_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "weft.db").mkdir()
    with pytest.raises(StorageFailed) as caught:
        await Database.open(tmp_path / "weft.db", utc_now)
    assert "WEFT_HOME" in (caught.value.hint or "")


async def test_file_in_the_place_of_the_folder_is_a_storage_failure(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageFailed):
        await Database.open(tmp_path / "home" / "weft.db", utc_now)


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "home" / "weft.db"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(OPENERS)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        output = [process.communicate(timeout=30)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert output == ["0"] * OPENERS
    with direct(path) as db:
        assert db.pragma("user_version") == NEWEST
        assert db.pragma("integrity_check") == "ok"


async def test_a_new_file_that_another_turns_to_wal_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weft.db"
    pauses: list[float] = []
    with direct(path) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if other.in_transaction:
                other.execute("ROLLBACK")

        monkeypatch.setattr(time, "sleep", pause)
        await (await Database.open(path, utc_now)).close()
    assert pauses


async def test_two_stores_on_one_file_see_each_others_work(bench: Bench) -> None:
    made = await bench.connection()
    async with open_bench(bench.path) as other:
        await other.list_all(made, entity("a", "alpha"))
    assert await bench.types(made) == {"note": 1}
    assert await bench.hits("alpha") == ["a"]
