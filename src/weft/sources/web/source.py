"""The `web` source: the pages of a site, by its sitemap or by following links from a start page.

Each fetch reads robots.txt and the configured address. If that is a sitemap, its pages are read;
otherwise links are followed, nearest first. `pages` reads single pages, and sends the validators
of the last sync, so that most sites answer "unchanged".
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import Literal, TypeVar

import anyio.to_thread
import httpx
from anyio.from_thread import check_cancelled
from pydantic import BaseModel, ConfigDict, Field, field_validator

from weft.document.suffixes import BINARY_SUFFIXES
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import RateLimited, SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.errors import raise_for_status
from weft.net.transport import MAX_BYTES, Origin, origin_of
from weft.sources.base import (
    ENDPOINT,
    Event,
    Expect,
    Failed,
    Incomplete,
    NoFields,
    Skipped,
    Source,
)
from weft.sources.web.pages import PageReader, PageResult, Visit, normalise_url
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import SITEMAP_BYTES_MAX, Sitemap, parse_sitemap

AGENT = "WeftBot"
CONCURRENT_PAGES = 4
SITEMAPS_MAX = 500
SITEMAP_DEPTH_MAX = 3
TROUBLES_IN_A_ROW_MAX = 12
# Addresses that are not wanted count too, since a page or sitemap can invent any number of them.
SEEN_MAX = 500_000
_SEEN_DIGEST_BYTES = 16
# The limit of one trip to a worker thread.
_CHUNK_ADDRESSES = 1_000
PATTERNS_MAX = 50
PATTERN_CHARS_MAX = 200
_MORE_SITEMAPS = "the site has more, or deeper nested, sitemaps than are read"

T = TypeVar("T")


class WebConfig(BaseModel):
    """The pages to read."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        title="URL",
        description="A sitemap, or the page from which links are followed.",
        max_length=2048,
        json_schema_extra=ENDPOINT,
    )
    mode: Literal["auto", "sitemap", "crawl"] = Field(
        default="auto",
        title="Mode",
        description="How pages are found; auto: a sitemap if the URL is one, else a crawl.",
    )
    max_pages: int = Field(
        default=200, ge=1, le=5000, title="Most pages", description="Most pages to read."
    )
    max_depth: int = Field(
        default=3,
        ge=0,
        le=20,
        title="Depth",
        description="How many links away from the start page a crawl goes.",
    )
    include: list[str] = Field(
        default_factory=list,
        max_length=PATTERNS_MAX,
        title="Include",
        description="Globs on the URL's path, e.g. /docs/*; others are not read.",
    )
    exclude: list[str] = Field(
        default_factory=list,
        max_length=PATTERNS_MAX,
        title="Exclude",
        description="Globs on the URL's path of pages that are not read.",
    )

    @field_validator("url")
    @classmethod
    def _normalise(cls, value: str) -> str:
        url = normalise_url(value.strip())
        if url is None:
            raise ValueError("must be an http or https address without user name and password")
        return str(url)

    @field_validator("include", "exclude")
    @classmethod
    def _check_patterns(cls, value: list[str]) -> list[str]:
        if any(not pattern or len(pattern) > PATTERN_CHARS_MAX for pattern in value):
            raise ValueError(f"patterns must have 1 to {PATTERN_CHARS_MAX} characters")
        return value


