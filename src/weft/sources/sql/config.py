"""The fields of the `sql` source, and the checks on their values."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from weft.domain.base import Json
from weft.sources.base import ENDPOINT, MULTILINE

DEFAULT_MAX_ROW_CHARS: Final = 1_000_000
LARGEST_MAX_ROW_CHARS: Final = 10_000_000
# Part of every cursor: raise it when rows are read otherwise, so that all are read again.
READER: Final = "1"

Dialect = Literal["postgresql", "mysql"]
SslMode = Literal["prefer", "require", "verify-full", "disable"]

_DIALECTS: Final[dict[str, Dialect]] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_PORTS: Final[dict[Dialect, int]] = {"postgresql": 5432, "mysql": 3306}
# A comma or a slash would be a list of hosts, or a local socket, to PostgreSQL's library.
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
_SSL_OPTIONS: Final = frozenset({"sslmode", "ssl-mode", "ssl_mode"})
_SSL_MODES: Final = {
    "allow": "prefer",
    "preferred": "prefer",
    "required": "require",
    "disabled": "disable",
    "verify_identity": "verify-full",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A database on a server."""

    dialect: Dialect
    host: str
    port: int
    database: str

    @property
    def origin(self) -> str:
        """Return where the credentials go."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.dialect}://{host}:{self.port}"


class SqlConfig(BaseModel):
    """The database, and the rows of it that are wanted."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        default=None,
        max_length=2048,
        description="PostgreSQL, MySQL or MariaDB: postgresql://HOST:PORT/DATABASE or "
        "mysql://HOST:PORT/DATABASE, without user and password.",
        json_schema_extra=ENDPOINT,
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        max_length=4096,
        description="SQLite instead of url: the database file, inside an allowed folder.",
    )
    tables: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="Tables to read: names, schema.table or globs such as sales_*; default: all.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=20_000,
        description="One SELECT to read instead of tables; it needs id_column.",
    )
    id_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Column that tells rows apart; default: the table's primary key.",
    )
    title_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Column of the title; default: one named title, name, subject or the like.",
    )
    text_columns: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="Columns of the text; default: all that hold text, numbers or dates.",
    )
    cursor_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Column that grows with each change, such as updated_at: later syncs read only "
        "what is new.",
    )
    sslmode: SslMode = Field(
        default="prefer",
        description="TLS; prefer: always, but for hosts that the operator named if they offer it; "
        "verify-full: also checks certificate and name.",
    )
    ca_certificate: str | None = Field(
        default=None,
        max_length=100_000,
        description="Certificate (PEM) of the authority to trust for verify-full; default: the "
        "public ones.",
        json_schema_extra={**ENDPOINT, **MULTILINE},
    )
    max_row_size: int = Field(
        default=DEFAULT_MAX_ROW_CHARS,
        ge=1,
        le=LARGEST_MAX_ROW_CHARS,
        description="Characters of a row's text; rows with more are skipped.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_sslmode_from_url(cls, given: object) -> object:
        """Read `?sslmode=` of an address, as people paste it."""
        if not isinstance(given, dict):
            return given
        data = cast("Json", given)
        url = data.get("url")
        if not isinstance(url, str) or "?" not in url:
            return data
        address, _, rest = url.partition("?")
        options = dict(parse_qsl(rest, keep_blank_values=True))
        if not _SSL_OPTIONS.issuperset(options):
            return data
        mode = next(iter(options.values()), "prefer").lower()
        return {"sslmode": _SSL_MODES.get(mode, mode), **data, "url": address}

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        return value if value is None else _normalise_url(value.strip())

    @field_validator("path", "query")
    @classmethod
    def _refuse_null(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("must not hold a null character")
        return value

    @field_validator("path")
    @classmethod
    def _strip_scheme(cls, value: str | None) -> str | None:
        return value and value.removeprefix("sqlite:///")

    @field_validator("query")
    @classmethod
    def _strip_query(cls, value: str | None) -> str | None:
        if value is None:
            return None
        bare = value.strip().rstrip(";").rstrip()
        if not bare:
            raise ValueError("must be a SELECT statement")
        return bare

    @field_validator("tables", "text_columns")
    @classmethod
    def _refuse_empty_names(cls, value: list[str]) -> list[str]:
        names = [name.strip() for name in value]
        if not all(names) or any("\0" in name or len(name) > 255 for name in names):
            raise ValueError("must be names of at most 255 characters")
        return names

    @model_validator(mode="after")
    def _check_choice(self) -> "SqlConfig":
        if (self.url is None) == (self.path is None):
            raise ValueError("give either url (a server) or path (a SQLite file)")
        if self.query is not None and self.tables:
            raise ValueError("give either tables or query, not both")
        if self.query is not None and self.id_column is None:
            raise ValueError("query needs id_column: the column that tells its rows apart")
        return self

    @property
    def server(self) -> Server | None:
        """The server and database; None for a file."""
        return None if self.url is None else _parse_server(urlsplit(self.url))

    @property
    def authority_digest(self) -> str:
        """A short digest of ``ca_certificate``; empty without one."""
        text = self.ca_certificate
        return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""

    @property
    def scope(self) -> str:
        """A short digest of everything that decides what is synced."""
        chosen = self.model_dump(exclude={"sslmode", "ca_certificate"}, mode="json")
        return hashlib.blake2b(repr((READER, chosen)).encode(), digest_size=8).hexdigest()


class SqlCredentials(BaseModel):
    """A user of the database, best one that may only read. SQLite has none."""

    model_config = ConfigDict(extra="forbid")

    user: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=r"^[^\x00]*$",
        description="User of the database, best one that may only SELECT.",
    )
    password: SecretStr | None = Field(default=None, description="The user's password.")

    @field_validator("password")
    @classmethod
    def _refuse_null(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and "\0" in value.get_secret_value():
            raise ValueError("must not hold a null character")
        return value


class _Refused(ValueError):
    """The value is refused for a reason of its own."""


def _normalise_url(value: str) -> str:
    try:
        url = urlsplit(value)
        if url.scheme.startswith("sqlite"):
            raise _Refused("a SQLite database is given as path")
        if "@" in url.netloc:
            raise _Refused(
                "must not hold a user or password; give them as the credentials user and password"
            )
        server = _parse_server(url)
    except _Refused:
        raise
    except ValueError:
        raise ValueError("must be like postgresql://HOST:PORT/DATABASE or mysql://…") from None
    if server is None:
        raise ValueError("must begin with postgresql://, mysql:// or mariadb://")
    if url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError("must not have options; sslmode is a field of its own")
    if not server.database or "/" in server.database:
        raise ValueError("must name a database: postgresql://HOST:PORT/DATABASE")
    return value.rstrip("/")


def _parse_server(url: SplitResult) -> Server | None:
    """Raise ValueError for an impossible port."""
    # Drivers are Weft's own choice: postgresql+psycopg is PostgreSQL.
    dialect = _DIALECTS.get(url.scheme.partition("+")[0])
    if dialect is None:
        return None
    port = _PORTS[dialect] if url.port is None else url.port
    host, database = (url.hostname or "").rstrip("."), unquote(url.path.strip("/"))
    if not 0 < port < 65_536 or not _HOST.fullmatch(host) or "\0" in database:
        raise ValueError
    return Server(dialect, host, port, database)
