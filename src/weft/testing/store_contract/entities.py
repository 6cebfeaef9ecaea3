"""Batches, listings and cursors: all that a sync writes counts once, and is never half there."""

from dataclasses import replace

import pytest

from weft.domain.base import Json
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.errors import Fenced
from weft.local.store.base import Store
from weft.local.store.brake import Sweep
from weft.sources.base import (
    Checkpoint,
    Deleted,
    Expect,
    Failed,
    Incomplete,
    Skipped,
    Unchanged,
)
from weft.testing.store_contract.support import (
    ORGANIZATION,
    OWNER,
    claim_new,
    claim_next,
    commit,
    count_changes,
    find,
    find_titles,
    finish,
    get_connection,
    get_job,
    list_all,
    make_connection,
    make_entity,
    sweep_all,
)


async def count_by_type(store: Store, connection: Connection) -> dict[str, int]:
    summary = (await get_connection(store, connection.id)).entities
    assert summary.total_entities == sum(each.count for each in summary.by_type.values())
    return {name: each.count for name, each in summary.by_type.items()}


class EntityContract:
    """Writing entities, and deleting those that a listing leaves out."""

    @pytest.mark.anyio
    async def test_batch_is_compared_with_what_is_stored(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(make_entity(name, "first") for name in "abcd"))
        job = await list_all(
            store,
            made,
            make_entity("a", "first"),
            make_entity("b", "second"),
            make_entity("new", kind="page"),
            Unchanged("c"),
            Skipped("s", "too large"),
            Failed("f", "unreadable"),
            Expect(6),
        )
        assert count_changes(job) == {
            "inserted": 1,
            "updated": 1,
            "unchanged": 2,
            "deleted": 1,
            "skipped": 1,
            "failed": 1,
        }
        assert job.entities_total == 6
        assert await count_by_type(store, made) == {"note": 3, "page": 1}
        assert await find_titles(store, "second") == ["b"]

    @pytest.mark.anyio
    async def test_last_event_of_an_id_counts(self, store: Store) -> None:
        made = await make_connection(store)
        job = await list_all(
            store,
            made,
            make_entity("a", "old"),
            make_entity("b"),
            Deleted("b"),
            make_entity("a", "new"),
        )
        assert count_changes(job) == {"inserted": 1}
        assert await find_titles(store, "new") == ["a"]
        assert await find_titles(store, "old") == []

    @pytest.mark.anyio
    async def test_entity_that_cannot_be_stored_fails_alone(self, store: Store) -> None:
        made = await make_connection(store)
        job = await list_all(store, made, make_entity("good"), make_entity("bad", "\ud800"))
        assert count_changes(job) == {"inserted": 1, "failed": 1}

    @pytest.mark.anyio
    async def test_failed_entity_that_is_stored_stays(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        job = await list_all(store, made, make_entity("a"), Failed("b", "unreadable"))
        assert count_changes(job) == {"unchanged": 1, "failed": 1}
        assert await count_by_type(store, made) == {"note": 2}

    @pytest.mark.anyio
    async def test_ids_of_what_a_connection_holds_are_listed_to_a_limit(self, store: Store) -> None:
        made, other = await make_connection(store), await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, *map(make_entity, "bca"))
        await finish(store, claim, JobStatus.FAILED)
        assert await store.entities.list_ids(made.id, 10) == ["a", "b", "c"]
        assert await store.entities.list_ids(made.id, 2) == ["a", "b"]
        assert await store.entities.list_ids(other.id, 10) == []

    @pytest.mark.anyio
    async def test_ids_that_a_listing_has_not_named_are_listed(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *map(make_entity, "abcd"))
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("b"), Failed("d", "unreadable"))
        assert await store.entities.list_unseen(claim.job_id, 10) == ["a", "c"]
        assert await store.entities.list_unseen(claim.job_id, 1) == ["a"]
        await store.entities.begin_listing(claim)
        assert await store.entities.list_unseen(claim.job_id, 10) == ["a", "b", "c", "d"]

    @pytest.mark.anyio
    async def test_versions_are_kept_for_the_source(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a", version="1"), make_entity("b"))
        assert await store.entities.versions(made.id, ["a", "b", "c"]) == {"a": "1"}
        job = await list_all(store, made, make_entity("a", version="2"), make_entity("b"))
        assert count_changes(job) == {"unchanged": 2}, "a version alone is no change"
        assert await store.entities.versions(made.id, ["a"]) == {"a": "2"}

    @pytest.mark.anyio
    async def test_listing_with_gaps_deletes_nothing(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("a"), Incomplete("a folder was locked"))
        assert await sweep_all(store, claim) == Sweep(had_gaps=True)
        assert await count_by_type(store, made) == {"note": 2}

    @pytest.mark.anyio
    async def test_listing_that_starts_over_forgets_what_it_had_seen(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("a"))
        again = await store.entities.begin_listing(claim)
        await commit(store, again, make_entity("b"))
        assert await sweep_all(store, again) == Sweep(deleted=1)
        assert await store.entities.versions(made.id, ["a"]) == {}
        assert await count_by_type(store, made) == {"note": 1}

    @pytest.mark.anyio
    async def test_resumed_job_counts_nothing_twice(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("gone"))
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("a"), Checkpoint({"page": 1}), Skipped("s", "why"))
        await store.jobs.release_dead([OWNER])
        taken = await claim_next(store, "owner-2")
        assert (taken.checkpoint, taken.full_sync) == ({"page": 1}, True)
        await commit(store, taken, make_entity("a"), Skipped("s", "why"), make_entity("b"))
        assert await sweep_all(store, taken) == Sweep(deleted=1)
        assert await finish(store, taken)
        job = await get_job(store, claim.job_id)
        assert count_changes(job) == {"inserted": 2, "deleted": 1, "skipped": 1}

    @pytest.mark.anyio
    async def test_incremental_batch_touches_only_what_it_names(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        claim = replace(await claim_new(store, made), full_sync=False)
        await commit(store, claim, make_entity("c"), Deleted("a"))
        assert await count_by_type(store, made) == {"note": 3}
        assert await sweep_all(store, claim) == Sweep(deleted=1)
        assert await finish(store, claim)
        assert await count_by_type(store, made) == {"note": 2}

    @pytest.mark.anyio
    async def test_deleted_connection_is_gone_at_once_and_its_bodies_later(
        self, store: Store
    ) -> None:
        doomed, kept = await make_connection(store), await make_connection(store)
        await list_all(store, doomed, *(make_entity(f"d{n}", "word") for n in range(3)))
        await list_all(store, kept, make_entity("k", "word"))
        claim = await claim_new(store, doomed)
        gone = await store.trash.delete_connection(ORGANIZATION, doomed.id)
        assert gone is not None
        assert gone.entities.total_entities == 3
        assert await find_titles(store, "word") == ["k"]
        assert await store.connections.get(ORGANIZATION, doomed.id) is None
        assert await store.trash.delete_connection(ORGANIZATION, doomed.id) is None
        with pytest.raises(Fenced):
            await commit(store, claim, make_entity("late", "word"))
        assert await store.jobs.heartbeat(claim) is None
        steps = 0
        while await store.trash.purge(2):
            steps += 1
            assert steps < 10
        assert await find_titles(store, "word") == ["k"]

    @pytest.mark.anyio
    async def test_entity_is_read_in_windows_of_characters(self, store: Store) -> None:
        text = "äöü🍮 abc"
        made = await make_connection(store)
        # Python reads numbers from JSON that no JSON may have, such as 1e400.
        metadata: Json = {"k": [1, {"n": float("inf")}]}
        await list_all(store, made, make_entity("a", text, metadata=metadata, breadcrumbs=("x",)))
        [hit] = await find(store, "abc")
        for offset, size in ((0, 100), (0, 3), (3, 2), (8, 5), (0, 0)):
            found = await store.entities.get(
                ORGANIZATION, str(hit.no), offset=offset, max_chars=size
            )
            assert found is not None
            assert (found.text, found.total_chars) == (text[offset : offset + size], len(text))
            assert (found.source_entity_id, found.connection_id) == ("a", made.id)
            assert (found.metadata, found.breadcrumbs) == ({"k": [1, {"n": None}]}, ("x",))
        for organization, entity_id in (("somebody", str(hit.no)), (ORGANIZATION, "no such id")):
            assert await store.entities.get(organization, entity_id, offset=0, max_chars=1) is None
