"""One sync: what it stores, what it deletes, and where it goes on."""

from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import pytest

from tests.support.local.harness import LocalHarness, fetch_of, note, token_auth
from tests.support.patience import PATIENCE_SECONDS
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    CursorExpired,
    SourceUnavailable,
)
from weft.local.jobs import sync as module
from weft.local.store.base import Batch, Claim
from weft.sources.base import (
    Checkpoint,
    Deleted,
    Event,
    Expect,
    Failed,
    Incomplete,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.testing.store_contract.support import count_changes

pytestmark = pytest.mark.anyio

CONTINUOUS = ScheduleSpec(continuous=True)


async def test_complete_listing_stores_counts_and_deletes(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(Expect(4), note("a", "alpha"), note("b"), note("c"))
    first = await local.run_sync(made)
    assert (first.status, count_changes(first)) == (JobStatus.COMPLETED, {"inserted": 3})
    assert (first.full_sync, first.entities_total) == (True, 4)
    local.script.fetch = fetch_of(note("a", "omega"), note("b"), Skipped("big", "too large"))
    second = await local.run_sync(made)
    assert count_changes(second) == {"updated": 1, "unchanged": 1, "deleted": 1, "skipped": 1}
    assert (await local.search_titles("alpha"), await local.search_titles("omega")) == ([], ["a"])


async def test_skipped_entity_loses_its_older_copy(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(note("a", "alpha"), note("b"))
    await local.run_sync(made)
    local.script.fetch = fetch_of(Skipped("a", "too large now"), note("b"))
    assert count_changes(await local.run_sync(made)) == {"skipped": 1, "unchanged": 1, "deleted": 1}
    assert await local.search_titles("alpha") == []


async def test_incomplete_listing_deletes_nothing_and_says_so(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(note("a"), note("b"))
    await local.run_sync(made)
    local.script.fetch = fetch_of(note("a"), Incomplete("a folder could not be read"))
    job = await local.run_sync(made)
    assert (job.status, count_changes(job)) == (JobStatus.COMPLETED, {"unchanged": 1})
    log = await local.read_log(job)
    assert any("a folder could not be read" in line for line in log)
    assert any("nothing was deleted" in line for line in log)
    assert not any("Complete:" in line for line in log)


async def test_listing_that_nothing_vouches_for_deletes_nothing(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(note("a"), note("b"))
    await local.run_sync(made)
    local.script.fetch, local.script.vouches = fetch_of(note("a")), False
    job = await local.run_sync(made)
    assert (job.status, count_changes(job)) == (JobStatus.COMPLETED, {"unchanged": 1})
    log = await local.read_log(job)
    assert any("did not say that it named everything" in line for line in log)
    local.script.vouches = True
    job = await local.run_sync(made)
    assert count_changes(job) == {"unchanged": 1, "deleted": 1}
    assert any("Complete listing: the script ended" in line for line in await local.read_log(job))


async def test_source_gets_the_last_cursor_and_what_is_stored_also_when_it_lists_anew(
    local: LocalHarness,
) -> None:
    seen: list[tuple[Json | None, object, object]] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        stored = await context.stored_ids(10)
        seen.append((context.last_cursor, await context.known_versions(["a"]), stored))
        yield Entity(id="a", type="note", title="a", text="", version="1")
        yield Checkpoint({"page": 1})

    local.script.fetch = fetch
    made = await local.connect()
    await local.run_sync(made)
    await local.run_sync(made, force=True)
    assert seen == [(None, {}, []), ({"page": 1}, {}, ["a"])]


async def test_many_gaps_are_logged_to_a_bound_and_do_not_drown_in_many_entities(
    local: LocalHarness,
) -> None:
    skips = [Skipped(f"e{n}", "binary") for n in range(200)]
    local.script.fetch = fetch_of(*skips, *(Incomplete(f"folder {n}") for n in range(200)))
    log = await local.read_log(await local.run_sync(await local.connect()))
    for said in ("folder 0", "e0", "More of the listing", "More entities", "nothing was deleted"):
        assert any(said in line for line in log), said
    assert len(log) < 110


async def test_events_are_committed_in_batches_of_bounded_size(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_EVENTS", 10)
    sizes: list[int] = []
    commit = local.engine.store.entities.commit

    async def count_and_commit(claim: Claim, batch: Batch) -> None:
        sizes.append(len(batch.events))
        await commit(claim, batch)

    monkeypatch.setattr(local.engine.store.entities, "commit", count_and_commit)
    local.script.fetch = fetch_of(*(note(f"e{n}") for n in range(35)))
    job = await local.run_sync(await local.connect())
    assert count_changes(job) == {"inserted": 35}
    assert sum(sizes) == 35
    assert max(sizes) <= 10


async def test_next_batch_is_read_beside_the_commit_but_only_when_the_store_says_so(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_EVENTS", 10)
    reached = 0
    commit = local.engine.store.entities.commit
    seen: list[tuple[int, int]] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        nonlocal reached
        for number in range(30):
            reached = number + 1
            yield note(f"e{number}")

    async def watch_commit(claim: Claim, batch: Batch) -> None:
        before = reached
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        waited = reached - before
        batch.read_on()
        with anyio.fail_after(PATIENCE_SECONDS):
            while reached < min(before + 10, 30):
                await anyio.lowlevel.checkpoint()
        seen.append((before, waited))
        await commit(claim, batch)

    monkeypatch.setattr(local.engine.store.entities, "commit", watch_commit)
    local.script.fetch = fetch
    job = await local.run_sync(await local.connect())
    assert count_changes(job) == {"inserted": 30}
    assert seen[:3] == [(10, 0), (20, 0), (30, 0)]


async def test_large_texts_make_small_batches(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_CHARS", 100)
    reached: list[int] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        for number in range(20):
            yield note(f"e{number}", "x" * 60)
            reached.append(await local.count_entities(made))

    local.script.fetch = fetch
    made = await local.connect()
    await local.run_sync(made)
    # Two batches of two entities may be on their way, and no more.
    assert all(number + 1 - stored <= 4 for number, stored in enumerate(reached))


async def test_slow_source_is_stored_while_it_is_still_being_read(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_SECONDS", 0.01)

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        yield note("a", "alpha")
        with anyio.fail_after(PATIENCE_SECONDS):
            while await local.search_titles("alpha") != ["a"]:
                await local.engine.changes.wait(local.engine.changes.mark(), 0.02)
        yield note("b", "beta")

    local.script.fetch = fetch
    job = await local.run_sync(await local.connect())
    assert (job.status, count_changes(job)) == (JobStatus.COMPLETED, {"inserted": 2})


async def test_interrupted_listing_goes_on_from_its_checkpoint(local: LocalHarness) -> None:
    cursors: list[Json | None] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        cursors.append(cursor)
        if cursor is None:
            yield note("a")
            yield Checkpoint({"page": 1})
            yield note("b")
            raise SourceUnavailable("Down.")
        yield note("b")
        yield note("c")

    local.script.fetch = fetch_of(note("a"), note("old"))
    made = await local.connect()
    await local.run_sync(made)
    local.script.fetch = fetch
    job = await local.run_sync(made)
    local.clock.pass_time(minutes=5)
    await local.run_claimed(await local.claim())
    ended = await local.backend.jobs.get(job.id)
    assert cursors == [None, {"page": 1}]
    assert ended.status is JobStatus.COMPLETED
    assert count_changes(ended) == {"inserted": 2, "unchanged": 1, "deleted": 1}


async def test_continuous_connection_is_read_from_its_cursor(local: LocalHarness) -> None:
    cursors: list[Json | None] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        cursors.append(cursor)
        if cursor is None:
            yield note("a")
            yield note("b")
        else:
            yield note("c")
            yield Deleted("a")
        yield Checkpoint({"page": len(cursors)})

    local.script.fetch = fetch
    made = await local.connect(schedule=CONTINUOUS)
    await local.run_sync(made)
    job = await local.run_sync(made)
    assert (job.full_sync, count_changes(job)) == (False, {"inserted": 1, "deleted": 1})
    assert await local.count_entities(made) == 2, "what an incremental sync does not name stays"
    await local.run_sync(made)
    await local.run_sync(made, force=True)
    assert cursors == [None, {"page": 1}, {"page": 2}, None]


async def test_expired_cursor_starts_a_full_listing_that_deletes(local: LocalHarness) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        if cursor is not None:
            raise CursorExpired("The cursor is too old.")
        yield note("b")
        yield Checkpoint({"page": 2})

    local.script.fetch = fetch_of(note("a"), note("b"), Checkpoint({"page": 1}))
    made = await local.connect(schedule=CONTINUOUS)
    await local.run_sync(made)
    local.script.fetch = fetch
    job = await local.run_sync(made)
    assert (job.status, job.full_sync) == (JobStatus.COMPLETED, True)
    assert count_changes(job) == {"unchanged": 1, "deleted": 1}
    assert any("The cursor is too old." in line for line in await local.read_log(job))


async def test_known_versions_are_told_unless_everything_is_forced(local: LocalHarness) -> None:
    told: list[dict[str, str]] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        known = dict(await context.known_versions(["a", "b"]))
        told.append(known)
        if known:
            yield Unchanged("a")
        else:
            yield Entity(id="a", type="note", title="a", text="", version="v1")

    local.script.fetch = fetch
    made = await local.connect()
    jobs = [await local.run_sync(made, force=force) for force in (False, False, True)]
    assert told == [{}, {"a": "v1"}, {}]
    assert [count_changes(job) for job in jobs] == [
        {"inserted": 1},
        {"unchanged": 1},
        {"unchanged": 1},
    ]


async def test_credentials_are_opened_for_the_source(local: LocalHarness) -> None:
    made = await local.connect(short_name="secret_stub", auth=token_auth("good"))
    assert (await local.run_sync(made)).status is JobStatus.COMPLETED


async def test_log_of_problems_is_bounded_but_counts_are_not(local: LocalHarness) -> None:
    events = [Failed(f"e{n}", "unreadable") for n in range(200)]
    local.script.fetch = fetch_of(*events)
    job = await local.run_sync(await local.connect())
    assert count_changes(job) == {"failed": 200}
    log = await local.read_log(job)
    assert sum("unreadable" in line for line in log) < module.LOGGED_PROBLEMS
    assert any("More entities" in line for line in log)
