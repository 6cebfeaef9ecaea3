"""Eight processes fire the schedules of one database while they are being killed."""

import os
import random
import time
from itertools import pairwise

import anyio
import pytest

from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.process.workers import Onlooker, Workers, open_file
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Auth, Connection, ConnectionChange, DirectAuth, NewConnection
from weft.domain.jobs import JobTrigger
from weft.domain.schedules import ScheduleSpec

KILLS = max(12, int(os.environ.get("TORTURE_KILLS", "0")) // 3)
PROCESSES = 8
SPEED = 60.0
SECOND = 1_000_000

QUICK: Json = {"entities": 20, "text_chars": 50}
# Longer than the time between two slots, which are three seconds apart.
SLOW: Json = {"entities": 200, "text_chars": 50, "rate": 40.0}


async def connect(onlooker: Onlooker, kind: str) -> Connection:
    """A connection whose name says what it is for."""
    fields = {
        "cron": NewConnection(
            short_name="stub",
            readable_collection_id="docs",
            config=QUICK,
            schedule=ScheduleSpec(cron="*/3 * * * *", timezone="Europe/Berlin"),
        ),
        "slow": NewConnection(
            short_name="stub",
            readable_collection_id="docs",
            config=SLOW,
            schedule=ScheduleSpec(cron="* * * * *"),
        ),
        "continuous": NewConnection(
            short_name="stub",
            readable_collection_id="docs",
            config=QUICK,
            schedule=ScheduleSpec(continuous=True, cursor_field="last_entity"),
        ),
        "pending": NewConnection(
            short_name="secret_stub",
            readable_collection_id="docs",
            config=QUICK,
            schedule=ScheduleSpec(cron="* * * * *"),
        ),
        "refused": NewConnection(
            short_name="stub",
            readable_collection_id="docs",
            config={**QUICK, "fail_at": 0, "error": "auth"},
            auth=Auth(direct=DirectAuth(credentials={"token": "good"})),
            schedule=ScheduleSpec(cron="* * * * *"),
        ),
    }[kind]
    waits = kind == "pending"
    return await onlooker.backend.connections.create(
        fields.model_copy(update={"name": kind, "sync_immediately": None if waits else False})
    )


def jobs_of(home: str, name: str) -> list[tuple[int, int, str, int, int, int]]:
    """Connection, slot, status, times made and ended, and whether it was a full sync."""
    with open_file(home) as db:
        found = db.execute(
            "SELECT c.no, j.slot, j.status, j.created_at, coalesce(j.completed_at, 0), j.full_sync"
            " FROM job j JOIN connection c ON c.no = j.connection_no WHERE c.name = ?"
            " ORDER BY c.no, j.no",
            (name,),
        )
        return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in found]


@pytest.mark.anyio
async def test_every_slot_has_one_job_while_processes_are_killed(
    workers: Workers, onlooker: Onlooker
) -> None:
    home = str(workers.home / "weft.db")
    chance = random.Random(1)
    workers.clock = (time.time(), SPEED)
    workers.settings = {"keep_jobs": 10_000}
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    kinds = ["cron"] * 14 + ["slow"] * 2 + ["continuous"] * 2 + ["pending", "refused"]
    made = [await connect(onlooker, kind) for kind in kinds]
    for _ in range(PROCESSES):
        workers.start()
    for _ in range(KILLS):
        await anyio.sleep(chance.uniform(0.05, 0.6))
        workers.kill(chance.choice(workers.processes))
        workers.start()
        await onlooker.backend.connections.list(limit=50)
    await wait_until(
        lambda: len(jobs_of(home, "cron")) >= 14 * 2 and len(jobs_of(home, "continuous")) >= 4
    )
    for connection in made:
        await onlooker.backend.connections.update(connection.id, ConnectionChange(schedule=None))
    await quiet(onlooker)
    workers.stop()

    assert workers.complaints() == ""
    cron, slow, steady = (jobs_of(home, kind) for kind in ("cron", "slow", "continuous"))
    for jobs in (cron, slow, steady):
        assert len({(no, slot) for no, slot, *_ in jobs}) == len(jobs)
        assert {status for _, _, status, *_ in jobs} == {"COMPLETED"}
    assert len({no for no, *_ in cron}) == 14, "every schedule fires"
    assert len(cron) >= 14 * 2, "and fires again"
    assert all(slot % (180 * SECOND) == 0 for _, slot, *_ in cron)
    # Ended before the next one was made, but for the time that one look at the schedules takes.
    for (no, *_, ended, _full), (other, _slot, _status, created, *_) in pairwise(slow):
        assert no != other or created > ended - 2 * SPEED * SECOND
    assert len(steady) >= 4
    by_connection = {no: [full for n, *_, full in steady if n == no] for no, *_ in steady}
    assert all(fulls[0] and not any(fulls[1:]) for fulls in by_connection.values())
    assert jobs_of(home, "pending") == []
    # Refused once, and not tried again.
    assert [status for _, _, status, *_ in jobs_of(home, "refused")] == ["FAILED"]


async def quiet(onlooker: Onlooker) -> None:
    """Wait until no job is live."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            mark = onlooker.engine.changes.mark()
            jobs = (await onlooker.backend.jobs.list(limit=50)).items
            if all(job.status.is_terminal for job in jobs):
                break
            await onlooker.engine.changes.wait(mark, 0.5)
    assert {job.trigger for job in jobs} == {JobTrigger.SCHEDULE}
