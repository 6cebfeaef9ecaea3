"""A disk that is full, fails or loses power at any write of a sync."""

import os
import random
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.support.jobs import wait_for_job
from tests.support.local.embedded import Embedded, fast_clock, open_embedded
from tests.support.patience import wait_until
from tests.support.process.workers import check_index, open_file, read_texts
from tests.support.store.faulty_disk import Disk, faulty_disk
from weft.domain.base import Json
from weft.domain.connections import Connection, ConnectionChange
from weft.domain.jobs import JobStatus
from weft.domain.reading.search import SearchQuery
from weft.errors import StorageFailed
from weft.local.engine import EngineLimits
from weft.local.jobs import runner, sync
from weft.testing.stub import StubConfig, expected_texts

CHECKPOINT_PAGES = "weft.local.store.sqlite.file.database.CHECKPOINT_PAGES"

pytestmark = pytest.mark.anyio

POINTS = max(12, int(os.environ.get("TORTURE_KILLS", "0")) // 4)
ENTITIES = 600
CONFIG: Json = {"entities": ENTITIES, "page_size": 20, "text_chars": 400, "change_every": 3}


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Generator[Disk]:
    # Many small commits, and quick looks for what is to be tried again.
    monkeypatch.setattr(sync, "BATCH_EVENTS", 50)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner, "SETTLE_SECONDS", 0.05)
    # The disk knows only what is written to it, so no store may begin as a copy.
    monkeypatch.setattr("tests.support.store.open._make_empty", bytes)
    with faulty_disk("faulty") as made:
        yield made


def check_file(path: Path) -> None:
    with open_file(str(path)) as db:
        check_index(db)
        assert db.pragma("integrity_check") == "ok"


async def expect_refusal_and_reads(engine: Embedded, connection: Connection) -> None:
    """While nothing can be written, writing says so and reading goes on."""
    with pytest.raises(StorageFailed) as caught:
        await engine.connect({"entities": 1})
    assert caught.value.hint
    assert "scripted" not in str(caught.value)
    current = await engine.backend.connections.get(connection.id)
    assert (await engine.backend.connections.list()).items[0] == current
    assert (await engine.backend.jobs.list(connection.id)).items
    query = SearchQuery(readable_collection_id="docs", query="entity1")
    search = engine.backend.search
    assert search is not None
    found = await search.search(query)
    assert len(found.hits) <= 10


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError], ids=["full", "io-error"])
async def test_sync_survives_a_disk_that_fails_at_any_write(
    tmp_path: Path, disk: Disk, error: type[Exception]
) -> None:
    chance = random.Random(error.__name__)
    limits = EngineLimits(lease=timedelta(seconds=0.5))
    async with open_embedded(tmp_path, clock=fast_clock(100.0), limits=limits) as engine:
        connection = await engine.connect(CONFIG)
        config = StubConfig.model_validate(CONFIG)
        before = disk.writes
        assert (await engine.sync(connection)).status is JobStatus.COMPLETED
        in_a_sync = disk.writes - before
        assert in_a_sync > POINTS
        for point in range(POINTS):
            connection = await engine.connect(CONFIG)
            writes = point * in_a_sync // POINTS + chance.randrange(in_a_sync // POINTS + 1)
            job = await engine.backend.jobs.run(connection.id)
            disk.break_after(writes, error)
            await wait_until(lambda: disk.failures > 0)
            await expect_refusal_and_reads(engine, connection)
            disk.mend()
            job = await engine.wait_for_end(job)
            assert job.status is JobStatus.COMPLETED, job
            assert engine.texts(connection) == expected_texts(config)
            assert job.entities_inserted == ENTITIES
            # Room for the next one: an index of many thousand entities writes more at a time.
            await engine.backend.connections.delete(connection.id)
    check_file(tmp_path / "weft.db")


async def test_job_says_that_the_disk_is_full_while_nothing_can_be_stored(
    tmp_path: Path, disk: Disk
) -> None:
    limits = EngineLimits(lease=timedelta(seconds=0.5))
    async with open_embedded(tmp_path, clock=fast_clock(100.0), limits=limits) as engine:
        connection = await engine.connect(CONFIG)
        job = await engine.backend.jobs.run(connection.id)
        disk.break_after(30, apsw.FullError)
        waiting = await wait_for_job(engine.backend, job, lambda seen: seen.error)
        (listed,) = (await engine.backend.jobs.list(connection.id)).items
        assert not waiting.status.is_terminal
        for text in (str(waiting.error), str(listed.error)):
            assert text.startswith("The disk is full.")
            assert "scripted" not in text
        disk.mend()
        job = await engine.wait_for_end(job)
        assert (job.status, job.error) == (JobStatus.COMPLETED, None)


