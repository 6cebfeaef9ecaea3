"""The `web` source: the pages of a site, by its sitemap or by following links from a start page.

Each fetch reads robots.txt and the configured address. If that is a sitemap, its pages are read;
otherwise links are followed, nearest first (`walk`). `pages` reads single pages, and sends the
validators of the last sync, so that most sites answer "unchanged". What could be read is remembered
(`memory`), so that a site in trouble is not taken for one that lost its pages.
"""

from collections.abc import AsyncGenerator, Mapping
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
from weft.sources.web.content import HTML_TYPES, is_feed, media_type_of, read_response
from weft.sources.web.memory import REMEMBERED_MAX, Scope, SiteMemory, digest_of
from weft.sources.web.pages import PageReader
from weft.sources.web.preview import preview_site
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import SITEMAP_BYTES_MAX, parse_sitemap
from weft.sources.web.sitemap_fetch import SitemapReader
from weft.sources.web.walk import SiteWalk, Start

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
        kind = "a sitemap" if start.sitemap else await _describe_page(response)
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
                hint="The source rss reads feeds: connect it, with this address as its url.",
            )
        return response

    async def _open_start(
        self, client: httpx.AsyncClient, response: httpx.Response | None = None
    ) -> Start:
        response = response or await self._ask_start(client)
        sitemap = None if self.config.mode == "crawl" else await parse_sitemap(response.content)
        if sitemap is None:
            self._refuse_other_than_sitemap()
        site = {origin_of(httpx.URL(self.config.url)), origin_of(response.url)}
        robots = {origin: await _fetch_robots(client, origin) for origin in site}
        start = Start(response.url, site, robots, sitemap)
        if sitemap is None and not start.allows(response.url):
            raise SourceMisconfigured(
                "The site's robots.txt does not allow the start page to be read.", field="url"
            )
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
        config = self.config
        if config.mode == "auto" and self._recall().kind == "sitemap":
            raise SourceUnavailable(
                "The address was a sitemap and is none now.",
                hint="If that is meant, set mode to crawl.",
            )
        is_named_so = httpx.URL(config.url).path.lower().endswith(_SITEMAP_SUFFIXES)
        if config.mode == "sitemap" or (config.mode == "auto" and is_named_so):
            raise SourceMisconfigured(
                "The address is not a sitemap.",
                field="url",
                hint="Give the sitemap's own address, or use mode crawl.",
            )


async def _describe_page(response: httpx.Response) -> str:
    is_html = media_type_of(response) in HTML_TYPES
    page = await read_response(response, str(response.url), ()) if is_html else None
    kind = "a page"
    if page and page.needs_script:
        kind += " that needs JavaScript, which is not run, so next to nothing of it can be read"
    if page and page.names_feed:
        kind += "; it also has a feed, which the source rss reads"
    return kind


async def _fetch_robots(client: httpx.AsyncClient, origin: Origin) -> Robots:
    """Fetch the site's rules. Raises SourceUnavailable if they exist but cannot be read now."""
    scheme, host, port = origin
    url = httpx.URL(scheme=scheme, host=host, port=port, path="/robots.txt")
    response = await client.get(url)
    if response.is_client_error and response.status_code != 429:
        return Robots()
    raise_for_status(response, "robots.txt")
    text = response.content.decode("utf-8-sig", errors="replace")
    return await anyio.to_thread.run_sync(Robots.parse, text, AGENT)
