"""Lists longer than a backend gives at once."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from weft.backend import LIST_LIMIT_MAX
from weft.domain.base import Page

T = TypeVar("T")


async def collect(
    get_page: Callable[[str | None, int], Awaitable[Page[T]]], cursor: str | None, limit: int
) -> Page[T]:
    """Up to ``limit`` items from ``cursor`` on, in as many calls as it takes."""
    items: list[T] = []
    while True:
        page = await get_page(cursor, min(limit - len(items), LIST_LIMIT_MAX))
        items.extend(page.items)
        cursor = page.next_cursor
        if cursor is None or len(items) >= limit:
            return Page(items=tuple(items), next_cursor=cursor)
