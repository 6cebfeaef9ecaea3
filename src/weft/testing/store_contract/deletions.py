"""The brake on mass deletion: what is too much is held until somebody agrees."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from weft.domain.connections import Connection
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus, JobTrigger, RunOptions
from weft.domain.schedules import Schedule
from weft.errors import Fenced
from weft.local.store.base import Claim, Store
from weft.local.store.brake import BRAKE_DEFAULTS, NAME_MAX_CHARS, NAMES_MAX, DeletionBrake, Sweep
from weft.sources.base import Checkpoint, Deleted, Failed, Incomplete, Skipped
from weft.testing.store_contract.support import (
    ORGANIZATION,
    OWNER,
    claim_new,
    claim_next,
    commit,
    finish,
    get_connection,
    get_job,
    list_all,
    make_connection,
    make_entity,
    make_row,
)


def make_entities(count: int, *, first: int = 0) -> list[Entity]:
    """Make entities with ids in their order."""
    return [make_entity(f"e{number:04}") for number in range(first, first + count)]


async def make_filled(
    store: Store, stored: Sequence[Entity], *, continuous: bool = False
) -> Connection:
    """Make a connection that has the entities."""
    schedule = Schedule(continuous=True) if continuous else None
    made = await make_connection(store, schedule=schedule)
    await list_all(store, made, *stored, Checkpoint({"at": 1}))
    return await get_connection(store, made.id)


async def begin(store: Store, made: Connection, *, agreed: int = 0) -> Claim:
    """Begin a full listing, with deletions that somebody has agreed to."""
    options = RunOptions(agreed_deletions=agreed)
    await store.jobs.insert(ORGANIZATION, made.id, trigger=JobTrigger.MANUAL, options=options)
    return await store.entities.begin_listing(await claim_next(store))


async def list_with_brake(
    store: Store, made: Connection, *left: Entity, brake: DeletionBrake = BRAKE_DEFAULTS
) -> Job:
    """List everything that is left, under the brake."""
    return await list_all(store, made, *left, brake=brake)


async def count_stored(store: Store, made: Connection) -> int:
    return (await get_connection(store, made.id)).entities.total_entities


class DeletionContract:
    """Deleting no more than a share of what is stored without somebody's word."""

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("stored", "gone", "held"),
        [
            (3, 3, True),
            (1, 1, True),
            (20, 19, False),
            (21, 20, True),
            (22, 21, True),
            (40, 20, False),
            (39, 20, True),
            (100, 50, False),
            (100, 51, True),
            (100, 100, True),
        ],
    )
    async def test_too_many_deletions_are_held(
        self, store: Store, stored: int, gone: int, held: bool
    ) -> None:
        made = await make_filled(store, make_entities(stored))
        job = await list_with_brake(store, made, *make_entities(stored - gone, first=gone))
        assert job.status is JobStatus.COMPLETED
        assert (job.entities_deleted, job.deletions_held) == ((0, gone) if held else (gone, 0))
        assert await count_stored(store, made) == (stored if held else stored - gone)

    @pytest.mark.anyio
    async def test_connection_says_what_is_held(self, store: Store) -> None:
        made = await make_filled(store, make_entities(100))
        job = await list_with_brake(store, made, *make_entities(10))
        found = await get_connection(store, made.id)
        hold = found.deletions_held
        assert hold is not None
        assert (hold.count, hold.everything, hold.job_id) == (90, False, job.id)
        assert hold.held_at == job.completed_at
        assert hold.names == tuple(f"e{number:04}" for number in range(10, 10 + NAMES_MAX))
        assert found.sync.last_job is not None
        assert found.sync.last_job.deletions_held == 90
        [attention] = found.attention
        assert "90 deletions" in attention.message

    @pytest.mark.anyio
    async def test_long_names_of_what_is_held_are_cut(self, store: Store) -> None:
        made = await make_filled(store, [make_entity("n" * 5000)])
        await list_with_brake(store, made)
        hold = (await get_connection(store, made.id)).deletions_held
        assert hold is not None
        assert hold.everything
        assert hold.names == ("n" * NAME_MAX_CHARS,)

    @pytest.mark.anyio
    async def test_other_changes_of_a_sync_that_holds_are_made(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50))
        job = await list_with_brake(
            store, made, make_entity("e0000", "changed"), make_entity("new")
        )
        assert (job.entities_inserted, job.entities_updated, job.deletions_held) == (1, 1, 49)
        assert await count_stored(store, made) == 51

    @pytest.mark.anyio
    async def test_entities_under_other_names_count_as_gone(self, store: Store) -> None:
        made = await make_filled(store, make_entities(30))
        job = await list_with_brake(store, made, *make_entities(500, first=100))
        assert (job.entities_inserted, job.deletions_held) == (500, 30)

    @pytest.mark.anyio
    async def test_skipped_entities_are_deleted_under_the_brake(self, store: Store) -> None:
        made = await make_filled(store, make_entities(2))
        claim = await begin(store, made)
        await commit(store, claim, Skipped("e0000", "why"), Skipped("e0001", "why"))
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(held=2)

    @pytest.mark.anyio
    async def test_entities_that_could_not_be_read_are_not_missed(self, store: Store) -> None:
        made = await make_filled(store, make_entities(30))
        claim = await begin(store, made)
        await commit(store, claim, *(Failed(e.id, "unreadable") for e in make_entities(30)))
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep()

    @pytest.mark.anyio
    async def test_empty_connection_may_stay_empty(self, store: Store) -> None:
        made = await make_filled(store, [])
        job = await list_with_brake(store, made)
        assert job.deletions_held == 0
        assert (await get_connection(store, made.id)).deletions_held is None

    @pytest.mark.anyio
    async def test_operator_sets_the_share_and_the_floor(self, store: Store) -> None:
        made = await make_filled(store, make_entities(10))
        brake = DeletionBrake(share=0.1, floor=1)
        assert (await list_with_brake(store, made, *make_entities(8), brake=brake)).deletions_held
        brake = DeletionBrake(share=1)
        assert (
            await list_with_brake(store, made, *make_entities(1), brake=brake)
        ).deletions_held == 0
        assert (await list_with_brake(store, made, brake=brake)).deletions_held == 1

    @pytest.mark.anyio
    async def test_hold_ends_when_the_entities_are_seen_again(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50))
        await list_with_brake(store, made)
        assert (await get_connection(store, made.id)).deletions_held is not None
        job = await list_with_brake(store, made, *make_entities(50))
        assert (job.entities_deleted, job.deletions_held) == (0, 0)
        assert (await get_connection(store, made.id)).deletions_held is None

    @pytest.mark.anyio
    @pytest.mark.parametrize("new", [50, 200])
    async def test_what_a_sync_adds_that_holds_does_not_dilute_what_it_holds(
        self, store: Store, new: int
    ) -> None:
        made = await make_filled(store, make_entities(50))
        others = make_entities(new, first=100)
        for _ in range(3):
            assert (await list_with_brake(store, made, *others)).deletions_held == 50
        job = await list_with_brake(store, made, *make_entities(50), *others)
        assert (job.entities_deleted, job.deletions_held) == (0, 0)

    @pytest.mark.anyio
    async def test_what_a_listing_with_gaps_adds_dilutes_nothing(self, store: Store) -> None:
        made = await make_filled(store, make_entities(30))
        others = make_entities(40, first=100)
        await list_all(store, made, *others, Incomplete("gap"), brake=BRAKE_DEFAULTS)
        assert (await list_with_brake(store, made, *others)).deletions_held == 30

    @pytest.mark.anyio
    async def test_hold_outlasts_a_listing_that_decides_nothing(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50), continuous=True)
        await list_with_brake(store, made)
        job = await list_all(
            store, made, *make_entities(50), Incomplete("gap"), Checkpoint({"at": 2})
        )
        assert job.deletions_held == 0
        claim = await begin(store, made)
        await finish(store, claim, JobStatus.FAILED)
        assert (await get_connection(store, made.id)).deletions_held is not None
        assert (await claim_new(store, made)).full_sync, "only a full listing can end it"

    @pytest.mark.anyio
    async def test_agreed_deletions_are_made(self, store: Store) -> None:
        made = await make_filled(store, make_entities(100))
        await list_with_brake(store, made, *make_entities(40))
        claim = await begin(store, made, agreed=60)
        assert claim.options.agreed_deletions == 60
        await commit(store, claim, *make_entities(39))
        brake = replace(BRAKE_DEFAULTS, agreed=claim.options.agreed_deletions)
        assert await store.entities.sweep(claim, brake) == Sweep(deleted=61)
        assert await finish(store, claim)
        assert (await get_connection(store, made.id)).deletions_held is None
        assert await count_stored(store, made) == 39

    @pytest.mark.anyio
    @pytest.mark.parametrize("left", [0, 30])
    async def test_far_more_than_somebody_agreed_to_is_held_again(
        self, store: Store, left: int
    ) -> None:
        made = await make_filled(store, make_entities(100))
        await list_with_brake(store, made, *make_entities(40))
        claim = await begin(store, made, agreed=60)
        await commit(store, claim, *make_entities(left))
        brake = replace(BRAKE_DEFAULTS, agreed=60)
        assert await store.entities.sweep(claim, brake) == Sweep(held=100 - left)
        assert await finish(store, claim)
        assert await count_stored(store, made) == 100

    @pytest.mark.anyio
    async def test_most_of_what_an_agreement_leaves_is_held_again(self, store: Store) -> None:
        made = await make_filled(store, make_entities(300))
        await list_with_brake(store, made, *make_entities(30))
        claim = await begin(store, made, agreed=270)
        await commit(store, claim, *make_entities(5))
        brake = replace(BRAKE_DEFAULTS, agreed=270)
        assert await store.entities.sweep(claim, brake) == Sweep(held=295)
        assert await finish(store, claim)
        assert await count_stored(store, made) == 300

    @pytest.mark.anyio
    async def test_agreement_is_to_what_was_shown_not_to_as_many(self, store: Store) -> None:
        made = await make_filled(store, make_entities(100))
        await list_with_brake(store, made, *make_entities(40))
        claim = await begin(store, made, agreed=60)
        await commit(store, claim, *make_entities(40, first=60))
        brake = replace(BRAKE_DEFAULTS, agreed=60)
        assert await store.entities.sweep(claim, brake) == Sweep(held=60)

    @pytest.mark.anyio
    async def test_what_a_job_held_itself_is_not_agreed_to_when_it_goes_on(
        self, store: Store
    ) -> None:
        made = await make_filled(store, make_entities(100))
        await list_with_brake(store, made, *make_entities(40))
        brake = replace(BRAKE_DEFAULTS, agreed=60)
        claim = await begin(store, made, agreed=60)
        await commit(store, claim, *make_entities(40, first=60))
        assert await store.entities.sweep(claim, brake) == Sweep(held=60)
        await store.jobs.release_dead([OWNER])
        again = await claim_next(store)
        assert again.job_id == claim.job_id
        brake = replace(brake, agreed=again.options.agreed_deletions)
        assert await store.entities.sweep(again, brake) == Sweep(held=60)

    @pytest.mark.anyio
    async def test_another_configuration_ends_hold_and_agreement(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50))
        await list_with_brake(store, made)
        options = RunOptions(agreed_deletions=50)
        await store.jobs.insert(ORGANIZATION, made.id, trigger=JobTrigger.MANUAL, options=options)
        assert await store.connections.update(
            make_row(id=made.id, sync_id=made.sync_id, config={"new": 1}),
            expected_version=made.version,
            new_config=True,
            set_state=False,
            set_auth=False,
        )
        assert (await get_connection(store, made.id)).deletions_held is None
        assert (await claim_next(store)).options.agreed_deletions == 0

    @pytest.mark.anyio
    async def test_connection_with_a_hold_can_be_deleted(self, store: Store) -> None:
        made = await make_filled(store, make_entities(3))
        await list_with_brake(store, made)
        gone = await store.trash.delete_connection(ORGANIZATION, made.id)
        assert gone is not None
        assert gone.deletions_held is not None

    @pytest.mark.anyio
    async def test_deletions_that_the_source_names_are_held_too(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50), continuous=True)
        claim = await claim_new(store, made)
        assert not claim.full_sync
        await commit(store, claim, *(Deleted(e.id) for e in make_entities(30)))
        await commit(store, claim, make_entity("new"), Checkpoint({"at": 2}))
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(held=30)
        assert await finish(store, claim)
        assert await count_stored(store, made) == 51
        found = await get_connection(store, made.id)
        assert found.deletions_held is not None
        # The cursor lies beyond the deletions: nothing would name them again.
        following = await claim_new(store, made)
        assert (following.full_sync, following.cursor) == (True, {"at": 2})

    @pytest.mark.anyio
    @pytest.mark.parametrize("continuous", [True, False])
    async def test_while_deletions_are_held_the_source_remembers_what_it_listed_before(
        self, store: Store, continuous: bool
    ) -> None:
        made = await make_filled(store, make_entities(50), continuous=continuous)
        claim = await begin(store, made)
        await commit(store, claim, make_entity("new"), Checkpoint({"at": 2}))
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(held=50)
        assert await finish(store, claim)
        listing = await store.entities.begin_listing(await claim_new(store, made))
        assert listing.cursor == {"at": 1}
        await commit(store, listing, *make_entities(50), Checkpoint({"at": 3}))
        assert await store.entities.sweep(listing, BRAKE_DEFAULTS) == Sweep(deleted=1)
        assert await finish(store, listing)
        later = await claim_new(store, made)
        assert (later.full_sync, later.cursor) == (not continuous, {"at": 3})

    @pytest.mark.anyio
    async def test_named_deletions_are_made_and_the_cursor_stays(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50), continuous=True)
        claim = await claim_new(store, made)
        await commit(store, claim, Deleted("e0001"), Deleted("e0002"), Checkpoint({"at": 2}))
        await commit(store, claim, make_entity("e0002"))
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(deleted=1)
        assert await finish(store, claim)
        following = await claim_new(store, made)
        assert (following.full_sync, following.cursor) == (False, {"at": 2})
        assert await count_stored(store, made) == 49

    @pytest.mark.anyio
    @pytest.mark.parametrize("end", [JobStatus.FAILED, JobStatus.CANCELLED])
    async def test_job_that_ends_before_its_deletions_is_made_up_for_by_a_full_listing(
        self, store: Store, end: JobStatus
    ) -> None:
        made = await make_filled(store, make_entities(50), continuous=True)
        claim = await claim_new(store, made)
        await commit(store, claim, Deleted("e0001"), Checkpoint({"at": 2}))
        assert await finish(store, claim, end)
        assert await count_stored(store, made) == 50
        assert (await claim_new(store, made)).full_sync

    @pytest.mark.anyio
    async def test_whoever_takes_a_job_over_comes_to_the_same_verdict(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50), continuous=True)
        claim = await claim_new(store, made)
        await commit(
            store, claim, *(Deleted(e.id) for e in make_entities(30)), Checkpoint({"a": 2})
        )
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(held=30)
        await store.jobs.release_dead([OWNER])
        taken = await claim_next(store, "owner-2")
        with pytest.raises(Fenced):
            await store.entities.sweep(claim, BRAKE_DEFAULTS)
        assert await store.entities.sweep(taken, BRAKE_DEFAULTS) == Sweep(held=30)
        assert await finish(store, taken)
        job = await get_job(store, claim.job_id)
        assert (job.deletions_held, job.entities_deleted) == (30, 0)

    @pytest.mark.anyio
    async def test_listing_that_starts_over_decides_anew(self, store: Store) -> None:
        made = await make_filled(store, make_entities(50))
        claim = await begin(store, made)
        assert await store.entities.sweep(claim, BRAKE_DEFAULTS) == Sweep(held=50)
        again = await store.entities.begin_listing(claim)
        await commit(store, again, *make_entities(49))
        assert await store.entities.sweep(again, BRAKE_DEFAULTS) == Sweep(deleted=1)
        assert await finish(store, again)
        assert (await get_job(store, claim.job_id)).deletions_held == 0
        assert (await get_connection(store, made.id)).deletions_held is None
