"""Worker processes that can be killed, and a backend that only watches them."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.jobs import wait_for_job
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process import worker
from tests.support.store.open import Session
from weft.assembly.backends import PROCESSES_FOLDER_NAME
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import NewConnection
from weft.domain.jobs import Job
from weft.local.backend import LocalBackend
from weft.local.engine import Engine
from weft.local.jobs.runner import Dispatcher
from weft.local.process_liveness import ProcessLock


class NobodyHere(Dispatcher):
    """Leaves the job to other processes, which look for themselves."""

    async def deliver(self, job_id: str) -> None:
        del job_id


@contextmanager
def open_file(path: str) -> Generator[Session]:
    """The database file itself, beside the processes that use it."""
    db = cast("Any", apsw.Connection(path))
    db.set_busy_timeout(10_000)
    try:
        yield db
    finally:
        db.close()


def check_index(db: Session) -> None:
    """Compare every posting with the bodies; raise when one is missing or too many."""
    db.execute("INSERT INTO entity_fts (entity_fts, rank) VALUES ('integrity-check', 1)")


def read_texts(path: Path, connection_id: str) -> dict[str, str]:
    """Read the texts by the source's id, of record and body alike."""
    with open_file(str(path)) as db:
        rows = list(
            db.execute(
                "SELECT e.source_id, b.text FROM entity e JOIN entity_body b ON b.no = e.no"
                " JOIN connection c ON c.no = e.connection_no WHERE c.id = ?",
                (connection_id,),
            )
        )
    texts = dict(rows)
    assert len(rows) == len(texts), "duplicate entity"
    return texts


@cache
def forking_context() -> ForkServerContext:
    """Return what forks workers off one process that has imported all they need.

    A worker that imports everything itself takes half a second of work to start.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([worker.__name__])
    return context


@dataclass
class Workers:
    """Processes on one WEFT_HOME."""

    home: Path
    lease_seconds: float = 30.0
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    clock: tuple[float, float] | None = None
    processes: list[ForkServerProcess] = field(default_factory=list[ForkServerProcess])

    def start(self) -> ForkServerProcess:
        """Start one and wait until it is ready."""
        settings = {"lease_seconds": self.lease_seconds, **self.settings}
        self.home.mkdir(parents=True, exist_ok=True)
        context = forking_context()
        listener, answers = context.Pipe(duplex=False)
        with listener:
            with answers:
                process = context.Process(
                    target=worker.work,
                    args=(self.home, settings, self.clock, self.stderr_path, answers),
                    daemon=True,
                )
                process.start()
            try:
                assert listener.recv() == worker.READY
            except EOFError:
                pytest.fail(f"A worker ended early: {self.complaints()}")
        self.processes.append(process)
        return process

    @property
    def stderr_path(self) -> Path:
        """The file to which all of them write stderr."""
        return self.home / "stderr.log"

    def complaints(self) -> str:
        """Warnings and tracebacks of all of them."""
        return self.stderr_path.read_text() if self.stderr_path.exists() else ""

    def kill(self, process: ForkServerProcess, number: int = signal.SIGKILL) -> None:
        """Send a signal and wait for the end."""
        self.send_signal(process, number)
        process.join(timeout=PATIENCE_SECONDS)
        assert process.exitcode is not None
        process.close()
        self.processes.remove(process)

    def send_signal(self, process: ForkServerProcess, number: int) -> None:
        assert process.pid is not None
        os.kill(process.pid, number)

    def is_dead(self, owner: str | None) -> bool:
        """Return whether the kernel has freed that owner's lock."""
        with ProcessLock(self.home / PROCESSES_FOLDER_NAME, f"test-{os.getpid()}") as lock:
            return owner is not None and lock.is_dead(owner)

    def stop(self) -> None:
        """Kill all that are left."""
        for process in list(self.processes):
            self.send_signal(process, signal.SIGCONT)
            self.kill(process)


@dataclass(frozen=True)
class Onlooker:
    """A backend in the test's own process that runs no jobs, and its engine."""

    backend: LocalBackend
    engine: Engine


async def start_running_job(workers: Workers, onlooker: Onlooker, config: Json) -> Job:
    """Start a worker and a job that it runs; return the job once it has stored something."""
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    workers.start()
    new = NewConnection(short_name="stub", readable_collection_id="docs", config=config)
    job = (await onlooker.backend.connections.create(new)).sync.last_job
    assert job is not None
    return await wait_for_job(onlooker.backend, job, lambda seen: seen.entities_inserted)
