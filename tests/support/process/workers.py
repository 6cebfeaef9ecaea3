"""Worker processes that can be killed, and a backend that only watches them."""

import json
import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import apsw

from tests.support.process.programs import ROOT, program_command
from tests.support.store.open import Session
from weft.assembly.backends import PROCESSES_FOLDER_NAME
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


@dataclass
class Workers:
    """Processes on one WEFT_HOME."""

    home: Path
    lease_seconds: float = 30.0
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    clock: tuple[float, float] | None = None
    processes: list["subprocess.Popen[str]"] = field(default_factory=list["subprocess.Popen[str]"])

    def start(self) -> "subprocess.Popen[str]":
        """Start one and wait until it is ready."""
        settings = {"lease_seconds": self.lease_seconds, **self.settings}
        options = json.dumps({"settings": settings, "clock": self.clock})
        self.home.mkdir(parents=True, exist_ok=True)
        with self.stderr_path.open("ab") as stderr:
            process = subprocess.Popen(
                [*program_command("worker"), str(self.home), options],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", self.complaints()
        self.processes.append(process)
        return process

    @property
    def stderr_path(self) -> Path:
        """The file to which all of them write stderr."""
        return self.home / "stderr.log"

    def complaints(self) -> str:
        """Warnings and tracebacks of all of them."""
        return self.stderr_path.read_text() if self.stderr_path.exists() else ""

    def kill(self, process: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
        """Send a signal and wait for the end."""
        process.send_signal(number)
        process.wait(timeout=10)
        assert process.stdout is not None
        process.stdout.close()
        self.processes.remove(process)

    def is_dead(self, owner: str | None) -> bool:
        """Return whether the kernel has freed that owner's lock."""
        with ProcessLock(self.home / PROCESSES_FOLDER_NAME, f"test-{os.getpid()}") as lock:
            return owner is not None and lock.is_dead(owner)

    def stop(self) -> None:
        """Kill all that are left."""
        for process in list(self.processes):
            process.send_signal(signal.SIGCONT)
            self.kill(process)


@dataclass(frozen=True)
class Onlooker:
    """A backend in the test's own process that runs no jobs, and its engine."""

    backend: LocalBackend
    engine: Engine
