"""A process that checks a connection when it is told to: `checker HOME CONNECTION START SPEED`.

Its clock showed the right time at START (seconds since 1970) and goes SPEED times too fast. It
prints a line when it is ready, waits for a line, checks, and prints the outcome as JSON.
"""

import sys
from pathlib import Path

import anyio
import anyio.to_thread

from tests.support.process.worker import clock
from weft.assembly.backends import open_backend
from weft.settings import Settings
from weft.telemetry import logs
from weft.testing.stub import stub_registry


async def main() -> None:
    settings = Settings(home=Path(sys.argv[1]), allow_hosts=frozenset({"127.0.0.1"}))
    logs.configure(settings.log_level, settings.log_format)
    start, speed = (float(each) for each in sys.argv[3:])
    async with open_backend(
        settings, registry=stub_registry(), run_jobs=False, clock=clock(start, speed)
    ) as backend:
        print("ready", flush=True)  # noqa: T201 (what the test waits for)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        result = await backend.connections.check(sys.argv[2])
        print(result.model_dump_json(), flush=True)  # noqa: T201 (see above)


if __name__ == "__main__":
    anyio.run(main)
