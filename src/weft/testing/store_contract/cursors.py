"""Cursors: what a source remembers, and whether a sync may go on from there."""

import pytest

from weft.domain.base import Json
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.domain.schedules import Schedule
from weft.local.store.base import Claim, Store
from weft.sources.base import Checkpoint, Incomplete
from weft.testing.store_contract.support import (
    OWNER,
    claim_new,
    claim_next,
    commit,
    finish,
    get_connection,
    list_all,
    make_connection,
    make_entity,
    make_row,
    queue_job,
)


async def make_continuous(store: Store) -> Connection:
    """Make a connection that has listed everything once and goes on from a cursor."""
    schedule = Schedule(continuous=True, cursor_field="page")
    made = await make_connection(store, schedule=schedule)
    await list_all(store, made, make_entity("a"), Checkpoint({"page": 1}))
    return made


async def change_config(store: Store, made: Connection, config: Json) -> Connection:
    """Give the connection another configuration."""
    found = await get_connection(store, made.id)
    row = make_row(id=made.id, sync_id=made.sync_id, config=config, schedule=made.schedule)
    assert await store.connections.update(
        row, expected_version=found.version, new_config=True, set_state=False, set_auth=False
    )
    return await get_connection(store, made.id)


async def try_next(store: Store, made: Connection) -> Claim:
    """Claim a new job and let it fail at once."""
    claim = await claim_new(store, made)
    await finish(store, claim, JobStatus.FAILED)
    return claim


class CursorContract:
    """Going on from a cursor only where nothing was left out before it."""

    @pytest.mark.anyio
    async def test_cursor_moves_with_its_batch_once_a_listing_was_completed(
        self, store: Store
    ) -> None:
        made = await make_continuous(store)
        claim = await claim_new(store, made)
        assert (claim.cursor, claim.full_sync) == ({"page": 1}, False)
        await commit(store, claim, make_entity("b"), Checkpoint({"page": 2}))
        await finish(store, claim, JobStatus.FAILED)
        forced = await store.entities.begin_listing(await claim_new(store, made, force=True))
        assert forced.cursor == {"page": 2}
        await commit(store, forced, make_entity("a"), Checkpoint({"page": 9}))
        await finish(store, forced, JobStatus.FAILED)
        # Entities that the listing would have deleted must not survive behind a new cursor.
        assert (await claim_new(store, made)).cursor == {"page": 2}

    @pytest.mark.anyio
    async def test_cursor_of_a_former_configuration_is_not_stored(self, store: Store) -> None:
        made = await make_connection(store, schedule=Schedule(continuous=True))
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await change_config(store, made, {"new": 1})
        await commit(store, claim, make_entity("a"), Checkpoint({"page": 3}))
        await finish(store, claim)
        following = await claim_new(store, made)
        assert (following.cursor, following.full_sync) == (None, True)

    @pytest.mark.anyio
    async def test_after_a_new_configuration_the_cursor_is_a_memory_until_all_was_listed(
        self, store: Store
    ) -> None:
        made = await make_continuous(store)
        assert not (await queue_job(store, made)).full_sync
        made = await change_config(store, made, {"new": 1})
        assert made.schedule is not None
        assert made.schedule.cursor_value is None
        claim = await claim_next(store)
        assert (claim.full_sync, claim.cursor, claim.checkpoint) == (True, {"page": 1}, None)
        await finish(store, claim, JobStatus.FAILED)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        assert (await try_next(store, made)).full_sync, "the listing left no cursor to go on from"
        await list_all(store, made, make_entity("a"), make_entity("b"), Checkpoint({"page": 2}))
        following = await claim_new(store, made)
        assert (following.full_sync, following.cursor) == (False, {"page": 2})

    @pytest.mark.anyio
    async def test_checkpoint_of_an_incremental_sync_is_none_of_the_listing_that_has_to_follow(
        self, store: Store
    ) -> None:
        made = await make_continuous(store)
        claim = await claim_new(store, made)
        await change_config(store, made, {"new": 1})
        await change_config(store, made, made.config)
        await commit(store, claim, make_entity("b"), Checkpoint({"page": 2}))
        await store.jobs.release_dead([OWNER])
        taken = await claim_next(store)
        assert (taken.full_sync, taken.checkpoint) == (True, None)

    @pytest.mark.anyio
    @pytest.mark.parametrize("end", [JobStatus.COMPLETED, JobStatus.FAILED])
    async def test_cursor_beyond_a_gap_is_followed_only_once_all_was_listed(
        self, store: Store, end: JobStatus
    ) -> None:
        made = await make_continuous(store)
        claim = await claim_new(store, made)
        await commit(store, claim, Incomplete("page 2 cannot be read"))
        await commit(store, claim, make_entity("c"), Checkpoint({"page": 3}))
        await finish(store, claim, end)
        following = await try_next(store, made)
        assert (following.full_sync, following.cursor) == (True, {"page": 3})
        names = make_entity("a"), make_entity("b"), make_entity("c")
        await list_all(store, made, *names, Checkpoint({"page": 4}))
        assert not (await claim_new(store, made)).full_sync

    @pytest.mark.anyio
    async def test_sync_whose_cursor_stays_before_its_gap_goes_on_from_there(
        self, store: Store
    ) -> None:
        made = await make_continuous(store)
        claim = await claim_new(store, made)
        await commit(store, claim, make_entity("b"), Checkpoint({"page": 2}))
        await commit(store, claim, Incomplete("page 3 cannot be read"))
        await finish(store, claim, JobStatus.FAILED)
        following = await claim_new(store, made)
        assert (following.full_sync, following.cursor) == (False, {"page": 2})

    @pytest.mark.anyio
    async def test_listing_with_gaps_is_made_again(self, store: Store) -> None:
        made = await make_connection(store, schedule=Schedule(continuous=True))
        gap = Incomplete("page 2 cannot be read")
        await list_all(store, made, make_entity("a"), gap, Checkpoint({"page": 3}))
        following = await try_next(store, made)
        assert (following.full_sync, following.cursor) == (True, {"page": 3})
        await list_all(store, made, make_entity("a"), Checkpoint({"page": 4}))
        await list_all(store, made, make_entity("a"), gap)
        following = await claim_new(store, made)
        assert (following.full_sync, following.cursor) == (True, {"page": 4})
