"""Connections: nothing is created unchecked, secrets stay where they belong, and deletes end."""

import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from local_bench import (
    COLLECTION,
    ORGANIZATION,
    PATIENCE_SECONDS,
    START,
    LocalBench,
    check_well,
    note,
    opened,
    running,
    token,
    yielding,
)

from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, ConnectionChange, ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    Conflict,
    ErrorCategory,
    InvalidInput,
    NotFound,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.local import connections as module
from weft.local import sync
from weft.local.backend import LocalBackend
from weft.sources.base import Checkpoint, Event, SourceContext

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-0123456789"
A, B = "https://a.example", "https://b.example"


async def hang(given: str | None) -> str:
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


def refusing(error: Exception) -> Any:
    async def check(given: str | None) -> str:
        raise error

    return check


async def update(local: LocalBench, made: Connection, **fields: Any) -> Connection:
    change = ConnectionChange.model_validate(fields)
    return await local.backend.connections.update(made.id, change)


async def sealed(local: LocalBench, made: Connection) -> str | None:
    return await local.engine.store.connections.credentials(ORGANIZATION, made.id)


async def opened_secret(local: LocalBench, made: Connection, host: str = A) -> Json:
    stored = await sealed(local, made)
    return local.engine.unseal(ORGANIZATION, made.id, host, stored)


# Creating


async def test_created_connection_was_checked_with_its_credentials(local: LocalBench) -> None:
    given: list[str | None] = []

    async def check(value: str | None) -> str:
        given.append(value)
        return "reached"

    local.script.check = check
    made = await local.connect(auth=token(CANARY))
    assert given == [CANARY]
    assert (made.auth.authenticated, made.auth.authenticated_at) == (True, START)
    assert await opened_secret(local, made) == {"token": CANARY}


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("No."),
        AccessDenied("No."),
        SourceMisconfigured("No.", field="config.host"),
        SourceUnavailable("No."),
    ],
)
async def test_check_that_fails_creates_nothing(local: LocalBench, error: WeftError) -> None:
    local.script.check = refusing(error)
    with pytest.raises(type(error)):
        await local.connect(auth=token(CANARY), sync_immediately=True)
    assert (await local.backend.connections.list()).items == ()
    assert (await local.backend.jobs.list()).items == ()
    assert local.nobody.delivered == []


async def test_check_that_takes_too_long_creates_nothing(
    local: LocalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)
    local.script.check = hang
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(SourceUnavailable):
        await local.connect()
    assert (await local.backend.connections.list()).items == ()


async def test_sync_cannot_be_wanted_before_there_are_credentials(local: LocalBench) -> None:
    with pytest.raises(InvalidInput) as caught:
        await local.connect(short_name="secret_stub", sync_immediately=True)
    assert caught.value.field == "sync_immediately"
    assert (await local.backend.connections.list()).items == ()


async def test_null_in_config_is_a_field_left_out(local: LocalBench) -> None:
    made = await local.connect(config={"host": A, "note": None})
    assert made.config == {"host": A}


async def test_secrets_are_nowhere_in_the_files_of_the_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with opened(home) as local:
        await local.collection()
        made = await local.connect(auth=token(CANARY))
        await update(local, made, auth=token(f"{CANARY}-second"))
        await local.synced(made)
        shown = f"{await local.backend.connections.get(made.id)}"
        _refuse_traces(home, CANARY)
    _refuse_traces(home, CANARY)
    assert CANARY not in shown
    for prefix in (b"", b"x", b"xx"):
        (home / "weft.db-leak").write_bytes(base64.b64encode(prefix + CANARY.encode() + b"end"))
        with pytest.raises(AssertionError, match=r"weft\.db-leak holds a secret"):
            _refuse_traces(home, CANARY)


