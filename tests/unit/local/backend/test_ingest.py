"""What is pushed is stored as a sync stores it: compared, counted, fenced, and braked."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.local.harness import COLLECTION, LocalHarness, open_harness
from weft.backend import Ingest
from weft.domain.connections import Connection, ConnectionStatus, NewConnection
from weft.domain.jobs import Job, JobStatus, JobTrigger, RunOptions
from weft.domain.pushing import Push, PushedEntity
from weft.domain.schedules import ScheduleSpec
from weft.errors import Conflict, ErrorCategory, InvalidInput, NotFound, StorageFailed
from weft.local.backend import LocalBackend
from weft.local.store.base import Batch, Claim
from weft.sources.registry import SourceRegistry
from weft.testing.stub import StubSource

pytestmark = pytest.mark.anyio

MANY = [f"n{number}" for number in range(40)]


def make_entities(*ids: str, text: str = "words") -> tuple[PushedEntity, ...]:
    return tuple(PushedEntity(id=each, title=f"About {each}", text=text) for each in ids)


def counts(job: Job) -> tuple[int, int, int, int]:
    """Inserted, updated, unchanged, deleted."""
    return (
        job.entities_inserted,
        job.entities_updated,
        job.entities_unchanged,
        job.entities_deleted,
    )


@pytest.fixture
async def harness(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[LocalHarness]:
    registry = SourceRegistry(extra={StubSource.short_name: StubSource})
    async with open_harness(tmp_path, registry=registry) as harness:
        await harness.create_collection()
        yield harness


@pytest.fixture
async def connection(harness: LocalHarness) -> Connection:
    return await harness.connect(short_name="ingest", name="Pushed things")


def ingest_of(harness: LocalHarness) -> Ingest:
    ingest = harness.backend.ingest
    assert ingest is not None
    return ingest


async def push(harness: LocalHarness, connection: Connection, *ids: str, **more: Any) -> Job:
    apply = more.pop("apply_deletions", False)
    batch = Push(entities=make_entities(*ids, text=more.pop("text", "words")), **more)
    return await ingest_of(harness).push(connection.id, batch, apply_deletions=apply)


async def test_push_counts_what_it_changed_and_search_finds_it(
    harness: LocalHarness, connection: Connection
) -> None:
    first = await push(harness, connection, "a", "b", "c")
    again = await push(harness, connection, "a", "b", "c")
    later = await push(harness, connection, "b", "d", text="zeppelin", delete=("a",))
    assert counts(first) == (3, 0, 0, 0)
    assert counts(again) == (0, 0, 3, 0), "the same push twice changes nothing"
    assert counts(later) == (1, 1, 0, 1)
    assert (later.status, later.trigger) == (JobStatus.COMPLETED, JobTrigger.PUSH)
    assert await harness.search_titles("zeppelin") == ["About b", "About d"]
    assert await harness.count_entities(connection) == 3
    history = await harness.backend.jobs.list(connection.id)
    assert [job.id for job in history.items] == [later.id, again.id, first.id]


async def test_batches_of_a_replacement_are_all_there_is(
    harness: LocalHarness, connection: Connection
) -> None:
    await push(harness, connection, *MANY)
    begun = await push(harness, connection, *MANY[:20], replace=True, more=True)
    assert begun.status is JobStatus.PENDING
    repeated = await push(harness, connection, *MANY[10:30], more=True, job_id=begun.id)
    assert counts(repeated) == (0, 0, 30, 0), "what two batches name counts once"
    assert await harness.count_entities(connection) == 40, "nothing goes before the last batch"
    ended = await push(harness, connection, job_id=begun.id)
    assert (ended.id, ended.status) == (begun.id, JobStatus.COMPLETED)
    assert counts(ended) == (0, 0, 30, 10)
    assert await harness.count_entities(connection) == 30


async def test_brake_holds_a_replacement_until_somebody_agrees(
    harness: LocalHarness, connection: Connection
) -> None:
    await push(harness, connection, *MANY)
    held = await push(harness, connection, "n1", replace=True)
    assert (held.deletions_held, counts(held)) == (39, (0, 0, 1, 0))
    shown = await harness.backend.connections.get(connection.id)
    assert any("weft push" in each.next_step for each in shown.attention)
    plain = await push(harness, connection, "n2")
    assert counts(plain) == (0, 0, 1, 0), "a plain push deletes nothing, whatever is held"
    with pytest.raises(Conflict, match="nothing to pull") as refused:
        await harness.backend.jobs.run(connection.id, RunOptions(agreed_deletions=39))
    assert "--apply-deletions" in (refused.value.hint or "")
    agreed = await push(harness, connection, "n1", replace=True, apply_deletions=True)
    assert counts(agreed) == (0, 0, 1, 39)


async def test_ids_that_are_named_go_however_many_they_are(
    harness: LocalHarness, connection: Connection
) -> None:
    await push(harness, connection, *MANY)
    gone = await push(harness, connection, delete=tuple(MANY))
    assert (gone.entities_deleted, gone.deletions_held) == (40, 0)
    assert await harness.count_entities(connection) == 0


async def test_open_push_is_named_and_goes_on_in_another_process(
    harness: LocalHarness, connection: Connection
) -> None:
    begun = await push(harness, connection, "a", more=True)
    with pytest.raises(Conflict, match="several batches is open") as caught:
        await push(harness, connection, "b")
    assert caught.value.job_id == begun.id
    other = LocalBackend(
        replace(harness.engine, owner="other"), harness.dispatcher, "organization-1"
    )
    assert other.ingest is not None
    ended = await other.ingest.push(
        connection.id, Push(entities=make_entities("b"), job_id=begun.id)
    )
    assert (ended.status, counts(ended)) == (JobStatus.COMPLETED, (2, 0, 0, 0))
    with pytest.raises(Conflict, match="COMPLETED"):
        await push(harness, connection, "c", job_id=begun.id)
    with pytest.raises(NotFound):
        await push(harness, connection, "c", job_id="no-such-job")


async def test_push_that_nobody_ends_fails_and_deletes_nothing(
    harness: LocalHarness, connection: Connection
) -> None:
    await push(harness, connection, *MANY)
    begun = await push(harness, connection, "n1", replace=True, more=True)
    harness.clock.pass_time(minutes=9)
    assert await harness.try_claim() is None, "between two batches no process takes it"
    harness.clock.pass_time(minutes=2)
    await harness.run_claimed(await harness.claim())
    failed = await harness.backend.jobs.get(begun.id)
    assert (failed.status, failed.error_category) == (
        JobStatus.FAILED,
        ErrorCategory.PUSH_UNFINISHED,
    )
    assert await harness.count_entities(connection) == 40
    shown = await harness.backend.connections.get(connection.id)
    assert shown.status is ConnectionStatus.ERROR
    await push(harness, connection, "n1")
    shown = await harness.backend.connections.get(connection.id)
    assert (shown.status, shown.attention) == (ConnectionStatus.ACTIVE, ())


async def test_batch_whose_process_died_is_told_and_can_be_repeated(
    harness: LocalHarness, connection: Connection
) -> None:
    job = await harness.engine.store.jobs.insert(
        "organization-1", connection.id, trigger=JobTrigger.PUSH, options=RunOptions()
    )
    claim = await harness.claim("dead")
    await harness.engine.store.jobs.release_dead(["dead"])
    await harness.run_claimed(await harness.claim())
    assert claim.job_id == job.id
    assert (await harness.backend.jobs.get(job.id)).status is JobStatus.FAILED
    assert counts(await push(harness, connection, "a")) == (1, 0, 0, 0)


async def test_cancelled_push_takes_no_batch_and_deletes_nothing(
    harness: LocalHarness, connection: Connection
) -> None:
    await push(harness, connection, *MANY)
    begun = await push(harness, connection, "n1", replace=True, more=True)
    cancelled = await harness.backend.jobs.cancel(begun.id)
    assert cancelled.status is JobStatus.CANCELLED
    with pytest.raises(Conflict, match="CANCELLED"):
        await push(harness, connection, "n2", job_id=begun.id)
    assert await harness.count_entities(connection) == 40


async def test_batch_that_is_cancelled_while_it_is_written_stores_nothing(
    harness: LocalHarness, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    entities, jobs = harness.engine.store.entities, harness.backend.jobs
    commit = entities.commit

    async def commit_late(claim: Claim, batch: Batch) -> None:
        await jobs.cancel(claim.job_id)
        await commit(claim, batch)

    monkeypatch.setattr(entities, "commit", commit_late)
    with pytest.raises(Conflict, match="cancelled"):
        await push(harness, connection, "a")
    (job,) = (await jobs.list(connection.id)).items
    assert (job.status, counts(job)) == (JobStatus.CANCELLED, (0, 0, 0, 0))
    assert await harness.count_entities(connection) == 0


async def test_batch_that_cannot_be_stored_is_an_error_and_may_be_repeated(
    harness: LocalHarness, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await push(harness, connection, "a", more=True)

    async def fail(*_: object) -> None:
        raise StorageFailed("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(harness.engine.store.entities, "commit", fail)
        with pytest.raises(StorageFailed):
            await push(harness, connection, "b", job_id=begun.id)
    ended = await push(harness, connection, "b", job_id=begun.id)
    assert counts(ended) == (2, 0, 0, 0)
    with monkeypatch.context() as broken:
        broken.setattr(harness.engine.store.entities, "commit", fail)
        with pytest.raises(StorageFailed):
            await push(harness, connection, "c", more=True)
    last = (await harness.backend.jobs.list(connection.id)).items[0]
    assert (last.status, last.error) == (JobStatus.FAILED, "The disk is full.")


async def test_pushes_at_once_wait_for_one_another(
    harness: LocalHarness, connection: Connection
) -> None:
    async with anyio.create_task_group() as group:
        for each in MANY[:8]:
            group.start_soon(push, harness, connection, each)
    assert await harness.count_entities(connection) == 8


async def test_there_is_nothing_to_pull(harness: LocalHarness) -> None:
    made = await harness.backend.connections.create(
        NewConnection(short_name="ingest", readable_collection_id=COLLECTION, name="Pushed")
    )
    assert made.sync.last_job is None, "no first sync starts"
    with pytest.raises(Conflict, match="nothing to pull") as refused:
        await harness.backend.jobs.run(made.id)
    assert "weft push" in (refused.value.hint or "")
    with pytest.raises(InvalidInput, match="no schedule"):
        await harness.update(made, schedule=ScheduleSpec(cron="0 2 * * *"))
    assert (await harness.backend.connections.check(made.id)).ok


async def test_only_a_connection_for_it_takes_a_push(harness: LocalHarness) -> None:
    other = await harness.connect(short_name="stub", name="A stub")
    with pytest.raises(Conflict, match="stub"):
        await push(harness, other, "a")


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        (Push(), "entities"),
        (Push(entities=make_entities("a", "b\u200bc")), "entities.1.id"),
        (Push(entities=make_entities("a", "b", "a")), "entities.2.id"),
        (Push(entities=make_entities("a"), delete=("b", "a")), "delete.1"),
        (Push(delete=("a\nb",)), "delete.0"),
    ],
)
async def test_bad_batch_names_the_place(
    harness: LocalHarness, connection: Connection, batch: Push, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await ingest_of(harness).push(connection.id, batch)
    assert caught.value.field == field


async def test_word_for_deletions_goes_with_the_first_batch_of_a_replacement(
    harness: LocalHarness, connection: Connection
) -> None:
    with pytest.raises(InvalidInput, match="apply_deletions"):
        await push(harness, connection, "a", apply_deletions=True)
    begun = await push(harness, connection, "a", more=True)
    with pytest.raises(InvalidInput, match="first batch"):
        await push(harness, connection, "b", replace=True, job_id=begun.id)
