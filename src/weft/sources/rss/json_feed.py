"""Reads JSON Feed (jsonfeed.org), versions 1 and 1.1."""

from datetime import UTC, datetime
from typing import Any, cast

import httpx

from weft.document.text import clean_text
from weft.net.json_bodies import parse_json
from weft.sources.rss.model import (
    FeedEntry,
    FeedPage,
    NotAFeed,
    address_of,
    addresses_of,
    line_of,
    lines_of,
    text_of,
)


def read_json_feed(content: bytes, address: str) -> FeedPage:
    """Read a document that was at ``address``. Raises NotAFeed."""
    try:
        found = _fields(parse_json(content))
    except ValueError:
        raise NotAFeed("is no valid JSON", []) from None
    if "jsonfeed.org" not in str(found.get("version")) or "items" not in found:
        raise NotAFeed("is no JSON Feed", [])
    base = httpx.URL(address)
    entries = [_read_item(_fields(item), base) for item in _list(found["items"])]
    return FeedPage(line_of(found.get("title")), entries, address_of(found.get("next_url"), base))


def _read_item(item: dict[str, Any], base: httpx.URL) -> FeedEntry:
    url, key, plain = item.get("url") or item.get("external_url"), item.get("id"), ""
    if isinstance(item.get("content_text"), str):
        plain = clean_text(item["content_text"]).strip()
    # Version 1 names one author, version 1.1 several.
    authors = [item.get("author"), *_list(item.get("authors"))]
    files = (_fields(each).get("url") for each in _list(item.get("attachments")))
    return FeedEntry(
        # The standard wants a string, and many feeds have numbers.
        key=str(key if isinstance(key, str | int | float) else url or ""),
        title=line_of(item.get("title")),
        text=plain or text_of(item.get("content_html")) or text_of(item.get("summary")),
        url=address_of(url, base),
        author=", ".join(lines_of(_fields(each).get("name") for each in authors)),
        published=_time_of(item.get("date_published")),
        updated=_time_of(item.get("date_modified")),
        categories=lines_of(_list(item.get("tags"))),
        enclosures=addresses_of(files, base),
    )


def _fields(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _time_of(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value[:40]) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