class WebSource(Source[WebConfig, NoFields]):
    """Public pages of one site, read as its robots.txt allows."""

    short_name = "web"
    name = "Web pages"
    description = "Pages of a website, found by its sitemap or by following links."
    Config = WebConfig
    entity_types = ("page",)
    labels = ("web",)

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the site's origin, although no credentials are sent."""
        del options
        if not isinstance(config, WebConfig):
            return None
        return str(httpx.URL(config.url).copy_with(path="/", query=None)).rstrip("/")

    async def check(self) -> str:
        """Read the start page or sitemap."""
        async with self.context.http() as client:
            start = await self._open_start(client)
        kind = "a page"
        if start.sitemap:
            kind = "a sitemap"
        return f"{start.url.host} answered with {kind}"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all pages; there is no cursor, but most sites do not send unchanged pages again."""
        del cursor
        async with self.context.http() as client:
            start = await self._open_start(client)
            reader = PageReader(
                client, self.context.known_versions, start.site, crawl=start.sitemap is None
            )
            walk = _SiteWalk(self.config, reader, start)
            if start.sitemap:
                async for event in walk.read_sitemaps(client, start.sitemap):
                    yield event
            else:
                async for event in walk.follow_links():
                    yield event

    async def _open_start(self, client: httpx.AsyncClient) -> "_Start":
        try:
            response = await client.get(self.config.url, extensions={MAX_BYTES: SITEMAP_BYTES_MAX})
            raise_for_status(response, "the start page")
        except SourceMisconfigured as error:
            error.field = "url"
            raise
        sitemap = None if self.config.mode == "crawl" else await parse_sitemap(response.content)
        if self.config.mode == "sitemap" and sitemap is None:
            raise SourceMisconfigured(
                "The address is not a sitemap.",
                field="url",
                hint="Give the sitemap's own address, or use mode crawl.",
            )
        site = {origin_of(httpx.URL(self.config.url)), origin_of(response.url)}
        robots = {origin: await _fetch_robots(client, origin) for origin in site}
        start = _Start(response.url, site, robots, sitemap)
        if sitemap is None and not start.allows(response.url):
            raise SourceMisconfigured(
                "The site's robots.txt does not allow the start page to be read.", field="url"
            )
        return start


@dataclass(frozen=True, slots=True)
class _Start:
    """The answer at the configured URL; ``site`` holds the origins whose pages are read."""

    url: httpx.URL
    site: set[Origin]
    robots: dict[Origin, Robots]
    sitemap: Sitemap | None

    def allows(self, url: httpx.URL) -> bool:
        rules = self.robots.get(origin_of(url))
        return rules is not None and rules.allows(url.raw_path.decode("ascii"))


@dataclass(slots=True)
class _SiteWalk:
    """One walk over the site, which visits every address once."""

    config: WebConfig
    reader: PageReader
    start: _Start
    # Keep digests, as half a million addresses may have two thousand characters each.
    seen: set[bytes] = field(default_factory=set[bytes])
    listed: set[str] = field(default_factory=set[str])
    troubles: int = 0
    overflowed: bool = False

    async def read_sitemaps(
        self, client: httpx.AsyncClient, first: Sitemap
    ) -> AsyncGenerator[Event]:
        """Yield the pages that the sitemap and those it leads to name."""
        visits: list[Visit] = []
        gaps: list[str] = []
        async for sitemap in _fetch_sitemaps(client, first, gaps):
            for pages in _chunks(sitemap.pages, _CHUNK_ADDRESSES):
                for event in await _run_in_thread(partial(self._add_visits, pages, visits)):
                    yield event
            if len(visits) >= self.config.max_pages or self.overflowed:
                break
        yield Expect(len(visits))
        for batch in _chunks(visits, CONCURRENT_PAGES):
            for outcome in await self.reader.read(batch):
                for event in self._report(outcome):
                    yield event
        if self.overflowed:
            gaps.append(f"the site has more than {SEEN_MAX:,} addresses")
        for gap in gaps:
            yield Incomplete(gap)

    async def follow_links(self) -> AsyncGenerator[Event]:
        """Yield the pages that links lead to, nearest first."""
        queue = [Visit(str(normalise_url(self.config.url)))]
        self.seen.add(_digest(queue[0].url))
        done, unseen = 0, 0
        while batch := queue[done : done + CONCURRENT_PAGES]:
            # A batch has one depth, so that links alone decide which page is found first.
            batch = [visit for visit in batch if visit.depth == batch[0].depth]
            done += len(batch)
            for visit, outcome in zip(batch, await self.reader.read(batch), strict=True):
                unseen += isinstance(outcome.event, Failed)
                for event in self._report(outcome):
                    yield event
                if visit.depth < self.config.max_depth:
                    add = partial(self._queue_links, outcome, visit.depth + 1, queue)
                    for event in await _run_in_thread(add):
                        yield event
            yield Expect(len(queue))
        if unseen:
            yield Incomplete(f"{unseen} pages could not be read, nor what only they link to")
        if self.overflowed:
            yield Incomplete(f"the site has more than {SEEN_MAX:,} addresses")

    def _add_visits(
        self, pages: Sequence[tuple[str, datetime | None]], visits: list[Visit]
    ) -> Iterator[Event]:
        for location, updated_at in pages:
            if len(visits) >= self.config.max_pages or self._overflows():
                return
            url = normalise_url(location)
            if url is None or not self._claim(url):
                continue
            if self.start.allows(url):
                visits.append(Visit(str(url), updated_at=updated_at))
            else:
                yield Skipped(str(url), "the site's robots.txt does not allow it")

    def _queue_links(self, outcome: PageResult, depth: int, queue: list[Visit]) -> Iterator[Event]:
        for link in outcome.links:
            if len(queue) >= self.config.max_pages or self._overflows():
                return
            url = normalise_url(link)
            if url is None or not self._claim(url):
                continue
            if self.start.allows(url):
                queue.append(Visit(str(url), depth))
            else:
                yield Skipped(str(url), "the site's robots.txt does not allow it")

    def _overflows(self) -> bool:
        check_cancelled()
        self.overflowed = self.overflowed or len(self.seen) >= SEEN_MAX
        return self.overflowed

    def _claim(self, url: httpx.URL) -> bool:
        """Mark the address as seen; return whether it is new, on the site and wanted."""
        address, path = _digest(str(url)), url.path
        if address in self.seen or origin_of(url) not in self.start.site:
            return False
        self.seen.add(address)
        suffix = path.rpartition("/")[2].rpartition(".")
        if suffix[1] and f".{suffix[2].lower()}" in BINARY_SUFFIXES:
            return False
        included = not self.config.include or _matches(path, self.config.include)
        return included and not _matches(path, self.config.exclude)

    def _report(self, outcome: PageResult) -> Iterator[Event]:
        event = outcome.event
        if event is None or outcome.url in self.listed:
            return
        self.listed.add(outcome.url)
        # A redirect may have led to a page that robots.txt excludes.
        if isinstance(event, Entity) and not self.start.allows(httpx.URL(outcome.url)):
            event = Skipped(outcome.url, "the site's robots.txt does not allow it")
            outcome.links = []
        trouble = isinstance(event, Failed) or outcome.refused
        self.troubles = self.troubles + 1 if trouble else 0
        # A site that is down, or that has begun to refuse us, is not an empty site.
        if self.troubles >= TROUBLES_IN_A_ROW_MAX:
            raise SourceUnavailable(f"The site failed for {self.troubles} pages in a row.")
        yield event


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


async def _fetch_sitemaps(
    client: httpx.AsyncClient, first: Sitemap, gaps: list[str]
) -> AsyncGenerator[Sitemap]:
    """Yield a sitemap and all that it leads to; say in ``gaps`` what could not be read."""
    yield first
    # Each address with its depth, in the order found. No more are kept than will be read.
    found: dict[str, int] = {}

    def add(sitemap: Sitemap, depth: int) -> None:
        new = [url for url in sitemap.sitemaps if url not in found]
        room = SITEMAPS_MAX - len(found) if depth <= SITEMAP_DEPTH_MAX else 0
        found.update(dict.fromkeys(new[:room], depth))
        if len(new) > room and _MORE_SITEMAPS not in gaps:
            gaps.append(_MORE_SITEMAPS)

    add(first, 1)
    for number in range(SITEMAPS_MAX):
        if number >= len(found):
            return
        url, depth = next(islice(found.items(), number, None))
        try:
            sitemap = await _fetch_sitemap(client, url)
        except RateLimited:
            raise
        except WeftError as error:
            gaps.append(f"a sitemap could not be read: {error.message}")
            continue
        yield sitemap
        add(sitemap, depth + 1)


async def _fetch_sitemap(client: httpx.AsyncClient, location: str) -> Sitemap:
    url = normalise_url(location)
    if url is None:
        raise SourceUnavailable("Its address is no web address.")
    response = await client.get(url, extensions={MAX_BYTES: SITEMAP_BYTES_MAX})
    raise_for_status(response, "a sitemap")
    sitemap = await parse_sitemap(response.content)
    if sitemap is None:
        raise SourceUnavailable("It is no sitemap.")
    return sitemap


async def _run_in_thread(list_events: Callable[[], Iterator[Event]]) -> list[Event]:
    # Matching thousands of addresses with a site's rules may take seconds.
    return await anyio.to_thread.run_sync(lambda: list(list_events()))


def _digest(address: str) -> bytes:
    return hashlib.blake2b(address.encode(), digest_size=_SEEN_DIGEST_BYTES).digest()


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
