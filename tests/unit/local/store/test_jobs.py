"""Jobs in the store: one live job a connection, one owner a job, and the last word to the fence."""

from datetime import timedelta

import pytest

from tests.support.store.bench import ORGANIZATION, OWNER, START, Bench, entity, open_bench
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus, JobTrigger, LogLine
from weft.domain.schedules import Schedule
from weft.errors import Conflict, ErrorCategory, NotFound
from weft.local.store.base import Outcome
from weft.sources.base import Checkpoint

pytestmark = pytest.mark.anyio


async def test_queued_job_waits_with_nothing_done(bench: Bench) -> None:
    made = await bench.connection()
    job = await bench.queue(made)
    assert (job.status, job.trigger) == (JobStatus.PENDING, JobTrigger.MANUAL)
    assert (job.created_at, job.started_at, job.completed_at) == (START, None, None)
    assert job.entities_processed == 0
    assert (await bench.get(made)).sync.last_job == job


async def test_second_live_job_is_a_conflict_in_every_live_state(bench: Bench) -> None:
    made = await bench.connection()
    job = await bench.queue(made)

    async def expect_conflict(status: JobStatus) -> None:
        with pytest.raises(Conflict) as caught:
            await bench.queue(made)
        assert (caught.value.job_id, status in caught.value.message) == (job.id, True)

    await expect_conflict(JobStatus.PENDING)
    claim = await bench.claim()
    assert claim is not None
    await expect_conflict(JobStatus.RUNNING)
    await bench.store.jobs.request_cancel(job)
    await expect_conflict(JobStatus.CANCELLING)
    await bench.finish(claim)
    assert (await bench.queue(made)).id != job.id


async def test_job_of_a_deleted_connection_cannot_be_queued(bench: Bench) -> None:
    made = await bench.connection()
    await bench.store.trash.delete_connection(ORGANIZATION, made.id)
    with pytest.raises(NotFound) as caught:
        await bench.queue(made)
    assert caught.value.field == "connection_id"


async def test_oldest_job_is_claimed_first_and_by_one_owner_only(bench: Bench) -> None:
    jobs = [await bench.queue(await bench.connection()) for _ in range(3)]
    claims = [await bench.claim(f"owner-{n}") for n in range(4)]
    assert [claim.job_id if claim else None for claim in claims] == [
        *(job.id for job in jobs),
        None,
    ]
    running = await bench.job(jobs[0])
    assert (running.status, running.started_at) == (JobStatus.RUNNING, bench.now)


async def test_two_stores_never_claim_the_same_job(bench: Bench) -> None:
    for _ in range(6):
        await bench.queue(await bench.connection())
    async with open_bench(bench.path) as other:
        claims = [await side.claim(f"owner-{n}") for n in range(4) for side in (bench, other)]
    ids = [claim.job_id for claim in claims if claim]
    assert len(ids) == len(set(ids)) == 6


async def test_claim_holds_what_the_sync_needs(bench: Bench) -> None:
    made = await bench.connection(config={"path": "x"}, credentials="sealed")
    claim = await bench.claim_new(made, force=True)
    assert (claim.owner, claim.fence, claim.attempts) == (OWNER, 1, 0)
    assert (claim.connection_id, claim.organization_id) == (made.id, ORGANIZATION)
    assert (claim.config, claim.credentials) == ({"path": "x"}, "sealed")
    assert (claim.options.force_full_sync, claim.full_sync) == (True, True)
    assert (claim.cursor, claim.checkpoint) == (None, None)


