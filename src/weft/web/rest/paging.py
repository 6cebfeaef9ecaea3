"""Airweave's `skip` and `limit` over the cursors of a backend."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

from pydantic import BaseModel, Field

from weft.backend import LIST_LIMIT_MAX
from weft.domain.base import GetPage

T = TypeVar("T")

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000


# Skipped items are fetched, and no backend has more.
SKIP_MAX: Final = 1_000_000_000


class LimitQuery(BaseModel):
    """The number of items to list, newest first."""

    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX)


class PageQuery(LimitQuery):
    """The number of items to skip, newest first, and of those to list."""

    skip: int = Field(default=0, ge=0, le=SKIP_MAX)


async def fetch_slice(fetch: GetPage[T], *, skip: int, limit: int) -> list[T]:
    """Fetch ``limit`` items after the first ``skip``. Skipped items are fetched too, because
    cursors cannot count: a deep page costs as much as all pages before it.
    """
    found: list[T] = []
    async with aclosing(iterate(fetch, first=skip + limit)) as items:
        async for item in items:
            if skip:
                skip -= 1
                continue
            found.append(item)
            if len(found) == limit:
                break
    return found


async def iterate(fetch: GetPage[T], *, first: int | None = None) -> AsyncGenerator[T]:
    """Iterate over all items page by page; ``first`` is the number of items to size pages for."""
    cursor: str | None = None
    size = min(first or LIST_LIMIT_MAX, LIST_LIMIT_MAX)
    while True:
        page = await fetch(cursor=cursor, limit=size)
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return
