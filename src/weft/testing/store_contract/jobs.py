"""Jobs: one live job per connection, the oldest first, and only its holder decides its end."""

from datetime import timedelta

import pytest

from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus, JobTrigger, LogLine, RunOptions
from weft.errors import Conflict, ErrorCategory, Fenced, NotFound
from weft.local.store.base import Outcome, Store
from weft.testing.store_contract.support import (
    LEASE,
    ORGANIZATION,
    OWNER,
    PassTime,
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
    open_collection,
    queue_job,
    try_claim,
)


class JobQueueContract:
    """Queueing, claiming, ending, cancelling and pruning."""

    @pytest.mark.anyio
    async def test_second_live_job_is_a_conflict_that_names_it(self, store: Store) -> None:
        made = await make_connection(store)
        job = await queue_job(store, made)
        for status in (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLING):
            assert (await get_job(store, job.id)).status is status
            with pytest.raises(Conflict) as caught:
                await queue_job(store, made)
            assert caught.value.job_id == job.id
            if status is JobStatus.PENDING:
                await claim_next(store)
            else:
                await store.jobs.request_cancel(job)

    @pytest.mark.anyio
    async def test_job_of_a_deleted_connection_is_not_found(self, store: Store) -> None:
        made = await make_connection(store)
        await store.trash.delete_connection(ORGANIZATION, made.id)
        with pytest.raises(NotFound):
            await queue_job(store, made)

    @pytest.mark.anyio
    async def test_oldest_job_is_claimed_first_and_once(self, store: Store) -> None:
        jobs = [await queue_job(store, await make_connection(store)) for _ in range(3)]
        claims = [await try_claim(store, f"owner-{n}") for n in range(4)]
        ids = [claim.job_id if claim else None for claim in claims]
        assert ids == [*(job.id for job in jobs), None]

    @pytest.mark.anyio
    async def test_claim_holds_what_a_sync_needs(self, store: Store) -> None:
        made = await make_connection(store, config={"path": "x"}, credentials="sealed")
        claim = await claim_new(store, made, force=True)
        assert (claim.connection_id, claim.organization_id) == (made.id, ORGANIZATION)
        assert (claim.config, claim.credentials) == ({"path": "x"}, "sealed")
        assert (claim.options.force_full_sync, claim.full_sync) == (True, True)
        assert (claim.cursor, claim.checkpoint, claim.attempts) == (None, None, 0)
        assert not claim.resumed

    @pytest.mark.anyio
    async def test_reserved_job_is_had_early_only_by_its_name(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_connection(store)
        job = await store.jobs.insert(
            ORGANIZATION,
            made.id,
            trigger=JobTrigger.PUSH,
            options=RunOptions(),
            reserve=timedelta(minutes=10),
        )
        assert not job.full_sync, "what is pushed replaces nothing unless that is said"
        assert await try_claim(store) is None
        claim = await store.jobs.claim(OWNER, lease=LEASE, host_limit=2, job_id=job.id, early=True)
        assert claim is not None
        wait = Outcome(JobStatus.PENDING, retry_after=timedelta(minutes=10))
        await store.jobs.finish(claim, wait, [])
        assert await try_claim(store) is None
        pass_time(timedelta(minutes=10))
        assert (await claim_next(store)).job_id == job.id

    @pytest.mark.anyio
    async def test_host_runs_no_more_than_its_share(self, store: Store) -> None:
        for host in ("a", "a", "b", "", ""):
            await queue_job(store, await make_connection(store, host=host, name=f"Host {host}!"))
        names: list[str] = []
        while claim := await try_claim(store, host_limit=1):
            names.append((await get_connection(store, claim.connection_id)).name)
        assert names == ["Host a!", "Host b!", "Host !", "Host !"]

    @pytest.mark.anyio
    async def test_jobs_that_are_passed_over_keep_none_behind_them_waiting(
        self, store: Store
    ) -> None:
        jobs = [await queue_job(store, await make_connection(store)) for _ in range(3)]
        passed_over: list[str] = []
        while waiting := await store.jobs.find_waiting(host_limit=2, passed_over=passed_over):
            assert waiting.job_id == jobs[len(passed_over)].id
            passed_over.append(waiting.mark)
        assert len(set(passed_over)) == len(jobs)
        last = await store.jobs.claim(OWNER, lease=LEASE, host_limit=2, job_id=jobs[-1].id)
        assert last is not None
        assert last.job_id == jobs[-1].id
        again = await store.jobs.claim(OWNER, lease=LEASE, host_limit=2, job_id=jobs[-1].id)
        assert again is None, "somebody has it already"
        assert (await claim_next(store)).job_id == jobs[0].id

    @pytest.mark.anyio
    async def test_job_that_was_passed_over_is_met_again_once_its_connection_changes(
        self, store: Store
    ) -> None:
        row = make_row(config={"path": "x"}, credentials="sealed")
        await open_collection(store)
        await store.connections.insert(row)
        await queue_job(store, await get_connection(store, row.id))
        waiting = await store.jobs.find_waiting(host_limit=2)
        assert waiting is not None
        assert (waiting.config, waiting.credentials) == ({"path": "x"}, "sealed")
        assert (waiting.connection_id, waiting.organization_id) == (row.id, ORGANIZATION)
        assert await store.jobs.find_waiting(host_limit=2, passed_over=[waiting.mark]) is None
        assert await store.connections.update(
            row, expected_version=1, new_config=False, set_state=False, set_auth=False
        )
        assert await store.jobs.find_waiting(host_limit=2, passed_over=[waiting.mark]) is not None

    @pytest.mark.anyio
    async def test_reason_for_a_wait_is_shown_until_the_job_is_claimed(self, store: Store) -> None:
        job = await queue_job(store, await make_connection(store))
        reason = Outcome(
            JobStatus.PENDING,
            error="Waits.",
            error_category=ErrorCategory.NO_PROCESS,
            error_details="For a key.",
        )
        assert await store.jobs.explain_wait(job.id, reason)
        for handed_back in (False, True):
            held = await get_job(store, job.id)
            shown = (held.error, held.error_category, held.error_details)
            assert shown == ("Waits.", "no_process", "For a key."), handed_back
            claim = await claim_next(store)
            assert not await store.jobs.explain_wait(job.id, reason), "it runs"
            claimed = await get_job(store, job.id)
            assert (claimed.error, claimed.error_category, claimed.error_details) == (None,) * 3
            assert await store.jobs.finish(claim, reason, [])
        assert await store.jobs.request_cancel(job)
        ended = await get_job(store, job.id)
        assert (ended.status, ended.error, ended.error_category) == ("CANCELLED", None, None)

    @pytest.mark.anyio
    async def test_waiting_job_is_cancelled_at_once(self, store: Store) -> None:
        made = await make_connection(store)
        job = await queue_job(store, made)
        assert await store.jobs.request_cancel(job)
        assert (await get_job(store, job.id)).status is JobStatus.CANCELLED
        assert not await store.jobs.request_cancel(job)
        assert await try_claim(store) is None
        assert (await get_connection(store, made.id)).sync.total_runs == 1

    @pytest.mark.anyio
    async def test_cancelled_job_writes_no_more_and_ends_cancelled(self, store: Store) -> None:
        claim = await claim_new(store, await make_connection(store))
        assert await store.jobs.request_cancel(await get_job(store, claim.job_id))
        assert await store.jobs.heartbeat(claim) is JobStatus.CANCELLING
        with pytest.raises(Fenced):
            await commit(store, claim, make_entity("late"))
        assert await finish(store, claim, JobStatus.FAILED, error="Broken.")
        job = await get_job(store, claim.job_id)
        assert (job.status, job.error) == (JobStatus.CANCELLED, None)

    @pytest.mark.anyio
    async def test_outcome_is_recorded_with_the_connection(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_connection(store)
        claim = await claim_new(store, made)
        assert (await get_connection(store, made.id)).status is ConnectionStatus.SYNCING
        pass_time(timedelta(seconds=12.5))
        log = [LogLine(at=await store.now(), level="error", message="Refused.")]
        outcome = Outcome(
            JobStatus.FAILED,
            error="Refused.",
            error_category=ErrorCategory.API_KEY_INVALID,
            connection_state=ConnectionStatus.NEEDS_REAUTH,
        )
        assert await store.jobs.finish(claim, outcome, log)
        assert not await store.jobs.finish(claim, outcome, log), "it has ended"
        job = await get_job(store, claim.job_id)
        assert (job.status, job.error, job.duration_seconds) == ("FAILED", "Refused.", 12.5)
        assert list(await store.jobs.log(ORGANIZATION, job.id, 5)) == log
        after = await get_connection(store, made.id)
        assert (after.status, after.error_message) == (ConnectionStatus.NEEDS_REAUTH, "Refused.")
        assert (after.sync.total_runs, after.sync.failed_runs) == (1, 1)

    @pytest.mark.anyio
    async def test_job_handed_back_waits_for_its_time(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_connection(store)
        claim = await claim_new(store, made)
        assert await finish(store, claim, JobStatus.PENDING, retry_after=timedelta(seconds=10))
        assert (await get_connection(store, made.id)).sync.total_runs == 0
        assert await try_claim(store) is None
        pass_time(timedelta(seconds=10))
        again = await claim_next(store)
        assert (again.job_id, again.attempts, again.resumed) == (claim.job_id, 1, True)

    @pytest.mark.anyio
    async def test_duration_is_the_time_that_the_job_ran(
        self, store: Store, pass_time: PassTime
    ) -> None:
        claim = await claim_new(store, await make_connection(store))
        pass_time(timedelta(seconds=2))
        await finish(store, claim, JobStatus.PENDING, retry_after=timedelta(seconds=10))
        pass_time(timedelta(seconds=60))
        again = await claim_next(store)
        pass_time(timedelta(seconds=3))
        await finish(store, again)
        assert (await get_job(store, claim.job_id)).duration_seconds == 5

    @pytest.mark.anyio
    async def test_jobs_are_listed_newest_first_by_page_and_filter(self, store: Store) -> None:
        made, other = await make_connection(store), await make_connection(store)
        jobs = [await list_all(store, made) for _ in range(3)]
        waiting = await queue_job(store, other)
        first = await store.jobs.list(
            ORGANIZATION, connection_id=None, status=None, cursor=None, limit=3
        )
        rest = await store.jobs.list(
            ORGANIZATION, connection_id=None, status=None, cursor=first.next_cursor, limit=3
        )
        assert [job.id for job in (*first.items, *rest.items)] == [
            waiting.id,
            *(job.id for job in reversed(jobs)),
        ]
        assert rest.next_cursor is None
        of_other = await store.jobs.list(
            ORGANIZATION, connection_id=other.id, status=None, cursor=None, limit=3
        )
        ended = await store.jobs.list(
            ORGANIZATION, connection_id=None, status=JobStatus.COMPLETED, cursor=None, limit=3
        )
        assert [job.id for job in of_other.items] == [waiting.id]
        assert waiting.id not in {job.id for job in ended.items}
        assert [job.id for job in await store.jobs.find(ORGANIZATION, waiting.id[:8])] == [
            waiting.id
        ]
        assert await store.jobs.get("somebody", waiting.id) is None

    @pytest.mark.anyio
    async def test_old_jobs_are_pruned_but_for_the_newest_of_each_connection(
        self, store: Store
    ) -> None:
        made = await make_connection(store)
        jobs = [await list_all(store, made) for _ in range(4)]
        while await store.jobs.prune(keep=2, limit=1):
            pass
        kept = await store.jobs.list(
            ORGANIZATION, connection_id=made.id, status=None, cursor=None, limit=9
        )
        assert [job.id for job in kept.items] == [jobs[3].id, jobs[2].id]
        assert await store.keys.job_counts() == {"COMPLETED": 2}

    @pytest.mark.anyio
    async def test_change_wakes_whoever_waits_for_one(self, store: Store) -> None:
        seen = await store.wait_for_change(0, 0)
        assert seen != 0
        assert await store.wait_for_change(seen, 0) == seen
        await make_connection(store)
        assert await store.wait_for_change(seen, 30) != seen