async def test_job_with_a_living_lease_is_left_alone(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.pass_watched(leases=1)
    assert await bench.claim("owner-2") is None
    assert await bench.store.jobs.heartbeat(claim) is JobStatus.RUNNING
    await bench.pass_watched(leases=1)
    assert await bench.claim("owner-2") is None


async def test_commit_renews_the_lease(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.pass_watched(leases=0.75)
    await bench.commit(claim, entity("a"))
    await bench.pass_watched(leases=0.75)
    assert await bench.claim("owner-2") is None


async def test_job_whose_lease_ran_out_goes_to_another_with_a_higher_fence(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.pass_watched(leases=1.5)
    taken = await bench.claim("owner-2")
    assert taken is not None
    assert (taken.job_id, taken.fence) == (claim.job_id, claim.fence + 1)
    assert await bench.store.jobs.heartbeat(claim) is None
    assert not await bench.finish(claim)
    assert (await bench.job(claim)).status is JobStatus.RUNNING
    assert (await bench.job(claim)).started_at == START, "it is still the same run"
    assert await bench.finish(taken)


async def test_same_owner_claiming_anew_is_fenced_off_from_its_former_self(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.pass_watched(leases=1.5)
    again = await bench.claim(OWNER)
    assert again is not None
    assert not await bench.finish(claim)
    assert await bench.finish(again)


async def test_job_of_a_dead_owner_goes_to_another_at_once(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    assert await bench.store.jobs.owners() == [OWNER]
    assert await bench.store.jobs.release_dead(["owner-3"]) == []
    assert await bench.store.jobs.release_dead([OWNER]) == [claim.job_id]
    taken = await bench.claim("owner-2")
    assert taken is not None
    assert taken.job_id == claim.job_id
    assert await bench.store.jobs.owners() == ["owner-2"]


async def test_host_runs_no_more_than_its_share_and_others_go_ahead(bench: Bench) -> None:
    for host in ("a", "a", "a", "b", "", "", ""):
        await bench.queue(await bench.connection(host=host, name=f"Host {host}!"))
    names: list[str] = []
    while claim := await bench.claim(host_limit=2):
        names.append((await bench.get(claim.connection_id)).name)
    assert names == ["Host a!", "Host a!", "Host b!", "Host !", "Host !", "Host !"]
    assert await bench.claim(host_limit=2) is None
    assert await bench.claim(host_limit=3) is not None


async def test_pending_job_is_cancelled_at_once_and_counts_as_a_run(bench: Bench) -> None:
    made = await bench.connection()
    job = await bench.queue(made)
    assert await bench.store.jobs.request_cancel(job)
    ended = await bench.job(job)
    assert (ended.status, ended.completed_at) == (JobStatus.CANCELLED, bench.now)
    assert await bench.claim() is None
    sync = (await bench.get(made)).sync
    assert (sync.total_runs, sync.successful_runs, sync.failed_runs) == (1, 0, 0)
    assert not await bench.store.jobs.request_cancel(job)


async def test_cancelling_job_ends_cancelled_whatever_its_runner_says(bench: Bench) -> None:
    made = await bench.connection()
    claim = await bench.claim_new(made)
    job = await bench.job(claim)
    assert await bench.store.jobs.request_cancel(job)
    assert (await bench.job(job)).status is JobStatus.CANCELLING
    assert not await bench.store.jobs.request_cancel(job), "once is enough"
    assert await bench.finish(
        claim,
        JobStatus.FAILED,
        error="Broken.",
        error_category=ErrorCategory.INTERNAL,
        connection_state=ConnectionStatus.ERROR,
    )
    ended = await bench.job(job)
    assert (ended.status, ended.error, ended.error_category) == (JobStatus.CANCELLED, None, None)
    assert (await bench.get(made)).status is ConnectionStatus.ACTIVE


async def test_cancelling_job_is_never_claimed_but_reaped_when_its_owner_is_dead(
    bench: Bench,
) -> None:
    made = await bench.connection()
    claim = await bench.claim_new(made)
    await bench.store.jobs.request_cancel(await bench.job(claim))
    assert not await bench.store.jobs.release_expired()
    assert (await bench.job(claim)).status is JobStatus.CANCELLING
    assert await bench.claim("owner-2") is None
    assert await bench.store.jobs.release_dead([OWNER]) == [claim.job_id]
    assert await bench.claim("owner-2") is None
    assert (await bench.job(claim)).status is JobStatus.CANCELLED
    assert (await bench.get(made)).sync.total_runs == 1
    assert not await bench.finish(claim)


async def test_cancelling_job_is_reaped_when_its_lease_ran_out(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.store.jobs.request_cancel(await bench.job(claim))
    await bench.pass_watched(leases=1.5)
    assert (await bench.job(claim)).status is JobStatus.CANCELLED


async def test_completed_job_is_recorded_with_its_connection(bench: Bench) -> None:
    made = await bench.connection(
        state=ConnectionStatus.ERROR,
        error_category=ErrorCategory.SOURCE_UNAVAILABLE,
        error_message="It was down.",
    )
    claim = await bench.claim_new(made)
    assert (await bench.get(made)).status is ConnectionStatus.SYNCING
    later = bench.pass_time(seconds=12.5)
    log = [LogLine(at=later, level="info", message="Completed.")]
    outcome = Outcome(JobStatus.COMPLETED, connection_state=ConnectionStatus.ACTIVE)
    assert await bench.store.jobs.finish(claim, outcome, log)
    job = await bench.job(claim)
    assert (job.status, job.completed_at, job.duration_seconds) == ("COMPLETED", later, 12.5)
    assert await bench.store.jobs.log(ORGANIZATION, job.id, 5) == log
    after = await bench.get(made)
    assert (after.status, after.error_category, after.error_message) == ("active", None, None)
    assert (after.sync.total_runs, after.sync.successful_runs) == (1, 1)
    assert not await bench.finish(claim), "it has ended"


async def test_failed_job_tells_the_connection_why(bench: Bench) -> None:
    made = await bench.connection()
    claim = await bench.claim_new(made)
    await bench.finish(
        claim,
        JobStatus.FAILED,
        error="Refused.",
        error_category=ErrorCategory.API_KEY_INVALID,
        error_details="Give another.",
        connection_state=ConnectionStatus.NEEDS_REAUTH,
    )
    job = await bench.job(claim)
    assert (job.error, job.error_details) == ("Refused.", "Give another.")
    after = await bench.get(made)
    assert (after.status, after.error_message) == (ConnectionStatus.NEEDS_REAUTH, "Refused.")
    assert after.error_category is ErrorCategory.API_KEY_INVALID
    assert after.sync.failed_runs == 1


async def test_job_handed_back_waits_for_its_time_and_is_no_run_yet(bench: Bench) -> None:
    made = await bench.connection()
    claim = await bench.claim_new(made)
    await bench.commit(claim, entity("a"))
    assert await bench.finish(claim, JobStatus.PENDING, retry_after=timedelta(seconds=10))
    job = await bench.job(claim)
    assert (job.status, job.completed_at, job.entities_inserted) == ("PENDING", None, 1)
    assert (await bench.get(made)).sync.total_runs == 0
    assert await bench.claim("owner-2") is None
    bench.pass_time(seconds=10)
    again = await bench.claim("owner-2")
    assert again is not None
    assert (again.job_id, again.fence, again.attempts) == (claim.job_id, 2, 1)


async def test_attempts_count_from_the_last_checkpoint(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    for expected in (1, 2):
        assert await bench.finish(claim, JobStatus.PENDING, retry_after=timedelta(0))
        taken = await bench.claim()
        assert taken is not None
        claim = taken
        assert claim.attempts == expected
    await bench.commit(claim, Checkpoint({"page": 1}))
    await bench.finish(claim, JobStatus.PENDING, retry_after=timedelta(0))
    taken = await bench.claim()
    assert taken is not None
    assert taken.attempts == 1


async def test_interruption_by_a_shutdown_is_no_attempt(bench: Bench) -> None:
    claim = await bench.claim_new(await bench.connection())
    await bench.finish(claim, JobStatus.PENDING)
    taken = await bench.claim("owner-2")
    assert taken is not None
    assert taken.attempts == 0


async def test_checkpoint_of_a_completed_listing_becomes_the_connections_cursor(
    bench: Bench,
) -> None:
    made = await bench.connection(schedule=Schedule(continuous=True))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    assert claim.full_sync
    await bench.commit(claim, entity("a"), Checkpoint({"page": 3}))
    await bench.finish(claim)
    following = await bench.claim_new(made)
    assert (following.cursor, following.full_sync) == ({"page": 3}, False)


async def test_failed_listing_over_older_entities_keeps_the_cursor_back(bench: Bench) -> None:
    # Entities that the listing would have deleted must not survive behind a new cursor.
    made = await bench.connection(schedule=Schedule(continuous=True))
    await bench.list_all(made, entity("a"), entity("b"), Checkpoint({"page": 1}))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made, force=True))
    await bench.commit(claim, entity("a"), Checkpoint({"page": 9}))
    await bench.finish(claim, JobStatus.FAILED)
    assert (await bench.claim_new(made)).cursor == {"page": 1}
