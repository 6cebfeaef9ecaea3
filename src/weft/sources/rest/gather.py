"""Makes one record of several that a service lists one after another."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from weft.errors import SourceUnavailable
from weft.sources.rest.paging import Page, unexpected_answer
from weft.sources.rest.table import Gather, Record
from weft.sources.rest.values import ODD, getter_of, line_of

GATHERED_MAX: Final = 10_000


async def gather(pages: AsyncGenerator[Page], how: Gather, what: str) -> AsyncGenerator[Page]:
    """Yield the pages with what was made of their records; a group may begin on an earlier page.

    Raises SourceUnavailable if the records of one group do not come one after another.
    """
    get = getter_of(how.by)
    held: list[Record] = []
    known: set[str] = set()
    current = ""
    async for page in pages:
        made: list[Record] = []
        gap = page.gap
        for record in page.records:
            key = line_of(get(record))
            if not key:
                raise unexpected_answer(what)
            if key != current:
                if key in known:
                    raise SourceUnavailable(f"The records of {what} do not come in order.")
                made += _make(how, held, what)
                known.add(key)
                held, current = [], key
            if len(held) < GATHERED_MAX:
                held.append(record)
            else:
                gap = f"more than {GATHERED_MAX:,} records of {what} belong together"
        if page.following is None:
            made += _make(how, held, what)
        yield replace(page, records=made, gap=gap)


def _make(how: Gather, held: list[Record], what: str) -> list[Record]:
    try:
        return list(how.make(held)) if held else []
    except ODD:
        raise unexpected_answer(what) from None
