"""The `web` source: the pages of a site, by its sitemap or by following links from a start page.

Each fetch reads robots.txt and the configured address. If that is a sitemap, its pages are read;
otherwise links are followed, nearest first (`walk`). `pages` reads single pages, and sends the
validators of the last sync, so that most sites answer "unchanged". What could be read is remembered
(`memory`), so that a site in trouble is not taken for one that lost its pages.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import cast

import anyio.to_thread
import httpx
from pydantic import BaseModel

from weft.domain.base import Json
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.errors import raise_for_status
from weft.net.transport import MAX_BYTES, Origin, origin_of
from weft.sources.base import Event, NoFields, PreviewEvent, Source, SourceContext
from weft.sources.patterns import locate_on_site, pin_patterns
from weft.sources.web.config import WebConfig
from weft.sources.web.content import is_feed, is_html, media_type_of, read_response
from weft.sources.web.memory import REMEMBERED_MAX, Scope, SiteMemory, digest_of
from weft.sources.web.named_sitemaps import check_section_is_listed, list_named, robots_url
from weft.sources.web.pages import PageReader
from weft.sources.web.preview import preview_site
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import SITEMAP_BYTES_MAX, parse_sitemap
from weft.sources.web.sitemap_fetch import SitemapReader
from weft.sources.web.start import Start
from weft.sources.web.walk import SiteWalk

AGENT = "WeftBot"
_SITEMAP_SUFFIXES = (".xml", ".xml.gz")


class WebSource(Source[WebConfig, NoFields]):
    """Public pages of one site, read as its robots.txt allows."""

    short_name = "web"
    name = "Web pages"
    description = "Pages of a website, found by its sitemap or by following links."
    Config = WebConfig
    entity_types = ("page",)
    labels = ("web", "website", "url", "documentation", "wiki", "sitemap", "crawler")
    checked_against = "real servers"

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the site's origin, although no credentials are sent."""
        del options
        if not isinstance(config, WebConfig):
            return None
        return str(httpx.URL(config.url).copy_with(path="/", query=None)).rstrip("/")

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the patterns ones of paths."""
        del context
        locate = locate_on_site(cast("WebConfig", config).url)
        return pin_patterns(config, locate, negates=False)

    async def check(self) -> str:
        """Read the start page or sitemap."""
        async with self.context.http() as client:
            response = await self._ask_start(client)
            start = await self._open_start(client, response)
        kind = "a sitemap"
        if start.sitemap is None or start.named_by:
            kind = await _describe_page(response)
        if start.named_by:
            kind += "; its robots.txt names a sitemap that lists what lies at or below it"
        return f"{start.url.host} answered with {kind}"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the pages that the sitemaps name or, for a crawl, the start page links."""
        async with self.context.http() as client:
            start = await self._open_start(client)
            crawl = start.sitemap is None
            now = SiteMemory("crawl" if crawl else "sitemap", self._scope())
            reader = PageReader(client, self.context, start.site, SiteMemory(), (), crawl=crawl)
            walk = SiteWalk(self.config, reader, start, SiteMemory(), now)
            stored = await self.context.stored_ids(REMEMBERED_MAX)
            async for event in preview_site(walk, SitemapReader(client, SiteMemory(), now), stored):
                yield event

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all pages; most sites do not send unchanged pages again.

        There is no cursor to go on from; the one that is left says what could be read.
        """
        del cursor
        async with self.context.http() as client:
            start = await self._open_start(client)
            crawl = start.sitemap is None
            now = SiteMemory("crawl" if crawl else "sitemap", self._scope())
            before = self._recall()
            if before.kind != now.kind and before.scope.mode != self.config.mode:
                before = SiteMemory()
            stored = frozenset(await self.context.stored_ids(REMEMBERED_MAX))
            reader = PageReader(client, self.context, start.site, before, stored, crawl=crawl)
            walk = SiteWalk(self.config, reader, start, before, now)
            # Without any memory, what is stored was left by syncs that did not come to their end.
            if before.kind is not None or self.context.last_cursor is None:
                walk.stored = stored
            if start.sitemap:
                sitemaps = SitemapReader(client, before, now)
                async for event in walk.read_sitemaps(sitemaps, start.sitemap):
                    yield event
            else:
                async for event in walk.follow_links():
                    yield event

    async def _ask_start(self, client: httpx.AsyncClient) -> httpx.Response:
        try:
            response = await client.get(self.config.url, extensions={MAX_BYTES: SITEMAP_BYTES_MAX})
            raise_for_status(response, "the start page")
        except SourceMisconfigured as error:
            error.field = "url"
            raise
        if is_feed(media_type_of(response), response.content):
            raise SourceMisconfigured(
                "The address is a feed, not a page or a sitemap.",
                field="url",
                hint="The source rss reads feeds: connect it, with this address in its urls.",
            )
        return response

    async def _open_start(
        self, client: httpx.AsyncClient, response: httpx.Response | None = None
    ) -> Start:
        response = response or await self._ask_start(client)
        sitemap = None if self.config.mode == "crawl" else await parse_sitemap(response.content)
        if sitemap is None:
            self._refuse_other_than_sitemap()
        origins = dict.fromkeys((origin_of(response.url), origin_of(httpx.URL(self.config.url))))
        robots = {origin: await _fetch_robots(client, origin) for origin in origins}
        start = Start(response.url, {*origins}, robots, sitemap)
        if sitemap is None and self.config.mode != "crawl":
            start = await self._find_named_sitemap(client, response, start)
        if start.sitemap is None and not start.allows(response.url):
            raise SourceMisconfigured(
                "The site's robots.txt does not allow the start page to be read.", field="url"
            )
        return start

    async def _find_named_sitemap(
        self, client: httpx.AsyncClient, response: httpx.Response, start: Start
    ) -> Start:
        """Return the start with the sitemaps that robots.txt names, if they are to be read.

        What was found by following links goes on to be: a sitemap may name less.
        """
        before = self._recall()
        may_begin = self.config.mode == "sitemap" or before.kind is None
        for place, sitemap in list_named(start.robots).items():
            named = replace(start, sitemap=sitemap, named_by=place)
            is_known = before.kind == "sitemap" and digest_of(place) in before.sitemaps
            if is_known or (may_begin and await check_section_is_listed(client, response, named)):
                return named
        if before.kind == "sitemap":
            raise SourceUnavailable(
                "A sitemap listed the pages, and the site's robots.txt names none of them now.",
                hint="If that is meant, set mode to crawl.",
            )
        if self.config.mode == "sitemap":
            raise _not_a_sitemap()
        return start

    def _scope(self) -> Scope:
        config = self.config
        wanted = repr((config.include, config.exclude, config.max_depth))
        return Scope(config.url, config.mode, digest_of(wanted).hex())

    def _recall(self) -> SiteMemory:
        """Return what was read from this address; another one leads to other pages."""
        before = SiteMemory.parse(self.context.last_cursor)
        return before if before.scope.url == self.config.url else SiteMemory()

    def _refuse_other_than_sitemap(self) -> None:
        """Raise if the address should have been a sitemap: a crawl would begin at a notice."""
        config, before = self.config, self._recall()
        if config.mode == "auto" and digest_of(config.url) in before.sitemaps:
            raise SourceUnavailable(
                "The address was a sitemap and is none now.",
                hint="If that is meant, set mode to crawl.",
            )
        is_named_so = httpx.URL(config.url).path.lower().endswith(_SITEMAP_SUFFIXES)
        was_one = digest_of(config.url) in before.sitemaps
        if config.mode != "crawl" and (is_named_so or was_one):
            raise _not_a_sitemap()


def _not_a_sitemap() -> SourceMisconfigured:
    return SourceMisconfigured(
        "The address is not a sitemap, and the site's robots.txt names none for it.",
        field="url",
        hint="Give the sitemap's own address, or use mode crawl.",
    )


async def _describe_page(response: httpx.Response) -> str:
    page = await read_response(response, str(response.url), ()) if is_html(response) else None
    kind = "a page"
    if page and page.needs_script:
        kind += " that needs JavaScript, which is not run, so next to nothing of it can be read"
    if page and page.names_feed:
        kind += "; it also has a feed, which the source rss reads"
    return kind


async def _fetch_robots(client: httpx.AsyncClient, origin: Origin) -> Robots:
    """Fetch the site's rules. Raises SourceUnavailable if they exist but cannot be read now."""
    response = await client.get(robots_url(origin))
    if response.is_client_error and response.status_code != 429:
        return Robots()
    raise_for_status(response, "robots.txt")
    text = response.content.decode("utf-8-sig", errors="replace")
    return await anyio.to_thread.run_sync(Robots.parse, text, AGENT)
