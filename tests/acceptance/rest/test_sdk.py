"""Airweave's official Python client walks through a connection's life against a local Weft."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import anyio
import httpx
import pytest
from airweave import (
    AirweaveSDK,
    AsyncAirweaveSDK,
    ConflictError,
    DirectAuthentication,
    NotFoundError,
    ScheduleConfig,
    SourceConnection,
    SourceConnectionJob,
    UnprocessableEntityError,
)
from airweave.core.api_error import ApiError

from tests.acceptance.weft_http import HttpServer, create_key, http_server
from tests.acceptance.weft_process import WAIT_SECONDS, Place

pytestmark = pytest.mark.anyio

UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
SLOW = {"entities": 100_000, "rate": 200.0}
SECRET = "hunter2-hunter2"


@dataclass(frozen=True, slots=True)
class Sdk:
    """The official client, with what every test needs of it."""

    server: HttpServer
    client: AsyncAirweaveSDK
    collection: str

    async def connection(self, **given: object) -> SourceConnection:
        """A new stub connection that has not synced, unless ``given`` says otherwise."""
        arguments: dict[str, object] = {
            "short_name": "stub",
            "readable_collection_id": self.collection,
            "sync_immediately": False,
        }
        return await self.client.source_connections.create(**(arguments | given))  # pyright: ignore[reportArgumentType] (each given one is right)

    async def job(self, connection_id: str, job_id: str, *statuses: str) -> SourceConnectionJob:
        """The job, once it has one of the statuses."""
        with anyio.fail_after(WAIT_SECONDS):
            while True:
                jobs = await self.client.source_connections.get_source_connection_jobs(
                    connection_id, limit=100
                )
                (found,) = [job for job in jobs if job.id == job_id]
                if found.status in statuses:
                    return found
                await anyio.sleep(0.02)


@pytest.fixture(scope="module")
async def sdk(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Sdk]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    (place.files / "note.md").write_text("a pelican lands")
    async with http_server(place) as server, httpx.AsyncClient(timeout=30) as http:
        client = AsyncAirweaveSDK(base_url=server.url, api_key=server.token, httpx_client=http)
        made = await client.collections.create(name="Team documents")
        yield Sdk(server, client, made.readable_id)


async def test_a_connection_lives_from_create_to_delete(sdk: Sdk) -> None:
    api = sdk.client.source_connections
    made = await sdk.connection(
        name="Team folder",
        short_name="files",
        description="What we wrote",
        config={"path": str(sdk.server.place.files)},
        sync_immediately=True,
    )
    assert made.auth.method == "direct"
    assert made.auth.authenticated is True
    assert made.sync is not None
    assert made.sync.last_job is not None
    first = await sdk.job(made.id, made.sync.last_job.id, "completed")
    assert (first.entities_inserted, first.entities_failed, first.error) == (1, 0, None)
    assert first.started_at is not None
    assert first.started_at.tzinfo is not None

    found = await api.get(made.id)
    assert (found.status, found.name) == ("active", "Team folder")
    assert found.entities is not None
    assert found.entities.total_entities == 1
    assert found.sync is not None
    assert found.sync.successful_runs == 1

    results = await sdk.client.collections.search.instant(sdk.collection, query="pelican")
    assert results.results is not None
    assert [hit.textual_representation for hit in results.results] == ["a pelican lands"]
    assert results.results[0].airweave_system_metadata.source_name == "files"

    listed = await api.list(collection=sdk.collection, limit=1000)
    (item,) = [item for item in listed if item.id == made.id]
    assert (item.entity_count, item.is_authenticated) == (1, True)

    changed = await api.update(
        made.id, name="Renamed folder", schedule=ScheduleConfig(cron="0 2 * * *")
    )
    assert changed.name == "Renamed folder"
    assert changed.description == "What we wrote"
    assert changed.schedule is not None
    assert changed.schedule.cron == "0 2 * * *"
    assert changed.schedule.next_run is not None

    again = await api.run(made.id, force_full_sync=True)
    assert again.status in ("pending", "running", "completed")
    await sdk.job(made.id, again.id, "completed")
    jobs = await api.get_source_connection_jobs(made.id, limit=1)
    assert [job.id for job in jobs] == [again.id]

    deleted = await api.delete(made.id)
    assert (deleted.name, deleted.entities and deleted.entities.total_entities) == (
        "Renamed folder",
        1,
    )
    with pytest.raises(NotFoundError):
        await api.get(made.id)
    gone = await sdk.client.collections.search.instant(sdk.collection, query="pelican")
    assert gone.results == []


async def test_a_running_sync_refuses_another_and_can_be_cancelled_once(sdk: Sdk) -> None:
    api = sdk.client.source_connections
    made = await sdk.connection(config=SLOW)
    job = await api.run(made.id)
    await sdk.job(made.id, job.id, "running")
    assert (await api.get(made.id)).status == "syncing"
    with pytest.raises(ConflictError) as running:
        await api.run(made.id)
    assert isinstance(running.value.body.detail, str)
    cancelled = await api.cancel_job(made.id, job.id)
    assert cancelled.status in ("cancelling", "cancelled")
    ended = await sdk.job(made.id, job.id, "cancelled")
    assert ended.completed_at is not None
    with pytest.raises(ConflictError):
        await api.cancel_job(made.id, job.id)


async def test_deleting_during_a_sync_stops_it(sdk: Sdk) -> None:
    made = await sdk.connection(config=SLOW)
    job = await sdk.client.source_connections.run(made.id)
    await sdk.job(made.id, job.id, "running")
    assert (await sdk.client.source_connections.delete(made.id)).id == made.id
    with pytest.raises(NotFoundError):
        await sdk.client.source_connections.get_source_connection_jobs(made.id)


async def test_credentials_are_stored_and_replaced_and_never_shown(sdk: Sdk) -> None:
    api = sdk.client.source_connections
    made = await sdk.connection(
        short_name="secret_stub",
        authentication=DirectAuthentication(credentials={"token": SECRET}),
    )
    assert made.auth.authenticated is True
    assert SECRET not in made.json()
    changed = await api.update(
        made.id, authentication=DirectAuthentication(credentials={"token": SECRET + "!"})
    )
    assert changed.auth.authenticated is True
    with pytest.raises(UnprocessableEntityError) as refused:
        await api.update(made.id, authentication=DirectAuthentication(credentials={"token": "bad"}))
    assert refused.value.body["detail"][0]["loc"] == ["body", "authentication"]
    assert SECRET not in sdk.server.place.stderr.read_text()


async def test_a_connection_without_its_credentials_waits(sdk: Sdk) -> None:
    made = await sdk.client.source_connections.create(
        short_name="secret_stub", readable_collection_id=sdk.collection
    )
    assert (made.status, made.auth.authenticated) == ("pending_auth", False)
    with pytest.raises(ConflictError):
        await sdk.client.source_connections.run(made.id)


async def test_a_failed_job_says_why(sdk: Sdk) -> None:
    made = await sdk.connection(config={"entities": 5, "fail_at": 3, "error": "access"})
    job = await sdk.client.source_connections.run(made.id)
    failed = await sdk.job(made.id, job.id, "failed")
    assert failed.error
    assert failed.error_category == "access_denied"
    assert (await sdk.client.source_connections.get(made.id)).status == "error"


async def test_unknown_things_are_not_found(sdk: Sdk) -> None:
    api = sdk.client.source_connections
    made = await sdk.connection()
    calls = [
        api.get(UNKNOWN_ID),
        api.update(UNKNOWN_ID, name="Whatever"),
        api.delete(UNKNOWN_ID),
        api.run(UNKNOWN_ID),
        api.get_source_connection_jobs(UNKNOWN_ID),
        api.cancel_job(made.id, UNKNOWN_ID),
        sdk.client.collections.get("nothing-here"),
        sdk.client.collections.delete("nothing-here"),
        sdk.client.sources.get("nothing-here"),
    ]
    for call in calls:
        with pytest.raises(NotFoundError) as missing:
            await call
        assert missing.value.body.detail.endswith("not found")
    with pytest.raises(ApiError) as unknown:
        await sdk.connection(readable_collection_id="nothing-here")
    assert unknown.value.status_code == 404


async def test_wrong_fields_are_named_and_their_values_are_not(sdk: Sdk) -> None:
    cases: list[tuple[dict[str, object], list[str]]] = [
        ({"name": "abc"}, ["body", "name"]),
        ({"name": "x" * 43}, ["body", "name"]),
        ({"description": SECRET * 20}, ["body", "description"]),
        ({"schedule": {"cron": SECRET}}, ["body", "schedule", "cron"]),
        ({"config": {"entities": SECRET}}, ["body", "config", "entities"]),
        ({"authentication": {"credentials": {"tokn": SECRET}}}, ["body", "authentication"]),
        ({"authentication": {SECRET: "x"}}, ["body", "authentication"]),
        ({"authentication": {"credentials": SECRET}}, ["body", "authentication", "credentials"]),
    ]
    for given, loc in cases:
        with pytest.raises(UnprocessableEntityError) as refused:
            await sdk.connection(**given)
        (problem,) = refused.value.body["detail"]
        assert problem["loc"][: len(loc)] == loc, given
        assert SECRET not in str(refused.value)


async def test_collections_are_paged_searched_renamed_and_deleted(sdk: Sdk) -> None:
    api = sdk.client.collections
    made = [await api.create(name=f"Paged {n}", readable_id=f"paged-{n}") for n in range(3)]
    assert {item.status for item in made} == {"NEEDS SOURCE"}
    with pytest.raises(ApiError) as taken:
        await api.create(name="Paged again", readable_id="paged-0")
    assert taken.value.status_code == 409
    found = await api.list(search="PAGED", limit=2)
    assert [item.readable_id for item in found] == ["paged-2", "paged-1"]
    rest = await api.list(search="paged", skip=2, limit=2)
    assert [item.readable_id for item in rest] == ["paged-0"]
    assert [item.readable_id for item in await api.list(skip=1, limit=1)] == ["paged-1"]
    renamed = await api.update("paged-0", name="Quite another")
    assert (renamed.name, renamed.readable_id) == ("Quite another", "paged-0")
    for item in made:
        assert (await api.delete(item.readable_id)).id == item.id
    assert await api.list(search="paged") == []


async def test_sources_tell_their_fields(sdk: Sdk) -> None:
    sources = {source.short_name: source for source in await sdk.client.sources.list()}
    assert {"files", "git", "github", "web", "stub"} <= sources.keys()
    async with httpx.AsyncClient(headers={"x-api-key": sdk.server.token}) as http:
        found = await http.get(f"{sdk.server.url}/sources", params={"search": "pull requests"})
    assert [source["short_name"] for source in found.json()] == ["github"]
    github = await sdk.client.sources.get("github")
    assert github.auth_fields is not None
    (token,) = github.auth_fields.fields
    assert (token.name, token.required, token.is_secret) == ("personal_access_token", True, True)
    assert "repo_name" in {field.name for field in github.config_fields.fields}


async def test_keys_without_a_role_or_organisation_for_it_are_refused(sdk: Sdk) -> None:
    made = await sdk.connection()
    place = sdk.server.place
    for name, role, organization, status in (
        ("sdk-reader", "read", "local", 403),
        ("sdk-other", "admin", "other-org", 404),
    ):
        key = create_key(place, name, role, organization)
        async with httpx.AsyncClient(timeout=30) as http:
            client = AsyncAirweaveSDK(base_url=sdk.server.url, api_key=key, httpx_client=http)
            with pytest.raises(ApiError) as refused:
                await client.source_connections.run(made.id)
            assert refused.value.status_code == status
    async with httpx.AsyncClient(timeout=30) as http:
        client = AsyncAirweaveSDK(base_url=sdk.server.url, api_key="wrong", httpx_client=http)
        with pytest.raises(ApiError) as unknown:
            await client.source_connections.list()
        assert unknown.value.status_code == 401


async def test_the_blocking_client_works_under_the_versioned_path_too(sdk: Sdk) -> None:
    def names() -> list[str]:
        with httpx.Client(timeout=30) as http:
            client = AirweaveSDK(
                base_url=f"{sdk.server.url}/v1", api_key=sdk.server.token, httpx_client=http
            )
            return [source.short_name for source in client.sources.list()]

    assert "stub" in await anyio.to_thread.run_sync(names)
