"""Running and following a sync, and stopping it from the keyboard."""

import json
import os
import signal
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, ClassVar

import anyio
import pytest

from tests.support.cli import FakeConnections, FakeJobs, make_connection, make_failed_job, make_job
from tests.support.terminal import Terminal
from weft.cli.terminal import embedding, follow
from weft.domain.attention import DeletionHold
from weft.domain.base import Page
from weft.domain.connections import Connection, EntitySummary
from weft.domain.jobs import Job, JobStatus
from weft.errors import RateLimited, SourceUnavailable
from weft.local.from_settings import embedder_trouble
from weft.settings import Settings

RUNNING = make_job(JobStatus.RUNNING, entities_inserted=5, entities_total=10)
DONE = make_job(JobStatus.COMPLETED, entities_inserted=10, duration_seconds=2.0)


class StubbornJobs(FakeJobs):
    """Never stops, whatever it is asked."""

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        yield RUNNING
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()


class CancellingJobs(FakeJobs):
    """Presses Ctrl-C while RUNNING and stops when it is asked to."""

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        self.state.cancelled = anyio.Event()
        yield RUNNING
        os.kill(os.getpid(), signal.SIGINT)
        await self.state.cancelled.wait()
        yield make_job(JobStatus.CANCELLED, entities_inserted=5)


class BrokenJobs(FakeJobs):
    """Loses its database while it is watched."""

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        yield RUNNING
        raise SourceUnavailable("It is gone.")


class PartJobs(FakeJobs):
    """The jobs of some connections only, as a small plan allows no more at once."""

    async def list(self, connection: str | None = None, **filters: Any) -> Page[Job]:
        page = await super().list(connection, **filters)
        return page.model_copy(update={"note": "Of 5 of 60 connections.", "next_cursor": "c5"})


class LimitedConnections(FakeConnections):
    """Those of an API whose rate limit is used up."""

    async def list(self, **filters: Any) -> Page[Connection]:
        raise RateLimited("Used up.")

    async def get(self, connection: str) -> Connection:
        raise RateLimited("Used up.")


class EmbeddingConnections(FakeConnections):
    """Have so many entities that are not embedded at each look, of ten; or press Ctrl-C."""

    waiting: ClassVar[list[int | None]] = []

    async def get(self, connection: str) -> Connection:
        found = await super().get(connection)
        count = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        if count is None:
            self.waiting[0] = count = 4
            os.kill(os.getpid(), signal.SIGINT)
        told = EntitySummary(total_entities=10, not_embedded=count)
        return found.model_copy(update={"entities": told})


