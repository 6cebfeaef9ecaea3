"""Reads the comments of a record, of which its own listing has only the number."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

from weft.sources.rest.api import Api, Missing
from weft.sources.rest.paging import Asked, read_pages
from weft.sources.rest.table import Paging, Record
from weft.sources.rest.values import find, line_of, text_of

COMMENTS_MAX: Final = 1_000
_CUT: Final = f"[Comments after the first {COMMENTS_MAX:,} are left out.]"


async def read_comments(
    api: Api,
    asked: Asked,
    paging: Paging,
    records: str = "",
    *,
    created: str = "created_at",
    among: Callable[[Record], bool] | None = None,
) -> list[Record] | None:
    """Return the first COMMENTS_MAX comments, the oldest first; None if their record is gone."""
    found: list[Record] = []
    try:
        async with aclosing(read_pages(api, asked, paging, records)) as pages:
            async for page in pages:
                found += filter(among, page.records)
                if len(found) >= COMMENTS_MAX:
                    break
    except Missing:
        return None
    return sort_by_time(found, created)[:COMMENTS_MAX]


def sort_by_time(comments: Sequence[Record], created: str = "created_at") -> list[Record]:
    """Return the comments in one order, the oldest first."""
    return sorted(comments, key=lambda each: (line_of(each.get(created)), line_of(each.get("id"))))


def has_all(comments: Sequence[Record], counted: Any) -> bool:
    """Return whether there are as many comments as were counted, or as may be read."""
    return len(comments) >= min(COMMENTS_MAX, int(counted))


def version_of(updated: str) -> Callable[[Record], object]:
    """Return the version of a record: none where `has_all` said no, so that it is read again."""
    return lambda record: find(record, updated) if record.get("_has_all", True) else None


def show_comments(comments: Sequence[Record], author: str) -> str:
    """Return what `read_comments` found as text."""
    said = [show_comment(each, author) for each in comments]
    return "\n\n".join(part for part in (*said, note_cut(comments)) if part)


def note_cut(comments: Sequence[Record]) -> str:
    """Return what the text says where there may be more comments; empty where there are none."""
    return _CUT if len(comments) >= COMMENTS_MAX else ""


def show_comment(comment: Record, author: str, created: str = "created_at") -> str:
    """Return a comment as text, with its author and time."""
    who, when = line_of(find(comment, author)), line_of(comment.get(created))
    return f"{who}, {when}:\n{text_of(comment.get('body'))}"
