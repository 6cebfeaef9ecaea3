"""Deleting, restoring and purging: out of sight at once, whole again, or gone."""

from datetime import timedelta

import pytest

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.domain.schedules import Schedule
from weft.errors import Conflict, Fenced, NotFound
from weft.local.store.base import Store
from weft.local.store.browse import ChangeFilter, EntityFilter, Scope
from weft.local.store.vault import WrappedKey
from weft.testing.store_contract.authorizations import begin
from weft.testing.store_contract.support import (
    COLLECTION,
    ORGANIZATION,
    PassTime,
    claim_new,
    commit,
    find,
    find_titles,
    finish,
    get_connection,
    get_job,
    list_all,
    make_connection,
    make_entity,
    make_row,
    open_collection,
    queue_job,
)

DAY = timedelta(days=1)
ALL = Scope(ORGANIZATION)


async def delete(store: Store, made: Connection) -> Connection:
    """Delete a connection for a day."""
    gone = await store.trash.delete_connection(ORGANIZATION, made.id, keep_for=DAY)
    assert gone is not None
    return gone


async def delete_collection(store: Store, keep_for: timedelta = DAY) -> Collection:
    """Delete the collection with what is in it."""
    found = await open_collection(store)
    held = await store.collections.connection_ids(found)
    gone = await store.trash.delete_collection(found, held, keep_for=keep_for)
    assert gone is not None
    return gone


async def purge(store: Store) -> None:
    """Purge, in small steps, all that nobody can restore."""
    for _ in range(50):
        if not await store.trash.purge(2):
            return
    raise AssertionError("the purge does not end")


