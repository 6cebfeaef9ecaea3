"""Read one table in worker threads: page by page, from its beginning or from a mark."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import SourceMisconfigured
from weft.sources.base import Event, Skipped
from weft.sources.sql.config import SqlConfig
from weft.sources.sql.marks import SEEN_MAX, Mark, digest_row
from weft.sources.sql.rows import RowReader
from weft.sources.sql.session import Session, SessionRunner, next_size
from weft.sources.sql.statements import Reads
from weft.sources.sql.tables import Table


class TableReader:
    """Reads one table in worker threads."""

    def __init__(
        self,
        table: Table,
        config: SqlConfig,
        session: Session,
        runner: SessionRunner,
        reads: Reads,
        what: str,
    ) -> None:
        self._table = table
        self._rows = RowReader(table, config)
        self._session = session
        self._runner = runner
        self._reads = reads
        self._what = what
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
        size = next_size(())
        while True:
            rows, events = await self._runner.run(
                partial(self._read_page, result, size, known), self._what, self._field
            )
            if not rows:
                return
            for event in events:
                yield event
            size = rows

    async def remember(self, mark: Mark) -> Json:
        """Return what the cursor says of this table."""
        if mark.kind is not None:
            bound = mark.lower_bound(self._session.dialect)
            mark.seen = await self._runner.run(
                partial(self._digest_last, bound), self._what, "cursor_column"
            )
        return mark.dump()

    def _read_page(
        self, result: Any, size: int, known: frozenset[str]
    ) -> tuple[int, list[Entity | Skipped]]:
        """Return the size of the next page, 0 after the last one, and the events of this one."""
        rows = self._session.fetch_page(result, size)
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
        return (next_size(rows) if rows else 0), events

    def _digest_last(self, bound: Any) -> list[str]:
        result = self._reads.read_last(bound, SEEN_MAX)
        rows = self._session.fetch_page(result, SEEN_MAX)
        result.close()
        return [digest_row(row_id, row) for row in rows if (row_id := self._rows.id_of(row))]
