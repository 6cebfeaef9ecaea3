"""What every Backend must do, as a pytest suite that ships with Weft.

Subclass `BackendContract` in a test module and give it a `backend` fixture: an open Backend with
the stub sources of `weft.testing.stub` and nothing in it. Every test leaves its traces behind, so
the fixture must make a fresh one each time.
"""

import anyio
import pytest

from weft.backend import Backend
from weft.domain.base import Json
from weft.domain.collections import CollectionStatus, NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    DirectAuth,
    NewConnection,
    OAuthTokenAuth,
)
from weft.domain.jobs import Job, JobStatus, JobTrigger, diagnose
from weft.domain.schedules import ScheduleSpec
from weft.domain.search import SearchQuery
from weft.errors import (
    Ambiguous,
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
    InvalidInput,
    NotFound,
    Unsupported,
    WeftError,
)

COLLECTION = "contract-docs"
PATIENCE_SECONDS = 30.0
UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
SLOW: Json = {"entities": 100_000, "rate": 200.0}


async def collection(backend: Backend, readable_id: str = COLLECTION) -> None:
    """Make the collection that the tests use."""
    await backend.collections.create(NewCollection(name="Contract Docs", readable_id=readable_id))


async def connect(backend: Backend, config: Json | None = None, **fields: object) -> Connection:
    """Create a stub connection; it does not sync unless ``sync_immediately`` says so."""
    values: dict[str, object] = {
        "short_name": "stub",
        "readable_collection_id": COLLECTION,
        "config": config or {},
        "sync_immediately": False,
    }
    return await backend.connections.create(NewConnection.model_validate(values | fields))


async def ended(backend: Backend, job: Job) -> Job:
    """The job in its terminal state."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            job = current
    assert job.status.is_terminal
    return job


async def started(backend: Backend, job: Job) -> Job:
    """The job once it has stored something."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            if current.status is not JobStatus.PENDING and current.entities_processed > 0:
                return current
    raise AssertionError("the job ended before it stored anything")


async def synced(backend: Backend, connection: Connection, *, full: bool = False) -> Job:
    """Run a sync to its end."""
    return await ended(backend, await backend.jobs.run(connection.id, force_full_sync=full))


def credentials(**values: str) -> Auth:
    """Direct credentials."""
    return Auth(direct=DirectAuth(credentials=dict(values)))


class CollectionContract:
    """Collections."""

    @pytest.mark.anyio
    async def test_created_collection_is_listed_and_found_by_id_and_name(
        self, backend: Backend
    ) -> None:
        made = await backend.collections.create(NewCollection(name="Team Docs"))
        assert made.readable_id.startswith("team-docs-")
        assert made.status is CollectionStatus.NEEDS_SOURCE
        assert await backend.collections.get(made.readable_id) == made
        assert await backend.collections.get("team docs") == made
        assert (await backend.collections.list()).items == (made,)

    @pytest.mark.anyio
    async def test_taken_readable_id_is_a_conflict(self, backend: Backend) -> None:
        await collection(backend)
        with pytest.raises(Conflict) as caught:
            await collection(backend)
        assert caught.value.field == "readable_id"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("name", "readable_id", "field"),
        [("abc", None, "name"), ("x" * 65, None, "name"), ("Docs", "Not OK", "readable_id")],
    )
    async def test_bad_collection_field_is_named(
        self, backend: Backend, name: str, readable_id: str | None, field: str
    ) -> None:
        with pytest.raises(InvalidInput) as caught:
            await backend.collections.create(NewCollection(name=name, readable_id=readable_id))
        assert caught.value.field == field

    @pytest.mark.anyio
    async def test_deleted_collection_takes_its_connections_along(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend)
        await backend.collections.delete(COLLECTION)
        with pytest.raises(NotFound):
            await backend.connections.get(made.id)
        with pytest.raises(NotFound):
            await backend.collections.get(COLLECTION)


