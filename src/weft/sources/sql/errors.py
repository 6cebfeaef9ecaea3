"""Turn what databases and their drivers raise into errors that say what to do.

The text of a database's message is never shown: it may quote values, or be made by a stranger.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)

READ_ONLY: Final = "Only one SELECT that changes nothing can be read."

_SERVER_AUTH = "The database refused the user or the password."
_NO_DATABASE = "The server has no database of that name."
_MYSQL_AUTH: Final = frozenset({1045, 1698, 1251, 1862, 3118, 3879})
_MYSQL_DENIED: Final = frozenset({1044, 1142, 1143, 1227, 1370, 1345, 1356, 4151})
_MYSQL_BUSY: Final = frozenset({1040, 1203, 1205, 1213, 1226, 1317, 1927, 1969, 3024})
_MYSQL_TLS: Final = frozenset({2026, 3159})
_MYSQL_WRITES: Final = frozenset({1792, 1290})
_MYSQL_PROTOCOL: Final = 2000
# Refusals before there is a connection come without a code.
_AUTH_WORDS: Final = re.compile(
    r"password authentication failed|authentication failed|no password supplied|role \".*\" does"
    r"|no pg_hba\.conf entry|not permitted to log in|auth method"
)
_DATABASE_WORDS: Final = re.compile(r"database \".*\" does not exist|no such database")
_DENIED_WORDS: Final = re.compile(r"permission denied for database|CONNECT privilege")
_TLS_WORDS: Final = re.compile(r"does not support SSL|certificate|SSL|TLS", re.IGNORECASE)


@contextmanager
def translate_errors(what: str, field: str) -> Generator[None]:
    """Raise our errors for those of a driver in this block, which reads ``what``.

    ``field`` of the configuration is at fault where the database cannot do what it is asked.
    """
    try:
        yield
    except WeftError:
        raise
    except Exception as error:  # noqa: BLE001 (a server that is none makes drivers fail in any way)
        raise explain(error, what, field) from None


def explain(error: Exception, what: str, field: str) -> WeftError:
    """Return our error for one of SQLAlchemy or a driver; see `translate_errors`."""
    cause: Any = getattr(error, "orig", None) or error
    if isinstance(cause, WeftError):
        return cause
    if isinstance(cause, UnicodeError):
        return SourceMisconfigured(
            f"{what[:1].upper()}{what[1:]} has text that is no UTF-8.", field=field
        )
    module = type(cause).__module__.partition(".")[0]
    if module == "psycopg":
        return _explain_postgresql(cause, what, field)
    if module == "pymysql":
        return _explain_mysql(cause, what, field)
    if module == "sqlite3":
        return _explain_sqlite(cause, what, field)
    return _outage()


def _explain_postgresql(error: Any, what: str, field: str) -> WeftError:
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        return _explain_refusal(str(error))
    if state in {"28P01", "28000"}:
        return AuthenticationFailed(_SERVER_AUTH)
    if state == "3D000":
        return SourceMisconfigured(_NO_DATABASE, field="url")
    if state == "42501":
        return _denial(what, field)
    if state in {"25006", "0A000", "25001"} and field == "query":
        return _query_refusal(f"refuses it ({state})")
    if state == "08P01" and field == "query":
        # The query has a parameter, such as $1, which nobody gives.
        return _misconfiguration(what, field, state, None)
    if state == "57014":
        return _timeout(what)
    if state[:2] in {"42", "22", "26", "21", "0A", "25", "2F", "38", "39", "P0"}:
        place = getattr(getattr(error, "diag", None), "statement_position", None)
        return _misconfiguration(what, field, state, place)
    return _outage()


def _explain_refusal(text: str) -> WeftError:
    """Explain why there is no connection, by words that only choose among our own texts."""
    if _DATABASE_WORDS.search(text):
        return SourceMisconfigured(_NO_DATABASE, field="url")
    if _DENIED_WORDS.search(text):
        return AccessDenied("The user may not connect to that database.", field="url")
    if _AUTH_WORDS.search(text):
        return AuthenticationFailed(_SERVER_AUTH)
    if _TLS_WORDS.search(text):
        return no_tls()
    return _outage()


def _explain_mysql(error: Any, what: str, field: str) -> WeftError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if code in _MYSQL_AUTH:
        return AuthenticationFailed(_SERVER_AUTH)
    if code in _MYSQL_DENIED:
        return _denial(what, field)
    if code == 1049:
        return SourceMisconfigured(_NO_DATABASE, field="url")
    if code in _MYSQL_WRITES:
        return _query_refusal(f"refuses it ({code})") if field == "query" else _outage()
    if code in _MYSQL_TLS or (code == 2003 and _TLS_WORDS.search(str(error))):
        return no_tls()
    if code in {1969, 3024}:
        return _timeout(what)
    if code in _MYSQL_BUSY or _MYSQL_PROTOCOL <= code < 3000 or not code:
        return _outage()
    return _misconfiguration(what, field, str(code), None)


def _explain_sqlite(error: Any, what: str, field: str) -> WeftError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_AUTH"):
        return SourceMisconfigured(
            f"{what[:1].upper()}{what[1:]} would do more than read.", field=field
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return _broken_file()
    if name.startswith("SQLITE_TOOBIG"):
        return SourceMisconfigured(f"{what} has a value of more than 64 MiB.", field=field)
    if name.startswith("SQLITE_INTERRUPT"):
        return _timeout(what)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM")):
        return AccessDenied(
            "The database file cannot be opened for reading.",
            field="path",
            hint="The server's user must be able to read it and, in WAL mode, to write its folder.",
        )
    if name in {"SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_RANGE"} or not name:
        return _misconfiguration(what, field, name or type(error).__name__, None)
    return SourceUnavailable(
        "The database file is busy or cannot be read at the moment.",
        hint="Try again when no other program changes it.",
    )


def no_tls() -> SourceMisconfigured:
    """Return the error for a server without TLS, or with a certificate that does not fit."""
    return SourceMisconfigured(
        "No TLS connection to the database that satisfies sslmode could be made.",
        field="sslmode",
        hint="For verify-full, ca_certificate may have to name the server's own authority; sslmode "
        "disable works for hosts that the operator named (WEFT_ALLOW_HOSTS).",
    )


def _denial(what: str, field: str) -> AccessDenied:
    return AccessDenied(
        f"The database user may not read {what}.",
        field=field,
        hint="Grant it SELECT, or leave that out.",
    )


def _misconfiguration(what: str, field: str, code: str, place: str | None) -> SourceMisconfigured:
    where = f", near character {place} of the statement" if place and place.isdigit() else ""
    return SourceMisconfigured(
        f"The database cannot read {what} (error {code}{where}).",
        field=field,
        hint="It must be one SELECT; end it without a semicolon, and name columns that it returns."
        if field == "query"
        else "Check its columns in the database.",
    )


def _query_refusal(reason: str) -> SourceMisconfigured:
    return SourceMisconfigured(f"The database {reason}. {READ_ONLY}", field="query")


def _timeout(what: str) -> SourceUnavailable:
    return SourceUnavailable(f"The database took too long to read {what}.")


def _broken_file() -> SourceMisconfigured:
    return SourceMisconfigured("The file is no SQLite database, or it is damaged.", field="path")


def _outage() -> SourceUnavailable:
    return SourceUnavailable("The database did not answer, or ended the connection.")
