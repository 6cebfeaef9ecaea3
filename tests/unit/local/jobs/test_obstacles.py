"""Two processes on one home, with settings of their own: a job is run only where it may be."""

import json
import logging
import math
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.jobs import wait_for_job
from tests.support.local.embedded import Embedded, no_network, open_embedded
from tests.support.local.harness import ORGANIZATION, LocalHarness, token_auth
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.workers import open_file
from tests.support.sources.git_repos import RawRepository
from weft.domain.base import Json
from weft.domain.connections import Auth, Connection, ConnectionStatus, DirectAuth
from weft.domain.jobs import Job, JobStatus, diagnose
from weft.domain.schedules import ScheduleSpec
from weft.errors import NotPermitted, WeftError
from weft.local.auth.credentials import load_ref
from weft.local.engine import MappedSecret
from weft.local.jobs import obstacles
from weft.local.jobs.obstacles import find_obstacle
from weft.local.vault.keys import KeyFile
from weft.local.vault.vault import Vault
from weft.sources.base import AnySource, SourceContext
from weft.sources.files.source import FilesSource
from weft.sources.git.source import GitSource
from weft.sources.registry import SourceRegistry
from weft.testing.stub import StubSource

pytestmark = pytest.mark.anyio

SOURCES: dict[str, type[AnySource]] = {"files": FilesSource, "git": GitSource}


@dataclass
class TwoClients:
    """The folders of two clients; each client may read its own, below ``one`` and ``two``."""

    folder: Path

    def write(self, client: str, name: str = "docs") -> Path:
        """Make a folder with one file for a client."""
        made = self.folder / client / name
        made.mkdir(parents=True, exist_ok=True)
        (made / "note.txt").write_text(f"words of {client}")
        return made

    @asynccontextmanager
    async def open(self, *clients: str, **options: Any) -> AsyncGenerator[Embedded]:
        """Open an engine that may read the folders of these clients."""
        roots = tuple(self.folder / client for client in clients)
        context = SourceContext(http=no_network, files_roots=roots)
        values: dict[str, Any] = {"sources": SOURCES, "context": context}
        async with open_embedded(self.folder / "home", **(values | options)) as engine:
            yield engine


@pytest.fixture
def clients(tmp_path: Path) -> TwoClients:
    made = TwoClients(tmp_path)
    made.write("one")
    made.write("two")
    return made


async def connect(engine: Embedded, path: Path | str, **fields: Any) -> Connection:
    return await engine.connect({"path": str(path)}, short_name="files", **fields)


async def wait_until_explained(engine: Embedded, job: Job) -> Job:
    return await wait_for_job(engine.backend, job, lambda seen: seen.waits_for_process)


async def wait_until(engine: Embedded, job: Job, status: JobStatus) -> Job:
    return await wait_for_job(engine.backend, job, lambda seen: seen.status is status)


async def test_each_client_syncs_its_own_folder_whoever_is_first(clients: TwoClients) -> None:
    async with clients.open("one") as one, clients.open("two") as two:
        of_one = await connect(one, clients.folder / "one" / "docs")
        of_two = await connect(two, clients.folder / "two" / "docs")
        for _ in range(5):
            # Each is asked to sync what only the other may read.
            jobs = [await two.backend.jobs.run(of_one.id), await one.backend.jobs.run(of_two.id)]
            ended = [await one.wait_for_end(job) for job in jobs]
            assert {job.status for job in ended} == {JobStatus.COMPLETED}
            assert [job.error for job in ended] == [None, None]
        assert one.texts(of_one) == {"note.txt": "words of one"}
        assert two.texts(of_two) == {"note.txt": "words of two"}


