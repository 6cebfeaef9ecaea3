"""One SQLite file: a writer and readers, each a connection on a thread of its own.

Callers pass plain functions that run on the connection's thread, so a transaction takes one hop
and holds no lock while the event loop is busy elsewhere.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import anyio
import apsw

from weft.errors import StorageFailed, WeftError
from weft.local.store.sqlite.file.authors import AUTHORS_VERSION, fill_authors
from weft.local.store.sqlite.file.matches import register_match_places
from weft.local.store.sqlite.file.place import Place
from weft.local.store.sqlite.file.queries import migrations, newest_version
from weft.local.store.sqlite.file.reader import Reader, in_snapshot
from weft.local.store.sqlite.file.respell import empty_index, respell
from weft.local.store.sqlite.file.schema import has_other_shape, other_shape
from weft.local.store.sqlite.file.session import (
    AsyncSession,
    OwnSession,
    Session,
    connect,
    connect_here,
)
from weft.local.store.values import micros

P = ParamSpec("P")
R = TypeVar("R")

Work = Callable[Concatenate[Session, P], R]
Clock = Callable[[], datetime]

READERS = 3
RESPELLED = 18
"""The version of the schema that stored texts are spelled anew for."""
BUSY_TIMEOUT_MS = 10_000
BUSY_PAUSE_SECONDS = 0.02
PEEK_TIMEOUT_MS = 20
WRITER_CACHE_KIB = 65_536
CHECKPOINT_PAGES = 8_000
JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024

_PRAGMAS = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}",
)


class Database:
    """An open database file; several processes may have it open at once."""

    def __init__(
        self,
        writer: AsyncSession,
        readers: list[AsyncSession],
        peeker: OwnSession,
        clock: Clock,
        monotonic: Callable[[], float],
        place: Place,
    ) -> None:
        self.place = place
        self.clock = clock
        self.monotonic = monotonic
        self._writer = writer
        self._peeker = peeker
        self._readers = [Reader(session) for session in readers]
        # One reader is left for what takes no time.
        self.searching = asyncio.Semaphore(len(readers) - 1)

    @classmethod
    async def open(
        cls, path: Path, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> "Database":
        """Open or create the file, readable by its owner alone, and bring its schema up to date.

        A file that cannot be written is opened for reading. Raises StorageFailed when it cannot be
        opened or was made by a newer Weft, or by an older one and cannot be written.
        """
        sessions: list[AsyncSession] = []
        with _map_errors():
            place = Place.prepare(path)
            first = _check_read_only if place.read_only else _prepare_writer
            try:
                for prepare in (first, *[_prepare_reader] * READERS):
                    sessions.append(await connect(place.uri))
                    await sessions[-1].async_run(prepare, sessions[-1])
                peeker = connect_here(place.uri)
                _prepare_reader(peeker)
                peeker.set_busy_timeout(PEEK_TIMEOUT_MS)
            except BaseException:
                # If they stayed open, their threads would keep the process from ending.
                await _close(sessions)
                raise
        writer, *readers = sessions
        place.remember()
        return cls(writer, readers, peeker, clock, monotonic, place)

    def now(self) -> int:
        """Return the clock's time in the form that rows hold."""
        return micros(self.clock())

    async def write(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` in one write transaction; it is rolled back if ``work`` raises.

        The changes survive a power cut.
        """
        return await self._write(_durably, work, args, kwargs)

    async def write_relaxed(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` as `write`, but do not wait for the disk.

        Use it for work that can be repeated after a power cut. The file stays whole, and the next
        `write` makes these changes durable too.
        """
        return await self._write(_in_transaction, work, args, kwargs)

    async def _write(
        self, transact: Callable[..., Any], work: Callable[..., R], args: Any, kwargs: Any
    ) -> R:
        done: list[R] = []
        # A write is short and its outcome must be known, so cancellation waits for it.
        with anyio.CancelScope(shield=True), _map_errors():
            self.place.refuse_write()
            guarded = partial(self._refuse_lost, work)
            run = self._writer.async_run(transact, self._writer, guarded, args, kwargs)
            done.append(cast("R", await run))
        return done[0]

    def _refuse_lost(self, work: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        result = work(*args, **kwargs)
        # Just before the commit: nothing may be acknowledged that goes into files nobody finds.
        self.place.refuse_displaced()
        return result

    async def read(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` on a reader; it sees one consistent snapshot. A cancel interrupts it."""
        self.place.refuse_stale()
        reader = min(self._readers, key=lambda each: each.load)
        with _map_errors():
            return await reader.read(work, *args, **kwargs)

    async def peek(self, work: Work[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work``, which reads a few rows by an index, on the event loop's own thread.

        That takes less time than the hop to another thread and back. A reader hardly ever waits for
        a lock in WAL mode; if it would have to, the work moves to a reader's thread.
        """
        self.place.refuse_stale()
        try:
            return work(self._peeker, *args, **kwargs)
        except (apsw.BusyError, apsw.LockedError):
            return await self.read(work, *args, **kwargs)
        except apsw.Error as error:
            raise storage_error(error) from error

    def data_version(self) -> int:
        """Return a number, never 0, that changes whenever any connection commits."""
        with _map_errors():
            return int(self._peeker.pragma("data_version"))

    async def compute(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``work`` on the writer's thread, outside any transaction."""
        return await self._writer.async_run(work, *args, **kwargs)

    async def verify(self) -> None:
        """Raise StorageFailed when the open files are no longer at their paths, or were changed."""
        self.place.refuse_stale()
        try:
            self.place.refuse_displaced()
        except StorageFailed:
            if self.place.is_file_there():
                # Only the WAL is lost: bring what was acknowledged into the file while it is open.
                with suppress(apsw.Error):
                    await self._writer.async_run(_fold_wal, self._writer)
            raise

    async def close(self) -> None:
        """Close all connections; the last process to close folds the WAL into the file."""
        try:
            await self.verify()
        except StorageFailed:
            # SQLite removes the WAL by its path, where another database may have its own by now.
            with suppress(apsw.ConnectionClosedError):
                for session in (*(each.session for each in self._readers), self._writer):
                    await session.async_run(_leave_wal, session)
                _leave_wal(self._peeker)
        self._peeker.close()
        for reader in self._readers:
            await reader.aclose()
        await _close((self._writer,))


async def _close(sessions: Iterable[AsyncSession]) -> None:
    with anyio.CancelScope(shield=True):
        for session in sessions:
            await session.aclose()


def _fold_wal(db: Session) -> None:
    db.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _leave_wal(db: Session) -> None:
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def _prepare(db: Session) -> None:
    db.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Without this, SQLite plans a statement anew at every execution if a bound value could decide
    # which index to use; that takes several times longer than reading a few rows.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    if not db.readonly("main"):
        _enter_wal(db)
    for pragma in _PRAGMAS:
        db.execute(pragma)


def _enter_wal(db: Session) -> None:
    # Turning a new file to WAL makes a reader a writer. If two processes do so at once, SQLite
    # refuses one without waiting, because both would wait for each other.
    give_up = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except apsw.BusyError:
            if time.monotonic() > give_up:
                raise
            time.sleep(BUSY_PAUSE_SECONDS)
        else:
            return


def _prepare_reader(db: Session) -> None:
    _prepare(db)
    register_match_places(db)
    db.execute("PRAGMA query_only = ON")


def _prepare_writer(db: Session) -> None:
    _prepare(db)
    db.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    # Overwrite deleted data with zeros, so that no deleted text stays in free pages.
    db.execute("PRAGMA secure_delete = ON")
    # A batch exceeds the default of 1,000 pages, so each commit would wait for the disk twice.
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    if in_snapshot(db, has_other_shape, (), {}):
        raise other_shape()
    if _schema_version(db) < newest_version():
        _durably(db, _migrate, (), {})
    _refuse_newer(db)


def _check_read_only(db: Session) -> None:
    _prepare_reader(db)
    if in_snapshot(db, has_other_shape, (), {}):
        raise other_shape()
    _refuse_newer(db)
    if (version := _schema_version(db)) < newest_version():
        raise StorageFailed(
            f"The schema of the database has version {version}, and this Weft's is"
            f" {newest_version()}; here it is read-only, so it cannot be brought up to date.",
            hint="Run `weft connections` once with this Weft where the database can be written.",
        )


def _refuse_newer(db: Session) -> None:
    if _schema_version(db) > newest_version():
        raise StorageFailed(
            "The database was made by a newer version of Weft.",
            hint="Upgrade Weft, or point WEFT_HOME at another folder.",
        )


def _migrate(db: Session) -> None:
    # Read again under the write lock, as another process may have just migrated.
    current = _schema_version(db)
    for number, script in migrations():
        if number > current:
            if number == RESPELLED:
                empty_index(db)
            db.execute(script)
            if number == RESPELLED:
                respell(db)
            if number == AUTHORS_VERSION:
                fill_authors(db)
            db.execute(f"PRAGMA user_version = {number}")


def _schema_version(db: Session) -> int:
    return cast("int", db.pragma("user_version"))


def _durably(db: Session, work: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    db.execute("PRAGMA synchronous = FULL")
    try:
        return _in_transaction(db, work, args, kwargs)
    finally:
        db.execute("PRAGMA synchronous = NORMAL")


def _in_transaction(
    db: Session, work: Callable[..., Any], args: Any, kwargs: dict[str, Any]
) -> Any:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db, *args, **kwargs)
        db.execute("COMMIT")
    except BaseException:
        if not db.get_autocommit():
            db.execute("ROLLBACK")
        raise
    return result


@contextmanager
def _map_errors():
    try:
        yield
    except WeftError:
        raise
    except apsw.Error as error:
        raise storage_error(error) from error


def storage_error(error: apsw.Error) -> WeftError:
    """Turn a database error into ours, without its text, which may hold data."""
    match error:
        case apsw.FullError():
            return StorageFailed("The disk is full.", hint="Free some space and try again.")
        case apsw.BusyError() | apsw.LockedError():
            return StorageFailed(
                "The database is busy with another process's work.", hint="Try again shortly."
            )
        case apsw.IOError() | apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return StorageFailed(
                "The database cannot be read or written.",
                hint="Run `weft doctor`; check the disk and the permissions of WEFT_HOME.",
            )
        case apsw.CorruptError() | apsw.NotADBError():
            return StorageFailed(
                "The database file is damaged.",
                hint="Run `weft doctor`; restore the file from a backup, or move it away.",
            )
        case _:
            return WeftError(f"The database refused an operation ({type(error).__name__}).")
