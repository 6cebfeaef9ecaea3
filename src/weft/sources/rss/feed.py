"""Reads one document of a feed: RSS and Atom by feedparser, JSON Feed by `json_feed`.

feedparser makes something of feeds that are no well-formed XML, too, of which there are many.
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

import httpx

from weft.document.html import html_to_text
from weft.document.text import clean_text
from weft.sources.rss.json_feed import read_json_feed
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
from weft.sources.web.addresses import normalise_url
from weft.sources.web.charsets import decode_body

LINKED_MAX: Final = 5

_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,99}\{")
_ENCODING: Final = re.compile(
    rb"\s{0,99}<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})[\"']"
)
# The parser copies the address of a namespace for each tag, and all attributes of a tag for each.
_LONG_NAMESPACE: Final = re.compile(r"xmlns[^=<>]{0,80}=\s{0,9}[\"'][^\"'<>]{1024}")
_LONG_TAG: Final = re.compile(r"<[a-zA-Z][^<>]{4096,}")
_ATTRIBUTES_MAX: Final = 500
_END: Final = re.compile(r"</(?:\w{1,40}:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_END_CHARS: Final = 2_000


def read_feed(content: bytes, content_type: str, address: str) -> FeedPage:
    """Read a document that was at ``address``. Raises NotAFeed, also if it ends in the middle."""
    if _JSON.match(content):
        return read_json_feed(content, address)
    text = _decode(content, content_type)
    base = httpx.URL(address)
    found = _parse(text)
    if not found.get("version"):
        raise NotAFeed("is no feed", _find_linked(text, base))
    is_malformed = type(found.get("bozo_exception")).__name__ == "SAXParseException"
    if is_malformed and not _END.search(text[-_END_CHARS:]):
        raise NotAFeed("ends in the middle", [])
    following = next(_hrefs(found.feed, "next", "prev-archive"), None)
    return FeedPage(
        title=line_of(found.feed.get("title")),
        entries=[_read_entry(entry, base) for entry in found.entries],
        following=address_of(following, base),
        is_malformed=is_malformed,
    )


def _parse(text: str) -> Any:
    feedparser: Any = import_module("feedparser")
    # Of anything but a stream, feedparser finds out whether it is an address or a file's name.
    stream = io.BytesIO(text.encode("utf-8", "replace"))
    try:
        return feedparser.parse(
            stream,
            # Without an address: it would be joined to the ids as well, and addresses can change.
            response_headers={"content-type": "application/xml; charset=utf-8"},
            # Markup is taken out of it later, whatever it is.
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 (it raises anything on some broken input)
        raise NotAFeed("is broken", []) from None


def _decode(content: bytes, content_type: str) -> str:
    declared = _ENCODING.match(content)
    if declared and "charset=" not in content_type.lower():
        content_type = f"text/xml; charset={declared[1].decode('ascii', 'replace')}"
    text = decode_body(content, content_type, is_html=False)
    if text is None:
        raise NotAFeed("is no text", [])
    if _LONG_NAMESPACE.search(text) or any(
        tag[0].count("=") > _ATTRIBUTES_MAX for tag in _LONG_TAG.finditer(text)
    ):
        raise NotAFeed("is made to take too long", [])
    # Control characters would make the whole document malformed.
    return clean_text(text).lstrip()


def _read_entry(entry: Any, base: httpx.URL) -> FeedEntry:
    parts = [part.get("value") or "" for part in entry.get("content", ())]
    # The whole text, if the feed has it, is longer than the one that sums it up.
    body = max([*parts, entry.get("summary") or ""], key=len)
    link = next(_hrefs(entry, "alternate"), entry.get("link"))
    return FeedEntry(
        key=str(entry.get("id") or link or ""),
        title=line_of(entry.get("title")),
        text=text_of(body),
        url=address_of(link, base),
        author=line_of(entry.get("author")),
        published=_time_of(entry.get("published_parsed")),
        # Asked for one that it does not have, feedparser gives the other.
        updated=_time_of(entry.get("updated_parsed")) if "updated" in entry else None,
        categories=lines_of(tag.get("label") or tag.get("term") for tag in entry.get("tags", ())),
        enclosures=addresses_of(_hrefs(entry, "enclosure"), base),
    )


def _hrefs(thing: Any, *kinds: str) -> Iterator[Any]:
    for link in thing.get("links", ()):
        if str(link.get("rel", "alternate")).lower() in kinds:
            yield link.get("href")


def _time_of(parsed: Any) -> datetime | None:
    try:
        return datetime(*parsed[:6], tzinfo=UTC) if parsed else None
    except (ValueError, TypeError, OverflowError):
        return None


def _find_linked(text: str, base: httpx.URL) -> list[str]:
    page = html_to_text(text)
    base = (normalise_url(page.base, base) if page.base else None) or base
    return addresses_of(page.feeds, base)[:LINKED_MAX]