async def test_job_that_nobody_may_run_waits_and_says_for_whom(
    clients: TwoClients, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    docs = clients.folder / "one" / "docs"
    async with clients.open("one") as one:
        made = await connect(one, docs)
        done = await one.sync(made)
    async with clients.open("two") as two:
        asked = await two.backend.jobs.run(made.id)
        assert asked.waits_for_process, "whoever asks hears it at once"
        job = await wait_until_explained(two, asked)
        assert job.error == f"Waits for a Weft process that may read {docs} (WEFT_FILES_ROOTS)."
        assert str(clients.folder / "two") not in str(job), "roots are no business of callers"
        found = diagnose(job)
        assert found is not None
        assert "cancel_job" in found.next_step
        shown = await two.backend.connections.get(made.id)
        assert (shown.status, shown.sync.last_job) == (ConnectionStatus.ACTIVE, job)
        (attention,) = shown.attention
        assert (attention.kind, attention.message) == ("waits_for_process", job.error)
        assert shown.entities.total_entities == done.entities_inserted == 1
        assert two.one("SELECT count(*) FROM job WHERE status = 'FAILED'") == 0
        # Others are not kept waiting behind it.
        other = await connect(two, clients.folder / "two" / "docs")
        assert (await two.sync(other)).status is JobStatus.COMPLETED
        cancelled = await two.backend.jobs.cancel(job.id)
        assert (cancelled.status, cancelled.error, cancelled.error_category) == (
            JobStatus.CANCELLED,
            None,
            None,
        )
    assert caplog.messages == []


async def test_waiting_job_runs_once_a_client_that_may_read_it_opens(clients: TwoClients) -> None:
    async with clients.open("one") as one:
        made = await connect(one, clients.folder / "one" / "docs")
    async with clients.open("two") as two:
        job = await wait_until_explained(two, await two.backend.jobs.run(made.id))
        async with clients.open("one"):
            ended = await two.wait_for_end(job)
    assert (ended.status, ended.error, ended.error_category) == (JobStatus.COMPLETED, None, None)


async def test_folder_added_to_the_settings_is_read_by_the_job_that_waited(
    clients: TwoClients,
) -> None:
    async with clients.open("one") as one:
        made = await connect(one, clients.folder / "one" / "docs")
    async with clients.open() as nobody:
        job = await wait_until_explained(nobody, await nobody.backend.jobs.run(made.id))
    async with clients.open("two", "one") as both:
        assert (await both.wait_for_end(job)).status is JobStatus.COMPLETED


async def test_obstacle_that_goes_away_is_noticed_without_a_restart(
    clients: TwoClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "LOOK_AGAIN_SECONDS", 0.0)
    async with clients.open("one") as one:
        made = await connect(one, clients.folder / "one" / "docs")
        # Older versions stored relative paths as they were given.
        stored = made.config | {"path": "later"}
        with open_file(str(one.home / "weft.db")) as db:
            db.execute("UPDATE any_connection SET config = ?", (json.dumps(stored),))
        job = await wait_until_explained(one, await one.backend.jobs.run(made.id))
        clients.write("one", "later")
        assert (await one.wait_for_end(job)).status is JobStatus.COMPLETED


async def test_job_of_a_dead_process_is_adopted_only_by_one_that_may(
    clients: TwoClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "LOOK_AGAIN_SECONDS", math.inf)
    for number in range(50):
        (clients.folder / "one" / "docs" / f"{number}.txt").write_text("more words")
    async with clients.open("two") as two:
        async with clients.open("one", runs_jobs=False) as one:
            made = await connect(one, clients.folder / "one" / "docs")
            job = await one.backend.jobs.run(made.id)
            # What it said before the other began does not keep it from saying so again.
            await wait_until_explained(two, job)
            claim = await one.engine.store.jobs.claim(
                "dead-owner", lease=one.engine.limits.lease, host_limit=2, job_id=job.id
            )
            assert claim is not None
        # No lock file has that owner's name, so the other process finds at once that it is dead.
        waiting = await wait_until_explained(two, job)
        assert waiting.started_at is not None
        async with clients.open("one"):
            ended = await two.wait_for_end(job)
    assert (ended.status, ended.entities_inserted) == (JobStatus.COMPLETED, 51)


async def test_schedules_pile_nothing_up_while_nobody_may_run_them(clients: TwoClients) -> None:
    every_minute = ScheduleSpec(cron="* * * * *")
    async with clients.open("one") as one:
        made = await connect(one, clients.folder / "one" / "docs", schedule=every_minute)
    async with clients.open("two") as two:
        schedules = two.engine.store.schedules
        for _ in range(10):
            with open_file(str(two.home / "weft.db")) as db:
                db.execute("UPDATE any_connection SET next_run_at = 1")
            for due in await schedules.due(10):
                await schedules.fire(due, next_run=None)
        (job,) = (await two.backend.jobs.list(made.id)).items
        waiting = await wait_until_explained(two, job)
        async with clients.open("one"):
            assert (await two.wait_for_end(waiting)).status is JobStatus.COMPLETED


async def test_reason_is_written_once_however_many_look(
    clients: TwoClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "LOOK_AGAIN_SECONDS", 0.0)
    async with clients.open("one") as one:
        made = await connect(one, clients.folder / "one" / "docs")
    async with clients.open("two") as two, clients.open() as nobody:
        job = await wait_until_explained(two, await two.backend.jobs.run(made.id))
        written: list[str] = []
        for engine in (two, nobody):
            keep = engine.engine.store.jobs.explain_wait

            async def count(job_id: str, reason: Any, keep: Any = keep) -> bool:
                written.append(job_id)
                return await keep(job_id, reason)

            monkeypatch.setattr(engine.engine.store.jobs, "explain_wait", count)
        looks = 0
        find_waiting = two.engine.store.jobs.find_waiting
        enough = anyio.Event()

        async def look(**options: Any) -> Any:
            nonlocal looks
            looks += 1
            if looks >= 5:
                enough.set()
                options["passed_over"] = [f"{job.id}:{made.version}"]
            return await find_waiting(**options)

        monkeypatch.setattr(two.engine.store.jobs, "find_waiting", look)
        with anyio.fail_after(PATIENCE_SECONDS):
            await enough.wait()
    assert written == []


async def test_local_repository_is_read_only_where_its_folder_may_be(clients: TwoClients) -> None:
    repository = RawRepository(clients.folder / "one" / "repo")
    repository.commit(repository.put_files(note_txt=b"words"))
    async with clients.open("one") as one, clients.open("two") as two:
        config: Json = {"repo": str(clients.folder / "one" / "repo")}
        made = await one.connect(config, short_name="git")
        jobs = [await two.sync(made) for _ in range(3)]
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}


