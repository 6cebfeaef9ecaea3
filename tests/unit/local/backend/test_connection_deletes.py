"""Deletes: they wait for a running sync, fence one that does not stop, and happen once."""

from collections.abc import AsyncGenerator

import anyio
import anyio.lowlevel
import pytest

from tests.support.jobs import wait_for_job
from tests.support.local.harness import (
    COLLECTION,
    ORGANIZATION,
    PATIENCE_SECONDS,
    LocalHarness,
    fetch_of,
    note,
    run_jobs,
    token_auth,
)
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import ConnectionChange
from weft.domain.jobs import Job, JobStatus
from weft.errors import Conflict, NotFound
from weft.local.backend import LocalBackend
from weft.local.backend import connections as module
from weft.local.backend.jobs import LocalJobs
from weft.local.jobs import sync
from weft.sources.base import Event, SourceContext

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-0123456789"


async def test_deleted_connection_is_returned_as_it_was(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(note("a", "word"), note("b", "word"))
    made = await local.connect(auth=token_auth(CANARY))
    await local.run_sync(made)
    before = await local.backend.connections.get(made.id)
    gone = await local.backend.connections.delete(made.id)
    assert gone.restorable_until is not None
    assert gone == before.model_copy(update={"restorable_until": gone.restorable_until})
    assert await local.search_titles("word") == []
    with pytest.raises(NotFound) as caught:
        await local.backend.connections.delete(made.id)
    assert caught.value.field == "connection_id"


async def test_delete_counts_what_the_running_sync_stored_until_it_stopped(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETE_WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(sync, "BATCH_SECONDS", 0.02)
    asked = anyio.Event()
    stop = LocalJobs.cancel

    async def cancel(jobs: LocalJobs, job: str) -> Job:
        asked.set()
        while not await local.count_entities(made):
            await local.engine.changes.wait(local.engine.changes.mark(), 0.02)
        return await stop(jobs, job)

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        await asked.wait()
        yield note("late", "word")
        await anyio.sleep_forever()

    monkeypatch.setattr(LocalJobs, "cancel", cancel)
    local.script.fetch = fetch
    made = await local.connect()
    async with run_jobs(local) as backend:
        job = await backend.jobs.run(made.id)
        await wait_for_job(backend, job, lambda seen: seen.status is JobStatus.RUNNING)
        with anyio.fail_after(PATIENCE_SECONDS):
            gone = await backend.collections.delete(COLLECTION)
    assert (gone.entity_count, gone.connection_count) == (1, 1)


async def test_delete_cancels_a_waiting_job(local: LocalHarness) -> None:
    made = await local.connect()
    job = await local.backend.jobs.run(made.id)
    with anyio.fail_after(PATIENCE_SECONDS):
        await local.backend.connections.delete(made.id)
    with pytest.raises(NotFound):
        await local.backend.jobs.get(job.id)


async def test_delete_waits_until_the_running_sync_has_stopped(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "BATCH_SECONDS", 0.02)
    monkeypatch.setattr(module, "DELETE_WAIT_SECONDS", PATIENCE_SECONDS)
    order: list[str] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        try:
            yield note("a", "word")
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            order.append("stopped")

    local.script.fetch = fetch
    made = await local.connect()
    async with run_jobs(local) as backend:
        await backend.jobs.run(made.id)
        with anyio.fail_after(PATIENCE_SECONDS):
            while not await local.count_entities(made):
                await local.engine.changes.wait(local.engine.changes.mark(), 0.02)
            await backend.connections.delete(made.id)
        order.append("deleted")
        assert order == ["stopped", "deleted"]
        assert (await backend.connections.list()).items == ()


async def test_delete_fences_a_worker_that_does_not_stop(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETE_WAIT_SECONDS", 0.05)
    deaf, deleted = anyio.Event(), anyio.Event()

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        with anyio.move_on_after(PATIENCE_SECONDS, shield=True):
            deaf.set()
            await deleted.wait()
        yield note("late", "word")

    local.script.fetch = fetch
    made = await local.connect()
    await local.backend.jobs.run(made.id)
    claim = await local.claim()

    async def work() -> None:
        outcome = await local.run_claimed(claim)
        assert outcome.status is JobStatus.CANCELLED

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await deaf.wait()
            await local.backend.connections.delete(made.id)
            deleted.set()
    assert await local.search_titles("word") == []
    assert (await local.backend.connections.list()).items == ()


async def test_delete_while_another_deletes_succeeds_once(local: LocalHarness) -> None:
    made = await local.connect()
    outcomes: list[str] = []

    async def delete() -> None:
        try:
            await local.backend.connections.delete(made.id)
            outcomes.append("deleted")
        except NotFound as error:
            outcomes.append(error.field or "")

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(delete)
    assert sorted(outcomes) == ["connection_id", "connection_id", "deleted"]


async def test_connection_that_was_deleted_during_an_update_is_not_found(
    local: LocalHarness,
) -> None:
    async def check(given: str | None) -> str:
        await local.engine.store.trash.delete_connection(ORGANIZATION, made.id)
        return "reached"

    made = await local.connect()
    local.script.check = check
    with pytest.raises(NotFound):
        await local.update(made, config={"note": "x"})


async def test_collection_that_was_deleted_during_a_create_is_named(local: LocalHarness) -> None:
    async def check(given: str | None) -> str:
        await local.backend.collections.delete(COLLECTION)
        return "reached"

    local.script.check = check
    with pytest.raises(NotFound) as caught:
        await local.connect()
    assert caught.value.field == "readable_collection_id"
    await local.backend.collections.create(NewCollection(name="Again", readable_id=COLLECTION))
    assert (await local.backend.connections.list()).items == ()


async def test_connection_of_another_organization_cannot_be_touched(local: LocalHarness) -> None:
    made = await local.connect(name="The Only One")
    stranger = LocalBackend(local.engine, local.dispatcher, "somebody").connections
    for attempt in (
        stranger.get(made.id),
        stranger.get(made.name),
        stranger.update(made.id, ConnectionChange(name="Mine now")),
        stranger.delete(made.id),
        stranger.check(made.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await stranger.list()).items == ()
    assert await local.backend.connections.get(made.id) == made


async def test_change_during_the_wait_for_a_sync_is_not_deleted(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await local.connect()
    await local.backend.jobs.run(made.id)
    cancel = LocalJobs.cancel

    async def cancel_and_change(jobs: LocalJobs, job: str) -> Job:
        await local.update(made, description="changed meanwhile")
        return await cancel(jobs, job)

    monkeypatch.setattr(LocalJobs, "cancel", cancel_and_change)
    with pytest.raises(Conflict) as caught:
        await local.backend.connections.delete(made.id, expected_version=made.version)
    assert caught.value.field == "expected_version"
    assert (await local.backend.connections.get(made.id)).description == "changed meanwhile"
