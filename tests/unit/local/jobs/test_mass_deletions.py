"""No sync deletes more than its share without somebody's word, whatever the source says."""

import random
from dataclasses import replace

import pytest

from tests.support.local.harness import LocalHarness, fetch_of, note
from weft.domain.attention import DeletionHold
from weft.domain.connections import Connection, ConnectionChange
from weft.domain.jobs import Job, JobStatus, RunOptions
from weft.domain.schedules import ScheduleSpec
from weft.errors import SourceUnavailable
from weft.local.store.brake import FLOOR, SHARE
from weft.sources.base import Checkpoint, Complete, Deleted, Event, Failed, Incomplete, Skipped

pytestmark = pytest.mark.anyio

CONTINUOUS = ScheduleSpec(continuous=True)
STEPS = 40


async def run_agreed(local: LocalHarness, made: Connection, agreed: int) -> Job:
    """Run a sync whose deletions somebody has agreed to."""
    job = await local.backend.jobs.run(made.id, RunOptions(agreed_deletions=agreed))
    await local.run_claimed(await local.claim())
    return await local.backend.jobs.get(job.id)


async def read_hold(local: LocalHarness, made: Connection) -> DeletionHold | None:
    return (await local.backend.connections.get(made.id)).deletions_held


def notes(*numbers: int) -> list[Event]:
    return [note(f"n{number:03}") for number in numbers]