async def test_relative_path_means_the_same_folder_in_every_client(clients: TwoClients) -> None:
    async with clients.open("one") as one, clients.open("two") as two:
        made = await connect(one, "docs")
        assert made.config == {"path": str(clients.folder / "one" / "docs")}
        for _ in range(5):
            assert (await two.sync(made)).status is JobStatus.COMPLETED
        assert two.texts(made) == {"note.txt": "words of one"}


async def test_creating_a_connection_to_a_folder_of_another_client_is_refused(
    clients: TwoClients,
) -> None:
    async with clients.open("two") as two:
        with pytest.raises(NotPermitted) as refused:
            await connect(two, clients.folder / "one" / "docs")
        assert "WEFT_FILES_ROOTS" in str(refused.value.hint)
        assert (await two.backend.connections.list()).items == ()


async def test_source_that_one_process_lacks_is_synced_by_the_other(clients: TwoClients) -> None:
    async with clients.open("one") as one, clients.open("one", sources={}) as without:
        made = await connect(one, clients.folder / "one" / "docs")
        for _ in range(5):
            assert (await one.sync(made)).status is JobStatus.COMPLETED
        job = await without.backend.jobs.run(made.id)
        assert (await one.wait_for_end(job)).status is JobStatus.COMPLETED


async def test_host_that_turns_out_not_to_be_allowed_here_hands_the_job_back(
    local: LocalHarness,
) -> None:
    async def refuse(*_: object) -> AsyncGenerator[Any]:
        raise NotPermitted("No.", needs="may reach wiki.internal (WEFT_ALLOW_HOSTS)")
        yield

    local.script.fetch = refuse
    made = await local.connect()
    job = await local.run_sync(made)
    assert job.waits_for_process
    assert "wiki.internal" in str(job.error)
    assert (await local.backend.connections.get(made.id)).status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize("place", ["empty", "unknown"])
async def test_secret_that_only_another_process_has_is_an_obstacle(
    local: LocalHarness, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_THERE", "value")
    mapped = MappedSecret("ONLY_THERE", None, ("scripted",), ("https://a.example",))
    there = replace(local.engine, mapped_secrets={ORGANIZATION: {"name": mapped}})
    auth = Auth(direct=DirectAuth(credentials={"token": {"secret_ref": "name"}}))
    made = await LocalHarness(there, local.clock, local.script, local.home).connect(auth=auth)
    assert await find_obstacle(there, await load_ref(there, made)) is None
    here = local.engine if place == "unknown" else there
    monkeypatch.delenv("ONLY_THERE")
    obstacle = await find_obstacle(here, await load_ref(here, made))
    assert obstacle is not None
    assert "secret" in str(obstacle.needs)
    assert "name" not in str(obstacle.needs)


async def test_key_that_only_another_process_has_is_an_obstacle(
    local: LocalHarness, tmp_path: Path
) -> None:
    made = await local.connect(auth=token_auth("token"))
    here = replace(local.engine, vault=Vault(KeyFile(tmp_path / "elsewhere" / "key")))
    obstacle = await find_obstacle(here, await load_ref(here, made))
    assert obstacle is not None
    assert obstacle.needs == "has the master key"
    assert await find_obstacle(local.engine, await load_ref(local.engine, made)) is None


async def test_source_that_crashes_when_asked_is_no_obstacle(local: LocalHarness) -> None:
    made = await local.connect()

    class Rude(local.engine.registry.get("scripted")):
        @classmethod
        def require_access(cls, config: Any, context: SourceContext) -> None:
            raise RuntimeError("what a source may raise")

    engine = replace(local.engine, registry=SourceRegistry([], {"scripted": Rude}))
    assert await find_obstacle(engine, await load_ref(engine, made)) is None


async def test_file_system_that_hangs_holds_up_no_other_job(
    clients: TwoClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obstacles, "LOOK_SECONDS", 0.05)
    released = threading.Event()

    class Stuck(StubSource):
        short_name = "stuck"

        @classmethod
        def require_access(cls, config: Any, context: SourceContext) -> None:
            released.wait(PATIENCE_SECONDS)

    try:
        async with clients.open(sources={"stuck": Stuck}) as engine:
            stuck = await engine.connect({"entities": 1}, short_name="stuck")
            other = await engine.connect({"entities": 2})
            jobs = [await engine.backend.jobs.run(made.id) for made in (stuck, other)]
            ended = [await engine.wait_for_end(job) for job in jobs]
            assert {job.status for job in ended} == {JobStatus.COMPLETED}
            assert not released.is_set()
    finally:
        released.set()


async def test_fault_that_is_the_same_everywhere_is_no_obstacle(clients: TwoClients) -> None:
    gone = clients.write("one", "gone")
    async with clients.open("one") as one:
        made = await connect(one, gone)
        (gone / "note.txt").unlink()
        gone.rmdir()
        job = await one.sync(made)
    assert (job.status, job.error) == (JobStatus.FAILED, "The path does not exist.")
    assert WeftError("x").needs is None
