"""Processes die at random points of a sync; what is stored always equals the oracle."""

import os
import random
import signal
from dataclasses import dataclass

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.workers import Onlooker, Workers, open_file
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, ConnectionChange, NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.testing.stub import StubConfig, entity_id, expected_counts, stub_entity

KILLS = int(os.environ.get("TORTURE_KILLS", "40"))
SCRIPT: Json = {"entities": 1_200, "text_chars": 300, "change_every": 7, "rate": 1_000.0}


@dataclass(frozen=True)
class Look:
    """The job in the database at one moment."""

    status: str
    owner: str | None
    fence: int


def look(home: str, job: Job) -> Look:
    with open_file(home) as db:
        rows = db.execute("SELECT status, owner, fence FROM job WHERE id = ?", (job.id,))
        row = rows.fetchone()
    assert row is not None
    return Look(*row)


def count_stored(home: str, connection: Connection) -> dict[str, str]:
    """Texts by the source's id, of record and body alike."""
    with open_file(home) as db:
        rows = list(
            db.execute(
                "SELECT e.source_id, b.text FROM entity e JOIN entity_body b ON b.no = e.no"
                " JOIN connection c ON c.no = e.connection_no WHERE c.id = ?",
                (connection.id,),
            )
        )
    assert len(rows) == len({source_id for source_id, _ in rows}), "duplicate entity"
    return dict(rows)


def check_database(home: str) -> None:
    with open_file(home) as db:
        # Compares every posting with the bodies, and raises when one is missing or too many.
        db.execute("INSERT INTO entity_fts (entity_fts, rank) VALUES ('integrity-check', 1)")
        assert db.pragma("integrity_check") == "ok"
        assert list(db.execute("SELECT 1 FROM job_seen")) == [], "marks outlive their job"


def oracle(config: StubConfig) -> dict[str, str]:
    first = config.entities // config.change_every * config.generation
    numbers = range(first, first + config.entities)
    return {entity_id(n): stub_entity(config, n).text for n in numbers}


async def wait_for_end(onlooker: Onlooker, job: Job) -> Job:
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in onlooker.backend.jobs.watch(job.id):
            job = current
    return job


async def wait_for_adoption(onlooker: Onlooker, home: str, job: Job, dead: Look) -> None:
    """Wait until a living process has the job of a dead one, or it has ended."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in onlooker.backend.jobs.watch(job.id):
            if look(home, job).fence > dead.fence or current.status.is_terminal:
                return


@pytest.mark.anyio
@pytest.mark.parametrize("page_size", [100, 1_000_000], ids=["checkpoints", "no-checkpoints"])
async def test_killed_syncs_lose_and_double_nothing(
    workers: Workers, onlooker: Onlooker, page_size: int
) -> None:
    home = str(workers.home / "weft.db")
    chance = random.Random(page_size)
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    config = StubConfig.model_validate({**SCRIPT, "page_size": page_size})
    connection = await onlooker.backend.connections.create(
        NewConnection(
            short_name="stub",
            readable_collection_id="docs",
            config=config.model_dump(exclude_unset=True),
            sync_immediately=False,
        )
    )
    for _ in range(2):
        workers.start()
    kills = 0
    while kills < KILLS // 2:
        job = await onlooker.backend.jobs.run(connection.id)
        for _ in range(chance.randint(1, 5)):
            await anyio.sleep(chance.uniform(0.02, 0.5))
            victim = chance.choice(workers.processes)
            before = look(home, job)
            workers.kill(victim)
            kills += 1
            if before.status == "RUNNING" and workers.is_dead(before.owner):
                await wait_for_adoption(onlooker, home, job, before)
            workers.start()
        job = await wait_for_end(onlooker, job)
        assert job.status is JobStatus.COMPLETED, job
        assert count_stored(home, connection) == oracle(config)
        expected = expected_counts(config, max(0, config.generation - 1))
        counts = (job.entities_inserted, job.entities_updated, job.entities_deleted)
        if config.generation:
            assert counts == (expected.inserted, expected.updated, expected.deleted)
            assert job.entities_unchanged == expected.unchanged
        else:
            assert counts == (config.entities, 0, 0)
            assert job.entities_unchanged == 0
        config = config.model_copy(update={"generation": config.generation + 1})
        await onlooker.backend.connections.update(
            connection.id, ConnectionChange(config={"generation": config.generation})
        )
    workers.stop()
    check_database(home)


@pytest.mark.anyio
async def test_stopped_owner_writes_nothing_after_its_lease(
    workers: Workers, onlooker: Onlooker
) -> None:
    home = str(workers.home / "weft.db")
    workers.lease_seconds = 1.0
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    frozen = workers.start()
    script: Json = {"entities": 1_500, "rate": 600.0, "page_size": 50}
    connection = await onlooker.backend.connections.create(
        NewConnection(short_name="stub", readable_collection_id="docs", config=script)
    )
    job = connection.sync.last_job
    assert job is not None
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in onlooker.backend.jobs.watch(job.id):
            if current.entities_inserted:
                break
    workers.send_signal(frozen, signal.SIGSTOP)
    held = look(home, job)
    workers.start()
    with anyio.fail_after(PATIENCE_SECONDS):
        async for _ in onlooker.backend.jobs.watch(job.id):
            if look(home, job).owner not in {None, held.owner}:
                break
    taken = look(home, job)
    assert taken.fence == held.fence + 1
    workers.send_signal(frozen, signal.SIGCONT)
    job = await wait_for_end(onlooker, job)
    assert job.status is JobStatus.COMPLETED
    assert look(home, job).fence == taken.fence
    assert job.entities_inserted == 1_500
    assert len(count_stored(home, connection)) == 1_500


@pytest.mark.anyio
async def test_ordered_end_hands_the_job_back_at_once(workers: Workers, onlooker: Onlooker) -> None:
    home = str(workers.home / "weft.db")
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    first = workers.start()
    script: Json = {"entities": 4_000, "rate": 1_000.0}
    connection = await onlooker.backend.connections.create(
        NewConnection(short_name="stub", readable_collection_id="docs", config=script)
    )
    job = connection.sync.last_job
    assert job is not None
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in onlooker.backend.jobs.watch(job.id):
            if current.entities_inserted:
                break
    workers.kill(first, signal.SIGINT)
    back = look(home, job)
    assert (back.status, back.owner) == ("PENDING", None)
    workers.start()
    job = await wait_for_end(onlooker, job)
    assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, 4_000)
    log = [line.message for line in await onlooker.backend.jobs.log(job.id)]
    assert "Full sync, continued from its last checkpoint." in log
