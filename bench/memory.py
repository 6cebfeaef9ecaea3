"""Peak memory of a process that syncs 100,000 or 1,000,000 entities."""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio

from bench.table import Row
from bench.workload import generate_entities, open_engine, time_sync
from weft.domain.entities import Entity

SMALL, LARGE = 100_000, 1_000_000
TARGET_MB = 300.0
MB = 1_000_000
# Linux reports the peak in KiB, macOS in bytes.
MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def rows() -> list[Row]:
    """Measure the peak of a process for each size, over a first sync and an unchanged re-sync."""
    small, large = _peak_bytes(SMALL), _peak_bytes(LARGE)
    growth = (large - small) / (LARGE - SMALL)
    return [
        Row(
            f"peak memory, {LARGE:,} entities, first sync and re-sync",
            large / MB,
            TARGET_MB,
            unit="MB",
            detail=f"{small / MB:.0f} MB with {SMALL:,}: {growth:.0f} bytes more an entity",
        )
    ]


class LazyEntities:
    """Makes entities while they are listed and keeps none, so that only the engine's count."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[Entity]:
        return generate_entities(self._count)


def _peak_bytes(count: int) -> int:
    command = [sys.executable, "-m", "bench.memory", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


async def _sync_twice(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder)) as (backend, connection_id):
            first, _ = await time_sync(backend, connection_id, LazyEntities(count))
            again, _ = await time_sync(backend, connection_id, LazyEntities(count))
    assert first.entities_inserted == again.entities_unchanged == count


def main() -> None:
    """Sync as many entities as the argument says, and print this process's peak in bytes."""
    anyio.run(_sync_twice, int(sys.argv[1]))
    print(_own_peak_bytes())


def _own_peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would be wrong on Linux: it starts from the peak of the parent process.
        [line] = [li for li in status.read_text().splitlines() if li.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT_BYTES


if __name__ == "__main__":
    main()
