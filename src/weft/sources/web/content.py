"""Reads what a page holds: text, links, and what it says of itself."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from weft.document.child import run_parser
from weft.document.html import FEED_TYPES, HtmlText
from weft.document.text import clean_text
from weft.document.web_page import WebPage, read_web_page
from weft.domain.base import Json
from weft.domain.text.characters import clean_line
from weft.net.transport import Origin, origin_of
from weft.sources.web.addresses import normalise_url
from weft.sources.web.charsets import decode_body

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
TEXT_TYPES = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_FEED_SEARCHED_BYTES = 2_048
# Declarations and comments, then the first element.
_FEED = re.compile(
    rb"\s*(?:<\?[^>]*+>\s*|<!DOCTYPE[^>]*+>\s*|<!--(?:(?!-->).)*+-->\s*)*+"
    rb"(?:<rss[\s/>]|<rdf:RDF[\s/>]|<(?:\w+:)?feed\s[^>]*http://www\.w3\.org/2005/Atom)",
    re.DOTALL,
)
_JSON_FEED = re.compile(rb"\s*\{[^{}]*\"https://jsonfeed\.org/version/")


@dataclass(slots=True)
class PageContent:
    """The content of a page; ``links`` and ``canonical`` are normalised addresses."""

    title: str = ""
    text: str = ""
    links: list[str] = field(default_factory=list[str])
    facts: Json = field(default_factory=Json)
    modified_at: datetime | None = None
    canonical: str | None = None
    names_feed: bool = False
    needs_script: bool = False


async def read_response(
    response: httpx.Response, address: str, site: Collection[Origin]
) -> PageContent | None:
    """Do what `read_content` does, in another process if it may take long."""
    return await run_parser(
        len(response.content),
        read_content,
        response.content,
        response.headers.get("content-type", ""),
        media_type_of(response) not in TEXT_TYPES,
        address,
        frozenset(site),
    )


def is_html(response: httpx.Response) -> bool:
    """Return whether an answer is to be read as HTML, as one is that states no type."""
    return media_type_of(response) in HTML_TYPES | {""}


def media_type_of(response: httpx.Response) -> str:
    """Return the lower-case media type of an answer; empty if it states none."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_content(
    content: bytes, content_type: str, is_html: bool, address: str, site: Collection[Origin]
) -> PageContent | None:
    """Return the clean content with the addresses that it links to on ``site``; None if binary.

    A plain text has neither title nor links.
    """
    text = decode_body(content, content_type, is_html)
    if text is None:
        return None
    if not is_html:
        return PageContent(text=clean_text(text))
    page, url = read_web_page(text), httpx.URL(address)
    facts = {name: clean_line(fact) for name, fact in page.facts.items()}
    modified_at = facts.pop("modified_at", "")
    return PageContent(
        clean_line(page.title),
        clean_text(page.text),
        _resolve_links(page, url, site) if site else [],
        {**facts},
        datetime.fromisoformat(modified_at) if modified_at else None,
        _resolve_canonical(page, url),
        bool(page.feeds),
        page.needs_script,
    )


def is_feed(media_type: str, content: bytes) -> bool:
    """Return whether an answer is an RSS, Atom or JSON feed."""
    start = content[:_FEED_SEARCHED_BYTES].removeprefix(b"\xef\xbb\xbf")
    return media_type in FEED_TYPES or bool(_FEED.match(start) or _JSON_FEED.match(start))


def _resolve_links(page: HtmlText, url: httpx.URL, site: Collection[Origin]) -> list[str]:
    base = _base_of(page, url)
    found: dict[str, None] = {}
    for href in page.links:
        target = normalise_url(href, base)
        if target is not None and origin_of(target) in site:
            found[str(target)] = None
    return list(found)


def _resolve_canonical(page: WebPage, url: httpx.URL) -> str | None:
    target = normalise_url(page.canonical, _base_of(page, url)) if page.canonical else None
    return None if target is None else str(target)


def _base_of(page: HtmlText, url: httpx.URL) -> httpx.URL:
    return (normalise_url(page.base, url) if page.base else None) or url
