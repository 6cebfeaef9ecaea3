"""Each recorded story of Airweave, told through Weft's backend, ends as it should; its surprises,
after which the tests are named, surprise nobody who uses Weft.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.airweave.backend import (
    STUB_AUTH,
    Place,
    make_connection,
    make_direct_auth,
    wait_until_synced,
)
from weft.domain.collections import CollectionStatus, NewCollection
from weft.domain.connections import (
    Auth,
    ConnectionChange,
    ConnectionStatus,
)
from weft.domain.jobs import JobStatus
from weft.domain.reading.search import SearchMode, SearchQuery, SearchResults
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    SourceUnavailable,
    Unsupported,
)
from weft.remote.backend import RemoteBackend
from weft.server.render.text import connection_text
from weft.testing.airweave.state import Provider, new_id

pytestmark = pytest.mark.anyio

SLOW = {"entity_count": 10, "generation_delay_ms": 60_000}


NO_SCHEDULE = ScheduleSpec()


async def find(backend: RemoteBackend, query: str, **filters: Any) -> SearchResults:
    assert backend.search is not None
    given = {"readable_collection_id": "docs", "query": query, **filters}
    return await backend.search.search(SearchQuery.model_validate(given))


async def search(backend: RemoteBackend, query: str) -> list[str]:
    return [hit.connection_id for hit in (await find(backend, query)).hits]


class TestCollections:
    async def test_status_is_active_though_a_connection_fails_which_needs_attention(
        self, place: Place
    ) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "stub", auth=STUB_AUTH, config={"seed": 13})
            await wait_until_synced(place.world, made.id, "failed")
            assert (await backend.collections.get("docs")).status is CollectionStatus.ACTIVE
            failing = await backend.connections.list(collection="docs", needs_attention=True)
        assert [each.id for each in failing.items] == [made.id]

    async def test_get_shows_no_connections_but_they_are_counted(self, place: Place) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            await make_connection(backend, "notion")
            assert (await backend.collections.get("docs")).connection_count == 2

    async def test_list_for_a_deleted_collection_is_empty_but_it_is_told_as_gone(
        self, place: Place
    ) -> None:
        async with place.open() as backend:
            await backend.collections.delete("docs")
            with pytest.raises(NotFound) as caught:
                await backend.connections.list(collection="docs")
        assert caught.value.field == "readable_collection_id"

    async def test_rename_loses_no_count(self, place: Place) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            renamed = await backend.collections.update("docs", name="Other")
        assert (renamed.name, renamed.connection_count) == ("Other", 1)

    async def test_delete_with_a_running_job_takes_its_time_and_all(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "stub", auth=STUB_AUTH, config=SLOW)
            await wait_until_synced(place.world, made.id, "running")
            await backend.collections.delete("docs")
            with pytest.raises(NotFound):
                await backend.collections.get("docs")
        assert not place.world.connections


class TestConnectionsWithoutSync:
    async def test_only_an_empty_schedule_makes_none(self, place: Place) -> None:
        async with place.open() as backend:
            first = await make_connection(backend, "stub", auth=STUB_AUTH, sync_immediately=False)
            none = await make_connection(
                backend, "stub", auth=STUB_AUTH, sync_immediately=False, schedule=NO_SCHEDULE
            )
        assert (first.schedule is None, none.schedule is None) == (False, True)

    async def test_without_a_sync_there_are_no_jobs_and_a_run_makes_one(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(
                backend, "stub", auth=STUB_AUTH, sync_immediately=False, schedule=NO_SCHEDULE
            )
            assert not (await backend.jobs.list(made.id)).items
            job = await backend.jobs.run(made.id)
            await wait_until_synced(place.world, made.id)
            assert (await backend.jobs.get(job.id)).status is JobStatus.COMPLETED
            assert (await backend.connections.get(made.id)).schedule is None

    async def test_sync_that_never_ran_has_no_last_job(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "stub", auth=STUB_AUTH, sync_immediately=False)
            found = await backend.connections.get(made.id)
            assert (found.sync.last_job, found.sync_id is None) == (None, False)
            assert not (await backend.jobs.list(made.id)).items

    async def test_cron_makes_the_sync(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(
                backend, "stub", auth=STUB_AUTH, sync_immediately=False, schedule=NO_SCHEDULE
            )
            change = ConnectionChange(schedule=ScheduleSpec(cron="0 5 * * *"))
            changed = await backend.connections.update(made.id, change)
            await backend.jobs.run(made.id)
            await wait_until_synced(place.world, made.id)
        assert changed.schedule is not None
        assert changed.schedule.cron == "0 5 * * *"


class TestFederated:
    async def test_token_create_sends_what_airweave_would_fail_without(self, place: Place) -> None:
        auth = Auth.model_validate({"oauth_token": {"access_token": "xoxp-good"}})
        async with place.open() as backend:
            made = await make_connection(backend, "slack", auth=auth)
            assert (made.status, made.federated_search) == (ConnectionStatus.ACTIVE, True)
            assert not (await backend.jobs.list(made.id)).items
            with pytest.raises(Unsupported, match="searched live") as caught:
                await backend.jobs.run(made.id)
            assert caught.value.field == "connection_id"
            assert await search(backend, "house"), "its hits name no sync, and are shown"

    async def test_live_hits_are_found_by_their_connection_and_said_to_be_live(
        self, place: Place
    ) -> None:
        auth = Auth.model_validate({"oauth_token": {"access_token": "xoxp-good"}})
        async with place.open() as backend:
            slack = await make_connection(backend, "slack", auth=auth)
            stored = await make_connection(backend, "stub", auth=STUB_AUTH)
            await wait_until_synced(place.world, stored.id)
            both = (await find(backend, "house")).hits
            assert {hit.live for hit in both} == {True, False}
            for connection, is_live in ((slack, True), (stored, False)):
                found = await find(backend, "house", connection=connection.id)
                assert {hit.live for hit in found.hits} == {is_live}
                assert ("another one of this source" in found.note) == is_live
            text = connection_text(await backend.connections.get(slack.id))
        assert "every search of its collection asks the source itself" in text
        assert "0 run" not in text

    async def test_live_hits_rank_beside_those_of_a_collection_whose_scores_are_higher(
        self, place: Place
    ) -> None:
        auth = Auth.model_validate({"oauth_token": {"access_token": "xoxp-good"}})
        async with place.open() as backend:
            await backend.collections.create(NewCollection(name="Chat", readable_id="chat"))
            await make_connection(backend, "slack", auth=auth, readable_collection_id="chat")
            stored = await make_connection(backend, "stub", auth=STUB_AUTH)
            await wait_until_synced(place.world, stored.id)
            found = await find(backend, "house", readable_collection_id=None, limit=4)
        assert [hit.live for hit in found.hits] == [False, True, False, True]

    async def test_connection_without_a_sync_has_no_hits_and_no_further_pages(
        self, place: Place
    ) -> None:
        async with place.open() as backend:
            stored = await make_connection(backend, "stub", auth=STUB_AUTH)
            await wait_until_synced(place.world, stored.id)
            empty = await make_connection(
                backend, "stub", auth=STUB_AUTH, sync_immediately=False, schedule=NO_SCHEDULE
            )
            found = await find(backend, "house", connection=empty.id, limit=1)
        assert (found.hits, found.next_cursor) == ((), None)

    async def test_pending_one_breaks_every_search_and_is_named(self, place: Place) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            await make_connection(backend, "slack")
            with pytest.raises(Conflict, match="searched live") as caught:
                await search(backend, "house")
        assert "list_connections" in (caught.value.hint or "")


class TestSearch:
    async def test_pages_of_several_collections_end_at_a_hundred_hits(self, place: Place) -> None:
        async with place.open() as backend:
            await backend.collections.create(NewCollection(name="Others", readable_id="others"))
            for name in ("docs", "others"):
                made = await make_connection(
                    backend,
                    "stub",
                    auth=STUB_AUTH,
                    config={"entity_count": 60},
                    readable_collection_id=name,
                )
                await wait_until_synced(place.world, made.id)
            asked: dict[str, Any] = {"readable_collection_id": None, "limit": 40}
            seen = set[tuple[str, str]]()
            for _ in range(3):
                page = await find(backend, "house", **asked)
                seen |= {(hit.connection_id, hit.entity_id) for hit in page.hits}
                asked["cursor"] = page.next_cursor
            assert len(seen) == 100
            with pytest.raises(InvalidInput, match="the first 100 hits"):
                await find(backend, "house", **asked)

    async def test_name_of_a_collection_that_looks_like_an_id_is_found(self, place: Place) -> None:
        async with place.open() as backend:
            made = await backend.collections.create(NewCollection(name="Research"))
            one = await make_connection(
                backend, "stub", auth=STUB_AUTH, readable_collection_id="research"
            )
            assert one.readable_collection_id == made.readable_id != "research"
            await wait_until_synced(place.world, one.id)
            page = await find(backend, "house", limit=1, readable_collection_id="research")
            again = {"readable_collection_id": "research", "cursor": page.next_cursor}
            assert (await find(backend, "house", **again)).hits
            for unknown in ("nowhere", "../docs"):
                with pytest.raises(NotFound) as caught:
                    await find(backend, "house", readable_collection_id=unknown)
                assert caught.value.field == "readable_collection_id"

    async def test_last_moment_of_the_calendar_is_a_time_too(self, place: Place) -> None:
        async with place.open() as backend:
            await find(backend, "house", since=datetime.max.replace(tzinfo=UTC))
        (body,) = place.world.searches
        (condition,) = body["filter"][0]["conditions"]
        assert condition["value"] == "9999-12-31T23:59:59+00:00"

    async def test_mode_chooses_airweaves_strategy(self, place: Place) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            told = [(await find(backend, "house", mode=mode)).by_meaning for mode in SearchMode]
        asked = [body.get("retrieval_strategy", "hybrid") for body in place.world.searches]
        assert asked == ["hybrid", "keyword", "semantic"]
        assert told == [True, False, True]

    @pytest.mark.parametrize("field", ["path", "author"])
    async def test_filter_that_airweave_lacks_is_refused_by_its_name(
        self, place: Place, field: str
    ) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            with pytest.raises(Unsupported) as caught:
                await find(backend, "house", **{field: "docs/"})
        assert (caught.value.field, caught.value.hint) == (field, f"Leave out {field}.")

    async def test_times_are_sent_with_their_zone(self, place: Place) -> None:
        since = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
        async with place.open() as backend:
            await find(backend, "house", since=since)
        (body,) = place.world.searches
        assert body["filter"][0]["conditions"] == [
            {
                "field": "updated_at",
                "operator": "greater_than_or_equal",
                "value": "2026-05-01T12:00:00+00:00",
            }
        ]

    async def test_dead_engine_is_told_without_its_exception(self, place: Place) -> None:
        async with place.open() as backend:
            await make_connection(backend, "stub", auth=STUB_AUTH)
            with pytest.raises(SourceUnavailable) as caught:
                await search(backend, "boom")
        assert "boom" not in str(caught.value)

    async def test_empty_answer_is_no_hits(self, place: Place) -> None:
        async with place.open() as backend:
            assert await search(backend, "nothing") == []


class TestAuthProviders:
    async def test_deleted_provider_takes_its_connections_along(self, place: Place) -> None:
        now = place.world.clock.now()
        kept = Provider(new_id(), "Composio", "composio-1", "composio", now, now)
        place.world.providers[kept.readable_id] = kept
        auth = Auth.model_validate(
            {
                "auth_provider": {
                    "provider_readable_id": "composio-1",
                    "provider_config": {"auth_config_id": "a", "account_id": "b"},
                }
            }
        )
        async with place.open() as backend:
            made = await make_connection(backend, "notion", auth=auth)
            del place.world.connections[made.id]  # As the recorded delete of the provider does.
            with pytest.raises(NotFound) as caught:
                await backend.jobs.run(made.id)
        assert caught.value.field == "connection_id"


class TestSchedules:
    @pytest.mark.parametrize("cron", ["@daily", "0 0 2 * * *"])
    async def test_cron_that_a_change_would_misread_is_refused(
        self, place: Place, cron: str
    ) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "stub", auth=STUB_AUTH)
            change = ConnectionChange(schedule=ScheduleSpec(cron=cron))
            with pytest.raises(InvalidInput) as caught:
                await backend.connections.update(made.id, change)
        assert caught.value.field == "schedule.cron"
        assert not [asked for asked in place.world.asked if asked.startswith("PATCH")]

    async def test_sub_hourly_cron_of_a_source_that_does_not_sync_so_often_is_named(
        self, place: Place
    ) -> None:
        async with place.open() as backend:
            spec = ScheduleSpec(cron="*/5 * * * *")
            with pytest.raises(InvalidInput) as caught:
                await make_connection(backend, "stub", auth=STUB_AUTH, schedule=spec)
            assert caught.value.field == "schedule"
            made = await make_connection(backend, "stub", auth=STUB_AUTH)
            with pytest.raises(InvalidInput) as caught:
                await backend.connections.update(made.id, ConnectionChange(schedule=spec))
        assert caught.value.field == "schedule"

    async def test_cron_that_is_given_is_kept_after_the_consent(self, place: Place) -> None:
        async with place.open() as backend:
            spec = ScheduleSpec(cron="0 5 * * *")
            made = await make_connection(backend, "notion", schedule=spec)
            await place.consent(made.auth.auth_url)
            found = await backend.connections.get(made.id)
        assert found.schedule is not None
        assert found.schedule.cron == "0 5 * * *"

    async def test_continuous_alone_is_dropped_so_its_cron_is_sent(self, place: Place) -> None:
        auth = make_direct_auth(personal_access_token="ghp_good")
        given: dict[str, Any] = {
            "config": {"repo_name": "me/repo"},
            "schedule": ScheduleSpec(continuous=True),
        }
        async with place.open() as backend:
            made = await make_connection(backend, "github", auth=auth, **given)
        sync = place.world.connections[made.id].sync
        assert sync is not None
        assert sync.cron == "*/5 * * * *"

    async def test_schedule_is_removed_by_a_change(self, place: Place) -> None:
        async with place.open() as backend:
            made = await make_connection(backend, "stub", auth=STUB_AUTH)
            changed = await backend.connections.update(made.id, ConnectionChange(schedule=None))
        assert changed.schedule is None