@pytest.mark.parametrize(
    ("waiting", "trouble", "said"),
    [
        ([0, 10, 7, 0], None, ""),
        ([0, 10, None], None, "6 of 10 entities are embedded"),
        ([0, 10], "The disk is full.", "For now it stands still: The disk is full."),
    ],
    ids=["done", "interrupted", "stuck"],
)
def test_sync_waits_at_its_end_until_all_is_embedded(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    waiting: list[int | None],
    trouble: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(embedding, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(EmbeddingConnections, "waiting", waiting)
    if trouble:
        embedder_trouble(Settings(home=terminal.home)).write_text(trouble)
    terminal.backend.script = [DONE]
    terminal.backend.needs_open_process = True
    terminal.backend.connections = EmbeddingConnections(terminal.backend)
    result = terminal.run("sync", "con-1")
    assert result.exit_code == 0
    assert said in result.stderr
    assert bool(said) == ("are embedded" in result.stderr)
    assert len(waiting) == 1, "it waited for no less"


@pytest.mark.parametrize("script", [[], [RUNNING, make_failed_job()]])
def test_list_of_jobs_says_which_part_it_is_and_how_to_go_on(
    terminal: Terminal, script: list[Job]
) -> None:
    terminal.backend.script = script
    terminal.backend.jobs = PartJobs(terminal.backend)
    shown = " ".join(terminal.run("jobs").stdout.split())
    assert "Of 5 of 60 connections. To go on: --cursor c5" in shown
    assert len(terminal.backend.calls_of("jobs.list")) == 1, "it does not ask on by itself"
    terminal.people = False
    printed = json.loads(terminal.run("jobs").stdout)
    assert (printed["note"], printed["next_cursor"]) == ("Of 5 of 60 connections.", "c5")


def test_list_of_jobs_needs_no_names(terminal: Terminal) -> None:
    terminal.backend.script = [RUNNING]
    terminal.backend.connections = LimitedConnections(terminal.backend)
    result = terminal.run("jobs")
    assert result.exit_code == 0
    assert "con-1" in result.stdout


def test_names_of_many_connections_take_one_request(terminal: Terminal) -> None:
    jobs = {f"con-{number}": f"Notes {number}" for number in range(5)}
    terminal.backend.known = {key: make_connection(id=key, name=jobs[key]) for key in jobs}
    terminal.backend.script = [make_job(source_connection_id=key) for key in jobs]
    shown = terminal.run("jobs").stdout
    assert all(name in shown for name in jobs.values())
    assert len(terminal.backend.calls_of("connections.list")) == 1


def test_completed_sync_exits_zero_with_its_counts(terminal: Terminal) -> None:
    terminal.backend.script = [RUNNING, DONE]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 0
    assert "COMPLETED after 2.0 s: 10 inserted" in result.stdout


def test_why_a_sync_waits_is_said_once_on_standard_error(terminal: Terminal) -> None:
    why = "The disk is full. Trying again in 5 s."
    waiting = make_job(JobStatus.PENDING, error=why)
    terminal.backend.script = [RUNNING, waiting, RUNNING, waiting, DONE]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 0
    assert result.stderr.count(f"PENDING: {why}") == 1
    assert why not in result.stdout


def test_only_a_verb_that_waits_for_a_sync_runs_jobs(terminal: Terminal) -> None:
    terminal.run("sync", "Docs", "--no-wait")
    assert terminal.ran_jobs is False
    terminal.run("jobs")
    assert terminal.ran_jobs is False
    terminal.run("sync", "Docs")
    assert terminal.ran_jobs is True


def test_sync_in_a_pipe_prints_the_job_once(terminal: Terminal) -> None:
    terminal.people = False
    terminal.backend.script = [RUNNING, DONE]
    assert json.loads(terminal.run("sync", "My notes").stdout)["status"] == "COMPLETED"


def test_failed_sync_exits_one_and_says_what_to_do(terminal: Terminal) -> None:
    terminal.backend.script = [make_failed_job()]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 1
    assert "Error: The source refused the credentials." in result.stdout
    assert "Next: weft connections update con-1 --credentials" in result.stdout


def test_full_sync_is_passed_on(terminal: Terminal) -> None:
    terminal.backend.script = [DONE]
    terminal.run("sync", "My notes", "--full")
    assert terminal.backend.calls_of("jobs.run") == [True]


def hold_deletions(terminal: Terminal, count: int = 60) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    hold = DeletionHold(count=count, job_id="job-0", held_at=at, names=("a.md", "b\x1b[2J.md"))
    terminal.backend.known["My notes"] = make_connection(deletions_held=hold)
    terminal.backend.script = [DONE]


def test_held_deletions_are_shown_and_applied_after_a_yes(terminal: Terminal) -> None:
    hold_deletions(terminal)
    result = terminal.run("sync", "My notes", "--apply-deletions", typed="y\n")
    assert result.exit_code == 0
    assert "Deletes 60 entities of" in result.stderr
    assert "a.md, b [2J.md" in result.stderr
    assert [each.agreed_deletions for each in terminal.backend.options] == [60]


@pytest.mark.parametrize(("people", "typed"), [(True, "n\n"), (False, None)])
def test_held_deletions_are_not_applied_without_a_yes(
    terminal: Terminal, people: bool, typed: str | None
) -> None:
    hold_deletions(terminal)
    terminal.people = people
    result = terminal.run("sync", "My notes", "--apply-deletions", typed=typed)
    assert result.exit_code != 0
    assert terminal.backend.options == []


def test_nothing_held_is_nothing_to_apply(terminal: Terminal) -> None:
    result = terminal.run("sync", "My notes", "--apply-deletions", "--yes")
    assert result.exit_code == 2
    assert "No deletions of this connection are held" in result.stderr


def test_sync_that_held_deletions_says_so_with_the_command(terminal: Terminal) -> None:
    held = {"entities_unchanged": 9, "deletions_held": 60}
    terminal.backend.script = [make_job(JobStatus.COMPLETED, **held)]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 0
    assert "60 deletions held" in " ".join(result.stdout.split())
    assert "weft sync con-1 --apply-deletions" in result.stdout


def test_connections_show_that_one_needs_attention(terminal: Terminal) -> None:
    hold_deletions(terminal)
    assert "60 deletions are held" in terminal.run("connections", "show", "My notes").stdout
    shown = terminal.run("connections", "show", "My notes").stdout
    assert "weft sync con-1 --apply-deletions" in " ".join(shown.split())


def test_no_wait_returns_the_queued_job(terminal: Terminal) -> None:
    result = terminal.run("sync", "My notes", "--no-wait")
    assert result.exit_code == 0
    assert "Job job-1 is PENDING." in result.stdout
    assert "while a Weft process is open" in result.stderr


def test_sync_that_runs_already_is_followed(terminal: Terminal) -> None:
    terminal.backend.live_job = RUNNING
    terminal.backend.script = [DONE]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 0
    assert "RUNNING already" in result.stderr


def test_full_sync_does_not_pass_for_one_that_runs_already(terminal: Terminal) -> None:
    terminal.backend.live_job = RUNNING
    result = terminal.run("sync", "My notes", "--full", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["job_id"] == "job-1"


def test_interrupt_cancels_the_job_and_exits_130(terminal: Terminal) -> None:
    terminal.backend.jobs = CancellingJobs(terminal.backend)
    result = terminal.run("sync", "My notes")
    assert terminal.backend.calls_of("jobs.cancel") == ["job-1"]
    assert result.exit_code == 130
    assert "CANCELLED" in result.stdout


def test_job_that_does_not_stop_is_left_with_its_state(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "CANCEL_WAIT_SECONDS", 0.01)
    terminal.backend.jobs = StubbornJobs(terminal.backend)
    terminal.backend.script = [make_job(JobStatus.CANCELLING)]
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 130
    assert "CANCELLING" in result.stdout
    assert "weft jobs show job-1" in result.stdout


def test_interrupt_leaves_a_job_alone_that_others_started(terminal: Terminal) -> None:
    terminal.backend.live_job = RUNNING
    terminal.backend.jobs = StubbornJobs(terminal.backend)
    result = terminal.run("sync", "My notes")
    assert terminal.backend.calls_of("jobs.cancel") == []
    assert result.exit_code == 130


def test_error_while_following_is_one_line(terminal: Terminal) -> None:
    terminal.backend.jobs = BrokenJobs(terminal.backend)
    result = terminal.run("sync", "My notes")
    assert result.exit_code == 1
    assert result.stderr == "error: It is gone.\n"


def make_two(terminal: Terminal) -> None:
    terminal.backend.known = {
        key: make_connection(id=key, name=f"Notes {key[-1]}") for key in ("con-1", "con-2")
    }


def test_collection_syncs_one_after_the_other_and_names_each(terminal: Terminal) -> None:
    make_two(terminal)
    terminal.backend.script = [RUNNING, DONE]
    result = terminal.run("sync", "--collection", "docs")
    assert result.exit_code == 0
    assert "Notes 1: COMPLETED after 2.0 s: 10 inserted" in result.stdout
    assert "Notes 2: COMPLETED after 2.0 s: 10 inserted" in result.stdout
    assert len(terminal.backend.calls_of("jobs.run")) == 2


def test_collection_of_which_nothing_starts_says_why_and_fails(terminal: Terminal) -> None:
    make_two(terminal)
    terminal.backend.live_job = RUNNING
    result = terminal.run("sync", "--collection", "docs")
    assert result.exit_code == 1
    assert "Not started: Notes 2: A sync is running. `weft jobs show job-1" in result.stderr


def test_collection_is_queued_as_json(terminal: Terminal) -> None:
    terminal.people = False
    result = terminal.run("sync", "--collection", "docs", "--no-wait")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert [job["id"] for job in printed["jobs"]] == ["job-1"]
    assert (printed["not_started"], printed["more"]) == ([], False)


def test_end_of_following_ends_it_for_the_whole_collection(terminal: Terminal) -> None:
    make_two(terminal)
    terminal.backend.jobs = StubbornJobs(terminal.backend)
    terminal.backend.script = [RUNNING]
    result = terminal.run("sync", "--collection", "docs")
    assert result.exit_code == 130
    assert "Notes 2: PENDING" in result.stdout


@pytest.mark.parametrize(
    "wrong", [(), ("x", "--collection", "docs"), ("--collection", "docs", "--apply-deletions")]
)
def test_sync_of_what_is_not_clear_is_refused(terminal: Terminal, wrong: tuple[str, ...]) -> None:
    assert terminal.run("sync", *wrong).exit_code == 2
    assert terminal.backend.calls_of("jobs.run") == []