async def test_one_failed_write_costs_no_more_than_an_attempt(tmp_path: Path, disk: Disk) -> None:
    async with open_embedded(tmp_path, clock=fast_clock(100.0)) as engine:
        connection = await engine.connect(CONFIG)
        job = await engine.backend.jobs.run(connection.id)
        disk.break_after(30, apsw.FullError)
        await wait_until(lambda: disk.failures > 0)
        disk.mend()
        job = await engine.wait_for_end(job)
        assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, ENTITIES)


async def test_power_cut_loses_nothing_acknowledged(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(2)
    disk.record(tmp_path / "home")
    monkeypatch.setattr(CHECKPOINT_PAGES, chance.randint(20, 200))
    config = StubConfig.model_validate(CONFIG)
    async with open_embedded(tmp_path / "home") as engine:
        for point in range(POINTS):
            connection = await engine.connect(CONFIG, name=f"Number {point}")
            cut = tmp_path / f"created-{point}"
            cut.mkdir()
            disk.after_power_cut(cut, chance)
            assert [name for (name,) in rows(cut, "SELECT name FROM connection ORDER BY no")] == [
                f"Number {n}" for n in range(point + 1)
            ], "a connection that was acknowledged is gone"
            job = await engine.backend.jobs.run(connection.id)
            if point % 2:
                await wait_until(lambda job=job: bool(count_stored(engine, job.id)))
                await engine.backend.jobs.cancel(job.id)
            ended = await engine.wait_for_end(job)
            cut = tmp_path / f"ended-{point}"
            cut.mkdir()
            disk.after_power_cut(cut, chance)
            assert rows(cut, "SELECT status FROM job WHERE id = ?", job.id) == [(ended.status,)]
            texts = read_texts(cut / "weft.db", connection.id)
            assert texts == engine.texts(connection)
            assert ended.status is not JobStatus.COMPLETED or texts == expected_texts(config)
            check_file(cut / "weft.db")
            await cut_after_change_and_deletion(engine, disk, connection, tmp_path, chance)


async def cut_after_change_and_deletion(
    engine: Embedded, disk: Disk, connection: Connection, folder: Path, chance: random.Random
) -> None:
    """A change and a deletion that were acknowledged are there after a power cut."""
    connections = engine.backend.connections
    made = await connections.update(connection.id, ConnectionChange(description="changed"))
    gone = await engine.connect({"entities": 1})
    await connections.delete(gone.id)
    cut = folder / f"changed-{made.id}"
    cut.mkdir()
    disk.after_power_cut(cut, chance)
    told = dict(rows(cut, "SELECT id, description FROM connection"))
    assert told[made.id] == "changed"
    assert gone.id not in told


async def test_power_cut_in_a_sync_leaves_a_file_from_which_it_goes_on(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(3)
    disk.record(tmp_path / "home")
    monkeypatch.setattr(CHECKPOINT_PAGES, chance.randint(20, 200))
    config = StubConfig.model_validate(CONFIG)
    cuts: list[Path] = []
    async with open_embedded(tmp_path / "home") as engine:
        connection = await engine.connect(CONFIG | {"rate": 1_500.0})
        job = await engine.backend.jobs.run(connection.id)
        for point in range(POINTS // 2):
            enough = ENTITIES * point // POINTS
            await wait_until(lambda enough=enough: count_stored(engine, job.id) > enough)
            cut = tmp_path / f"cut-{point}"
            cut.mkdir()
            disk.after_power_cut(cut, chance)
            cuts.append(cut)
    for cut in cuts:
        check_file(cut / "weft.db")
        (cut / "keys").mkdir()
        async with open_embedded(cut) as engine:
            assert (await engine.wait_for_end(job)).status is JobStatus.COMPLETED
            assert engine.texts(connection) == expected_texts(config)


def rows(folder: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Query the database in that folder."""
    with open_file(str(folder / "weft.db")) as db:
        return list(db.execute(sql, values))


def count_stored(engine: Embedded, job_id: str) -> int:
    """Count the entities that the job has stored so far."""
    return engine.one("SELECT inserted FROM job WHERE id = ?", job_id)
