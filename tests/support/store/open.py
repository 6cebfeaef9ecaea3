"""Opens the store that tests use: the one place that knows which it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from weft.local.engine import utc_now
from weft.local.store.base import Store
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, connect_here
from weft.local.store.sqlite.store import SqliteStore

__all__ = ["Session", "connect_here", "count_misfit_vectors", "open_store"]


async def open_store(
    path: Path,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Store:
    """Open the embedded store on a file; the caller closes it.

    A new one is a copy: migrations take five times as long as all that opening does otherwise.
    """
    _place_empty(path)
    return await SqliteStore.open(path, clock, monotonic)


def _place_empty(path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(0o600)
        path.write_bytes(_make_empty())


@cache
def _make_empty() -> bytes:
    """The file of a store that was opened once; one event loop cannot wait for another."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "weft.db"
        thread.submit(anyio.run, _open_once, path).result()
        return path.read_bytes()


async def _open_once(path: Path) -> None:
    await (await SqliteStore.open(path, utc_now)).close()


def count_misfit_vectors(db: Session) -> int:
    """Count the entities that neither have a vector nor wait for one, and vectors of none."""
    return db.execute(queries()["report_misfit_vectors"]).get
