"""Open one read-only connection to a database, for one sync.

Each dialect refuses writes by itself: PostgreSQL and MySQL in a read-only transaction, SQLite by a
read-only file and an authorizer that lets nothing pass but reading.
"""

import os
import socket
import sqlite3
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from weft.errors import SourceMisconfigured
from weft.net.addresses import Address
from weft.sources.sql.config import Server, SqlCredentials

CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 120
"""The longest that a database may take for one page of rows."""
_PAUSE_SECONDS: Final = 900
"""How long a server waits for us between two pages."""
_STREAM_SECONDS: Final = 6 * 3600
"""How long one statement may be streamed where its time cannot be counted by page."""
_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_STEPS_BETWEEN_CHECKS: Final = 100_000

_SQLITE_ACTIONS: Final = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_TRANSACTION,
    }
)
_SQLITE_PRAGMAS: Final = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"}
    | {"foreign_key_list", "read_uncommitted"}
)


@dataclass
class Link:
    """A connection of a driver; ``abort`` makes whoever waits for it fail at once.

    ``begin`` are the statements that begin its one transaction. ``start_page`` is called before
    each page, which then has STATEMENT_SECONDS.
    """

    dialect: str
    raw: Any
    abort: Callable[[], None]
    begin: tuple[str, ...] = ()
    start_page: Callable[[], None] = lambda: None


def require_packages(dialect: str) -> None:
    """Raise an error that says what to install if a package for ``dialect`` is missing."""
    driver = {"postgresql": "psycopg", "mysql": "pymysql", "sqlite": "sqlite3"}[dialect]
    if find_spec("sqlalchemy") is None or find_spec(driver) is None:
        raise SourceMisconfigured(
            "The packages that read databases are not installed.",
            hint='The operator installs them with: pip install "weft-mcp[sql]".',
            needs="has the packages of the source 'sql' (weft-mcp[sql])",
        )


def open_sqlite(path: Path) -> Link:
    """Open a file that is never written."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro",
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = _decode_text
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_authorizer(_authorize_reading)
    deadline = _Deadline()
    connection.set_progress_handler(deadline.is_over, _STEPS_BETWEEN_CHECKS)

    def abort() -> None:
        deadline.end()
        # It may be closed already.
        with suppress(sqlite3.ProgrammingError):
            connection.interrupt()

    # Python's driver begins none for reading, so each statement would see another state.
    return Link("sqlite", connection, abort, ("BEGIN",), deadline.start)


def open_postgresql(
    server: Server,
    address: Address,
    credentials: SqlCredentials,
    sslmode: str,
    authority: str | None,
) -> Link:
    """Connect to ``address``; nothing of the operator's own settings for libpq is used."""
    import psycopg
    from psycopg import IsolationLevel
    from psycopg.types.string import TextLoader

    with tempfile.TemporaryDirectory() as folder:
        trusted = Path(folder) / "trusted.pem"
        # libpq reads certificates from nowhere else than a file.
        trusted.write_text(authority or _read_public_authorities())
        raw = psycopg.connect(
            host=server.host,
            hostaddr=str(address),
            port=server.port,
            dbname=server.database,
            user=credentials.user or "",
            # An empty password and file keep libpq from sending those of the operator.
            password=_password_of(credentials),
            passfile=os.devnull,
            sslmode=sslmode,
            sslrootcert=str(trusted) if sslmode == "verify-full" else "",
            sslcertmode="disable",
            gssencmode="disable",
            options="",
            target_session_attrs="any",
            application_name="weft",
            client_encoding="utf8",
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=None,
        )
    raw.read_only = True
    raw.isolation_level = IsolationLevel.REPEATABLE_READ
    # Times such as infinity have no value in Python, and documents need not be parsed.
    for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "json", "jsonb"):
        raw.adapters.register_loader(name, TextLoader)
    # Local to the transaction, because a pooler may give each transaction another session.
    begin = (
        f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
        f"SET LOCAL idle_in_transaction_session_timeout = '{_PAUSE_SECONDS}s'",
        "SET LOCAL datestyle = 'ISO, YMD'",
        "SET LOCAL timezone = 'UTC'",
    )
    return Link("postgresql", raw, _shut(raw.fileno()), begin)


def open_mysql(
    server: Server,
    address: Address,
    credentials: SqlCredentials,
    sslmode: str,
    authority: str | None,
) -> Link:
    """Connect to ``address``."""
    import pymysql  # pyright: ignore[reportMissingModuleSource]

    connection: Any = pymysql.connect(  # pyright: ignore[reportUnknownMemberType]
        host=server.host,
        port=server.port,
        user=credentials.user or "",
        password=_password_of(credentials).encode(),  # pyright: ignore[reportArgumentType]
        database=server.database,
        charset="utf8mb4",
        read_timeout=CONNECT_SECONDS,
        write_timeout=CONNECT_SECONDS,
        ssl_disabled=sslmode == "disable",
        ssl=_tls_context(sslmode, authority) if sslmode in {"require", "verify-full"} else None,  # pyright: ignore[reportArgumentType]
        local_infile=False,
        defer_connect=True,
    )
    channel = socket.create_connection((str(address), server.port), CONNECT_SECONDS)
    abort = _shut(channel.fileno())
    try:
        connection.connect(channel)
    except BaseException:
        channel.close()
        abort()
        raise
    connection._read_timeout = STATEMENT_SECONDS
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(f"SET SESSION net_write_timeout = {_PAUSE_SECONDS}, time_zone = '+00:00'")
        if "mariadb" in connection.get_server_info().lower():
            cursor.execute(f"SET SESSION max_statement_time = {_STREAM_SECONDS}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {_STREAM_SECONDS * 1000}")
    return Link("mysql", connection, abort)


class _Deadline:
    """The time until which SQLite may work on a page; it asks between its steps."""

    def __init__(self) -> None:
        self._at = time.monotonic() + STATEMENT_SECONDS
        self._ended = False

    def start(self) -> None:
        self._at = time.monotonic() + STATEMENT_SECONDS

    def end(self) -> None:
        self._ended = True

    def is_over(self) -> bool:
        return self._ended or time.monotonic() > self._at


def _authorize_reading(
    action: int, first: str | None, _second: str | None, _database: str | None, _by: str | None
) -> int:
    allowed = action in _SQLITE_ACTIONS or (
        action == sqlite3.SQLITE_PRAGMA and first in _SQLITE_PRAGMAS
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")


def _password_of(credentials: SqlCredentials) -> str:
    return credentials.password.get_secret_value() if credentials.password else ""


def _shut(descriptor: int) -> Callable[[], None]:
    """Return what ends all reading and writing of a connection, from any thread.

    It works on a copy of the descriptor, whose number cannot have become another file's.
    """
    channel = socket.socket(fileno=os.dup(descriptor))

    def shut() -> None:
        # One that is not connected any more refuses.
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)
        channel.close()

    return shut


def _tls_context(sslmode: str, authority: str | None) -> ssl.SSLContext:
    verifies = sslmode == "verify-full"
    trusted = authority or (_read_public_authorities() if verifies else None)
    context = ssl.create_default_context(cadata=trusted)
    # Databases sign their certificates themselves, and not as strictly as Python 3.13 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = verifies
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context


def _read_public_authorities() -> str:
    """Return the bundled roots and the machine's own, for companies that sign internal hosts."""
    import certifi

    own = ssl.get_default_verify_paths().cafile
    files = [Path(certifi.where()), *([Path(own)] if own else [])]
    return "\n".join(file.read_text(errors="ignore") for file in files)
