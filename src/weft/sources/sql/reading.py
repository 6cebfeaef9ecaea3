"""Read one table in worker threads: page by page, from its beginning or from a mark."""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import SourceMisconfigured
from weft.sources.base import Event, Skipped
from weft.sources.sql.config import SqlConfig
from weft.sources.sql.marks import Mark, digest_row
from weft.sources.sql.rows import RowReader
from weft.sources.sql.session import Session, SessionRunner, next_size
from weft.sources.sql.statements import Reads
from weft.sources.sql.tables import QUERY, Table

T = TypeVar("T")
Rows = Sequence[Sequence[Any]]


class TableReader:
    """Reads one table in worker threads."""

    def __init__(
        self,
        table: Table,
        config: SqlConfig,
        session: Session,
        runner: SessionRunner,
        reads: Reads,
    ) -> None:
        self._table = table
        self._rows = RowReader(table, config)
        self._session = session
        self._runner = runner
        self._reads = reads
        name = clean_line(table.label)
        self._what = "the query" if table.label == QUERY else f"the table {name}"
        self._field = "query" if config.query else "tables"
        self._last_id: str | None = None
        self._has_empty_key = False

    async def find_mark(self) -> Mark:
        """Find the highest value of the cursor column, before any row is read."""
        if self._table.cursor is None:
            return Mark()
        value = await self._runner.run(self._reads.find_highest, self._what, "cursor_column")
        return Mark.of(value, self._table)

    async def read(self, since: Mark | None) -> AsyncGenerator[Event]:
        """Yield the rows, or those since a mark that it does not know."""
        known = frozenset(since.seen if since else ())
        start = (
            self._reads.read_all
            if since is None
            else partial(self._reads.read_since, since.lower_bound(self._session.dialect))
        )
        result = await self._runner.run(start, self._what, self._field)
        async for events in self._pages(result, partial(self._read_rows, known=known)):
            for event in events:
                yield event

    async def list_ids(self) -> AsyncGenerator[list[str]]:
        """Yield the ids of all rows, a page at a time."""
        result = await self._runner.run(self._reads.read_all, self._what, self._field)
        async for ids in self._pages(result, self._name_rows):
            yield ids

    async def remember(self, mark: Mark, most: int) -> Json:
        """Return what the cursor says of this table, with the last ``most`` rows."""
        if mark.kind is not None:
            bound = mark.lower_bound(self._session.dialect)
            mark.seen = await self._runner.run(
                partial(self._digest_last, bound, most), self._what, "cursor_column"
            )
        return mark.dump()

    async def _pages(self, result: Any, read: Callable[[Rows], T]) -> AsyncGenerator[T]:
        """Yield what ``read`` makes of each page, up to the last row."""
        size = next_size(())
        while True:
            size, found = await self._runner.run_then(
                partial(self._session.fetch_page, result, size),
                lambda rows: (next_size(rows) if rows else 0, read(rows)),
                self._what,
                self._field,
            )
            if not size:
                return
            yield found

    def _name_rows(self, rows: Rows) -> list[str]:
        return [row_id for row in rows if (row_id := self._rows.id_of(row))]

    def _read_rows(self, rows: Rows, *, known: frozenset[str]) -> list[Entity | Skipped]:
        events: list[Entity | Skipped] = []
        for row in rows:
            row_id = self._rows.id_of(row)
            if row_id is None:
                if not self._has_empty_key:
                    self._has_empty_key = True
                    events.append(Skipped(self._rows.empty_key_id, "rows with an empty key"))
                continue
            if row_id == self._last_id:
                raise SourceMisconfigured(
                    f"Two rows of {self._what} have the same key.",
                    field="id_column",
                    hint="Name a column that tells every row apart.",
                )
            self._last_id = row_id
            if not known or digest_row(row_id, row) not in known:
                events.append(self._rows.read(row_id, row))
        return events

    def _digest_last(self, bound: Any, most: int) -> list[str]:
        result = self._reads.read_last(bound, most)
        rows = self._session.fetch_page(result, most)
        result.close()
        return [digest_row(row_id, row) for row in rows if (row_id := self._rows.id_of(row))]
