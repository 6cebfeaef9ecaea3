"""Faults of databases: a connection is cut, a statement refused, a table hidden, at any moment."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from weft.sources.base import SourceContext
from weft.sources.sql.session import Session
from weft.testing.listing_faults import Fault, ListingFaults

_STATEMENT = "statement"
_PAGE = "page"
_CATALOGUE = "catalogue"
_CUT = "connection cut"
_HIDDEN = "a table hidden"
_EMPTY = "no tables listed"

_See = Callable[[str, Session | None], str | None]
"""Is told that the listing comes by a place of that kind; returns what to do to the catalogue."""


@dataclass
class DatabaseFaults(ListingFaults):
    """Harms the source `sql` at each statement and page, and at each look at the catalogue.

    The connection is really cut. ``errors`` are what the driver would raise, by name; between pages
    only the first of them.
    """

    errors: Mapping[str, Callable[[], Exception]]
    _places: Counter[str] = field(default_factory=Counter[str])
    _hit: bool = False

    @asynccontextmanager
    async def record(self, context: SourceContext) -> AsyncGenerator[SourceContext]:
        """As in `ListingFaults`."""
        self._places = Counter()

        def count(kind: str, _: Session | None) -> None:
            self._places[kind] += 1

        with _watch(count):
            yield context

    def plan(self) -> Collection[Fault]:
        """As in `ListingFaults`."""
        blows = {_STATEMENT: (_CUT, *self.errors), _PAGE: (_CUT, *[*self.errors][:1])}
        blows[_CATALOGUE] = (_HIDDEN, _EMPTY)
        return [
            Fault(f"{kind}: {name}", place)
            for kind, names in blows.items()
            for name in names
            for place in range(self._places[kind])
        ]

    def inject(
        self, fault: Fault, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """As in `ListingFaults`."""
        return self._inject(fault, context)

    @property
    def hit(self) -> bool:
        """As in `ListingFaults`."""
        return self._hit

    @asynccontextmanager
    async def _inject(self, fault: Fault, context: SourceContext) -> AsyncGenerator[SourceContext]:
        where, _, name = fault.name.partition(": ")
        left, self._hit = fault.place, False

        def strike(kind: str, session: Session | None) -> str | None:
            nonlocal left
            left -= kind == where
            if kind != where or left != -1:
                return None
            self._hit = True
            if name in self.errors:
                error = self.errors[name]()
                raise error
            if session is not None:
                session.abort()
            return name

        with _watch(strike):
            yield context


@contextmanager
def _watch(see: _See) -> Generator[None]:
    from sqlalchemy import Inspector

    execute, fetch_page = Session.execute, Session.fetch_page
    list_tables = Inspector.get_table_names

    def watch_execute(session: Session, *args: Any) -> Any:
        see(_STATEMENT, session)
        return execute(session, *args)

    def watch_page(session: Session, *args: Any) -> Any:
        see(_PAGE, session)
        return fetch_page(session, *args)

    def watch_tables(inspector: Inspector, *args: Any, **options: Any) -> list[str]:
        done = see(_CATALOGUE, None)
        tables = list_tables(inspector, *args, **options)
        return {_HIDDEN: tables[1:], _EMPTY: []}.get(done or "", tables)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Session, "execute", watch_execute))
        stack.enter_context(patch.object(Session, "fetch_page", watch_page))
        stack.enter_context(patch.object(Inspector, "get_table_names", watch_tables))
        yield
