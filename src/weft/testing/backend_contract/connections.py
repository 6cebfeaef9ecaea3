"""The contract of a backend: connections."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from weft.backend import Backend
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    OAuthTokenAuth,
)
from weft.domain.jobs import JobStatus, JobTrigger
from weft.domain.previews import Preview
from weft.domain.schedules import ScheduleSpec
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

DAY: Final = timedelta(days=1)


class ConnectionContract(ContractPart):
    """Connections: create, get, list, update, check, authorise."""

    @pytest.mark.anyio
    async def test_create_gives_documented_defaults(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 3}, sync_immediately=None)
        assert made.name == "Stub Connection"
        assert made.auth.authenticated
        assert made.config == {"entities": 3}
        assert made.schedule is None
        first = made.sync.last_job
        assert first is not None, "direct authentication syncs at once"
        assert first.trigger is JobTrigger.INITIAL
        assert (await wait_for_end(backend, first)).status is JobStatus.COMPLETED
        after = await backend.connections.get(made.id)
        assert after.status is ConnectionStatus.ACTIVE
        assert after.entities.total_entities == 3
        assert after.entities.by_type["note"].count == 3
        assert (after.sync.total_runs, after.sync.successful_runs) == (1, 1)

    @pytest.mark.anyio
    async def test_whoever_sets_config_is_told_what_fits_or_that_nobody_looked(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 3, "previews": True})
        await sync(backend, made)
        change = ConnectionChange(config={"entities": 2})
        changed = await backend.connections.update(made.id, change)
        assert made.preview is not None
        assert changed.preview is not None
        if changed.preview.gap is None:
            assert (made.preview.by_type, made.preview.stored) == ({"note": 3}, 0)
            assert changed.preview.by_type == {"note": 2}
            assert (changed.preview.stored, changed.preview.would_delete) == (3, 1)
            assert changed.preview.untrusted_doomed == ("stub-2",)
        else:
            assert changed.preview == Preview(gap=changed.preview.gap)
        renamed = await backend.connections.update(made.id, ConnectionChange(name="Another name"))
        for other in (renamed, await backend.connections.get(made.id)):
            assert other.preview is None

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
            (
                {"schedule": {"cron": "0 2 * * *", "continuous": True}},
                InvalidInput,
                "schedule",
            ),
            ({"auth": {}}, InvalidInput, "auth"),
        ],
    )
    async def test_bad_create_field_is_named_and_nothing_is_created(
        self, backend: Backend, fields: dict[str, Any], error: type[WeftError], field: str
    ) -> None:
        await create_collection(backend)
        with pytest.raises(error) as caught:
            await connect(backend, **fields)
        assert caught.value.field == field
        assert (await backend.connections.list()).items == ()

    @pytest.mark.anyio
    async def test_method_that_the_source_lacks_is_refused(self, backend: Backend) -> None:
        await create_collection(backend)
        with pytest.raises(Unsupported) as caught:
            await connect(backend, auth=Auth(oauth_token=OAuthTokenAuth(access_token="t0ken")))
        assert caught.value.field == "auth"

    @pytest.mark.anyio
    async def test_credentials_refused_by_the_source_create_nothing(self, backend: Backend) -> None:
        await create_collection(backend)
        with pytest.raises(AuthenticationFailed):
            await connect(backend, short_name="secret_stub", auth=credentials(token="bad"))
        assert (await backend.connections.list()).items == ()

    @pytest.mark.anyio
    async def test_connection_without_needed_credentials_waits_for_them(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
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
        assert (await sync(backend, ready)).status is JobStatus.COMPLETED

    @pytest.mark.anyio
    async def test_connection_is_found_by_id_prefix_and_name(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, name="The Only One")
        for text in (made.id, made.id.upper(), made.id[:3], "The Only One", "the only one"):
            assert (await backend.connections.get(text)).id == made.id
        with pytest.raises(NotFound, match="Did you mean 'The Only One'"):
            await backend.connections.get("the onle one")
        with pytest.raises(NotFound) as caught:
            await backend.connections.get(UNKNOWN_ID)
        assert caught.value.field == "connection_id"

    @pytest.mark.anyio
    async def test_ambiguous_name_lists_the_candidates(self, backend: Backend) -> None:
        await create_collection(backend)
        made = [await connect(backend, name="Twin") for _ in range(2)]
        with pytest.raises(Ambiguous) as caught:
            await backend.connections.get("Twin")
        assert all(item.id in str(caught.value) for item in made)

    @pytest.mark.anyio
    async def test_list_is_newest_first_paged_and_filtered(self, backend: Backend) -> None:
        await create_collection(backend)
        await create_collection(backend, "other-docs")
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
    async def test_totals_are_of_all_connections_whatever_a_page_shows(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, {"entities": 3})
        await sync(backend, made)
        await connect(backend, {"entities": 1})
        every = await backend.connections.totals()
        assert (every.connections, every.entities, every.syncing) == (2, 3, 0)
        assert not every.is_partial
        page = await backend.connections.list()
        assert every.needs_attention == sum(bool(item.attention) for item in page.items)
        assert (await backend.connections.totals(short_name="other")).connections == 0

    @pytest.mark.anyio
    async def test_cursor_of_another_list_is_refused(self, backend: Backend) -> None:
        await create_collection(backend)
        await create_collection(backend, "other-docs")
        for number in range(2):
            await connect(backend, name=f"Number {number}")
        connections = (await backend.connections.list(limit=1)).next_cursor
        filtered = (await backend.connections.list(short_name="stub", limit=1)).next_cursor
        collections = (await backend.collections.list(limit=1)).next_cursor
        assert connections
        assert filtered
        assert collections
        again = await backend.connections.list(short_name="stub", cursor=filtered)
        assert len(again.items) == 1
        for wrong in (
            backend.connections.list(cursor=collections),
            backend.connections.list(cursor=filtered),
            backend.connections.list(short_name="stub", cursor=connections),
            backend.collections.list(cursor=connections),
            backend.jobs.list(cursor=connections),
        ):
            with pytest.raises(InvalidInput, match="not one that this list gave") as caught:
                await wrong
            assert caught.value.field == "cursor"

    @pytest.mark.anyio
    async def test_update_changes_only_what_is_given(self, backend: Backend) -> None:
        await create_collection(backend)
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
    async def test_connection_moves_with_all_that_it_stores_also_while_it_syncs(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        await create_collection(backend, "contract-other")
        made = await connect(backend, {"entities": 3})
        await sync(backend, made)
        move = ConnectionChange(readable_collection_id="contract-other")
        if "connections.move" in self.LACKS:
            with pytest.raises(Unsupported) as caught:
                await backend.connections.update(made.id, move)
            assert caught.value.field == "readable_collection_id"
            return
        await backend.connections.update(made.id, ConnectionChange(config=SLOW))
        job = await wait_for_progress(backend, await backend.jobs.run(made.id))
        moved = await backend.connections.update(made.id, move)
        assert moved.readable_collection_id == "contract-other"
        await backend.jobs.cancel(job.id)
        await wait_for_end(backend, job)
        left = await backend.collections.get(COLLECTION)
        entered = await backend.collections.get("contract-other")
        stored = (await backend.connections.get(made.id)).entities.total_entities
        assert (left.connection_count, left.entity_count) == (0, 0)
        assert (entered.connection_count, entered.entity_count) == (1, stored)
        assert stored > 3
        await backend.collections.delete(COLLECTION)
        assert (await backend.connections.get(made.id)).entities.total_entities == stored
        with pytest.raises(NotFound, match="Did you mean '"):
            await backend.connections.update(
                made.id, ConnectionChange(readable_collection_id="contract-othr")
            )

    @pytest.mark.anyio
    async def test_stale_version_changes_nothing(self, backend: Backend) -> None:
        await create_collection(backend)
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
        await create_collection(backend)
        made = await connect(backend, schedule=ScheduleSpec(cron=" 30  2 * * * "))
        assert made.schedule is not None
        assert made.schedule.cron == "30 2 * * *"
        assert made.schedule.next_run is not None
        assert (made.schedule.next_run.hour, made.schedule.next_run.minute) == (2, 30)

    @pytest.mark.anyio
    async def test_cron_that_comes_without_a_time_zone_is_in_utc(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend)
        tokyo = ScheduleSpec(cron="30 2 * * *", timezone="Asia/Tokyo")
        if "schedules" in self.LACKS:
            with pytest.raises(Unsupported):
                await backend.connections.update(made.id, ConnectionChange(schedule=tokyo))
            return
        there = await backend.connections.update(made.id, ConnectionChange(schedule=tokyo))
        assert there.schedule is not None
        assert there.schedule.timezone == "Asia/Tokyo"
        change = ConnectionChange(schedule=ScheduleSpec(cron="0 3 * * *"))
        back = await backend.connections.update(made.id, change)
        assert back.schedule is not None
        assert back.schedule.timezone == "UTC"

    @pytest.mark.anyio
    async def test_paused_schedule_runs_nothing_until_its_end(self, backend: Backend) -> None:
        await create_collection(backend)
        made = await connect(backend, schedule=ScheduleSpec(cron="30 2 * * *"))

        async def change(**given: Any) -> Connection:
            spec = ScheduleSpec.model_validate(given)
            return await backend.connections.update(made.id, ConnectionChange(schedule=spec))

        if "schedules" in self.LACKS:
            with pytest.raises(Unsupported):
                await change(paused=True)
            return
        end = datetime.now(UTC).replace(hour=2, minute=30, second=0, microsecond=0) + 40 * DAY
        paused = await change(paused_until=end)
        assert paused.schedule is not None
        assert (paused.schedule.paused, paused.schedule.paused_until) == (True, end)
        assert paused.schedule.next_run == end
        assert paused.status is ConnectionStatus.INACTIVE
        listed = await backend.connections.list(status=ConnectionStatus.INACTIVE)
        assert [item.id for item in listed.items] == [made.id]
        moved = await change(cron="0 3 * * *")
        assert moved.schedule is not None
        assert moved.schedule.next_run == end + timedelta(minutes=30)
        endless = await change(paused=True)
        assert endless.schedule is not None
        assert (endless.schedule.paused_until, endless.schedule.next_run) == (None, None)
        resumed = await change(paused=False)
        assert resumed.schedule is not None
        assert resumed.schedule.next_run is not None
        assert resumed.schedule.next_run < end
        assert resumed.status is ConnectionStatus.ACTIVE

    @pytest.mark.anyio
    async def test_check_reports_what_is_wrong_and_marks_the_connection(
        self, backend: Backend
    ) -> None:
        await create_collection(backend)
        made = await connect(backend, short_name="secret_stub", auth=credentials(token="good-one"))
        if await self.check_lack("connections.check", backend, backend.connections.check(made.id)):
            return
        good = await backend.connections.check(made.id)
        assert (good.ok, good.error_category) == (True, None)
        pending = await connect(backend, short_name="secret_stub")
        bad = await backend.connections.check(pending.id)
        assert (bad.ok, bad.error_category) == (False, ErrorCategory.API_KEY_INVALID)
