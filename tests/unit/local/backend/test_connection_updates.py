"""Updates: only what is given changes, and a secret never follows to another endpoint."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from tests.support.local.harness import (
    START,
    LocalHarness,
    check_that_raises,
    token_auth,
)
from weft.domain.base import Json
from weft.domain.connections import ConnectionStatus
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
)
from weft.sources.base import Checkpoint, Event, SourceContext

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-0123456789"
A, B = "https://a.example", "https://b.example"


async def test_changed_endpoint_drops_the_credentials_and_sends_them_nowhere(
    local: LocalHarness,
) -> None:
    made = await local.connect(config={"host": A}, auth=token_auth(CANARY))
    local.script.check = check_that_raises(AssertionError("the new host was asked"))
    moved = await local.update(made, config={"host": B})
    assert (moved.status, moved.auth.authenticated) == (ConnectionStatus.NEEDS_REAUTH, False)
    assert moved.error_category is ErrorCategory.API_KEY_INVALID
    assert "endpoint changed" in (moved.error_message or "")
    assert await local.read_sealed(made) is None


async def test_moving_back_does_not_bring_the_credentials_back(local: LocalHarness) -> None:
    made = await local.connect(config={"host": A}, auth=token_auth(CANARY))
    await local.update(made, config={"host": B})
    back = await local.update(made, config={"host": A})
    assert await local.read_sealed(made) is None
    assert not back.auth.authenticated


async def test_changed_endpoint_with_new_credentials_is_checked_and_active(
    local: LocalHarness,
) -> None:
    made = await local.connect(config={"host": A}, auth=token_auth(CANARY))
    moved = await local.update(made, config={"host": B}, auth=token_auth("second"))
    assert (moved.status, moved.error_message) == (ConnectionStatus.ACTIVE, None)
    assert await local.unseal_secret(made, B) == {"token": "second"}
    with pytest.raises(AuthenticationFailed):
        await local.unseal_secret(made, A)


async def test_other_change_of_config_keeps_and_checks_the_credentials(local: LocalHarness) -> None:
    given: list[str | None] = []

    async def check(value: str | None) -> str:
        given.append(value)
        return "reached"

    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check
    changed = await local.update(made, config={"note": "x"})
    assert given == [CANARY]
    assert (changed.status, changed.auth) == (ConnectionStatus.ACTIVE, made.auth)
    assert await local.unseal_secret(made) == {"token": CANARY}


async def test_change_that_the_source_refuses_changes_nothing(local: LocalHarness) -> None:
    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check_that_raises(AccessDenied("No."))
    for fields in ({"config": {"note": "x"}, "name": "Renamed"}, {"auth": token_auth("second")}):
        with pytest.raises(AccessDenied):
            await local.update(made, **fields)
    assert await local.backend.connections.get(made.id) == made
    assert await local.unseal_secret(made) == {"token": CANARY}


async def test_rename_needs_no_source(local: LocalHarness) -> None:
    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check_that_raises(AssertionError("the source was asked"))
    renamed = await local.update(made, name="Renamed", description="New")
    assert (renamed.name, renamed.description, renamed.version) == ("Renamed", "New", 2)


async def test_changed_config_starts_from_the_beginning(local: LocalHarness) -> None:
    cursors: list[Json | None] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        cursors.append(cursor)
        yield Checkpoint({"page": 1})

    local.script.fetch = fetch
    made = await local.connect(schedule=ScheduleSpec(continuous=True))
    await local.run_sync(made)
    await local.update(made, name="Renamed")
    await local.run_sync(made)
    await local.update(made, config={"note": "x"})
    await local.run_sync(made)
    assert cursors == [None, {"page": 1}, None]


async def test_stale_expected_version_is_a_conflict_and_changes_nothing(
    local: LocalHarness,
) -> None:
    made = await local.connect()
    await local.update(made, name="First")
    with pytest.raises(Conflict) as caught:
        await local.update(made, name="Second", expected_version=made.version)
    assert caught.value.field == "expected_version"
    assert (await local.backend.connections.get(made.id)).name == "First"
    with pytest.raises(Conflict):
        await local.backend.connections.delete(made.id, expected_version=made.version)
    assert (await local.update(made, name="Third", expected_version=2)).version == 3


async def test_of_two_updates_of_one_version_exactly_one_wins(local: LocalHarness) -> None:
    made = await local.connect()
    outcomes: list[str] = []

    async def rename(name: str) -> None:
        try:
            await local.update(made, name=name, expected_version=made.version)
            outcomes.append(name)
        except Conflict as error:
            outcomes.append(error.field or "")

    async with anyio.create_task_group() as group:
        for name in ("First", "Second", "Third"):
            group.start_soon(rename, name)
    assert sorted(outcomes)[-2:] == ["expected_version"] * 2
    after = await local.backend.connections.get(made.id)
    assert (after.version, after.name in outcomes) == (made.version + 1, True)


async def test_updates_of_different_fields_at_once_are_both_kept(local: LocalHarness) -> None:
    made = await local.connect()
    async with anyio.create_task_group() as group:
        for fields in ({"name": "Renamed"}, {"description": "New"}, {"config": {"note": "x"}}):
            group.start_soon(lambda given=fields: local.update(made, **given))
    after = await local.backend.connections.get(made.id)
    assert (after.name, after.description) == ("Renamed", "New")
    assert (after.config, after.version) == ({"note": "x"}, made.version + 3)


async def test_update_during_a_sync_leaves_the_outcome_of_the_sync(local: LocalHarness) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        renamed = await local.update(made, name="Renamed")
        assert renamed.status is ConnectionStatus.SYNCING
        raise AccessDenied("No.")
        yield

    local.script.fetch = fetch
    made = await local.connect()
    await local.run_sync(made)
    after = await local.backend.connections.get(made.id)
    assert (after.name, after.status) == ("Renamed", ConnectionStatus.ERROR)


async def test_sync_that_fails_with_former_credentials_leaves_new_ones_active(
    local: LocalHarness,
) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        local.clock.pass_time(seconds=1)
        await local.update(made, auth=token_auth("the-new-one"))
        raise AuthenticationFailed("Revoked.")
        yield

    local.script.fetch = fetch
    made = await local.connect(auth=token_auth(CANARY))
    job = await local.run_sync(made)
    after = await local.backend.connections.get(made.id)
    assert job.error_category is ErrorCategory.API_KEY_INVALID
    assert (after.status, after.error_message) == (ConnectionStatus.ACTIVE, None)


async def test_check_that_fails_with_former_credentials_leaves_new_ones_active(
    local: LocalHarness,
) -> None:
    async def check(given: str | None) -> str:
        if given == CANARY:
            local.clock.pass_time(seconds=1)
            await local.update(made, auth=token_auth("the-new-one"))
            raise AuthenticationFailed("Revoked.")
        return "reached"

    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check
    result = await local.backend.connections.check(made.id)
    after = await local.backend.connections.get(made.id)
    assert not result.ok
    assert (after.status, after.error_message) == (ConnectionStatus.ACTIVE, None)


async def test_schedule_is_set_kept_and_removed(local: LocalHarness) -> None:
    made = await local.connect(schedule=ScheduleSpec(cron="0 13 * * *"))
    assert made.schedule is not None
    assert made.schedule.next_run == START.replace(hour=13)
    renamed = await local.update(made, name="Renamed")
    assert renamed.schedule == made.schedule
    moved = await local.update(made, schedule={"timezone": "Europe/Berlin"})
    assert moved.schedule is not None
    assert moved.schedule.next_run == START.replace(day=2, hour=11)
    assert (await local.update(made, schedule=None)).schedule is None