async def test_emptied_source_loses_nothing_until_somebody_agrees(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(*notes(1, 2, 3))
    await local.run_sync(made)
    local.script.fetch = fetch_of()
    job = await local.run_sync(made)
    assert (job.status, job.entities_deleted, job.deletions_held) == (JobStatus.COMPLETED, 0, 3)
    assert any("3 deletions are held" in line for line in await local.read_log(job))
    assert await local.count_entities(made) == 3
    job = await run_agreed(local, made, 3)
    assert (job.entities_deleted, job.deletions_held) == (3, 0)
    assert await read_hold(local, made) is None


async def test_doubted_loss_is_held_however_small_until_somebody_agrees(
    local: LocalHarness,
) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(*notes(*range(30)))
    await local.run_sync(made)
    local.script.vouches = False
    local.script.fetch = fetch_of(*notes(*range(29)), Complete("all was read", "a disk is gone"))
    for _ in range(2):
        job = await local.run_sync(made)
        assert (job.entities_deleted, job.deletions_held) == (0, 1)
        assert "1 deletion is held: a disk is gone." in await local.read_log(job)
    job = await run_agreed(local, made, 1)
    assert (job.entities_deleted, job.deletions_held) == (1, 0)


async def test_operators_settings_decide(local: LocalHarness) -> None:
    brake = replace(local.engine.limits.brake, share=0.1, floor=2)
    strict = replace(local.engine, limits=replace(local.engine.limits, brake=brake))
    local.engine = strict
    made = await local.connect()
    local.script.fetch = fetch_of(*notes(*range(10)))
    await local.run_sync(made)
    local.script.fetch = fetch_of(*notes(*range(8)))
    assert (await local.run_sync(made)).deletions_held == 2


async def test_changed_configuration_deletes_no_more_than_a_source_may(
    local: LocalHarness,
) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(*notes(*range(50)))
    await local.run_sync(made)
    await local.backend.connections.update(made.id, ConnectionChange(config={"note": "narrower"}))
    local.script.fetch = fetch_of(*notes(1))
    assert (await local.run_sync(made)).deletions_held == 49
    # Another configuration has decided nothing yet, so nobody can agree to what the last one held.
    await local.backend.connections.update(made.id, ConnectionChange(config={"note": "wider"}))
    assert await read_hold(local, made) is None
    assert await local.count_entities(made) == 50


async def test_deletions_that_an_incremental_sync_names_are_held(local: LocalHarness) -> None:
    made = await local.connect(schedule=CONTINUOUS)
    local.script.fetch = fetch_of(*notes(*range(50)), Checkpoint({"at": 1}))
    await local.run_sync(made)
    local.script.fetch = fetch_of(
        *(Deleted(f"n{number:03}") for number in range(50)), note("new"), Checkpoint({"at": 2})
    )
    job = await local.run_sync(made)
    assert (job.full_sync, job.deletions_held, job.entities_inserted) == (False, 50, 1)
    # Nothing but a full listing can tell whether they are really gone.
    local.script.fetch = fetch_of(*notes(*range(50)), note("new"), Checkpoint({"at": 3}))
    job = await local.run_sync(made)
    assert (job.full_sync, job.deletions_held) == (True, 0)
    assert await read_hold(local, made) is None
    local.script.fetch = fetch_of(Deleted("n001"), Checkpoint({"at": 4}))
    job = await local.run_sync(made)
    assert (job.full_sync, job.entities_deleted) == (False, 1)


async def test_sync_that_fails_after_naming_deletions_lists_everything_next(
    local: LocalHarness,
) -> None:
    made = await local.connect(schedule=CONTINUOUS)
    local.engine = replace(local.engine, limits=replace(local.engine.limits, retries=0))
    local.script.fetch = fetch_of(*notes(*range(5)), Checkpoint({"at": 1}))
    await local.run_sync(made)

    async def break_off(*_: object):
        yield Deleted("n001")
        yield Checkpoint({"at": 2})
        raise SourceUnavailable("gone")

    local.script.fetch = break_off
    assert (await local.run_sync(made)).status is JobStatus.FAILED
    local.script.fetch = fetch_of(*notes(0, 2, 3, 4), Checkpoint({"at": 3}))
    job = await local.run_sync(made)
    assert (job.full_sync, job.entities_deleted) == (True, 1)


@pytest.mark.parametrize("seed", range(12))
async def test_no_listing_in_any_sequence_deletes_more_than_its_share(
    local: LocalHarness, seed: int
) -> None:
    draw = random.Random(seed)
    made = await local.connect(schedule=CONTINUOUS if seed % 2 else None)
    stored, settled, shown = set[str](), set[str](), set[str]()
    for step in range(STEPS):
        names = {f"n{number:03}" for number in draw.sample(range(90), draw.choice([0, 3, 40, 60]))}
        if draw.random() < 0.5:  # Most listings resemble the last one.
            names |= set(draw.sample(sorted(stored), len(stored) * 2 // 3))
        events: list[Event] = [note(name, str(step)) for name in sorted(names)]
        gaps = draw.random() < 0.1
        failed = set(draw.sample(sorted(stored - names), min(2, len(stored - names))))
        events += [Failed(name, "why") for name in sorted(failed)]
        events += [Skipped(f"s{step}", "why"), *([Incomplete("gap")] if gaps else [])]
        local.script.fetch = fetch_of(*events, Checkpoint({"at": step}))
        hold, agreed = await read_hold(local, made), 0
        if hold is not None and draw.random() < 0.4:
            agreed = hold.count
        job = await (run_agreed(local, made, agreed) if agreed else local.run_sync(made))
        assert job.status is JobStatus.COMPLETED
        before, missing = stored.copy(), stored - names - failed
        stored |= names
        if not job.full_sync or gaps:
            missing = set[str]()
        left = len(stored - missing)
        too_many = any(
            len(missing & kept) >= FLOOR and len(missing & kept) > SHARE * len(kept)
            for kept in (before, settled)
        )
        held = bool(missing) and (too_many or left == 0)
        if agreed:
            unagreed = len(missing - shown)
            held &= unagreed > 0 and (left == 0 or unagreed > agreed * 0.1)
        deleted = set[str]() if held else missing
        stored -= deleted
        shown = missing if held else shown
        if not held and not gaps:
            settled = stored.copy()
        assert job.entities_deleted == len(deleted)
        assert job.deletions_held == (len(missing) if held else 0)
        assert await local.count_entities(made) == len(stored)
        now = await read_hold(local, made)
        if held:
            assert now is not None
            assert (now.count, now.everything) == (len(missing), left == 0)
            assert set(now.names) <= missing
        elif job.full_sync and not gaps:
            assert now is None
        else:
            assert now == hold
