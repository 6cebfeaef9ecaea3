"""Opens the store that tests use: the one place that knows which it is."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

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
    """Open the embedded store on a file; the caller closes it."""
    return await SqliteStore.open(path, clock, monotonic)


def count_misfit_vectors(db: Session) -> int:
    """Count the entities that neither have a vector nor wait for one, and vectors of none."""
    return db.execute(queries()["report_misfit_vectors"]).get