class ConnectionContract:
    """Connections: create, get, list, update, check, authorise."""

    @pytest.mark.anyio
    async def test_create_gives_documented_defaults(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, {"entities": 3}, sync_immediately=None)
        assert made.name == "Stub Connection"
        assert made.auth.authenticated
        assert made.config == {"entities": 3}
        assert made.schedule is None
        first = made.sync.last_job
        assert first is not None, "direct authentication syncs at once"
        assert first.trigger is JobTrigger.INITIAL
        assert (await ended(backend, first)).status is JobStatus.COMPLETED
        after = await backend.connections.get(made.id)
        assert after.status is ConnectionStatus.ACTIVE
        assert after.entities.total_entities == 3
        assert after.entities.by_type["note"].count == 3
        assert (after.sync.total_runs, after.sync.successful_runs) == (1, 1)

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("fields", "error", "field"),
        [
            ({"short_name": "nope"}, NotFound, "short_name"),
            ({"readable_collection_id": "nope"}, NotFound, "readable_collection_id"),
            ({"name": "abc"}, InvalidInput, "name"),
            ({"name": "x" * 43}, InvalidInput, "name"),
            ({"description": "x" * 256}, InvalidInput, "description"),
            ({"config": {"entities": "many"}}, InvalidInput, "config.entities"),
            ({"config": {"entitys": 1}}, InvalidInput, "config"),
            ({"schedule": {"cron": "* * *"}}, InvalidInput, "schedule.cron"),
            ({"schedule": {"cron": "0 0 30 2 *"}}, InvalidInput, "schedule.cron"),
            (
                {"schedule": {"cron": "0 2 * * *", "timezone": "Mars/X"}},
                InvalidInput,
                "schedule.timezone",
            ),
            (
                {"schedule": {"continuous": True, "cursor_field": "x"}},
                InvalidInput,
                "schedule.cursor_field",
            ),
            ({"auth": {}}, InvalidInput, "auth"),
        ],
    )
    async def test_bad_create_field_is_named_and_nothing_is_created(
        self, backend: Backend, fields: dict[str, object], error: type[WeftError], field: str
    ) -> None:
        await collection(backend)
        with pytest.raises(error) as caught:
            await connect(backend, **fields)
        assert caught.value.field == field
        assert (await backend.connections.list()).items == ()

    @pytest.mark.anyio
    async def test_method_that_the_source_lacks_is_refused(self, backend: Backend) -> None:
        await collection(backend)
        with pytest.raises(Unsupported) as caught:
            await connect(backend, auth=Auth(oauth_token=OAuthTokenAuth(access_token="t0ken")))
        assert caught.value.field == "auth"

    @pytest.mark.anyio
    async def test_credentials_refused_by_the_source_create_nothing(self, backend: Backend) -> None:
        await collection(backend)
        with pytest.raises(AuthenticationFailed):
            await connect(backend, short_name="secret_stub", auth=credentials(token="bad"))
        assert (await backend.connections.list()).items == ()

    @pytest.mark.anyio
    async def test_connection_without_needed_credentials_waits_for_them(
        self, backend: Backend
    ) -> None:
        await collection(backend)
        made = await connect(backend, short_name="secret_stub", sync_immediately=None)
        assert made.status is ConnectionStatus.PENDING_AUTH
        assert not made.auth.authenticated
        assert made.sync.last_job is None
        with pytest.raises(Conflict):
            await backend.jobs.run(made.id)
        assert backend.authorization is not None
        ready = await backend.authorization.authorize(made.id, credentials(token="good-token"))
        assert ready.status is ConnectionStatus.ACTIVE
        assert ready.auth.authenticated
        assert (await synced(backend, ready)).status is JobStatus.COMPLETED

    @pytest.mark.anyio
    async def test_connection_is_found_by_id_prefix_and_name(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, name="The Only One")
        for text in (made.id, made.id.upper(), made.id[:8], "The Only One", "the only one"):
            assert (await backend.connections.get(text)).id == made.id
        with pytest.raises(NotFound) as caught:
            await backend.connections.get(UNKNOWN_ID)
        assert caught.value.field == "connection_id"

    @pytest.mark.anyio
    async def test_ambiguous_name_lists_the_candidates(self, backend: Backend) -> None:
        await collection(backend)
        made = [await connect(backend, name="Twin") for _ in range(2)]
        with pytest.raises(Ambiguous) as caught:
            await backend.connections.get("Twin")
        assert all(item.id in str(caught.value) for item in made)

    @pytest.mark.anyio
    async def test_list_is_newest_first_paged_and_filtered(self, backend: Backend) -> None:
        await collection(backend)
        await collection(backend, "other-docs")
        made = [await connect(backend, name=f"Number {n}") for n in range(5)]
        other = await connect(backend, readable_collection_id="other-docs")
        first = await backend.connections.list(limit=4)
        assert [item.id for item in first.items] == [other.id, *(m.id for m in made[:1:-1])]
        rest = await backend.connections.list(limit=4, cursor=first.next_cursor)
        assert [item.id for item in rest.items] == [made[1].id, made[0].id]
        assert rest.next_cursor is None
        filtered = await backend.connections.list(collection="other-docs")
        assert [item.id for item in filtered.items] == [other.id]
        assert (await backend.connections.list(short_name="files")).items == ()
        assert (await backend.connections.list(status=ConnectionStatus.ERROR)).items == ()

    @pytest.mark.anyio
    async def test_bad_cursor_is_named(self, backend: Backend) -> None:
        for cursor in ("", "x", "AAAA", "bjE" * 20):
            with pytest.raises(InvalidInput) as caught:
                await backend.connections.list(cursor=cursor)
            assert caught.value.field == "cursor"

    @pytest.mark.anyio
    async def test_update_changes_only_what_is_given(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(
            backend,
            {"entities": 3, "text_chars": 50},
            description="Before",
            schedule=ScheduleSpec(cron="0 2 * * *"),
        )
        renamed = await backend.connections.update(made.id, ConnectionChange(name="Renamed"))
        assert (renamed.name, renamed.description) == ("Renamed", "Before")
        assert renamed.config == made.config
        assert renamed.schedule is not None
        merged = await backend.connections.update(
            made.id, ConnectionChange(config={"entities": 4, "text_chars": None})
        )
        assert merged.config == {"entities": 4}
        cleared = await backend.connections.update(made.id, ConnectionChange(schedule=None))
        assert cleared.schedule is None
        assert cleared.version == made.version + 3

    @pytest.mark.anyio
    async def test_stale_version_changes_nothing(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend)
        await backend.connections.update(made.id, ConnectionChange(name="First"))
        with pytest.raises(Conflict) as caught:
            await backend.connections.update(
                made.id, ConnectionChange(name="Second", expected_version=made.version)
            )
        assert caught.value.field == "expected_version"
        assert (await backend.connections.get(made.id)).name == "First"

    @pytest.mark.anyio
    async def test_schedule_shows_when_it_is_due(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, schedule=ScheduleSpec(cron=" 30  2 * * * "))
        assert made.schedule is not None
        assert made.schedule.cron == "30 2 * * *"
        assert made.schedule.next_run is not None
        assert (made.schedule.next_run.hour, made.schedule.next_run.minute) == (2, 30)

    @pytest.mark.anyio
    async def test_check_reports_what_is_wrong_and_marks_the_connection(
        self, backend: Backend
    ) -> None:
        await collection(backend)
        made = await connect(backend, short_name="secret_stub", auth=credentials(token="good-one"))
        good = await backend.connections.check(made.id)
        assert (good.ok, good.error_category) == (True, None)
        pending = await connect(backend, short_name="secret_stub")
        bad = await backend.connections.check(pending.id)
        assert (bad.ok, bad.error_category) == (False, ErrorCategory.API_KEY_INVALID)


class JobContract:
    """Jobs: run, follow, fail, cancel, list."""

    @pytest.mark.anyio
    async def test_counts_are_true_to_the_entity(self, backend: Backend) -> None:
        await collection(backend)
        script: Json = {"entities": 40, "change_every": 10}
        made = await connect(backend, script)
        first = await synced(backend, made)
        assert (first.entities_inserted, first.entities_unchanged) == (40, 0)
        again = await synced(backend, made)
        assert (again.entities_inserted, again.entities_unchanged) == (0, 40)
        # The next generation drops 4, adds 4 and changes every tenth of the kept ones.
        await backend.connections.update(made.id, ConnectionChange(config={"generation": 1}))
        third = await synced(backend, made)
        counts = (third.entities_inserted, third.entities_updated, third.entities_deleted)
        assert counts == (4, 3, 4)
        assert third.entities_unchanged == 33
        after = await backend.connections.get(made.id)
        assert after.entities.total_entities == 40

    @pytest.mark.anyio
    async def test_failed_and_skipped_entities_are_counted_and_logged(
        self, backend: Backend
    ) -> None:
        await collection(backend)
        made = await connect(backend, {"entities": 20, "failed_every": 10, "skipped_every": 7})
        job = await synced(backend, made)
        assert job.status is JobStatus.COMPLETED
        assert (job.entities_failed, job.entities_skipped, job.entities_inserted) == (2, 2, 16)
        log = [line.message for line in await backend.jobs.log(job.id)]
        assert any("stub-9: scripted failure" in message for message in log)

    @pytest.mark.anyio
    async def test_failed_entity_keeps_its_earlier_copy(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, {"entities": 20})
        await synced(backend, made)
        await backend.connections.update(made.id, ConnectionChange(config={"failed_every": 10}))
        job = await synced(backend, made)
        assert (job.entities_failed, job.entities_deleted) == (2, 0)
        assert (await backend.connections.get(made.id)).entities.total_entities == 20

    @pytest.mark.anyio
    async def test_incomplete_listing_deletes_nothing(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, {"entities": 20})
        await synced(backend, made)
        await backend.connections.update(
            made.id, ConnectionChange(config={"entities": 5, "incomplete": True})
        )
        job = await synced(backend, made)
        assert (job.status, job.entities_deleted) == (JobStatus.COMPLETED, 0)
        assert (await backend.connections.get(made.id)).entities.total_entities == 20

    @pytest.mark.anyio
    async def test_second_run_is_a_conflict_that_names_the_job(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, SLOW)
        job = await backend.jobs.run(made.id)
        with pytest.raises(Conflict) as caught:
            await backend.jobs.run(made.id)
        assert caught.value.job_id == job.id
        assert job.id in str(caught.value)
        await backend.jobs.cancel(job.id)
        await ended(backend, job)

    @pytest.mark.anyio
    async def test_cancelled_job_keeps_what_it_stored_and_stops_writing(
        self, backend: Backend
    ) -> None:
        await collection(backend)
        made = await connect(backend, SLOW)
        job = await started(backend, await backend.jobs.run(made.id))
        assert (await backend.connections.get(made.id)).status is ConnectionStatus.SYNCING
        asked = await backend.jobs.cancel(job.id)
        assert asked.status in (JobStatus.CANCELLING, JobStatus.CANCELLED)
        last = await ended(backend, job)
        assert last.status is JobStatus.CANCELLED
        assert last.entities_inserted > 0
        assert (last.started_at is not None, last.completed_at is not None) == (True, True)
        stored = (await backend.connections.get(made.id)).entities.total_entities
        assert stored == last.entities_inserted

    @pytest.mark.anyio
    async def test_cancelling_an_ended_job_is_a_conflict(self, backend: Backend) -> None:
        await collection(backend)
        job = await synced(backend, await connect(backend))
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
        await collection(backend)
        made = await connect(
            backend,
            {"entities": 20, "fail_at": 10, "error": error},
            auth=credentials(token="s3cr3t-canary"),
        )
        job = await synced(backend, made)
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
        await collection(backend)
        made = await connect(backend, {"entities": 20}, schedule=ScheduleSpec(continuous=True))
        assert (await synced(backend, made)).entities_inserted == 20
        after = await backend.connections.get(made.id)
        assert after.schedule is not None
        assert (after.schedule.cursor_field, after.schedule.cursor_value) == ("last_entity", "19")
        incremental = await synced(backend, made)
        assert (incremental.full_sync, incremental.entities_processed) == (False, 0)
        forced = await synced(backend, made, full=True)
        assert (forced.full_sync, forced.entities_unchanged) == (True, 20)

    @pytest.mark.anyio
    async def test_jobs_are_listed_newest_first_and_paged(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend)
        jobs = [await synced(backend, made) for _ in range(3)]
        page = await backend.jobs.list(made.id, limit=2)
        assert [job.id for job in page.items] == [jobs[2].id, jobs[1].id]
        rest = await backend.jobs.list(made.id, limit=2, cursor=page.next_cursor)
        assert [job.id for job in rest.items] == [jobs[0].id]
        assert (await backend.jobs.list(status=JobStatus.FAILED)).items == ()
        assert (await backend.jobs.get(jobs[0].id[:8])).id == jobs[0].id


class DeleteContract:
    """Deleting connections."""

    @pytest.mark.anyio
    async def test_deleted_connection_is_gone_and_unsearchable(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, {"entities": 5})
        job = await synced(backend, made)
        query = SearchQuery(readable_collection_id=COLLECTION, query="entity3")
        assert backend.search is not None
        assert len((await backend.search.search(query)).hits) == 1
        deleted = await backend.connections.delete(made.id)
        assert (deleted.id, deleted.entities.total_entities) == (made.id, 5)
        assert (await backend.search.search(query)).hits == ()
        for gone in (backend.connections.get(made.id), backend.connections.delete(made.id)):
            with pytest.raises(NotFound):
                await gone
        with pytest.raises(NotFound):
            await backend.jobs.get(job.id)

    @pytest.mark.anyio
    async def test_delete_during_a_sync_stops_it_first(self, backend: Backend) -> None:
        await collection(backend)
        made = await connect(backend, SLOW)
        await started(backend, await backend.jobs.run(made.id))
        await backend.connections.delete(made.id)
        assert (await backend.connections.list()).items == ()
        assert (await backend.collections.get(COLLECTION)).entity_count == 0


class SearchContract:
    """Searching, and reading what was found."""

    @pytest.mark.anyio
    async def test_all_words_first_then_any(self, backend: Backend) -> None:
        await collection(backend)
        await synced(backend, await connect(backend, {"entities": 30}))
        assert backend.search is not None
        both = await backend.search.search(
            SearchQuery(readable_collection_id=COLLECTION, query="entity7 foxes")
        )
        assert (both.matched, [hit.title for hit in both.hits]) == ("all", ["Note 7"])
        either = await backend.search.search(
            SearchQuery(readable_collection_id=COLLECTION, query="entity7 entity8 absent")
        )
        assert either.matched == "any"
        assert {hit.title for hit in either.hits} == {"Note 7", "Note 8"}

    @pytest.mark.anyio
    async def test_hits_are_paged_and_filtered(self, backend: Backend) -> None:
        await collection(backend)
        one = await connect(backend, {"entities": 15}, name="Connection One")
        two = await connect(backend, {"entities": 5}, name="Connection Two")
        for made in (one, two):
            await synced(backend, made)
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="lazy dog", limit=12)
        first = await backend.search.search(query)
        second = await backend.search.search(query.model_copy(update={"cursor": first.next_cursor}))
        assert (len(first.hits), len(second.hits), second.next_cursor) == (12, 8, None)
        assert len({hit.entity_id for hit in (*first.hits, *second.hits)}) == 20
        only = await backend.search.search(query.model_copy(update={"connection": two.id}))
        assert {hit.connection_name for hit in only.hits} == {"Connection Two"}
        none = await backend.search.search(query.model_copy(update={"entity_type": "page"}))
        assert none.hits == ()

    @pytest.mark.anyio
    async def test_entity_is_read_in_windows(self, backend: Backend) -> None:
        await collection(backend)
        await synced(backend, await connect(backend, {"entities": 1, "text_chars": 100}))
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="entity0")
        hit = (await backend.search.search(query)).hits[0]
        whole = await backend.search.entity(hit.entity_id, offset=0, max_chars=1000)
        assert (len(whole.text), whole.total_chars) == (100, 100)
        window = await backend.search.entity(hit.entity_id, offset=40, max_chars=20)
        assert window.text == whole.text[40:60]
        with pytest.raises(NotFound):
            await backend.search.entity("999999", offset=0, max_chars=10)

    @pytest.mark.anyio
    @pytest.mark.parametrize("query", ["", "  ", "***", '"', "x" * 1001])
    async def test_query_without_words_is_refused(self, backend: Backend, query: str) -> None:
        await collection(backend)
        assert backend.search is not None
        with pytest.raises(InvalidInput) as caught:
            await backend.search.search(SearchQuery(readable_collection_id=COLLECTION, query=query))
        assert caught.value.field == "query"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "query", ['"unbalanced', "a AND OR NOT", "col:x", "x^2", "(", "NEAR(a b)", "é ß 字 \0x"]
    )
    async def test_query_syntax_is_taken_as_plain_words(self, backend: Backend, query: str) -> None:
        await collection(backend)
        assert backend.search is not None
        wanted = SearchQuery(readable_collection_id=COLLECTION, query=query)
        if any(char.isalnum() for char in query):
            assert (await backend.search.search(wanted)).hits == ()
        else:
            with pytest.raises(InvalidInput):
                await backend.search.search(wanted)


class BackendContract(
    CollectionContract, ConnectionContract, JobContract, DeleteContract, SearchContract
):
    """All of it."""