def _refuse_traces(home: Path, secret: str) -> None:
    """Fail if a file of the database holds the secret as it is, in hex or in base64."""
    raw = secret.encode()
    traces = {
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        raw[::-1],
        secret.encode("utf-16-le"),
    }
    for shift in range(3):
        # Where the secret begins in a longer text decides which of three forms it has.
        start, end = -(-shift * 4 // 3), -4
        coded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")[start + 1 : end]
        traces |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    files = list(home.glob("weft.db*"))
    assert files
    for file in files:
        content = file.read_bytes()
        for trace in traces:
            assert trace not in content, f"{file.name} holds a secret"


# Updating


async def test_changed_endpoint_drops_the_credentials_and_sends_them_nowhere(
    local: LocalBench,
) -> None:
    made = await local.connect(config={"host": A}, auth=token(CANARY))
    local.script.check = refusing(AssertionError("the new host was asked"))
    moved = await update(local, made, config={"host": B})
    assert (moved.status, moved.auth.authenticated) == (ConnectionStatus.NEEDS_REAUTH, False)
    assert moved.error_category is ErrorCategory.API_KEY_INVALID
    assert "endpoint changed" in (moved.error_message or "")
    assert await sealed(local, made) is None


async def test_moving_back_does_not_bring_the_credentials_back(local: LocalBench) -> None:
    made = await local.connect(config={"host": A}, auth=token(CANARY))
    await update(local, made, config={"host": B})
    back = await update(local, made, config={"host": A})
    assert await sealed(local, made) is None
    assert not back.auth.authenticated


async def test_changed_endpoint_with_new_credentials_is_checked_and_active(
    local: LocalBench,
) -> None:
    made = await local.connect(config={"host": A}, auth=token(CANARY))
    moved = await update(local, made, config={"host": B}, auth=token("second"))
    assert (moved.status, moved.error_message) == (ConnectionStatus.ACTIVE, None)
    assert await opened_secret(local, made, B) == {"token": "second"}
    with pytest.raises(AuthenticationFailed):
        await opened_secret(local, made, A)


async def test_other_change_of_config_keeps_and_checks_the_credentials(local: LocalBench) -> None:
    given: list[str | None] = []

    async def check(value: str | None) -> str:
        given.append(value)
        return "reached"

    made = await local.connect(auth=token(CANARY))
    local.script.check = check
    changed = await update(local, made, config={"note": "x"})
    assert given == [CANARY]
    assert (changed.status, changed.auth) == (ConnectionStatus.ACTIVE, made.auth)
    assert await opened_secret(local, made) == {"token": CANARY}


async def test_change_that_the_source_refuses_changes_nothing(local: LocalBench) -> None:
    made = await local.connect(auth=token(CANARY))
    local.script.check = refusing(AccessDenied("No."))
    for fields in ({"config": {"note": "x"}, "name": "Renamed"}, {"auth": token("second")}):
        with pytest.raises(AccessDenied):
            await update(local, made, **fields)
    assert await local.backend.connections.get(made.id) == made
    assert await opened_secret(local, made) == {"token": CANARY}


async def test_rename_needs_no_source(local: LocalBench) -> None:
    made = await local.connect(auth=token(CANARY))
    local.script.check = refusing(AssertionError("the source was asked"))
    renamed = await update(local, made, name="Renamed", description="New")
    assert (renamed.name, renamed.description, renamed.version) == ("Renamed", "New", 2)


async def test_changed_config_starts_from_the_beginning(local: LocalBench) -> None:
    cursors: list[Json | None] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        cursors.append(cursor)
        yield Checkpoint({"page": 1})

    local.script.fetch = fetch
    made = await local.connect(schedule=ScheduleSpec(continuous=True))
    await local.synced(made)
    await update(local, made, name="Renamed")
    await local.synced(made)
    await update(local, made, config={"note": "x"})
    await local.synced(made)
    assert cursors == [None, {"page": 1}, None]


async def test_stale_expected_version_is_a_conflict_and_changes_nothing(local: LocalBench) -> None:
    made = await local.connect()
    await update(local, made, name="First")
    with pytest.raises(Conflict) as caught:
        await update(local, made, name="Second", expected_version=made.version)
    assert caught.value.field == "expected_version"
    assert (await local.backend.connections.get(made.id)).name == "First"
    with pytest.raises(Conflict):
        await local.backend.connections.delete(made.id, expected_version=made.version)
    assert (await update(local, made, name="Third", expected_version=2)).version == 3


async def test_of_two_updates_of_one_version_exactly_one_wins(local: LocalBench) -> None:
    made = await local.connect()
    outcomes: list[str] = []

    async def rename(name: str) -> None:
        try:
            await update(local, made, name=name, expected_version=made.version)
            outcomes.append(name)
        except Conflict as error:
            outcomes.append(error.field or "")

    async with anyio.create_task_group() as group:
        for name in ("First", "Second", "Third"):
            group.start_soon(rename, name)
    assert sorted(outcomes)[-2:] == ["expected_version"] * 2
    after = await local.backend.connections.get(made.id)
    assert (after.version, after.name in outcomes) == (made.version + 1, True)


async def test_updates_of_different_fields_at_once_are_both_kept(local: LocalBench) -> None:
    made = await local.connect()
    async with anyio.create_task_group() as group:
        for fields in ({"name": "Renamed"}, {"description": "New"}, {"config": {"note": "x"}}):
            group.start_soon(lambda given=fields: update(local, made, **given))
    after = await local.backend.connections.get(made.id)
    assert (after.name, after.description) == ("Renamed", "New")
    assert (after.config, after.version) == ({"note": "x"}, made.version + 3)


async def test_update_during_a_sync_leaves_the_outcome_of_the_sync(local: LocalBench) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        renamed = await update(local, made, name="Renamed")
        assert renamed.status is ConnectionStatus.SYNCING
        raise AccessDenied("No.")
        yield

    local.script.fetch = fetch
    made = await local.connect()
    await local.synced(made)
    after = await local.backend.connections.get(made.id)
    assert (after.name, after.status) == ("Renamed", ConnectionStatus.ERROR)


async def test_schedule_is_set_kept_and_removed(local: LocalBench) -> None:
    made = await local.connect(schedule=ScheduleSpec(cron="0 13 * * *"))
    assert made.schedule is not None
    assert made.schedule.next_run == START.replace(hour=13)
    renamed = await update(local, made, name="Renamed")
    assert renamed.schedule == made.schedule
    moved = await update(local, made, schedule={"timezone": "Europe/Berlin"})
    assert moved.schedule is not None
    assert moved.schedule.next_run == START.replace(day=2, hour=11)
    assert (await update(local, made, schedule=None)).schedule is None


# Checking


async def test_check_tells_what_was_reached(local: LocalBench) -> None:
    made = await local.connect()
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.detail, result.connection_id) == (True, "reached", made.id)