class TrashContract:
    """What is deleted, and what becomes of it."""

    @pytest.mark.anyio
    async def test_nothing_finds_what_is_deleted(self, store: Store, pass_time: PassTime) -> None:
        due = Schedule(cron="0 * * * *", next_run=await store.now())
        made = await make_connection(store, credentials="sealed", schedule=due)
        job = await list_all(store, made, make_entity("a", "word"))
        await begin(store, made.id)
        [hit] = await find(store, "word")
        gone = await delete(store, made)
        assert gone.restorable_until == await store.now() + DAY
        pass_time(timedelta(hours=2))
        assert await find_titles(store, "word") == []
        assert await store.entities.get(ORGANIZATION, str(hit.no), offset=0, max_chars=1) is None
        page = await store.browse.entities(ALL, EntityFilter(), cursor=None, limit=9)
        assert page.items == ()
        assert await store.browse.locate(ALL, "a") == ()
        assert list(await store.browse.largest(ALL, 5)) == []
        assert await store.browse.count_types(ALL) == {}
        assert (await store.browse.count_changes(ALL, ChangeFilter())).jobs == 0
        assert await store.connections.get(ORGANIZATION, made.id) is None
        assert list(await store.connections.find(ORGANIZATION, made.name)) == []
        assert await store.connections.credentials(ORGANIZATION, made.id) is None
        assert (await open_collection(store)).entity_count == 0
        assert await store.jobs.get(ORGANIZATION, job.id) is None
        assert list(await store.jobs.log(ORGANIZATION, job.id, 9)) == []
        assert list(await store.schedules.due(9)) == []
        assert (await store.schedules.upcoming(cursor=None, limit=9)).items == ()
        assert await store.auth_sessions.by_link(b"link") is None
        with pytest.raises(NotFound):
            await queue_job(store, made)
        row = make_row(id=made.id, sync_id=made.sync_id)
        assert not await store.connections.update(
            row, expected_version=made.version + 1, new_config=True, set_state=True, set_auth=True
        )
        await store.connections.mark(made, made.status, None, "Late.")

    @pytest.mark.anyio
    async def test_restored_connection_is_as_it_was(self, store: Store) -> None:
        due = Schedule(cron="0 * * * *", next_run=await store.now())
        made = await make_connection(store, credentials="sealed", schedule=due)
        job = await list_all(store, made, make_entity("a", "word"), make_entity("b"))
        await begin(store, made.id)
        before = await get_connection(store, made.id)
        [hit] = await find(store, "word")
        gone = await delete(store, made)
        for text in (None, made.id, made.id[:8], made.name.upper()):
            [found] = await store.trash.find_connections(ORGANIZATION, text, limit=9)
            assert (found.id, found.restorable_until) == (made.id, gone.restorable_until)
            assert found.entities == before.entities
        assert list(await store.trash.find_connections("somebody", made.id, limit=9)) == []
        taken = await store.trash.restore(gone, COLLECTION)
        assert taken is not None
        assert (list(taken.connection_ids), taken.collection_id) == ([made.id], None)
        after = await get_connection(store, made.id)
        assert after == before.model_copy(update={"version": after.version})
        assert after.version > before.version, "who saw it before may not change it now"
        assert [each.no for each in await find(store, "word")] == [hit.no]
        assert await store.connections.credentials(ORGANIZATION, made.id) == "sealed"
        assert await store.jobs.get(ORGANIZATION, job.id) == job
        assert [each.connection_id for each in await store.schedules.due(9)] == [made.id]
        assert await store.auth_sessions.by_link(b"link") is None, "a link that was dead stays so"
        assert await store.trash.restore(gone, COLLECTION) is None, "only once"
        await purge(store)
        assert await get_connection(store, made.id) == after

    @pytest.mark.anyio
    async def test_deletion_ends_a_running_job_and_the_next_goes_on(self, store: Store) -> None:
        made = await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("a"))
        gone = await delete(store, made)
        with pytest.raises(Fenced):
            await commit(store, claim, make_entity("late"))
        assert await store.jobs.heartbeat(claim) is None
        assert not await finish(store, claim)
        assert await store.trash.restore(gone, COLLECTION)
        assert (await get_job(store, claim.job_id)).status is JobStatus.CANCELLED
        job = await list_all(store, made, make_entity("a"), make_entity("b"))
        assert (job.entities_unchanged, job.entities_inserted) == (1, 1)

    @pytest.mark.anyio
    async def test_after_its_time_it_is_purged_and_cannot_be_restored(
        self, store: Store, pass_time: PassTime
    ) -> None:
        doomed, kept = await make_connection(store, name="Doomed"), await make_connection(store)
        await list_all(store, doomed, *(make_entity(f"d{n}", "word") for n in range(5)))
        await list_all(store, kept, make_entity("k", "word"))
        key = WrappedKey(ORGANIZATION, doomed.id, "kid", "master", "wrapped")
        assert await store.data_keys.add(key)
        gone = await delete(store, doomed)
        assert await store.trash.purge(9) == 0
        assert await store.data_keys.get(ORGANIZATION, doomed.id) == key
        pass_time(DAY)
        assert list(await store.trash.find_connections(ORGANIZATION, limit=9)) == []
        assert await store.trash.restore(gone, COLLECTION) is None
        assert await store.trash.purge(2)
        assert await store.data_keys.get(ORGANIZATION, doomed.id) is None
        await purge(store)
        assert await store.trash.delete_connection(ORGANIZATION, doomed.id) is None
        assert await find_titles(store, "word") == ["k"]
        actions = [
            each.action
            for each in await store.audit.list(connection_id=doomed.id, since=None, limit=2)
        ]
        assert actions == ["purge", "delete"]

    @pytest.mark.anyio
    async def test_for_good_also_takes_what_was_deleted_before(self, store: Store) -> None:
        made = await make_connection(store, credentials="sealed")
        await list_all(store, made, make_entity("a", "word"))
        key = WrappedKey(ORGANIZATION, made.id, "kid", "master", "wrapped")
        assert await store.data_keys.add(key)
        gone = await delete(store, made)
        forever = await store.trash.delete_connection(ORGANIZATION, made.id)
        assert forever is not None
        assert forever.restorable_until is None
        assert await store.data_keys.get(ORGANIZATION, made.id) is None
        assert await store.trash.restore(gone, COLLECTION) is None
        await purge(store)
        assert await store.trash.delete_connection(ORGANIZATION, made.id) is None

    @pytest.mark.anyio
    async def test_token_that_is_refreshed_meanwhile_is_kept_unless_it_is_for_good(
        self, store: Store
    ) -> None:
        for keep_for in (DAY, timedelta(0)):
            made = await make_connection(store, credentials="old")
            assert await store.tokens.lease(made.id, "old", holder="x", duration=DAY)
            gone = await store.trash.delete_connection(ORGANIZATION, made.id, keep_for=keep_for)
            assert gone is not None
            assert await store.tokens.lease(made.id, "old", holder="y", duration=DAY) is None
            assert await store.tokens.store(made.id, "x", "new", None) is bool(keep_for)
            if keep_for:
                assert await store.trash.restore(gone, COLLECTION)
                assert await store.connections.credentials(ORGANIZATION, made.id) == "new"

    @pytest.mark.anyio
    async def test_collection_goes_and_comes_back_with_its_connections(
        self, store: Store, pass_time: PassTime
    ) -> None:
        earlier = await make_connection(store, name="Earlier")
        made = [await make_connection(store) for _ in range(2)]
        await list_all(store, made[0], make_entity("a", "word"))
        await delete(store, earlier)
        pass_time(timedelta(minutes=1))
        gone = await delete_collection(store)
        assert (gone.connection_count, gone.entity_count) == (2, 1)
        assert list(await store.collections.find(ORGANIZATION, COLLECTION)) == []
        assert not await store.collections.rename(gone, "Late")
        with pytest.raises(NotFound):
            await store.connections.insert(make_row())
        assert await find_titles(store, "word", readable_id=None) == []
        for text in (gone.id, COLLECTION, gone.name):
            [found] = await store.trash.find_collections(ORGANIZATION, text, limit=9)
            assert (found.id, found.readable_id) == (gone.id, COLLECTION)
            assert (found.connection_count, found.entity_count) == (2, 1)
        taken = await store.trash.restore(gone, COLLECTION)
        assert taken is not None
        assert {*taken.connection_ids} == {each.id for each in made}
        assert await find_titles(store, "word") == ["a"]
        [left] = await store.trash.find_connections(ORGANIZATION, limit=9)
        assert left.id == earlier.id, "it was deleted by itself"

    @pytest.mark.anyio
    async def test_connection_brings_its_collection_back(
        self, store: Store, pass_time: PassTime
    ) -> None:
        earlier, later = await make_connection(store, name="Earlier"), await make_connection(store)
        gone = await delete(store, earlier)
        pass_time(timedelta(minutes=1))
        collection = await delete_collection(store)
        taken = await store.trash.restore(gone, COLLECTION)
        assert taken is not None
        assert {*taken.connection_ids} == {earlier.id, later.id}
        assert taken.collection_id == collection.id
        assert (await get_connection(store, earlier.id)).readable_collection_id == COLLECTION

    @pytest.mark.anyio
    async def test_readable_id_is_free_for_another_meanwhile(self, store: Store) -> None:
        made = await make_connection(store)
        gone = await delete_collection(store)
        twin = await make_connection(store)
        assert twin.readable_collection_id == COLLECTION
        for _ in range(2):
            with pytest.raises(Conflict):
                await store.trash.restore(gone, COLLECTION)
        assert await store.trash.restore(gone, "docs-2")
        assert (await get_connection(store, made.id)).readable_collection_id == "docs-2"
        assert (await get_connection(store, twin.id)).readable_collection_id == COLLECTION

    @pytest.mark.anyio
    async def test_collection_with_a_connection_that_nobody_named_stays(self, store: Store) -> None:
        await make_connection(store)
        collection = await open_collection(store)
        with pytest.raises(Conflict):
            await store.trash.delete_collection(collection, ())
        assert (await open_collection(store)).connection_count == 1

    @pytest.mark.anyio
    async def test_collection_is_purged_when_nothing_is_left_in_it(
        self, store: Store, pass_time: PassTime
    ) -> None:
        for keep_for in (DAY, timedelta(0)):
            made, earlier = await make_connection(store), await make_connection(store)
            await list_all(store, made, make_entity("a", "word"))
            gone = await delete(store, earlier)
            deleted = await delete_collection(store, keep_for)
            if keep_for:
                pass_time(DAY)
            assert await store.trash.restore(gone, COLLECTION) is None
            await purge(store)
            assert await store.trash.restore(deleted, COLLECTION) is None
            assert await store.trash.delete_collection(deleted, ()) is None
            assert await find_titles(store, "word") == []
