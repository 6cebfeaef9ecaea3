"""Connect to a PostgreSQL server. Imported only where one is read: the driver is optional."""

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import Connection, Cursor, IsolationLevel, ServerCursor
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGcancel
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from weft.net.addresses import Address
from weft.sources.sql.config import Server, SqlCredentials
from weft.sources.sql.connect import (
    CONNECT_SECONDS,
    PAUSE_SECONDS,
    STATEMENT_SECONDS,
    Link,
    cut_off,
    password_of,
    read_public_authorities,
)

_READ_AS_TEXT = (
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
    *("json", "jsonb"),
)


class QuietCursor(ServerCursor[TupleRow]):
    """A cursor that can be closed on a connection that was cut."""

    def close(self) -> None:
        """As the base does; the server frees the cursors of a lost connection by itself."""
        try:
            super().close()
        except psycopg.Error:
            Cursor.close(self)

    def __del__(self, *_: object) -> None:
        """Warn of nothing: one of a statement that was ended is closed with its connection."""


def open_postgresql(
    server: Server,
    address: Address,
    credentials: SqlCredentials,
    sslmode: str,
    authority: str | None,
) -> Link:
    """Connect to ``address``; nothing of the operator's own settings for libpq is used."""
    verifies = sslmode == "verify-full"
    with tempfile.TemporaryDirectory() as folder:
        trusted = Path(folder) / "trusted.pem"
        if verifies:
            # libpq reads certificates from nowhere else than a file.
            trusted.write_text(authority or read_public_authorities())
        raw = psycopg.connect(
            host=server.host,
            hostaddr=str(address),
            port=server.port,
            dbname=server.database,
            user=credentials.user or "",
            # An empty password and file keep libpq from sending those of the operator.
            password=password_of(credentials),
            passfile=os.devnull,
            sslmode=sslmode,
            sslrootcert=str(trusted) if verifies else "",
            sslcertmode="disable",
            gssencmode="disable",
            options="",
            target_session_attrs="any",
            application_name="weft",
            client_encoding="utf8",
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=None,
        )
    raw.server_cursor_factory = QuietCursor
    raw.read_only = True
    raw.isolation_level = IsolationLevel.REPEATABLE_READ

    def read_as_text() -> None:
        # Times such as infinity have no value in Python, and documents need not be parsed.
        for name in _READ_AS_TEXT:
            raw.adapters.register_loader(name, TextLoader)

    # Local to the transaction, because a pooler may give each transaction another session.
    begin = (
        f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
        f"SET LOCAL idle_in_transaction_session_timeout = '{PAUSE_SECONDS}s'",
        "SET LOCAL datestyle = 'ISO, YMD'",
        "SET LOCAL timezone = 'UTC'",
    )
    return Link("postgresql", raw, _cut_off(raw), begin, start_rows=read_as_text)


def _cut_off(raw: Connection[TupleRow]) -> Callable[[], None]:
    """Return what ends the connection, from any thread, and the statement that runs on it."""
    cut, cancel = cut_off(raw.fileno()), raw.pgconn.get_cancel()

    def end() -> None:
        if raw.pgconn.transaction_status == TransactionStatus.ACTIVE:
            # A server that works on a statement does not notice that nobody waits any more.
            threading.Thread(target=_cancel, args=(cancel,), daemon=True).start()
        cut()

    return end


def _cancel(cancel: PGcancel) -> None:
    with suppress(psycopg.Error):
        cancel.cancel()
