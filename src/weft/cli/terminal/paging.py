"""Collects lists that are longer than one page of a backend."""

from typing import TypeVar

from weft.backend import LIST_LIMIT_MAX
from weft.domain.base import GetPage, Page

T = TypeVar("T")


async def collect(
    get_page: GetPage[T], cursor: str | None = None, limit: int | None = None
) -> Page[T]:
    """Get up to ``limit`` items (None: all) from ``cursor`` on, in as many calls as it takes.

    A page with a note ends the collecting: the note is about that page, and going on may be dear.
    """
    items: list[T] = []
    while True:
        wanted = LIST_LIMIT_MAX if limit is None else min(limit - len(items), LIST_LIMIT_MAX)
        page = await get_page(cursor=cursor, limit=wanted)
        items.extend(page.items)
        cursor = page.next_cursor
        is_enough = limit is not None and len(items) >= limit
        if cursor is None or page.note is not None or is_enough:
            return Page(items=tuple(items), next_cursor=cursor, note=page.note)
