"""Connections: nothing is created unchecked, and secrets stay where they belong."""

import base64
from pathlib import Path

import anyio
import pytest

from tests.support.local.harness import (
    PATIENCE_SECONDS,
    START,
    LocalHarness,
    check_that_raises,
    check_well,
    open_harness,
    token_auth,
)
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobTrigger
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    ErrorCategory,
    InvalidInput,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.local.auth import authenticator as module
from weft.local.jobs.scheduler import fire_due
from weft.local.store.base import ConnectionRow

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-0123456789"
A = "https://a.example"


async def hang(given: str | None) -> str:
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


async def test_connection_whose_schedule_was_quicker_than_its_first_sync_is_created(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = local.engine.store.connections.insert

    async def insert_and_fire(row: ConnectionRow) -> None:
        await insert(row)
        local.clock.pass_time(minutes=1)
        assert await fire_due(local.engine) == 1

    monkeypatch.setattr(local.engine.store.connections, "insert", insert_and_fire)
    every_minute = ScheduleSpec(cron="* * * * *")
    made = await local.connect(schedule=every_minute, sync_immediately=True)
    assert made.sync.last_job is not None
    assert made.sync.last_job.trigger is JobTrigger.SCHEDULE


async def test_created_connection_was_checked_with_its_credentials(local: LocalHarness) -> None:
    given: list[str | None] = []

    async def check(value: str | None) -> str:
        given.append(value)
        return "reached"

    local.script.check = check
    made = await local.connect(auth=token_auth(CANARY))
    assert given == [CANARY]
    assert (made.auth.authenticated, made.auth.authenticated_at) == (True, START)
    assert await local.unseal_secret(made) == {"token": CANARY}


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("No."),
        AccessDenied("No."),
        SourceMisconfigured("No.", field="config.host"),
        SourceUnavailable("No."),
    ],
)
async def test_check_that_fails_creates_nothing(local: LocalHarness, error: WeftError) -> None:
    local.script.check = check_that_raises(error)
    with pytest.raises(type(error)):
        await local.connect(auth=token_auth(CANARY), sync_immediately=True)
    assert (await local.backend.connections.list()).items == ()
    assert (await local.backend.jobs.list()).items == ()
    assert local.dispatcher.delivered == []


async def test_source_that_asks_only_some_for_credentials_waits_for_them(
    local: LocalHarness,
) -> None:
    async def check(value: str | None) -> str:
        if value is None:
            raise AuthenticationFailed("This one is not public.")
        return "reached"

    local.script.check = check
    made = await local.connect()
    assert (made.status, made.auth.authenticated) == (ConnectionStatus.PENDING_AUTH, False)
    assert local.dispatcher.delivered == []
    ready = await local.update(made, auth=token_auth(CANARY))
    assert ready.status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize(
    ("raised", "told"),
    [("note", "config.note"), ("WEFT_ALLOW_HOSTS", "WEFT_ALLOW_HOSTS"), (None, None)],
)
async def test_field_that_a_source_names_is_told_as_callers_give_it(
    local: LocalHarness, raised: str | None, told: str | None
) -> None:
    made = await local.connect()
    local.script.check = check_that_raises(SourceMisconfigured("No.", field=raised))
    assert (await local.backend.connections.check(made.id)).field == told
    # Each time a new one, for the field is set on the error itself.
    for call in (lambda: local.connect(), lambda: local.update(made, config={"note": "x"})):
        local.script.check = check_that_raises(SourceMisconfigured("No.", field=raised))
        with pytest.raises(SourceMisconfigured) as caught:
            await call()
        assert caught.value.field == told


async def test_check_that_takes_too_long_creates_nothing(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)
    local.script.check = hang
    with anyio.fail_after(PATIENCE_SECONDS), pytest.raises(SourceUnavailable):
        await local.connect()
    assert (await local.backend.connections.list()).items == ()


async def test_sync_cannot_be_wanted_before_there_are_credentials(local: LocalHarness) -> None:
    with pytest.raises(InvalidInput) as caught:
        await local.connect(short_name="secret_stub", sync_immediately=True)
    assert caught.value.field == "sync_immediately"
    assert (await local.backend.connections.list()).items == ()


async def test_null_in_config_is_a_field_left_out(local: LocalHarness) -> None:
    made = await local.connect(config={"host": A, "note": None})
    assert made.config == {"host": A}


async def test_secrets_are_nowhere_in_the_files_of_the_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with open_harness(home) as local:
        await local.create_collection()
        made = await local.connect(auth=token_auth(CANARY))
        await local.update(made, auth=token_auth(f"{CANARY}-second"))
        await local.run_sync(made)
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


async def test_check_tells_what_was_reached(local: LocalHarness) -> None:
    made = await local.connect()
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.detail, result.connection_id) == (True, "reached", made.id)


async def test_refused_credentials_mark_the_connection_until_they_work(local: LocalHarness) -> None:
    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check_that_raises(AuthenticationFailed("Refused.", hint="Renew it."))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.detail, result.hint) == (False, "Refused.", "Renew it.")
    marked = await local.backend.connections.get(made.id)
    assert (marked.status, marked.error_message) == (ConnectionStatus.NEEDS_REAUTH, "Refused.")
    local.script.check = check_well
    assert (await local.backend.connections.check(made.id)).ok
    again = await local.backend.connections.get(made.id)
    assert (again.status, again.error_message) == (ConnectionStatus.ACTIVE, None)


async def test_check_of_a_connection_that_was_never_authorised_leaves_it_pending(
    local: LocalHarness,
) -> None:
    made = await local.connect(short_name="secret_stub", sync_immediately=None)
    assert made.status is ConnectionStatus.PENDING_AUTH
    assert not (await local.backend.connections.check(made.id)).ok
    after = await local.backend.connections.get(made.id)
    assert (after.status, after.error_message) == (ConnectionStatus.PENDING_AUTH, None)


async def test_trouble_that_may_pass_marks_nothing(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.check = check_that_raises(SourceUnavailable("Down."))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.SOURCE_UNAVAILABLE)
    assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE


async def test_check_that_takes_too_long_is_a_result(
    local: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await local.connect()
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.02)
    local.script.check = hang
    with anyio.fail_after(PATIENCE_SECONDS):
        result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.SOURCE_UNAVAILABLE)


async def test_crash_of_a_source_in_a_check_shows_no_secret(
    local: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    local.script.check = check_that_raises(RuntimeError(f"crashed with {CANARY}"))
    with pytest.raises(WeftError) as caught:
        await local.connect(auth=token_auth(CANARY))
    assert CANARY not in str(caught.value)
    assert "RuntimeError" in caught.value.message
    assert (await local.backend.connections.list()).items == ()
    local.script.check = check_well
    made = await local.connect(auth=token_auth(CANARY))
    local.script.check = check_that_raises(RuntimeError(f"crashed with {CANARY}"))
    result = await local.backend.connections.check(made.id)
    assert (result.ok, result.error_category) == (False, ErrorCategory.INTERNAL)
    assert CANARY not in f"{result} {caplog.text}"
