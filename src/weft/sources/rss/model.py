"""What feeds of all formats turn into, in clean text of bounded length."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx

from weft.document.html import html_to_text
from weft.document.text import clean_text
from weft.domain.text.characters import clean_line
from weft.sources.web.addresses import normalise_url

LINE_CHARS_MAX: Final = 300
LIST_MAX: Final = 50
# A title may have markup, which takes more room than its text.
_RAW_LINE_CHARS_MAX: Final = 10_000
_MARKUP: Final = re.compile(r"<[a-zA-Z/!]|&[a-zA-Z#]")


class NotAFeed(Exception):
    """The document is no feed. Arguments: a phrase for it, and the feeds that it links to."""


@dataclass(slots=True)
class FeedEntry:
    """One entry of a feed. ``key`` is what the feed knows it by, empty if by nothing."""

    key: str
    title: str = ""
    text: str = ""
    url: str | None = None
    author: str = ""
    published: datetime | None = None
    updated: datetime | None = None
    categories: list[str] = field(default_factory=list[str])
    enclosures: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class FeedPage:
    """One document of a feed. ``following`` is the address of the next, with older entries.

    ``is_malformed``: it is no well-formed XML, so that some of it may have been misread.
    """

    title: str = ""
    entries: list[FeedEntry] = field(default_factory=list[FeedEntry])
    following: str | None = None
    is_malformed: bool = False


def text_of(value: object) -> str:
    """Return a text of a feed without its markup, if it has any."""
    text = value if isinstance(value, str) else ""
    return clean_text(html_to_text(text).text if _MARKUP.search(text) else text).strip()


def line_of(value: object) -> str:
    """Return the same on one line."""
    text = value[:_RAW_LINE_CHARS_MAX] if isinstance(value, str) else ""
    return clean_line(" ".join(text_of(text).split()))[:LINE_CHARS_MAX].strip()


def lines_of(values: Iterable[object]) -> list[str]:
    """Return texts on one line each, without doubles, and not too many."""
    found = dict.fromkeys(line_of(value) for value in values)
    return [line for line in found if line][:LIST_MAX]


def address_of(value: object, base: httpx.URL) -> str | None:
    """Return a web address of a feed in full; None if it is not one."""
    text = value.strip() if isinstance(value, str) else ""
    url = normalise_url(text, base) if text else None
    return clean_line(str(url)) if url else None


def addresses_of(values: Iterable[object], base: httpx.URL) -> list[str]:
    """Return web addresses in full, without doubles, and not too many."""
    found = dict.fromkeys(address_of(value, base) for value in values)
    return [url for url in found if url][:LIST_MAX]
