"""`sql`: the rows of a PostgreSQL, MySQL, MariaDB or SQLite database.

A sync reads in one read-only transaction, so that its listing is the database at one moment where
the database offers that. Rows are streamed in pages by worker threads.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, cast

from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.text.characters import clean_line
from weft.errors import AuthenticationFailed, CursorExpired, SourceUnavailable
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Named,
    PreviewEvent,
    Skipped,
    Source,
    SourceContext,
)
from weft.sources.roots import find_start, pin_path
from weft.sources.sql.config import Dialect, Server, SqlConfig, SqlCredentials
from weft.sources.sql.connect import Link, require_packages
from weft.sources.sql.marks import SEEN_MAX, SEEN_TOTAL, Mark
from weft.sources.sql.reach import find_ways
from weft.sources.sql.reading import TableReader
from weft.sources.sql.session import Session, SessionRunner, open_session
from weft.sources.sql.sqlite import open_inside
from weft.sources.sql.statements import QueryReads, Reads, TableReads
from weft.sources.sql.tables import Plan, Table, plan_query, plan_tables

_EVIDENCE: Final = "the rows of every table were read to the last one, in one transaction"
_GONE: Final = "a table that was read before is not there any more, or may not be seen"


class SqlSource(Source[SqlConfig, SqlCredentials]):
    """Tables of a database, or the result of one query."""

    short_name = "sql"
    name = "SQL database"
    description = "Rows of a PostgreSQL, MySQL, MariaDB or SQLite database: tables or a query."
    Config = SqlConfig
    Credentials = SqlCredentials
    supports_continuous = True
    cursor_fields = ("tables",)
    entity_types = ("row",)
    labels = ("database", "sql", "tables", "warehouse")
    checked_against = "real servers"

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the server; None for a file."""
        del options
        server = config.server if isinstance(config, SqlConfig) else None
        return server.origin if server else None

    @classmethod
    def credential_scope(cls, config: BaseModel) -> str:
        """Return the database, and how the server must prove itself."""
        server = config.server if isinstance(config, SqlConfig) else None
        if server is None or not isinstance(config, SqlConfig):
            return ""
        return f"{server.database} {config.sslmode} {config.authority_digest}".strip()

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the path absolute."""
        path = cast("SqlConfig", config).path
        return {} if path is None else {"path": pin_path(path, context)}

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Look for the file below the roots, and for the packages."""
        chosen = cast("SqlConfig", config)
        require_packages(chosen.server.dialect if chosen.server else "sqlite")
        if chosen.path is not None:
            find_start(chosen.path, context, field="path")

    async def check(self) -> str:
        """Connect, and look up what would be read."""
        async with open_session() as (session, runner):
            await self._connect(session, runner)
            plan = await self._find_plan(session, runner)
        database = self._server.database if self._server else cast("str", self.config.path)
        what = "the query's columns" if self.config.query else f"{len(plan.tables)} tables"
        return f"{session.kind} database {clean_line(database)}: {what}"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the rows by their keys; their texts may yet turn out to be too long."""
        async with open_session() as (session, runner):
            await self._connect(session, runner)
            plan = await self._find_plan(session, runner)
            for table in plan.tables:
                # The columns of a query are as it gives them.
                named = table if self.config.query else replace(table, columns=table.key_columns)
                async for ids in self._reader(session, runner, named).list_ids():
                    for row_id in ids:
                        yield Named(row_id, "row")
        labels = {table.label for table in plan.tables}
        gone = (self._read_cursor(self.context.last_cursor) or {}).keys() - labels
        yield Complete("the keys of every table were read to the last one", _GONE if gone else None)

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all rows or, with a cursor, those that its tables' cursor columns tell apart."""
        marks = self._read_cursor(cursor)
        if cursor is not None and self.config.cursor_column is None and marks is not None:
            raise CursorExpired("Without cursor_column every sync reads all rows.")
        if cursor is not None and marks is None:
            raise CursorExpired("The cursor belongs to other tables, columns or databases.")
        known = self._read_cursor(self.context.last_cursor) or {}
        async with open_session() as (session, runner):
            await self._connect(session, runner)
            plan = await self._find_plan(session, runner)
            for label, reason in plan.skipped:
                yield Skipped(clean_line(label) or "table", reason)
            left: dict[str, Json] = {}
            most = min(SEEN_MAX, SEEN_TOTAL // max(1, len(plan.tables)))
            for table in plan.tables:
                since = Mark.parse((marks or {}).get(table.label), table)
                reader = self._reader(session, runner, table)
                mark = await reader.find_mark()
                async for event in reader.read(since):
                    yield event
                left[table.label] = await reader.remember(mark, most)
        gone = known.keys() - left.keys()
        kept = {label: known[label] for label in gone} if cursor is not None else {}
        yield Checkpoint({"scope": self.config.scope, "tables": {**kept, **left}})
        yield Complete(_EVIDENCE, _GONE if gone else None)

    @property
    def _server(self) -> Server | None:
        return self.config.server

    def _read_cursor(self, cursor: Json | None) -> dict[str, Json] | None:
        """Return what a cursor says of each table; None if it is not of this configuration."""
        match cursor:
            case {"scope": scope, "tables": dict(tables)} if scope == self.config.scope:
                return cast("dict[str, Json]", tables)
            case _:
                return None

    async def _connect(self, session: Session, runner: SessionRunner) -> None:
        server = self._server
        require_packages(server.dialect if server else "sqlite")
        if server is None:
            link = partial(open_inside, cast("str", self.config.path), self.context)
            await runner.run(partial(session.connect, link), "the file", "path")
            return
        if self.credentials.user is None:
            raise AuthenticationFailed(
                "A database on a server needs a user.", hint="Give user and password."
            )
        ways = await find_ways(server, self.config.sslmode, self.context.allow_hosts)
        opener = _find_opener(server.dialect)
        for place, (address, sslmode) in enumerate(ways, start=1):
            link = partial(
                opener, server, address, self.credentials, sslmode, self.config.ca_certificate
            )
            try:
                await runner.run(partial(session.connect, link), "the server", "url")
            except SourceUnavailable:
                if place == len(ways):
                    raise
            else:
                return

    async def _find_plan(self, session: Session, runner: SessionRunner) -> Plan:
        what, field = ("the query", "query") if self.config.query else ("the catalogue", "tables")
        return await runner.run(partial(self._plan, session), what, field)

    def _plan(self, session: Session) -> Plan:
        if self.config.query is None:
            plan = plan_tables(session.inspect(), self.config)
        else:
            names = QueryReads(session, self.config.query).list_columns()
            plan = Plan((plan_query(names, self.config),))
        session.start_rows()
        return plan

    def _reader(self, session: Session, runner: SessionRunner, table: Table) -> TableReader:
        config = self.config
        if config.query is None:
            reads: Reads = TableReads(session, table, config.max_row_size)
        else:
            reads = QueryReads(session, config.query, table)
        return TableReader(table, config, session, runner, reads)


def _find_opener(dialect: Dialect) -> Callable[..., Link]:
    # The drivers are optional, and importing one takes a while.
    if dialect == "postgresql":
        from weft.sources.sql.postgresql import open_postgresql

        return open_postgresql
    from weft.sources.sql.mysql import open_mysql

    return open_mysql
