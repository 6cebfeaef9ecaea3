"""Weft says of a remote connection what Airweave says, and no more."""

from typing import Any

import pytest
from pydantic import JsonValue

from tests.support.airweave.scenarios import open_backend_at
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, ConnectionChange, NewConnection
from weft.domain.jobs import Job, JobStatus, diagnose
from weft.domain.schedules import ScheduleSpec
from weft.errors import Conflict, ErrorCategory, InvalidInput, Unsupported
from weft.remote.backend import RemoteBackend
from weft.server.render.text import connection_text, counts, job_next_step, job_text
from weft.testing.airweave import Airweave
from weft.testing.airweave.world import FAILING_SEED, REAUTH_SEED

pytestmark = pytest.mark.anyio

STUB = {"direct": {"credentials": {"stub_key": "fake"}}}


async def connect(backend: RemoteBackend, **fields: Any) -> Connection:
    """Create a connection in a new collection."""
    if not (await backend.collections.list()).items:
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    values: dict[str, Any] = {"short_name": "stub", "readable_collection_id": "docs"} | fields
    if values["short_name"] == "stub":
        values.setdefault("auth", STUB)
    return await backend.connections.create(NewConnection.model_validate(values))


async def run_to_end(world: Airweave, backend: RemoteBackend, connection: Connection) -> Job:
    """Let the first job of a connection end."""
    world.clock.advance(60)
    (job,) = (await backend.jobs.list(connection.id)).items
    return job


async def test_healthy_connection_and_its_job_have_no_error() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        made = await connect(backend)
        job = await run_to_end(world, backend, made)
        found = await backend.connections.get(made.id)
    assert (job.status, job.error_category, job.error) == (JobStatus.COMPLETED, None, None)
    assert (found.error_category, found.error_message) == (None, None)
    assert "error" not in connection_text(found)


async def test_failure_without_a_category_does_not_blame_weft() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        made = await connect(backend, config={"seed": FAILING_SEED})
        job = await run_to_end(world, backend, made)
        (line,) = await backend.jobs.log(job.id)
    found = diagnose(job)
    assert found is not None
    assert (job.error_category, found.category) == (None, None)
    assert "Weft" not in found.likely_cause
    assert line.message == "Upstream exploded while listing"


async def test_category_that_is_told_is_kept() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        job = await run_to_end(world, backend, await connect(backend, config={"seed": REAUTH_SEED}))
    assert job.error_category is ErrorCategory.OAUTH_CREDENTIALS_EXPIRED


async def test_skipped_entity_is_not_a_failed_one() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        job = await run_to_end(world, backend, await connect(backend))
    assert (job.entities_skipped, job.entities_failed) == (1, 0)
    assert "1 skipped" in counts(job)
    assert "failed" not in counts(job)


async def test_queued_time_trigger_and_kind_of_a_job_are_not_invented() -> None:
    async with open_backend_at(Airweave(worker_alive=False)) as backend:
        made = await connect(backend)
        first = (await backend.jobs.list(made.id)).items
        again = (await backend.jobs.list(made.id)).items
    assert first == again
    assert (first[0].created_at, first[0].trigger, first[0].full_sync) == (None, None, None)
    for word in ("queued", "manual", "full sync"):
        assert word not in job_text(first[0])


async def test_collection_counts_the_connections_that_a_delete_takes_along() -> None:
    async with open_backend_at(Airweave()) as backend:
        await connect(backend)
        await connect(backend, name="Another one")
        found = await backend.collections.get("docs")
        listed = (await backend.collections.list()).items
        deleted = await backend.collections.delete("docs")
    assert found.connection_count == deleted.connection_count == 2
    assert [item.connection_count for item in listed] == [2]


async def test_list_shows_only_what_the_list_gives() -> None:
    async with open_backend_at(Airweave()) as backend:
        made = await connect(backend, config={"entity_count": 3})
        (listed,) = (await backend.connections.list()).items
    shown = listed.model_dump(mode="json")
    assert shown["id"] == made.id
    assert not shown.keys() & {"config", "schedule", "sync", "organization_id", "version"}


async def test_version_changes_with_the_schedule() -> None:
    async with open_backend_at(Airweave()) as backend:
        made = await connect(backend)
        change = ConnectionChange(schedule=ScheduleSpec(cron="0 5 * * *"))
        changed = await backend.connections.update(made.id, change)
        same = await backend.connections.get(made.id)
        stale = ConnectionChange(name="Renamed", expected_version=made.version)
        with pytest.raises(Conflict):
            await backend.connections.update(made.id, stale)
    assert made.version != changed.version == same.version


async def test_version_changes_with_the_authorisation() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        made = await connect(backend, short_name="notion")
        before = await backend.connections.get(made.id)
        world.connections[made.id].authenticated = True
        after = await backend.connections.get(made.id)
    assert before.version != after.version


async def test_schedule_before_the_authorisation_is_refused_not_claimed() -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        made = await connect(backend, short_name="notion")
        change = ConnectionChange(schedule=ScheduleSpec(cron="0 5 * * *"))
        with pytest.raises(Conflict) as caught:
            await backend.connections.update(made.id, change)
    assert caught.value.field == "schedule"
    assert not [asked for asked in world.asked if asked.startswith("PATCH")]


@pytest.mark.parametrize("verb", ["create", "update"])
async def test_unknown_config_key_is_named_before_the_call(verb: str) -> None:
    world = Airweave()
    async with open_backend_at(world) as backend:
        made = await connect(backend)
        asked = len(world.asked)
        config: dict[str, JsonValue] = {"entitys": 3}
        if verb == "create":
            call = connect(backend, config=config)
        else:
            call = backend.connections.update(made.id, ConnectionChange(config={**config}))
        with pytest.raises(InvalidInput) as caught:
            await call
    assert caught.value.field == "config"
    assert "entity_count" in caught.value.message
    assert not [line for line in world.asked[asked:] if not line.startswith("GET")]


async def test_cursor_field_is_refused_not_claimed() -> None:
    async with open_backend_at(Airweave()) as backend:
        made = await connect(backend)
        spec = ScheduleSpec(cron="0 5 * * *", cursor_field="updated_at")
        with pytest.raises(InvalidInput) as caught:
            await backend.connections.update(made.id, ConnectionChange(schedule=spec))
    assert caught.value.field == "schedule.cursor_field"


async def test_schedule_of_a_live_source_is_refused_not_dropped() -> None:
    async with open_backend_at(Airweave()) as backend:
        with pytest.raises(Unsupported) as caught:
            await connect(
                backend,
                short_name="slack",
                auth={"oauth_token": {"access_token": "xoxp-good"}},
                schedule={"cron": "0 5 * * *"},
            )
    assert caught.value.field == "schedule"


async def test_skipped_entity_leads_to_no_log_where_the_api_keeps_none() -> None:
    async with open_backend_at(world := Airweave()) as backend:
        job = await run_to_end(world, backend, await connect(backend))
        assert job.entities_skipped == 1
        assert list(await backend.jobs.log(job.id)) == []
    assert "log" not in job_next_step(job)