async def test_refused_credentials_mark_the_connection_until_they_work(local: LocalBench) -> None:
    made = await local.connect(auth=token(CANARY))
    local.script.check = refusing(AuthenticationFailed("Refused.", hint="Renew it."))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.detail, result.hint) == (False, "Refused.", "Renew it.")
    marked = await local.backend.connections.get(made.id)
    assert (marked.status, marked.error_message) == (ConnectionStatus.NEEDS_REAUTH, "Refused.")
    local.script.check = check_well
    assert (await local.backend.connections.check(made.id)).ok
    again = await local.backend.connections.get(made.id)
    assert (again.status, again.error_message) == (ConnectionStatus.ACTIVE, None)


async def test_trouble_that_may_pass_marks_nothing(local: LocalBench) -> None:
    made = await local.connect()
    local.script.check = refusing(SourceUnavailable("Down."))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.SOURCE_UNAVAILABLE)
    assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE


async def test_check_that_takes_too_long_is_a_result(
    local: LocalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await local.connect()
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)
    local.script.check = hang
    with anyio.fail_after(PATIENCE_SECONDS):
        result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.SOURCE_UNAVAILABLE)


async def test_crash_of_a_source_in_a_check_shows_no_secret(
    local: LocalBench, caplog: pytest.LogCaptureFixture
) -> None:
    local.script.check = refusing(RuntimeError(f"crashed with {CANARY}"))
    with pytest.raises(WeftError) as caught:
        await local.connect(auth=token(CANARY))
    assert CANARY not in str(caught.value)
    assert "RuntimeError" in caught.value.message
    assert (await local.backend.connections.list()).items == ()
    local.script.check = check_well
    made = await local.connect(auth=token(CANARY))
    local.script.check = refusing(RuntimeError(f"crashed with {CANARY}"))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.INTERNAL)
    assert CANARY not in f"{result} {caplog.text}"


# Deleting


