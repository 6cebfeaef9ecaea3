"""The statements that read a table, or the result of a query."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from weft.sources.sql.session import Session
from weft.sources.sql.tables import Column, Table

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, CursorResult, Select

_SINCE: Final = "weft_since"


class TableReads:
    """Reads a table of the catalogue. Long texts are cut, so that no row fills the memory."""

    def __init__(self, session: Session, table: Table, max_chars: int) -> None:
        import sqlalchemy as sa

        self._session = session
        self._max_chars = max_chars
        self._table = table
        names = {*table.key, *table.names}
        schema = None if table.schema is None else sa.quoted_name(table.schema, quote=True)
        columns: list[sa.ColumnClause[Any]] = [
            sa.column(sa.quoted_name(name, quote=True)) for name in sorted(names)
        ]
        name = sa.quoted_name(table.name, quote=True)
        self._from = sa.table(name, *columns, schema=schema)

    def read_all(self) -> "CursorResult[Any]":
        """Read all rows, in the order of their keys."""
        return self._session.execute(self._select().order_by(*self._columns(self._table.key)))

    def read_since(self, value: Any) -> "CursorResult[Any]":
        """Read the rows with at least ``value`` in the cursor column, in its order."""
        order = self._columns((*self._cursor_names(), *self._table.key))
        return self._session.execute(self._since(value).order_by(*order))

    def read_last(self, value: Any, limit: int) -> "CursorResult[Any]":
        """Read at most ``limit`` of the rows of `read_since`, the last first."""
        (cursor,) = self._columns(self._cursor_names())
        return self._session.execute(self._since(value).order_by(cursor.desc()).limit(limit))

    def find_highest(self) -> Any:
        """Return the highest value of the cursor column; None if there is none."""
        import sqlalchemy as sa

        (cursor,) = self._columns(self._cursor_names())
        statement = sa.select(sa.func.max(cursor)).select_from(self._from)
        return _only_value(self._session.execute(statement))

    def _cursor_names(self) -> tuple[str, ...]:
        return () if self._table.cursor is None else (self._table.cursor,)

    def _columns(self, names: Sequence[str]) -> "list[ColumnElement[Any]]":
        return [self._from.c[name] for name in names]

    def _since(self, value: Any) -> "Select[Any]":
        import sqlalchemy as sa

        (cursor,) = self._columns(self._cursor_names())
        # Without a type: the database compares it as what the column is.
        since = sa.bindparam(_SINCE, value, type_=sa.types.NullType())
        return self._select().where(cursor >= since)

    def _select(self) -> "Select[Any]":
        import sqlalchemy as sa

        shown = [
            self._show(column).label(f"c{place}")
            for place, column in enumerate(self._table.columns)
        ]
        return sa.select(*shown).select_from(self._from)

    def _show(self, column: Column) -> "ColumnElement[Any]":
        import sqlalchemy as sa

        found = self._from.c[column.name]
        if not column.is_text or column.name == self._table.cursor:
            return found
        if self._session.dialect != "sqlite":
            return sa.func.substr(sa.cast(found, sa.Text()), 1, self._max_chars + 1)
        # A column of SQLite may hold anything.
        return sa.case(
            (sa.func.typeof(found) == "text", sa.func.substr(found, 1, self._max_chars + 1)),
            (sa.func.typeof(found) == "blob", sa.func.zeroblob(0)),
            else_=found,
        )


class QueryReads:
    """Reads the result of a query, which the database itself takes for one SELECT or refuses."""

    def __init__(self, session: Session, query: str, table: Table | None = None) -> None:
        self._session = session
        # The line ends keep a comment at the query's end from hiding what follows.
        self._from = f"FROM (\n{session.escape(query)}\n) AS weft_query"
        self._key = _Quoted(session, table.key[0] if table else "")
        self._cursor = _Quoted(session, (table.cursor if table else None) or "")
        self._since = f"WHERE {self._cursor} >= {session.parameter(_SINCE)}"

    def list_columns(self) -> list[str]:
        """Return the names of the result's columns."""
        result = self._session.execute(f"SELECT * {self._from} WHERE 1 = 0")
        try:
            return [str(name) for name in result.keys()]  # noqa: SIM118 (it is no dict)
        finally:
            result.close()

    def read_all(self) -> "CursorResult[Any]":
        """As in `TableReads`."""
        return self._session.execute(f"SELECT * {self._from} ORDER BY {self._key}")

    def read_since(self, value: Any) -> "CursorResult[Any]":
        """As in `TableReads`."""
        order = f"ORDER BY {self._cursor}, {self._key}"
        return self._session.execute(
            f"SELECT * {self._from} {self._since} {order}", {_SINCE: value}
        )

    def read_last(self, value: Any, limit: int) -> "CursorResult[Any]":
        """As in `TableReads`."""
        order = f"ORDER BY {self._cursor} DESC LIMIT {limit:d}"
        return self._session.execute(
            f"SELECT * {self._from} {self._since} {order}", {_SINCE: value}
        )

    def find_highest(self) -> Any:
        """As in `TableReads`."""
        return _only_value(self._session.execute(f"SELECT max({self._cursor}) {self._from}"))


Reads = TableReads | QueryReads


class _Quoted:
    """A name of a column, quoted for a statement given as text."""

    def __init__(self, session: Session, name: str) -> None:
        # The dialect has escaped it already, as `Session.escape` does.
        self._text = session.quote(name)

    def __str__(self) -> str:
        return self._text


def _only_value(result: "CursorResult[Any]") -> Any:
    try:
        row = result.fetchone()
        return None if row is None else row[0]
    finally:
        result.close()
