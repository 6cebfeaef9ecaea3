"""Plan what to read of each table: its key and its columns, as the catalogue has them.

What ends up in a statement is the catalogue's own name, quoted by SQLAlchemy.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from weft.domain.text.characters import clean_line
from weft.domain.text.names import suggest
from weft.errors import SourceMisconfigured
from weft.sources.sql.choice import Found, Place, find_tables
from weft.sources.sql.config import SqlConfig

if TYPE_CHECKING:
    from sqlalchemy import Inspector

_SHOWN_MAX: Final = 5
# What an application keeps to check whoever logs in is of no use to a reader of texts.
SECRET_COLUMN: Final = re.compile(
    r"(^|_)(passwords?|passwd|pwd|passphrase|secrets?|salt|otp|api_?keys?|private_?key|pin|cvv)(_|$)"
    r"|(^|_)(password|pass)_?(hash|digest)|(^|_)tokens?(_hash|_digest)?$"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is read; ``is_text`` if the database knows that it holds text."""

    name: str
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table to read. ``label`` is its name in ids and texts."""

    label: str
    name: str
    schema: str | None
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = ()
    cursor: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The columns that the ids of rows are made of."""
        return tuple(Column(name) for name in self.key)

    @property
    def digest(self) -> str:
        """Return what changes when rows read before would now be read otherwise."""
        told = repr((self.key, self.names, self.cursor))
        return hashlib.blake2b(told.encode(errors="surrogatepass"), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """The tables to read, and those that cannot be, with the reason."""

    tables: tuple[Table, ...]
    skipped: tuple[tuple[str, str], ...] = ()


def plan_tables(inspector: "Inspector", config: SqlConfig) -> Plan:
    """Look the tables up in the catalogue. Raises SourceMisconfigured, naming the field."""
    found = find_tables(inspector, config.tables)
    tables: list[Table] = []
    skipped: list[tuple[str, str]] = []
    described = _describe_all(inspector, found)
    for item in found:
        table = _plan_table(inspector, item, described, config)
        if isinstance(table, Table):
            tables.append(table)
        elif item.is_exact or len(found) == 1:
            raise SourceMisconfigured(f"{item.label} {table}.", field="id_column", hint=_KEY_HINT)
        else:
            skipped.append((item.label, f"the table {table}"))
    _check_columns(tables, config)
    return Plan(tuple(tables), tuple(skipped))


def plan_query(names: Sequence[str], config: SqlConfig) -> Table:
    """Return the result of ``query`` as a table; ``names`` are those of its columns."""
    key = config.id_column or ""
    for field, wanted in (("id_column", [key]), ("cursor_column", [config.cursor_column])):
        for name in wanted:
            if name is not None and name not in names:
                raise _no_column(field, name, names)
    if len(set(names)) < len(names):
        raise SourceMisconfigured(
            "Two columns of the query have the same name.",
            field="query",
            hint="Give each its own: SELECT a.id AS order_id, …",
        )
    # The driver gives the columns as they are, so none can be left out of the statement.
    table = Table(
        QUERY,
        QUERY,
        None,
        (key,),
        tuple(Column(name) for name in names),
        tuple(name for name in names if not _is_wanted(name, (key,), config)),
        config.cursor_column,
    )
    _check_columns([table], config)
    return table


QUERY: Final = "query"
_KEY_HINT: Final = (
    "Name the column that tells its rows apart as id_column, or leave the table out of tables."
)


@dataclass(frozen=True, slots=True)
class _Described:
    """The columns and primary keys of tables, by schema and name."""

    columns: dict[Place, Any]
    keys: dict[Place, Any]


def _describe_all(inspector: "Inspector", found: Sequence[Found]) -> _Described:
    """Ask for all tables of a schema at once: one by one takes long where there are many."""
    from sqlalchemy.engine.reflection import ObjectKind

    described = _Described({}, {})
    for schema in {item.schema for item in found}:
        names = [item.name for item in found if item.schema == schema]
        chosen: Any = {"schema": schema, "filter_names": names, "kind": ObjectKind.ANY}
        described.columns.update(inspector.get_multi_columns(**chosen))
        described.keys.update(inspector.get_multi_pk_constraint(**chosen))
    return described


def _plan_table(
    inspector: "Inspector", found: Found, described: _Described, config: SqlConfig
) -> Table | str:
    """Return the table, or why its rows cannot be told apart."""
    from sqlalchemy.types import LargeBinary, String
    from sqlalchemy.types import _Binary as Binary  # pyright: ignore[reportPrivateUsage]

    is_sqlite = inspector.dialect.name == "sqlite"
    place = (found.schema, found.name)
    if place not in described.columns:
        return "has no columns that the user may see"
    by_name = {str(column["name"]): column for column in described.columns[place]}
    primary: Any = described.keys.get(place) or {}
    key = _find_key(inspector, found, by_name, config.id_column, primary)
    if not key:
        return "has no primary key"
    columns: list[Column] = []
    left_out: list[str] = []
    for name, column in by_name.items():
        # The type of a SQLite column says nothing about its values.
        holds_bytes = not is_sqlite and isinstance(column["type"], LargeBinary | Binary)
        if name in key or (not holds_bytes and _is_wanted(name, key, config)):
            is_text = is_sqlite or isinstance(column["type"], String)
            columns.append(Column(name, is_text and name not in key))
        else:
            left_out.append(name)
    names = {column.name for column in columns}
    cursor = config.cursor_column if config.cursor_column in names else None
    return Table(
        found.label, found.name, found.schema, key, tuple(columns), tuple(left_out), cursor
    )


def _find_key(
    inspector: "Inspector",
    found: Found,
    columns: dict[str, Any],
    wanted: str | None,
    primary: Any,
) -> tuple[str, ...]:
    """Return the chosen column, else the primary key, else a unique key without empty values."""
    if wanted is not None and wanted in columns:
        return (wanted,)
    if primary.get("constrained_columns"):
        return tuple(primary["constrained_columns"])
    # SQLite names an index of its own for each unique constraint; others list those with the rest.
    for index in inspector.get_indexes(found.name, found.schema, include_auto_indexes=True):
        names = [name for name in index["column_names"] if name is not None]
        whole = index["unique"] and len(names) == len(index["column_names"]) and names
        # An index with a condition says nothing about the rows beyond it.
        is_partial = any(key.endswith("_where") for key in index.get("dialect_options", {}))
        if whole and not is_partial and all(_is_filled(columns.get(name)) for name in names):
            return tuple(names)
    return ()


def _is_filled(column: Any) -> bool:
    return column is not None and not column["nullable"]


def _is_wanted(name: str, key: Sequence[str], config: SqlConfig) -> bool:
    chosen = {*key, *config.text_columns, config.title_column, config.cursor_column}
    return name in chosen or SECRET_COLUMN.search(name.lower()) is None


def _check_columns(tables: Collection[Table], config: SqlConfig) -> None:
    """Refuse columns that no table has: they would be left out without a word."""
    names = {name for table in tables for name in table.names}
    wanted = {"title_column": [config.title_column], "text_columns": config.text_columns}
    wanted |= {"cursor_column": [config.cursor_column], "id_column": [config.id_column]}
    for field, columns in wanted.items():
        for name in columns:
            if name is not None and name not in names and tables:
                raise _no_column(field, name, sorted(names))


def _no_column(field: str, name: str, names: Sequence[str]) -> SourceMisconfigured:
    near = suggest(name, [*names])
    shown = ", ".join(clean_line(known) for known in names[: 2 * _SHOWN_MAX])
    guess = f"Did you mean {clean_line(near)}? " if near else ""
    return SourceMisconfigured(
        f"No column of what is read is named as {field} says.",
        field=field,
        hint=f"{guess}There are, for example: {shown}.",
    )
