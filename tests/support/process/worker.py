"""A process that does nothing but run jobs and fire schedules, until a test kills it."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio

from weft.assembly.backends import open_backend
from weft.local.engine import utc_now
from weft.settings import Settings
from weft.telemetry import logs
from weft.testing.stub import stub_registry

READY = "ready"


def clock(start: float, speed: float) -> Callable[[], datetime]:
    """A clock that showed the right time at ``start`` and goes ``speed`` times too fast."""
    return lambda: datetime.fromtimestamp(start + (time.time() - start) * speed, UTC)


def work(
    home: Path,
    options: dict[str, Any],
    time_since: tuple[float, float] | None,
    stderr: Path,
    answers: "Connection[str, Any]",
) -> None:
    """Work with such settings, and say when it begins.

    ``time_since`` is the start (seconds since 1970) and the speed of a clock, so that all workers
    have the same hours pass in seconds.
    """
    # What runs in the background of a shell inherits that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with stderr.open("ab") as file:
        os.dup2(file.fileno(), 2)
    settings = Settings(home=home, **options)
    logs.configure(settings.log_level, settings.log_format)
    anyio.run(run_jobs, settings, clock(*time_since) if time_since else utc_now, answers)


async def run_jobs(
    settings: Settings, time_of: Callable[[], datetime], answers: "Connection[str, Any]"
) -> None:
    async with open_backend(settings, registry=stub_registry(), clock=time_of):
        answers.send(READY)
        await anyio.sleep_forever()
