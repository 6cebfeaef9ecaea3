"""Ends of a sync in which something goes wrong: what stays, what is told, what is tried again."""

import logging
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.local.harness import (
    ORGANIZATION,
    LocalHarness,
    fetch_of,
    note,
    open_harness,
    token_auth,
)
from weft.domain.base import Json
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus, diagnose
from weft.domain.schedules import ScheduleSpec
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    ErrorCategory,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    StorageFailed,
    WeftError,
)
from weft.local.vault.keys import KEY_FILE_NAME, KeyFile
from weft.local.vault.vault import Vault
from weft.sources.base import (
    Checkpoint,
    Event,
    Failed,
    Incomplete,
    SourceContext,
    Unchanged,
)
from weft.testing.store_contract.support import count_changes

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary"
CONTINUOUS = ScheduleSpec(continuous=True)


async def broken_after(
    local: LocalHarness, error: Exception, *events: Event
) -> tuple[Connection, Job]:
    """A sync whose source yields the events and then raises."""

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        for event in events:
            yield event
        raise error

    local.script.fetch = fetch
    made = await local.connect(auth=token_auth(CANARY))
    return made, await local.run_sync(made)


async def test_gap_before_an_interruption_still_deletes_nothing(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(note("a"), note("b"), note("c"))
    await local.run_sync(made)

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        if cursor is None:
            yield note("a")
            yield Incomplete("the folder of b could not be read")
            yield Checkpoint({"page": 1})
            raise SourceUnavailable("Down.")
        yield note("c")

    local.script.fetch = fetch
    job = await local.run_sync(made)
    assert job.status is JobStatus.PENDING
    local.clock.pass_time(minutes=5)
    await local.run_claimed(await local.claim())
    ended = await local.backend.jobs.get(job.id)
    assert (ended.status, ended.entities_deleted) == (JobStatus.COMPLETED, 0)


@pytest.mark.parametrize(
    ("error", "category", "state"),
    [
        (AuthenticationFailed("No."), "api_key_invalid", ConnectionStatus.NEEDS_REAUTH),
        (
            AuthenticationFailed("No.", category=ErrorCategory.OAUTH_CREDENTIALS_EXPIRED),
            "oauth_credentials_expired",
            ConnectionStatus.NEEDS_REAUTH,
        ),
        (AccessDenied("No."), "access_denied", ConnectionStatus.ERROR),
        (SourceMisconfigured("No."), "config_invalid", ConnectionStatus.ERROR),
        (WeftError("No."), "internal", ConnectionStatus.ERROR),
    ],
)
async def test_error_that_will_not_pass_fails_the_job_and_keeps_what_came_before(
    local: LocalHarness, error: WeftError, category: str, state: ConnectionStatus
) -> None:
    made, job = await broken_after(local, error, note("a", "alpha"), Checkpoint({"page": 1}))
    assert (job.status, job.error_category, job.error) == (JobStatus.FAILED, category, "No.")
    assert count_changes(job) == {"inserted": 1}
    assert await local.search_titles("alpha") == ["a"]
    after = await local.backend.connections.get(made.id)
    assert (after.status, after.error_category, after.error_message) == (state, category, "No.")


@pytest.mark.parametrize("harm", ["gone", "damaged", "exposed"])
async def test_job_waits_for_a_lost_master_key_with_the_way_out_and_keeps_the_credentials(
    tmp_path: Path, harm: str
) -> None:
    async with open_harness(tmp_path) as local:
        await local.create_collection()
        made = await local.connect(auth=token_auth(CANARY))
        key = tmp_path / "keys" / KEY_FILE_NAME
        kept = key.read_bytes()
        # Another process, or this one after a restart, has not read the key yet.
        forgetful = replace(local.engine, vault=Vault(KeyFile(key)))
        if harm == "gone":
            key.unlink()
        elif harm == "damaged":
            key.write_bytes(b"no key")
        else:
            key.chmod(0o644)
        again = LocalHarness(forgetful, local.clock, local.script, local.home)
        job = await again.run_sync(made)
        assert job.waits_for_process
        assert job.error_category == "key_unavailable"
        assert "key" in str(job.error)
        assert job.error_details
        found = diagnose(job)
        assert found is not None
        assert "weft doctor" in found.next_step
        after = await again.backend.connections.get(made.id)
        assert (after.status, after.auth.authenticated) == (ConnectionStatus.ACTIVE, True)
        key.write_bytes(kept)
        key.chmod(0o600)
        await again.run_claimed(await again.claim())
        assert (await again.backend.jobs.get(job.id)).status is JobStatus.COMPLETED
        assert (await again.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE


async def test_lost_key_names_how_to_look_and_how_to_give_it_up(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as local:
        await local.create_collection()
        made = await local.connect(auth=token_auth(CANARY))
        key = tmp_path / "keys" / KEY_FILE_NAME
        key.unlink()
        forgetful = replace(local.engine, vault=Vault(KeyFile(key)))
        job = await LocalHarness(forgetful, local.clock, local.script, local.home).run_sync(made)
        assert "weft doctor" in str(job.error_details)
        assert "rotate-master --forget-lost" in str(job.error_details)


async def test_job_that_waits_says_why_until_it_runs_again(local: LocalHarness) -> None:
    made, job = await broken_after(local, SourceUnavailable("Down."), note("a"))
    assert job.status is JobStatus.PENDING
    assert str(job.error).startswith("Down. Trying again in ")
    assert job.error_category is None
    local.clock.pass_time(minutes=5)
    claim = await local.claim()
    running = await local.backend.jobs.get(job.id)
    assert (running.status, running.error) == (JobStatus.RUNNING, None)
    local.script.fetch = fetch_of(note("a"))
    await local.run_claimed(claim)
    ended = await local.backend.jobs.get(job.id)
    assert (ended.status, ended.error) == (JobStatus.COMPLETED, None)
    assert (await local.backend.connections.get(made.id)).error_message is None


async def test_job_that_is_cancelled_while_it_waits_tells_no_reason(local: LocalHarness) -> None:
    _, job = await broken_after(local, SourceUnavailable("Down."))
    ended = await local.backend.jobs.cancel(job.id)
    assert (ended.status, ended.error) == (JobStatus.CANCELLED, None)


@pytest.mark.parametrize("crash", [RuntimeError(CANARY), ExceptionGroup(CANARY, [OSError(CANARY)])])
async def test_crash_of_a_source_tells_its_kind_and_nothing_else(
    local: LocalHarness, crash: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        made, job = await broken_after(local, crash, note("a"))
    assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.INTERNAL)
    assert type(crash).__name__ in (job.error or "")
    assert count_changes(job) == {"inserted": 1}
    after = await local.backend.connections.get(made.id)
    assert CANARY not in f"{job} {after} {await local.read_log(job)} {caplog.text}"
    assert job.id in caplog.text


async def test_entity_that_cannot_be_stored_fails_alone(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(note("a"), note("b", "lone \ud800 surrogate"), note("c"))
    job = await local.run_sync(await local.connect())
    assert (job.status, count_changes(job)) == (JobStatus.COMPLETED, {"inserted": 2, "failed": 1})


@pytest.mark.parametrize(
    "event",
    [
        Entity("lone \ud800 id", "note", "Title", "text"),
        Entity("b", "note", "lone \ud800 title", "text"),
        Entity("b", "note", "Title", "text", version="lone \ud800"),
        Entity("b", "note", "Title", "text", metadata={"key": "lone \ud800"}),
        Entity("b", "note", None, "text"),  # pyright: ignore[reportArgumentType]
        Entity("b", "note", "Title", b"bytes"),  # pyright: ignore[reportArgumentType]
        Unchanged("lone \ud800 id"),
        Failed("lone \ud800 id", "lone \ud800 reason"),
    ],
)
async def test_event_that_cannot_be_stored_fails_alone_and_is_logged(
    local: LocalHarness, event: Event
) -> None:
    local.script.fetch = fetch_of(note("a"), event, note("c"))
    job = await local.run_sync(await local.connect())
    assert (job.status, count_changes(job)) == (JobStatus.COMPLETED, {"inserted": 2, "failed": 1})
    assert any("it cannot be stored" in line for line in await local.read_log(job))


async def test_text_with_a_nul_is_read_to_its_end(local: LocalHarness) -> None:
    local.script.fetch = fetch_of(note("a", "before\0after"))
    await local.run_sync(await local.connect())
    assert await local.search_titles("after") == ["a"]


async def test_failed_listing_deletes_nothing(local: LocalHarness) -> None:
    made = await local.connect()
    local.script.fetch = fetch_of(note("a"), note("b"))
    await local.run_sync(made)

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        yield note("a")
        raise AccessDenied("No.")

    local.script.fetch = fetch
    assert count_changes(await local.run_sync(made)) == {"unchanged": 1}
    assert await local.count_entities(made) == 2


async def test_trouble_that_may_pass_is_tried_again_and_then_given_up(local: LocalHarness) -> None:
    made, job = await broken_after(local, SourceUnavailable("Down."), note("a"))
    waits: list[timedelta] = []
    while job.status is JobStatus.PENDING:
        assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE
        claim, start = None, local.clock.now
        while claim is None:
            local.clock.pass_time(seconds=1)
            claim = await local.try_claim()
        waits.append(local.clock.now - start)
        await local.run_claimed(claim)
        job = await local.backend.jobs.get(job.id)
    assert (job.status, job.error_category) == (JobStatus.FAILED, "source_unavailable")
    assert len(waits) == local.engine.limits.retries
    assert waits == sorted(waits)
    assert waits[-1] > 2 * waits[0]
    assert count_changes(job) == {"inserted": 1}, "what is met again is not counted again"
    assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ERROR


@pytest.mark.parametrize(
    ("retry_after", "status"), [(120.0, JobStatus.PENDING), (3600.0, JobStatus.FAILED)]
)
async def test_limit_of_requests_is_waited_for_unless_it_lasts_too_long(
    local: LocalHarness, retry_after: float, status: JobStatus
) -> None:
    error = RateLimited("Too many.", retry_after=retry_after)
    _, job = await broken_after(local, error, note("a"))
    assert job.status is status
    if status is JobStatus.PENDING:
        local.clock.pass_time(seconds=retry_after - 1)
        with pytest.raises(AssertionError):
            await local.claim()
        local.clock.pass_time(seconds=retry_after)
        assert (await local.claim()).job_id == job.id


async def test_full_disk_is_waited_for_without_end(local: LocalHarness) -> None:
    _, job = await broken_after(local, StorageFailed("The disk is full."))
    for _ in range(local.engine.limits.retries + 2):
        local.clock.pass_time(minutes=1)
        await local.run_claimed(await local.claim())
    assert (await local.backend.jobs.get(job.id)).status is JobStatus.PENDING


async def test_failure_after_a_checkpoint_keeps_the_cursor_of_an_incremental_sync(
    local: LocalHarness,
) -> None:
    cursors: list[Json | None] = []

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        cursors.append(cursor)
        yield note(f"e{len(cursors)}")
        yield Checkpoint({"page": len(cursors)})
        if cursor is not None:
            raise AccessDenied("No.")

    local.script.fetch = fetch
    made = await local.connect(schedule=CONTINUOUS)
    for _ in range(3):
        await local.run_sync(made)
    assert cursors == [None, {"page": 1}, {"page": 2}]


async def test_credentials_sealed_for_another_endpoint_fail_the_job(local: LocalHarness) -> None:
    made = await local.connect(auth=token_auth(CANARY))
    sealed = await local.engine.seal(ORGANIZATION, made.id, "https://b.example", {"token": CANARY})
    path = local.home / "weft.db"
    _overwrite_credentials(path, sealed)
    job = await local.run_sync(made)
    assert (job.status, job.error_category) == (JobStatus.FAILED, "api_key_invalid")
    assert CANARY not in f"{job}"


async def test_cancelled_job_stops_writing_and_ends_cancelled(local: LocalHarness) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        yield note("a")
        [job] = (await local.backend.jobs.list()).items
        await local.backend.jobs.cancel(job.id)
        yield note("b")

    local.script.fetch = fetch
    made = await local.connect()
    job = await local.run_sync(made)
    assert job.status is JobStatus.CANCELLED
    assert await local.count_entities(made) == job.entities_inserted == 0


async def test_deleted_connection_ends_the_sync_without_an_error(local: LocalHarness) -> None:
    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        yield note("a", "alpha")
        await local.engine.store.trash.delete_connection(ORGANIZATION, made.id)
        yield note("b", "alpha")

    local.script.fetch = fetch
    made = await local.connect()
    await local.backend.jobs.run(made.id)
    outcome = await local.run_claimed(await local.claim())
    assert outcome.status is JobStatus.CANCELLED
    assert await local.search_titles("alpha") == []


def _overwrite_credentials(path: Path, sealed: str) -> None:
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        db.execute("UPDATE any_connection SET credentials = ?", (sealed,))
