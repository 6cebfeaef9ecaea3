"""Run a blocking driver in worker threads, one page at a time, and end it when nobody waits.

A connection belongs to one lock: whoever works with it holds it, and only then is it closed. To
cancel is to end its socket, which wakes the thread that waits for it.
"""

import logging
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from weft.errors import SourceUnavailable
from weft.sources.sql.connect import STATEMENT_SECONDS, Link
from weft.sources.sql.errors import translate_errors

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine, Executable, Inspector

T = TypeVar("T")
U = TypeVar("U")

_SILENT: Final = logging.Logger("silent", logging.CRITICAL + 1)

# Longer than the database itself may take for a page, so that it is the one to say so.
_WAIT_SECONDS: Final = STATEMENT_SECONDS + 30
_CLOSE_SECONDS: Final = 1.0
_GROWTH: Final = 4
_MAX_ROWS: Final = 1_000
_PAGE_CHARS: Final = 2_000_000


class Session:
    """One connection with one read-only transaction. Its methods run in worker threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._results: list[CursorResult[Any]] = []
        self._is_over = False
        self._dialect = ""

    def connect(self, open_link: Callable[[], Link]) -> None:
        """Open the connection and begin the transaction."""
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SAWarning
        from sqlalchemy.pool import NullPool

        # Values of unknown types are read as they are; to warn of one would print its name, which
        # a stranger chose.
        warnings.filterwarnings("ignore", category=SAWarning)
        link = open_link()
        self._link, self._dialect = link, link.dialect
        with self._close_on_error():
            if self._is_over:
                raise SourceUnavailable("The sync ended meanwhile.")
            driver = {"postgresql": "psycopg", "mysql": "pymysql", "sqlite": "pysqlite"}
            self._engine = create_engine(
                f"{link.dialect}+{driver[link.dialect]}://",
                creator=lambda: link.raw,
                poolclass=NullPool,
            )
            # It would log what a database said.
            self._engine.pool.logger = _SILENT
            self._connection = self._engine.connect()
            for statement in link.begin:
                self._connection.exec_driver_sql(statement)

    @property
    def kind(self) -> str:
        """The name of the database's kind, for people."""
        return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(self._dialect, "MySQL")

    @property
    def dialect(self) -> str:
        """The name of the dialect."""
        return self._dialect

    def inspect(self) -> "Inspector":
        """Return the catalogue."""
        from sqlalchemy import inspect

        return inspect(self._open_connection())

    def start_rows(self) -> None:
        """Read values from now on as rows need them: the catalogue needs documents parsed."""
        if self._link is not None:
            self._link.start_rows()

    def quote(self, name: str) -> str:
        """Return a name as the dialect writes it in a statement."""
        preparer = self._open_connection().dialect.identifier_preparer
        return preparer.quote_identifier(name)

    def execute(
        self,
        statement: "Executable | str",
        parameters: Mapping[str, Any] | None = None,
    ) -> "CursorResult[Any]":
        """Run a statement whose rows the database keeps until they are asked for.

        One given as text is run as it is, but for its parameters, written as `parameter` returns.
        """
        connection = self._open_connection().execution_options(stream_results=True)
        self._start_page()
        if isinstance(statement, str):
            result = connection.exec_driver_sql(statement, dict(parameters or {}))
        else:
            result = connection.execute(statement, parameters)
        self._results = [open_ for open_ in self._results if not open_.closed]
        self._results.append(result)
        return result

    def parameter(self, name: str) -> str:
        """Return how a statement given as text names a parameter."""
        return f":{name}" if self.dialect == "sqlite" else f"%({name})s"

    def escape(self, statement: str) -> str:
        """Return a statement given as text in the form in which the driver leaves it alone."""
        return statement if self.dialect == "sqlite" else statement.replace("%", "%%")

    def fetch_page(self, result: "CursorResult[Any]", size: int) -> Sequence[Sequence[Any]]:
        """Return the next rows; none at the end."""
        self._start_page()
        return result.fetchmany(size)

    def abort(self) -> None:
        """Make whoever works with the connection fail soon. May be called from any thread."""
        self._is_over = True
        if self._link is not None:
            self._link.abort()

    def close(self) -> None:
        """Close the connection, once nobody works with it."""
        self._is_over = True
        with self._lock:
            self._close()

    def work(self, work: Callable[[], T]) -> T:
        """Do what uses the connection, alone."""
        with self._lock:
            return work()

    def _start_page(self) -> None:
        if self._link is not None:
            self._link.start_page()

    def _open_connection(self) -> "Connection":
        if self._connection is None or self._is_over:
            raise SourceUnavailable("The connection to the database has ended.")
        return self._connection

    @contextmanager
    def _close_on_error(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        link, self._link = self._link, None
        # What was cut cannot be closed in good order, and need not be.
        for result in self._results:
            with suppress(Exception):
                result.close()
        if connection is not None:
            with suppress(Exception):
                connection.close()
        if link is not None:
            with suppress(Exception):
                link.raw.close()
            link.abort()


class SessionRunner:
    """Runs a session's work in worker threads, from the event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run(self, work: Callable[[], T], what: str, field: str) -> T:
        """Do ``work``, which reads ``what``, in a thread; raise our errors for the driver's."""
        return await self.run_then(work, lambda found: found, what, field)

    async def run_then(
        self, work: Callable[[], T], then: Callable[[T], U], what: str, field: str
    ) -> U:
        """Do ``work`` as `run` does, and in the same thread ``then`` what needs no driver."""

        def do() -> U:
            with translate_errors(what, field):
                found = self._session.work(work)
            return then(found)

        try:
            with anyio.fail_after(_WAIT_SECONDS):
                return await anyio.to_thread.run_sync(do, abandon_on_cancel=True)
        except TimeoutError:
            self._session.abort()
            raise SourceUnavailable(f"The database took too long to read {what}.") from None


@asynccontextmanager
async def open_session() -> AsyncGenerator[tuple[Session, SessionRunner]]:
    """Hand out a session that is not connected yet, and close it at the end of the block."""
    session = Session()
    try:
        yield session, SessionRunner(session)
    except BaseException:
        session.abort()
        raise
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await anyio.to_thread.run_sync(session.close, abandon_on_cancel=True)
        session.abort()


def next_size(rows: Sequence[Sequence[Any]]) -> int:
    """Return how many rows to ask for after these, so that a page is about _PAGE_CHARS long.

    The longest row decides, and pages grow step by step: a row may have many megabytes.
    """
    if not rows:
        return 1
    longest = max(
        sum(len(value) if isinstance(value, str | bytes) else 8 for value in row) for row in rows
    )
    return max(1, min(_MAX_ROWS, _GROWTH * len(rows), _PAGE_CHARS // max(1, longest)))
