"""Processes die at random points of a sync; what is stored always equals the oracle."""

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.support.jobs import wait_for_end, wait_for_job
from tests.support.process.workers import (
    Onlooker,
    Workers,
    check_index,
    open_file,
    read_texts,
    start_running_job,
)
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import ConnectionChange, NewConnection
from weft.domain.jobs import Job, JobStatus
from weft.testing.stub import StubConfig, expected_counts, expected_texts

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


def check_database(home: str) -> None:
    with open_file(home) as db:
        check_index(db)
        assert db.pragma("integrity_check") == "ok"
        assert list(db.execute("SELECT 1 FROM job_seen")) == [], "marks outlive their job"


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

                def is_adopted(seen: Job, fence: int = before.fence) -> bool:
                    return seen.status.is_terminal or look(home, seen).fence > fence

                await wait_for_job(onlooker.backend, job, is_adopted)
            workers.start()
        job = await wait_for_end(onlooker.backend, job)
        assert job.status is JobStatus.COMPLETED, job
        assert read_texts(Path(home), connection.id) == expected_texts(config)
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
    script: Json = {"entities": 1_500, "rate": 600.0, "page_size": 50}
    job = await start_running_job(workers, onlooker, script)
    (frozen,) = workers.processes
    workers.send_signal(frozen, signal.SIGSTOP)
    held = look(home, job)
    workers.start()
    await wait_for_job(
        onlooker.backend, job, lambda seen: look(home, seen).owner not in {None, held.owner}
    )
    taken = look(home, job)
    assert taken.fence == held.fence + 1
    workers.send_signal(frozen, signal.SIGCONT)
    job = await wait_for_end(onlooker.backend, job)
    assert job.status is JobStatus.COMPLETED
    assert look(home, job).fence == taken.fence
    assert job.entities_inserted == 1_500
    assert len(read_texts(Path(home), job.source_connection_id)) == 1_500


@pytest.mark.anyio
async def test_ordered_end_hands_the_job_back_at_once(workers: Workers, onlooker: Onlooker) -> None:
    home = str(workers.home / "weft.db")
    job = await start_running_job(workers, onlooker, {"entities": 4_000, "rate": 1_000.0})
    workers.kill(workers.processes[0], signal.SIGINT)
    back = look(home, job)
    assert (back.status, back.owner) == ("PENDING", None)
    workers.start()
    job = await wait_for_end(onlooker.backend, job)
    assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, 4_000)
    log = [line.message for line in await onlooker.backend.jobs.log(job.id)]
    assert "Full sync, continued from its last checkpoint." in log
