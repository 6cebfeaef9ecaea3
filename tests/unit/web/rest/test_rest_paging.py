"""Skip and limit over cursors."""

import pytest

from weft.backend import LIST_LIMIT_MAX
from weft.domain.base import Page
from weft.web.rest.paging import fetch_slice, iterate

pytestmark = pytest.mark.anyio


class Pages:
    """A list of numbers behind cursors, and how it was asked for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[tuple[str | None, int]] = []

    async def __call__(self, *, cursor: str | None, limit: int) -> Page[int]:
        self.asked.append((cursor, limit))
        start = int(cursor or 0)
        end = min(start + limit, self.size)
        more = str(end) if end < self.size else None
        return Page[int](items=tuple(range(start, end)), next_cursor=more)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1234])
@pytest.mark.parametrize(("skip", "limit"), [(0, 1), (0, 100), (99, 2), (150, 1000), (2000, 10)])
async def test_a_slice_is_what_it_would_be_of_the_whole(size: int, skip: int, limit: int) -> None:
    found = await fetch_slice(Pages(size), skip=skip, limit=limit)
    assert found == list(range(size))[skip : skip + limit]


async def test_no_more_pages_are_read_than_the_slice_needs() -> None:
    pages = Pages(10_000)
    await fetch_slice(pages, skip=0, limit=7)
    assert pages.asked == [(None, 7)]
    pages = Pages(10_000)
    await fetch_slice(pages, skip=150, limit=100)
    assert pages.asked == [(None, 100), ("100", 100), ("200", 100)]


async def test_everything_is_read_in_the_largest_pages() -> None:
    pages = Pages(250)
    assert [item async for item in iterate(pages)] == list(range(250))
    assert {limit for _, limit in pages.asked} == {LIST_LIMIT_MAX}
