"""Open one read-only connection to a database, for one sync.

Each dialect refuses writes by itself: PostgreSQL and MySQL in a read-only transaction, SQLite by a
read-only file and an authorizer that lets nothing pass but reading.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from weft.errors import SourceMisconfigured
from weft.net.transport import tls_context as trusted_context
from weft.sources.sql.config import SqlCredentials

CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 120
"""The longest that a database may take for one page of rows."""
PAUSE_SECONDS: Final = 900
"""How long a server waits for us between two pages."""
STREAM_SECONDS: Final = 6 * 3600
"""How long one statement may be streamed where its time cannot be counted by page."""


@dataclass
class Link:
    """A connection of a driver; ``abort`` makes whoever waits for it fail at once.

    ``begin`` are the statements that begin its one transaction. ``start_page`` is called before
    each page, which then has STATEMENT_SECONDS; ``start_rows`` once, after the catalogue was read.
    """

    dialect: str
    raw: Any
    abort: Callable[[], None]
    begin: tuple[str, ...] = ()
    start_page: Callable[[], None] = lambda: None
    start_rows: Callable[[], None] = lambda: None


def require_packages(dialect: str) -> None:
    """Raise an error that says what to install if a package for ``dialect`` is missing."""
    driver = {"postgresql": "psycopg", "mysql": "pymysql", "sqlite": "sqlite3"}[dialect]
    if find_spec("sqlalchemy") is None or find_spec(driver) is None:
        raise SourceMisconfigured(
            "The packages that read databases are not installed.",
            hint='The operator installs them with: pip install "weft-mcp[sql]".',
            needs="has the packages of the source 'sql' (weft-mcp[sql])",
        )


def password_of(credentials: SqlCredentials) -> str:
    return credentials.password.get_secret_value() if credentials.password else ""


def cut_off(descriptor: int) -> Callable[[], None]:
    """Return what ends all reading and writing of a connection, from any thread.

    It works on a copy of the descriptor, whose number cannot have become another file's.
    """
    channel = socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)

    def shut() -> None:
        # A socket that has lost its connection cannot be shut down, which is no fault here.
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)
        channel.close()

    return shut


def tls_context(sslmode: str, authority: str | None) -> ssl.SSLContext:
    verifies = sslmode == "verify-full"
    trusted = authority or (read_public_authorities() if verifies else None)
    context = ssl.create_default_context(cadata=trusted)
    # Databases sign their certificates themselves, and not as strictly as Python 3.13 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = verifies
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    return context


def read_public_authorities() -> str:
    """Return the certificates that the guarded client trusts as well."""
    found = trusted_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found))
