"""A process that does nothing but run jobs and fire schedules: `python worker.py HOME`.

It prints a line when it is ready. Tests kill it.
"""

import sys
from pathlib import Path

import anyio

from weft.assembly import open_backend
from weft.settings import Settings
from weft.testing.stub import stub_registry


async def main() -> None:
    settings = Settings(home=Path(sys.argv[1]), lease_seconds=float(sys.argv[2]))
    async with open_backend(settings, registry=stub_registry()):
        print("ready", flush=True)  # noqa: T201 (the signal that the test waits for)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
