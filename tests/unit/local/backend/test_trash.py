"""Undo: what is deleted comes back once, whole and authorised, or not at all."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.local.harness import (
    COLLECTION,
    ORGANIZATION,
    LocalHarness,
    fetch_of,
    note,
    open_harness,
    token_auth,
)
from weft.domain.collections import Collection, NewCollection
from weft.domain.jobs import JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.errors import Ambiguous, Fenced, InvalidInput, NotFound
from weft.local.backend import LocalBackend
from weft.local.engine import EngineLimits
from weft.local.store.base import Batch

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-0123456789"
HOURS = timedelta(hours=72)


async def test_restored_connection_syncs_with_the_credentials_that_it_had(
    local: LocalHarness,
) -> None:
    local.script.fetch = fetch_of(note("a", "word"))
    made = await local.connect(auth=token_auth(CANARY))
    await local.run_sync(made)
    await local.backend.connections.delete(made.id)
    assert await local.search_titles("word") == []
    await local.backend.trash.restore(connection=made.id)
    assert await local.search_titles("word") == ["a"]
    assert (await local.backend.connections.check(made.id)).ok
    job = await local.run_sync(made)
    assert (job.status, job.entities_unchanged) == (JobStatus.COMPLETED, 1)


async def test_two_restores_at_once_bring_it_back_once(local: LocalHarness) -> None:
    made = await local.connect()
    await local.backend.connections.delete(made.id)
    outcomes: list[str] = []

    async def restore() -> None:
        try:
            await local.backend.trash.restore(connection=made.id)
            outcomes.append("restored")
        except NotFound as error:
            outcomes.append(error.field or "late")

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(restore)
    assert outcomes.count("restored") == 1
    assert len(outcomes) == 3


async def test_sync_that_a_deletion_ended_writes_nothing_after_the_restore(
    local: LocalHarness,
) -> None:
    made = await local.connect()
    job = await local.backend.jobs.run(made.id)
    claim = await local.engine.store.entities.begin_listing(await local.claim())
    await local.engine.store.trash.delete_connection(ORGANIZATION, made.id, keep_for=HOURS)
    await local.backend.trash.restore(connection=made.id)
    with pytest.raises(Fenced):
        await local.engine.store.entities.commit(claim, Batch([note("late", "word")]))
    assert (await local.backend.jobs.get(job.id)).status is JobStatus.CANCELLED
    local.script.fetch = fetch_of(note("a", "word"))
    assert (await local.run_sync(made)).status is JobStatus.COMPLETED
    assert await local.search_titles("word") == ["a"]


async def test_slots_that_were_missed_meanwhile_are_made_up_once(local: LocalHarness) -> None:
    made = await local.connect(schedule=ScheduleSpec(cron="0 * * * *"))
    await local.backend.connections.delete(made.id)
    local.clock.pass_time(hours=7)
    schedules = local.engine.store.schedules
    assert list(await schedules.due(9)) == []
    await local.backend.trash.restore(connection=made.id)
    [due] = await schedules.due(9)
    assert await schedules.fire(due, next_run=local.engine.clock() + timedelta(hours=1))
    assert list(await schedules.due(9)) == []
    assert len((await local.backend.jobs.list(made.id)).items) == 1


async def test_namesakes_are_told_apart_by_their_ids(local: LocalHarness) -> None:
    twins = [await local.connect(name="Twin") for _ in range(2)]
    for each in twins:
        await local.backend.connections.delete(each.id)
    with pytest.raises(Ambiguous, match=twins[0].id):
        await local.backend.trash.restore(connection="Twin")
    with pytest.raises(NotFound) as caught:
        await local.backend.trash.restore(connection="Nobody")
    assert twins[1].id in (caught.value.hint or "")
    await local.backend.trash.restore(connection=twins[0].id)
    await local.backend.trash.restore(connection="Twin")
    for nothing in ({}, {"connection": "Twin", "collection": COLLECTION}):
        with pytest.raises(InvalidInput):
            await local.backend.trash.restore(**nothing)


async def test_whoever_names_nothing_is_told_all_that_can_be_restored(local: LocalHarness) -> None:
    made = await local.connect()
    await local.backend.collections.delete(COLLECTION)
    for wrong in ({"connection": "Nobody"}, {"collection": "nobody"}):
        with pytest.raises(NotFound) as caught:
            await local.backend.trash.restore(**wrong)
        hint = caught.value.hint or ""
        assert made.id in hint
        assert f"collection {COLLECTION} (" in hint
        assert "…" not in hint


async def test_another_organization_finds_nothing_to_restore(local: LocalHarness) -> None:
    made = await local.connect()
    await local.backend.connections.delete(made.id)
    stranger = LocalBackend(local.engine, local.dispatcher, "somebody")
    assert (await stranger.trash.list()).connections == ()
    for attempt in (
        stranger.trash.restore(connection=made.id),
        stranger.connections.delete(made.id, permanently=True),
    ):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert made.id not in (caught.value.hint or "")
    await local.backend.trash.restore(connection=made.id)


async def test_what_was_deleted_by_itself_stays_deleted_when_its_collection_returns(
    local: LocalHarness,
) -> None:
    first, second = await local.connect(name="First"), await local.connect(name="Second")
    await local.backend.collections.delete(COLLECTION)
    restored = await local.backend.trash.restore(connection=first.id)
    assert {each.id for each in restored.connections} == {first.id, second.id}
    assert restored.collection is not None
    await local.backend.connections.delete(second.id)
    local.clock.pass_time(minutes=1)
    await local.backend.collections.delete(COLLECTION)
    restored = await local.backend.trash.restore(collection=COLLECTION)
    assert [each.id for each in restored.connections] == [first.id]
    assert [each.id for each in (await local.backend.trash.list()).connections] == [second.id]


async def test_restore_is_told_although_somebody_deletes_the_collection_again_at_once(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(_: str, __: str) -> list[Collection]:
        return []

    made = await local.connect()
    await local.backend.collections.delete(COLLECTION)
    monkeypatch.setattr(local.engine.store.collections, "find", find)
    restored = await local.backend.trash.restore(collection=COLLECTION)
    assert (restored.connection_count, restored.collection) == (1, None)
    assert [each.id for each in restored.connections] == [made.id]


async def test_without_hours_a_deletion_is_for_good(tmp_path: Path) -> None:
    async with open_harness(tmp_path, limits=EngineLimits(undo=timedelta(0))) as local:
        new = NewCollection(name="Team Docs", readable_id=COLLECTION)
        await local.backend.collections.create(new)
        made = await local.connect()
        assert await local.backend.trash.end() is None
        gone = await local.backend.connections.delete(made.id)
        assert gone.restorable_until is None
        with pytest.raises(NotFound, match="No deleted connection") as caught:
            await local.backend.trash.restore(connection=made.id)
        assert "Nothing can be restored" in (caught.value.hint or "")


async def test_purge_that_has_begun_goes_on_and_nobody_restores_half(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(*(note(f"n{n}", "word") for n in range(7)))
    made = await local.connect()
    await local.run_sync(made)
    await local.backend.connections.delete(made.id)
    local.clock.pass_time(hours=72)
    trash = local.engine.store.trash
    assert await trash.purge(3) == 3
    local.clock.pass_time(hours=-72)
    with pytest.raises(NotFound):
        await local.backend.trash.restore(connection=made.id)
    steps = 0
    while await trash.purge(3):
        steps += 1
    assert steps == 2


async def test_deleted_name_never_stands_for_a_longer_one(local: LocalHarness) -> None:
    """Whoever names what was deleted reads, fills or deletes no neighbour of it."""
    collections = local.backend.collections
    gone = await collections.create(NewCollection(name="Team notes", readable_id="notes"))
    kept = await collections.create(NewCollection(name="Other notes", readable_id="notes-two"))
    await collections.delete("notes")
    for wanted in ("notes", "team notes"):
        with pytest.raises(NotFound) as caught:
            await collections.get(wanted)
        assert f"restore_connection(readable_collection_id='{gone.id}')" in str(caught.value.hint)
    assert await collections.get("notes-") == kept
    await collections.delete("notes", permanently=True)
    assert kept in (await collections.list()).items
    assert (await local.backend.trash.list()).collections == ()