async def test_deleted_connection_is_returned_as_it_was(local: LocalBench) -> None:
    local.script.fetch = yielding(note("a", "word"), note("b", "word"))
    made = await local.connect(auth=token(CANARY))
    await local.synced(made)
    before = await local.backend.connections.get(made.id)
    assert await local.backend.connections.delete(made.id) == before
    assert await local.found("word") == []
    with pytest.raises(NotFound) as caught:
        await local.backend.connections.delete(made.id)
    assert caught.value.field == "connection_id"


async def test_delete_cancels_a_waiting_job(local: LocalBench) -> None:
    made = await local.connect()
    job = await local.backend.jobs.run(made.id)
    with anyio.fail_after(PATIENCE_SECONDS):
        await local.backend.connections.delete(made.id)
    with pytest.raises(NotFound):
        await local.backend.jobs.get(job.id)


async def test_delete_waits_until_the_running_sync_has_stopped(
    local: LocalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "BATCH_SECONDS", 0.02)
    monkeypatch.setattr(module, "DELETE_WAIT_SECONDS", PATIENCE_SECONDS)
    order: list[str] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        try:
            yield note("a", "word")
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            order.append("stopped")

    local.script.fetch = fetch
    made = await local.connect()
    async with running(local) as backend:
        await backend.jobs.run(made.id)
        with anyio.fail_after(PATIENCE_SECONDS):
            while not await local.stored(made):
                await local.engine.changes.wait(local.engine.changes.mark(), 0.02)
            await backend.connections.delete(made.id)
        order.append("deleted")
        assert order == ["stopped", "deleted"]
        assert (await backend.connections.list()).items == ()


async def test_delete_fences_a_worker_that_does_not_stop(
    local: LocalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DELETE_WAIT_SECONDS", 0.05)
    deaf, deleted = anyio.Event(), anyio.Event()

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        with anyio.move_on_after(PATIENCE_SECONDS, shield=True):
            deaf.set()
            await deleted.wait()
        yield note("late", "word")

    local.script.fetch = fetch
    made = await local.connect()
    await local.backend.jobs.run(made.id)
    claim = await local.claim()

    async def work() -> None:
        outcome = await local.run_claimed(claim)
        assert outcome.status is JobStatus.CANCELLED

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await deaf.wait()
            await local.backend.connections.delete(made.id)
            deleted.set()
    assert await local.found("word") == []
    assert (await local.backend.connections.list()).items == ()


async def test_delete_while_another_deletes_succeeds_once(local: LocalBench) -> None:
    made = await local.connect()
    outcomes: list[str] = []

    async def delete() -> None:
        try:
            await local.backend.connections.delete(made.id)
            outcomes.append("deleted")
        except NotFound as error:
            outcomes.append(error.field or "")

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(delete)
    assert sorted(outcomes) == ["connection_id", "connection_id", "deleted"]


async def test_connection_that_was_deleted_during_an_update_is_not_found(
    local: LocalBench,
) -> None:
    async def check(given: str | None) -> str:
        await local.engine.store.connections.delete(ORGANIZATION, made.id)
        return "reached"

    made = await local.connect()
    local.script.check = check
    with pytest.raises(NotFound):
        await update(local, made, config={"note": "x"})


async def test_collection_that_was_deleted_during_a_create_is_named(local: LocalBench) -> None:
    async def check(given: str | None) -> str:
        await local.backend.collections.delete(COLLECTION)
        return "reached"

    local.script.check = check
    with pytest.raises(NotFound) as caught:
        await local.connect()
    assert caught.value.field == "readable_collection_id"
    await local.backend.collections.create(NewCollection(name="Again", readable_id=COLLECTION))
    assert (await local.backend.connections.list()).items == ()


async def test_connection_of_another_organization_cannot_be_touched(local: LocalBench) -> None:
    made = await local.connect(name="The Only One")
    stranger = LocalBackend(local.engine, local.nobody, "somebody").connections
    for attempt in (
        stranger.get(made.id),
        stranger.get(made.name),
        stranger.update(made.id, ConnectionChange(name="Mine now")),
        stranger.delete(made.id),
        stranger.check(made.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await stranger.list()).items == ()
    assert await local.backend.connections.get(made.id) == made
