"""The parts of an SQLite connection that the store uses, with types that hold on Python 3.11.

apsw's own stubs name `collections.abc.Buffer`, which came with 3.12.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import apsw
import apsw.aio

R = TypeVar("R")

# A URI says whether the file is only to be read.
_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI

Bindings = Sequence[Any] | Mapping[str, Any]


class Rows(Protocol):
    """The outcome of a statement."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None."""
        ...

    @property
    def get(self) -> Any:
        """Run to the end; return the value of a single row with a single column, or None."""
        ...

    def get_description(self) -> tuple[tuple[str, str], ...]:
        """Return the name and declared type of each column."""
        ...


class Session(Protocol):
    """One connection, used on its own thread."""

    def execute(self, statements: str, bindings: Bindings | None = None, /) -> Rows:
        """Run one statement, or a script without bindings."""
        ...

    def executemany(self, statements: str, bindings: Iterable[Bindings], /) -> Rows:
        """Run one statement for each set of bindings."""
        ...

    def pragma(self, name: str, /) -> Any:
        """Return the value of a pragma."""
        ...

    def get_autocommit(self) -> bool:
        """Return whether no transaction is open."""
        ...

    def config(self, option: int, value: int, /) -> int:
        """Set one of SQLite's options of a connection (SQLITE_DBCONFIG_...)."""
        ...

    def readonly(self, name: str, /) -> bool:
        """Return whether the database of that name was opened for reading only."""
        ...

    def set_busy_timeout(self, milliseconds: int, /) -> None:
        """Set the time to wait for another connection's lock."""
        ...


class AsyncSession(Protocol):
    """A session with a thread of its own."""

    async def async_run(self, call: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Run ``call`` on the session's thread, where it can use the session directly."""
        ...

    def interrupt(self) -> None:
        """Make the statement that runs on the session's thread fail with apsw.InterruptError."""
        ...

    async def aclose(self) -> None:
        """Close the session and end its thread."""
        ...


class OwnSession(Session, Protocol):
    """A session that is used on the thread that opened it."""

    def close(self) -> None:
        """Close it."""
        ...


def connect_here(path: str) -> OwnSession:
    """Open a session for the calling thread, on a path or a URI. Raises apsw.Error."""
    return cast("Any", apsw.Connection)(path, flags=_FLAGS)


async def connect(path: str) -> AsyncSession:
    """Open a session on a database file, by its path or a URI. Raises apsw.Error."""
    aio = cast("Any", apsw.aio)
    with aio.contextvar_set(apsw.async_controller, aio.AsyncIO):
        return await cast("Any", apsw.Connection).as_async(path, flags=_FLAGS)


def carray(values: object) -> object:
    """Bind a tuple of strings or an array of 64-bit integers as the rows of `carray(?)`."""
    return cast("Any", apsw).carray(values)
