"""The contract of a backend: jobs."""

import pytest

from weft.backend import Backend
from weft.backend.collection_runs import run_collection
from weft.domain.base import Json
from weft.domain.connections import (
    ConnectionChange,
    ConnectionStatus,
    agree_to_deletions,
)
from weft.domain.jobs import JobStatus, RunOptions, diagnose
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    Conflict,
    ErrorCategory,
    NotFound,
)
from weft.testing.backend_contract.support import (
    COLLECTION,
    SLOW,
    UNKNOWN_ID,
    ContractPart,
    connect,
    create_collection,
    credentials,
    sync,
    wait_for_end,
    wait_for_progress,
)


class JobContract(ContractPart):
    """Jobs: run, follow, fail, cancel, list."""

    @pytest.mark.anyio
    async def test_counts_are_true_to_the_entity(self, backend: Backend) -> None:
        await create_collection(backend)
        script: Json = {"entities": 40, "change_every": 10}
        made = await connect(backend, script)
        first = await sync(backend, made)
        assert (first.entities_inserted, first.entities_unchanged) == (40, 0)
        again = await sync(backend, made)
        assert (again.entities_inserted, again.entities_unchanged) == (0, 40)
        # The next generation drops 4, adds 4 and changes every tenth of the kept ones.
        await backend.connections.update(made.id, ConnectionChange(config={"generation": 1}))
        third = await sync(backend, made)
        counts = (third.entities_inserted, third.entities_updated, third.entities_deleted)
        assert counts == (4, 3, 4)
        assert third.entities_unchanged == 33
        after = await backend.connections.get(made.id)
        assert after.entities.total_entities == 40

    @pytest.mark.anyio
    async def test_collection_runs_every_connection_that_can_start(self, backend: Backend) -> None:
        await create_collection(backend)
        await create_collection(backend, "contract-other")
        ready = [await connect(backend, {"entities": 3}) for _ in range(2)]
        slow = await connect(backend, SLOW, sync_immediately=True)
        await connect(backend, readable_collection_id="contract-other")
        started = await run_collection(backend, COLLECTION)
        assert {job.source_connection_id for job in started.jobs} == {each.id for each in ready}
        assert {job.connection_name for job in started.jobs} == {each.name for each in ready}
        [left] = started.not_started
        assert left.connection_id == slow.id
        assert "get_job(job_id='" in left.next_step
        for job in started.jobs:
            assert (await wait_for_end(backend, job)).entities_inserted == 3
        with pytest.raises(NotFound):
            await run_collection(backend, UNKNOWN_ID)

    @pytest.mark.anyio
    async def test_failed_and_skipped_entities_are_counted_and_logged(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 20, "failed_every": 10, "skipped_every": 7})
        job = await sync(backend, made)
        assert job.status is JobStatus.COMPLETED
        assert (job.entities_failed, job.entities_skipped, job.entities_inserted) == (2, 2, 16)
        log = [line.message for line in await backend.jobs.log(job.id)]
        if "jobs.log" in self.LACKS:
            assert log == []
        else:
            assert any("stub-9: scripted failure" in message for message in log)

    @pytest.mark.anyio
    async def test_too_many_deletions_wait_for_somebodys_word(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 60})
        await sync(backend, made)
        await backend.connections.update(made.id, ConnectionChange(config={"entities": 20}))
        job = await sync(backend, made)
        assert job.status is JobStatus.COMPLETED
        assert (job.entities_deleted, job.deletions_held) == (0, 40)
        found = await backend.connections.get(made.id)
        assert found.entities.total_entities == 60
        assert found.deletions_held is not None
        assert (found.deletions_held.job_id, found.deletions_held.everything) == (job.id, False)
        assert len(found.deletions_held.names) == 20
        [attention] = found.attention
        assert "apply_deletions=true" in attention.next_step
        [listed] = (await backend.connections.list()).items
        assert listed.attention == found.attention
        options = RunOptions(agreed_deletions=agree_to_deletions(found))
        job = await wait_for_end(backend, await backend.jobs.run(made.id, options))
        assert (job.entities_deleted, job.deletions_held) == (40, 0)
        found = await backend.connections.get(made.id)
        assert (found.entities.total_entities, found.deletions_held) == (20, None)
        with pytest.raises(Conflict):
            agree_to_deletions(found)

    @pytest.mark.anyio
    async def test_emptied_source_takes_nothing_along(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 2, "change_every": 0})
        await sync(backend, made)
        await backend.connections.update(made.id, ConnectionChange(config={"entities": 0}))
        assert (await sync(backend, made)).deletions_held == 2
        await backend.connections.update(made.id, ConnectionChange(config={"entities": 2}))
        job = await sync(backend, made)
        assert (job.entities_unchanged, job.deletions_held) == (2, 0)
        assert (await backend.connections.get(made.id)).attention == ()

    @pytest.mark.anyio
    async def test_failed_entity_keeps_its_earlier_copy(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 20})
        await sync(backend, made)
        await backend.connections.update(made.id, ConnectionChange(config={"failed_every": 10}))
        job = await sync(backend, made)
        assert (job.entities_failed, job.entities_deleted) == (2, 0)
        assert (await backend.connections.get(made.id)).entities.total_entities == 20

    @pytest.mark.anyio
    async def test_incomplete_listing_deletes_nothing(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 20})
        await sync(backend, made)
        await backend.connections.update(
            made.id, ConnectionChange(config={"entities": 5, "incomplete": True})
        )
        job = await sync(backend, made)
        assert (job.status, job.entities_deleted) == (JobStatus.COMPLETED, 0)
        assert (await backend.connections.get(made.id)).entities.total_entities == 20

    @pytest.mark.anyio
    async def test_second_run_is_a_conflict_that_names_the_job(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, SLOW)
        job = await backend.jobs.run(made.id)
        with pytest.raises(Conflict) as caught:
            await backend.jobs.run(made.id)
        assert caught.value.job_id == job.id
        assert job.id in str(caught.value)
        await backend.jobs.cancel(job.id)
        await wait_for_end(backend, job)

    @pytest.mark.anyio
    async def test_cancelled_job_keeps_what_it_stored_and_stops_writing(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, SLOW)
        job = await wait_for_progress(backend, await backend.jobs.run(made.id))
        assert (await backend.connections.get(made.id)).status is ConnectionStatus.SYNCING
        asked = await backend.jobs.cancel(job.id)
        assert asked.status in (JobStatus.CANCELLING, JobStatus.CANCELLED)
        last = await wait_for_end(backend, job)
        assert last.status is JobStatus.CANCELLED
        assert last.entities_inserted > 0
        assert (last.started_at is not None, last.completed_at is not None) == (True, True)
        stored = (await backend.connections.get(made.id)).entities.total_entities
        assert stored == last.entities_inserted

    @pytest.mark.anyio
    async def test_cancelling_an_ended_job_is_a_conflict(self, backend: Backend) -> None:
        await create_collection(backend)
        job = await sync(backend, await connect(backend))
        with pytest.raises(Conflict) as caught:
            await backend.jobs.cancel(job.id)
        assert "COMPLETED" in str(caught.value)
        with pytest.raises(NotFound):
            await backend.jobs.cancel(UNKNOWN_ID)

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("error", "category", "status"),
        [
            ("auth", ErrorCategory.API_KEY_INVALID, ConnectionStatus.NEEDS_REAUTH),
            ("access", ErrorCategory.ACCESS_DENIED, ConnectionStatus.ERROR),
            ("unavailable", ErrorCategory.SOURCE_UNAVAILABLE, ConnectionStatus.ERROR),
            ("rate_limited", ErrorCategory.RATE_LIMITED, ConnectionStatus.ERROR),
            ("crash", ErrorCategory.INTERNAL, ConnectionStatus.ERROR),
        ],
    )
    async def test_failure_has_a_diagnosis_and_keeps_what_was_stored(
        self, backend: Backend, error: str, category: ErrorCategory, status: ConnectionStatus
    ) -> None:
        await create_collection(backend)
        made = await connect(
            backend,
            {"entities": 20, "fail_at": 10, "error": error},
            auth=credentials(token="s3cr3t-canary"),
        )
        job = await sync(backend, made)
        assert (job.status, job.error_category) == (JobStatus.FAILED, category)
        assert job.entities_inserted == 10
        diagnosis = diagnose(job)
        assert diagnosis is not None
        assert made.id in diagnosis.next_step or "operator" in diagnosis.next_step
        after = await backend.connections.get(made.id)
        assert (after.status, after.error_category) == (status, category)
        assert (after.sync.failed_runs, after.entities.total_entities) == (1, 10)
        assert "s3cr3t" not in f"{job}{after}{await backend.jobs.log(job.id)}"

    @pytest.mark.anyio
    async def test_continuous_connection_syncs_from_its_cursor(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 20}, schedule=ScheduleSpec(continuous=True))
        assert (await sync(backend, made)).entities_inserted == 20
        after = await backend.connections.get(made.id)
        assert after.schedule is not None
        assert (after.schedule.cursor_field, after.schedule.cursor_value) == ("last_entity", "19")
        incremental = await sync(backend, made)
        assert (incremental.full_sync, incremental.entities_processed) == (False, 0)
        forced = await sync(backend, made, full=True)
        assert (forced.full_sync, forced.entities_unchanged) == (True, 20)

    @pytest.mark.anyio
    async def test_jobs_are_listed_newest_first_and_paged(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend)
        jobs = [await sync(backend, made) for _ in range(3)]
        page = await backend.jobs.list(made.id, limit=2)
        assert [job.id for job in page.items] == [jobs[2].id, jobs[1].id]
        rest = await backend.jobs.list(made.id, limit=2, cursor=page.next_cursor)
        assert [job.id for job in rest.items] == [jobs[0].id]
        assert (await backend.jobs.list(status=JobStatus.FAILED)).items == ()
        assert (await backend.jobs.get(jobs[0].id[:8])).id == jobs[0].id
