"""History is bounded, and what was deleted is gone, whoever dies while cleaning up."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.jobs import wait_for_end
from tests.support.local.embedded import Embedded, open_embedded
from tests.support.patience import wait_until
from tests.support.process.workers import Onlooker, Workers, check_index, open_file
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import ConnectionChange, NewConnection
from weft.domain.jobs import JobStatus
from weft.local.engine import EngineLimits
from weft.local.jobs import housekeeping

pytestmark = pytest.mark.anyio

KEPT = 3
# A word that is in every text of the stub, and nowhere else.
CANARY = b"the quick brown fox"
# Text, title, address and id of one entity. Single words may stay in the index: see SECURITY.md.
OF_ONE = (CANARY, b"entity2999 revision0", b"Note 2999", b"stub.invalid/notes/2999", b"stub-2999")


@asynccontextmanager
async def open_house_keeper(home: Path) -> AsyncGenerator[Embedded]:
    async with open_embedded(home, limits=EngineLimits(kept_jobs=KEPT), keeps_house=True) as engine:
        yield engine


async def test_ended_jobs_beyond_the_limit_go_with_their_logs_and_live_ones_stay(
    tmp_path: Path,
) -> None:
    async with open_house_keeper(tmp_path) as engine:
        quick = await engine.connect({"entities": 2})
        slow = await engine.connect({"entities": 100, "seconds_per_entity": 1.0})
        running = await engine.backend.jobs.run(slow.id)
        made = [(await engine.sync(quick)).id for _ in range(KEPT + 4)]
        left = "SELECT id FROM job WHERE connection_no = 1 ORDER BY no"
        await wait_until(lambda: len(engine.rows(left)) <= KEPT)
        assert [job_id for (job_id,) in engine.rows(left)] == made[-KEPT:]
        orphans = "SELECT count(*) FROM job_log WHERE job_no NOT IN (SELECT no FROM job)"
        assert engine.one(orphans) == 0
        assert (await engine.backend.jobs.get(running.id)).status is JobStatus.RUNNING
        summary = (await engine.backend.connections.get(quick.id)).sync
        assert summary.total_runs == KEPT + 4, "totals outlive the history"


async def test_log_of_a_job_does_not_grow_with_its_problems(tmp_path: Path) -> None:
    async with open_house_keeper(tmp_path) as engine:
        made = await engine.connect({"entities": 3_000, "skipped_every": 2, "failed_every": 3})
        job = await engine.sync(made)
        assert job.entities_failed + job.entities_skipped > 1_500
        assert engine.one("SELECT count(*) FROM job_log") < 100


async def test_nothing_of_a_deleted_connection_is_left_in_the_files(tmp_path: Path) -> None:
    async with open_house_keeper(tmp_path) as engine:
        doomed = await engine.connect({"entities": 3_000, "text_chars": 500})
        other = await engine.connect({"entities": 10, "text_chars": 10})
        for connection in (doomed, other):
            assert (await engine.sync(connection)).status is JobStatus.COMPLETED
        assert all(word in everything(tmp_path) for word in OF_ONE)
        await engine.backend.connections.delete(doomed.id, permanently=True)
        await wait_until(lambda: engine.one("SELECT count(*) FROM any_connection") == 1)
        assert engine.one("SELECT count(*) FROM entity_body") == 10
        # The WAL is folded into the file when the last process closes it.
    assert [word for word in OF_ONE if word in everything(tmp_path)] == []
    with open_file(str(tmp_path / "weft.db")) as db:
        check_index(db)


async def test_nothing_of_what_a_sync_deletes_or_replaces_is_left_in_the_files(
    tmp_path: Path,
) -> None:
    script: Json = {"entities": 3_000, "text_chars": 500, "change_every": 3}
    async with open_house_keeper(tmp_path) as engine:
        made = await engine.connect(script)
        await engine.sync(made)
        old = b"entity2001 revision0 the", b"entity900 revision0 the", b"stub.invalid/notes/900"
        assert all(word in everything(tmp_path) for word in old)
        change = ConnectionChange(config=script | {"generation": 1})
        await engine.backend.connections.update(made.id, change)
        job = await engine.sync(made)
        assert (job.entities_deleted, job.entities_updated) == (1_000, 666)
    left = everything(tmp_path)
    assert [word for word in old if word in left] == []
    assert b"entity2001 revision" in left


def everything(home: Path) -> bytes:
    """All bytes of the database and what lies beside it."""
    return b"".join(path.read_bytes() for path in home.glob("weft.db*"))


async def test_cleanup_of_a_killed_process_is_finished_by_another(
    workers: Workers, onlooker: Onlooker
) -> None:
    home = str(workers.home / "weft.db")
    config: Json = {"entities": 12_000, "text_chars": 600}
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    workers.start()
    new = NewConnection(short_name="stub", readable_collection_id="docs", config=config)
    made = await onlooker.backend.connections.create(new)
    assert made.sync.last_job is not None
    await wait_for_end(onlooker.backend, made.sync.last_job)
    workers.kill(workers.processes[0])
    await onlooker.backend.connections.delete(made.id, permanently=True)

    def waiting() -> int:
        with open_file(home) as db:
            return db.execute("SELECT count(*) FROM entity").get

    assert waiting() == 12_000
    for _ in range(3):
        before = waiting()
        workers.start()
        await wait_until(lambda before=before: waiting() < before or before == 0)
        workers.kill(workers.processes[0])
        with open_file(home) as db:
            check_index(db)
            bodies = db.execute("SELECT count(*) FROM entity_body").get
        assert bodies == waiting(), "a body and its record go together"
    workers.start()
    await wait_until(lambda: waiting() == 0)
    with open_file(home) as db:
        assert db.execute("SELECT count(*) FROM entity_body").get == 0
    assert workers.complaints() == ""


async def test_cleanup_that_one_process_left_is_done_by_the_next_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(housekeeping, "POLL_SECONDS", 0.01)
    async with open_embedded(tmp_path) as engine:
        made = await engine.connect({"entities": 20})
        await engine.sync(made)
        await engine.backend.connections.delete(made.id, permanently=True)
    async with open_house_keeper(tmp_path) as engine:
        await wait_until(lambda: engine.one("SELECT count(*) FROM any_connection") == 0)
    assert caplog.text == ""
