"""A website that tests write, and a `web` source that reads it."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.net.http_factory import HttpFactory
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Failed,
    Incomplete,
    NoFields,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.web.config import WebConfig
from weft.sources.web.source import WebSource
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, html, serve


@dataclass
class Website:
    """Pages by path (with query); a str is HTML. Pages with an ETag honour If-None-Match."""

    pages: dict[str, str | HttpReply | Callable[[HttpRequest], HttpReply]] = field(
        default_factory=dict[str, str | HttpReply | Callable[[HttpRequest], HttpReply]]
    )

    def __call__(self, asked: HttpRequest) -> HttpReply:
        page = self.pages.get(asked.target, HttpReply(404))
        if callable(page):
            page = page(asked)
        if isinstance(page, str):
            page = html(page)
        etag = page.headers.get("etag")
        if etag and asked.headers.get("if-none-match") == etag:
            return HttpReply(304, headers={"etag": etag})
        return page


Named = type[Entity] | type[Unchanged] | type[Skipped] | type[Failed]


@dataclass
class WebHarness:
    """A website, and what is remembered of it between fetches."""

    pages: dict[str, str | HttpReply | Callable[[HttpRequest], HttpReply]]
    site: Site
    http: HttpFactory
    known: dict[str, str] = field(default_factory=dict[str, str])
    stored: set[str] = field(default_factory=set[str])
    cursor: Json | None = None

    def source(self, path: str = "/", **config: Any) -> WebSource:
        async def look_up(ids: Collection[str], /) -> Mapping[str, str]:
            return {i: self.known[i] for i in ids if i in self.known}

        async def list_stored(limit: int, /) -> Collection[str]:
            return sorted(self.stored)[:limit]

        return WebSource(
            WebConfig.model_validate({"url": self.site.url + path, **config}),
            NoFields(),
            SourceContext(
                http=self.http,
                known_versions=look_up,
                stored_ids=list_stored,
                last_cursor=self.cursor,
            ),
        )

    async def fetch(self, path: str = "/", **config: Any) -> list[Event]:
        self.site.requests.clear()
        events = [event async for event in self.source(path, **config).fetch(None)]
        for event in events:
            if isinstance(event, Entity):
                self.stored.add(event.id)
                if event.version:
                    self.known[event.id] = event.version
            if isinstance(event, Checkpoint):
                self.cursor = event.cursor
        if isinstance(events[-1], Complete) and not is_incomplete(events):
            self.stored &= {e.id for e in events if isinstance(e, Entity | Unchanged | Failed)}
        return events

    def paths(self, events: list[Event], kind: Named = Entity) -> list[str]:
        return [e.id.removeprefix(self.site.url) for e in events if isinstance(e, kind)]


@asynccontextmanager
async def serve_website(
    http: HttpFactory,
    pages: Mapping[str, str | HttpReply | Callable[[HttpRequest], HttpReply]],
) -> AsyncGenerator[WebHarness]:
    """The pages, served until the block ends."""
    held = dict(pages)
    async with serve(Website(held)) as site:
        yield WebHarness(held, site, http)


def is_incomplete(events: list[Event]) -> bool:
    """Return whether the events tell of a gap."""
    return any(isinstance(event, Incomplete) for event in events)


def links(*targets: str) -> str:
    """HTML that leads to these targets, in this order."""
    return "".join(f'<a href="{target}">x</a>' for target in targets)


def canonical(target: str) -> str:
    """HTML that names this address as the page's own."""
    return f'<link rel="canonical" href="{target}">'


def robots(text: str) -> HttpReply:
    """A robots.txt."""
    return HttpReply(body=text.encode(), headers={"content-type": "text/plain"})


def sitemap(*entries: str, index: bool = False) -> HttpReply:
    """A sitemap of these entries, or an index of sitemaps."""
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    body = "".join(f"<{inner}>{entry}</{inner}>" for entry in entries)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    text = f'<?xml version="1.0"?><{outer} xmlns="{namespace}">{body}</{outer}>'
    return HttpReply(body=text.encode(), headers={"content-type": "application/xml"})


def loc_entries(site: Site, *paths: str) -> list[str]:
    """Entries of a sitemap for these paths of the site."""
    return [f"<loc>{site.url}{path}</loc>" for path in paths]
