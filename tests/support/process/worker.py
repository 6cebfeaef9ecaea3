"""A process that does nothing but run jobs and fire schedules: `worker HOME OPTIONS`.

The options are JSON: "settings", and "clock" as a pair of a start (seconds since 1970) and a speed,
so that all workers have the same hours pass in seconds. It prints a line when it is ready. Tests
kill it.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from weft.assembly.backends import open_backend
from weft.local.engine import utc_now
from weft.settings import Settings
from weft.telemetry import logs
from weft.testing.stub import stub_registry


def clock(start: float, speed: float) -> Callable[[], datetime]:
    """A clock that showed the right time at ``start`` and goes ``speed`` times too fast."""
    return lambda: datetime.fromtimestamp(start + (time.time() - start) * speed, UTC)


async def main() -> None:
    options: dict[str, Any] = json.loads(sys.argv[2])
    settings = Settings(home=Path(sys.argv[1]), **options["settings"])
    logs.configure(settings.log_level, settings.log_format)
    time_of = clock(*options["clock"]) if options["clock"] else utc_now
    async with open_backend(settings, registry=stub_registry(), clock=time_of):
        print("ready", flush=True)  # noqa: T201 (the signal that the test waits for)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
