"""Feeds that tests write: RSS 2.0, Atom and JSON Feed."""

import json
from typing import Any
from xml.sax.saxutils import escape

from weft.testing.scripted_http import HttpReply


def item(number: int | str, text: str = "", title: str | None = None, more: str = "") -> str:
    """One item of RSS, with HTML in its description."""
    shown = escape(title if title is not None else f"Entry {number}")
    return (
        f"<item><guid>{number}</guid><title>{shown}</title>"
        f"<link>https://blog.example/{number}</link>"
        f"<description>{escape(text or f'<p>About &amp; {number}</p>')}</description>{more}</item>"
    )


def rss(*items: str, following: str = "", **headers: str) -> HttpReply:
    """A feed of RSS 2.0; ``following`` is the address of its next page."""
    link = f'<atom:link rel="next" href="{following}"/>' if following else ""
    names = (
        'xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" {names}><channel>'
        f"<title>The blog</title>{link}{''.join(items)}</channel></rss>"
    )
    return as_feed(text, **headers)


def as_feed(text: str, media_type: str = "application/rss+xml", **headers: str) -> HttpReply:
    """An answer with this body; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(body=text.encode(), headers={"content-type": media_type} | named)


def json_feed(*items: dict[str, Any], **fields: Any) -> HttpReply:
    """A feed of JSON Feed 1.1."""
    content = {"version": "https://jsonfeed.org/version/1.1", "title": "The log", **fields}
    body = json.dumps(content | {"items": list(items)}).encode()
    return HttpReply(body=body, headers={"content-type": "application/feed+json"})
