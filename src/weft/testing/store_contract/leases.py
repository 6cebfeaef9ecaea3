"""Leases: a job is taken away only from an owner that is silent or known to be dead."""

import pytest

from weft.domain.jobs import JobStatus
from weft.errors import Fenced
from weft.local.store.base import Store
from weft.testing.store_contract.support import (
    OWNER,
    PassTime,
    claim_new,
    claim_next,
    commit,
    finish,
    get_connection,
    get_job,
    make_connection,
    make_entity,
    pass_watched,
    try_claim,
)


class LeaseContract:
    """Claims that are kept, lost, and taken over."""

    @pytest.mark.anyio
    async def test_heartbeats_and_commits_keep_a_claim(
        self, store: Store, pass_time: PassTime
    ) -> None:
        claim = await claim_new(store, await make_connection(store))
        await pass_watched(store, pass_time, leases=0.75)
        assert await store.jobs.heartbeat(claim) is JobStatus.RUNNING
        await pass_watched(store, pass_time, leases=0.75)
        await commit(store, claim, make_entity("a"))
        await pass_watched(store, pass_time, leases=0.75)
        assert await store.jobs.heartbeat(claim) is JobStatus.RUNNING
        assert await try_claim(store, "owner-2") is None

    @pytest.mark.anyio
    async def test_silent_owner_loses_its_job_to_a_higher_fence(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_connection(store)
        claim = await claim_new(store, made)
        await pass_watched(store, pass_time, leases=1.5)
        assert (await get_job(store, claim.job_id)).status is JobStatus.PENDING
        taken = await claim_next(store, "owner-2")
        assert (taken.job_id, taken.resumed) == (claim.job_id, True)
        assert taken.fence > claim.fence
        assert await store.jobs.heartbeat(claim) is None
        with pytest.raises(Fenced):
            await commit(store, claim, make_entity("late"))
        assert not await finish(store, claim)
        assert (await get_connection(store, made.id)).entities.total_entities == 0
        assert await finish(store, taken)

    @pytest.mark.anyio
    async def test_owner_that_claims_anew_is_fenced_off_from_its_former_self(
        self, store: Store, pass_time: PassTime
    ) -> None:
        claim = await claim_new(store, await make_connection(store))
        await pass_watched(store, pass_time, leases=1.5)
        again = await claim_next(store, OWNER)
        assert not await finish(store, claim)
        assert await finish(store, again)

    @pytest.mark.anyio
    async def test_jobs_of_the_caller_itself_are_left_alone(
        self, store: Store, pass_time: PassTime
    ) -> None:
        claim = await claim_new(store, await make_connection(store))
        for _ in range(20):
            pass_time(claim.lease / 8)
            assert not await store.jobs.release_expired(running={claim.job_id})
        assert await store.jobs.heartbeat(claim) is JobStatus.RUNNING

    @pytest.mark.anyio
    async def test_jobs_of_dead_owners_are_free_at_once(self, store: Store) -> None:
        claim = await claim_new(store, await make_connection(store))
        assert list(await store.jobs.owners()) == [OWNER]
        assert list(await store.jobs.release_dead(["owner-3"])) == []
        assert list(await store.jobs.release_dead([OWNER])) == [claim.job_id]
        assert list(await store.jobs.owners()) == []
        assert (await claim_next(store, "owner-2")).job_id == claim.job_id

    @pytest.mark.anyio
    async def test_job_that_was_stopping_ends_cancelled(
        self, store: Store, pass_time: PassTime
    ) -> None:
        first, second = await make_connection(store), await make_connection(store)
        silent = await claim_new(store, first)
        await store.jobs.request_cancel(await get_job(store, silent.job_id))
        await pass_watched(store, pass_time, leases=1.5)
        dead = await claim_new(store, second)
        await store.jobs.request_cancel(await get_job(store, dead.job_id))
        await store.jobs.release_dead([OWNER])
        for claim in (silent, dead):
            job = await get_job(store, claim.job_id)
            assert job.status is JobStatus.CANCELLED
            assert job.completed_at is not None
            assert not await finish(store, claim)
        assert (await get_connection(store, first.id)).sync.total_runs == 1
        assert await try_claim(store) is None
