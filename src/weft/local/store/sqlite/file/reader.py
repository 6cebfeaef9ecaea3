"""A session for reads, which stops a read that nobody waits for any more."""

import asyncio
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import apsw

from weft.local.store.sqlite.file.session import AsyncSession, Session

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPT_PAUSE_SECONDS = 0.02


@dataclass(eq=False)
class _Read:
    abandoned: bool = False


class Reader:
    """Serves one read at a time, each in a snapshot of its own."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._reads: set[_Read] = set()
        # Holds the read that may be interrupted still, so that no other one is.
        self._lock = threading.Lock()
        self._running: _Read | None = None

    @property
    def load(self) -> int:
        """Return how many reads run or wait."""
        return len(self._reads)

    async def read(
        self, work: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run ``work`` on the session's thread; interrupt it when the caller is cancelled."""
        read = _Read()
        self._reads.add(read)
        try:
            return await self.session.async_run(
                in_snapshot, self.session, self._serve, (read, work, args, kwargs), {}
            )
        finally:
            self._abandon(read)

    async def aclose(self) -> None:
        """End what is still read, and close the session."""
        for read in tuple(self._reads):
            self._abandon(read)
        with anyio.CancelScope(shield=True):
            await self.session.aclose()

    def _serve(
        self, db: Session, read: _Read, work: Callable[..., R], args: Any, kwargs: dict[str, Any]
    ) -> R:
        with self._lock:
            if read.abandoned:
                raise apsw.InterruptError
            self._running = read
        try:
            return work(db, *args, **kwargs)
        except BaseException as error:
            # While a cursor is open, here in a frame, SQLite does not forget that it was
            # interrupted, and would interrupt the end of the transaction.
            traceback.clear_frames(error.__traceback__)
            raise
        finally:
            with self._lock:
                self._running = None

    def _abandon(self, read: _Read) -> None:
        """Interrupt the read, if it has not ended, until it has."""
        with self._lock:
            read.abandoned = True
            is_running = self._running is read
            if is_running:
                self.session.interrupt()
        if is_running:
            # SQLite forgets an interrupt that comes between two statements.
            loop = asyncio.get_running_loop()
            loop.call_later(INTERRUPT_PAUSE_SECONDS, self._abandon, read)
        else:
            self._reads.discard(read)


def in_snapshot(db: Session, work: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Run ``work`` in a read transaction."""
    if not db.get_autocommit():
        # The end of the last one was interrupted.
        db.execute("ROLLBACK")
    db.execute("BEGIN")
    try:
        return work(db, *args, **kwargs)
    finally:
        if not db.get_autocommit():
            db.execute("ROLLBACK")
