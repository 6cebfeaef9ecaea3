"""Walks a site, by its sitemaps or by links, and says whether all of it was seen."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import TypeVar

import anyio.to_thread
import httpx
from anyio.from_thread import check_cancelled

from weft.document.suffixes import BINARY_SUFFIXES
from weft.domain.entities import Entity
from weft.errors import SourceUnavailable
from weft.net.transport import Origin, origin_of
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Expect,
    Failed,
    Incomplete,
    Skipped,
    Unchanged,
)
from weft.sources.web.config import WebConfig
from weft.sources.web.memory import SiteMemory
from weft.sources.web.pages import PageReader, PageResult, Visit, normalise_url
from weft.sources.web.robots import Robots
from weft.sources.web.sitemap import Sitemap
from weft.sources.web.sitemap_fetch import SitemapReader

CONCURRENT_PAGES = 4
TROUBLES_IN_A_ROW_MAX = 12
# So many pages that have moved to one address are taken for a notice in place of them.
MOVED_TO_ONE_MIN = 3
# Addresses that are not wanted count too, since a page or sitemap can invent any number of them.
SEEN_MAX = 500_000
_SEEN_DIGEST_BYTES = 16
# The limit of one trip to a worker thread.
_CHUNK_ADDRESSES = 1_000
_NOT_ALLOWED = "the site's robots.txt does not allow it"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Start:
    """The answer at the configured URL; ``site`` holds the origins whose pages are read."""

    url: httpx.URL
    site: set[Origin]
    robots: dict[Origin, Robots]
    sitemap: Sitemap | None

    def allows(self, url: httpx.URL) -> bool:
        """Return whether robots.txt lets us read a page."""
        rules = self.robots.get(origin_of(url))
        return rules is not None and rules.allows(url.raw_path.decode("ascii"))


@dataclass(slots=True)
class SiteWalk:
    """One walk over the site, which visits every address once.

    ``before`` is what the last walk could read, and ``now`` what this one can.
    """

    config: WebConfig
    reader: PageReader
    start: Start
    before: SiteMemory
    now: SiteMemory
    # Keep digests, as half a million addresses may have two thousand characters each.
    seen: set[bytes] = field(default_factory=set[bytes])
    listed: set[str] = field(default_factory=set[str])
    moved: Counter[str] = field(default_factory=Counter[str])
    known: int = 0
    hiding: int = 0
    troubles: int = 0
    overflowed: bool = False

    async def read_sitemaps(self, sitemaps: SitemapReader, first: Sitemap) -> AsyncGenerator[Event]:
        """Yield the pages that the sitemap and those it leads to name."""
        visits: list[Visit] = []
        async for sitemap in sitemaps.read_all(self.config.url, first):
            for pages in _chunks(sitemap.pages, _CHUNK_ADDRESSES):
                for event in await _run_in_thread(partial(self._add_visits, pages, visits)):
                    yield event
            if len(visits) >= self.config.max_pages or self.overflowed:
                break
        yield Expect(len(visits))
        for batch in _chunks(visits, CONCURRENT_PAGES):
            for visit, outcome in zip(batch, await self.reader.read(batch), strict=True):
                for event in self._report(visit, outcome):
                    yield event
        for event in self._conclude(sitemaps.gaps):
            yield event

    async def follow_links(self) -> AsyncGenerator[Event]:
        """Yield the pages that links lead to, nearest first."""
        queue = [Visit(str(normalise_url(self.config.url)))]
        self.seen.add(_digest(queue[0].url))
        done, lost = 0, list[tuple[int, str]]()
        while batch := queue[done : done + CONCURRENT_PAGES]:
            # A batch has one depth, so that links alone decide which page is found first.
            batch = [visit for visit in batch if visit.depth == batch[0].depth]
            done += len(batch)
            for visit, outcome in zip(batch, await self.reader.read(batch), strict=True):
                for event in self._report(visit, outcome):
                    yield event
                if visit.depth < self.config.max_depth:
                    links = [(visit.depth + 1, link) for link in outcome.links]
                    lost += [(visit.depth + 1, link) for link in outcome.lost_links]
                    for event in await _run_in_thread(partial(self._queue_links, links, queue)):
                        yield event
            if done == len(queue):
                # Pages that are not linked any more are asked for once: something else may have
                # been shown in place of the page that linked them.
                for event in await _run_in_thread(partial(self._queue_links, lost, queue)):
                    yield event
                lost = []
            yield Expect(len(queue))
        for event in self._conclude([]):
            yield event

    def _conclude(self, gaps: list[str]) -> Iterator[Event]:
        """Say whether everything was seen, and remember what was."""
        if self.hiding:
            gaps.append(f"{self.hiding} pages could not be read, nor what only they lead to")
        if self.overflowed:
            gaps.append(f"the site has more than {SEEN_MAX:,} addresses")
        if lost := self.now.count_lost_targets(self.before):
            gaps.append(f"{lost} addresses lead to other pages than before")
        moved = max(self.moved.values(), default=0)
        if moved >= MOVED_TO_ONE_MIN and 2 * moved > self.known:
            gaps.append(f"{moved} pages lead to one and the same page now")
        for gap in gaps:
            yield Incomplete(gap)
        if gaps:
            self.now.keep_all(self.before)
        yield Checkpoint(self.now.dump())
        if not gaps:
            yield Complete("each page that the site names was read, or is known to be gone")

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
                yield Skipped(str(url), _NOT_ALLOWED)

    def _queue_links(self, links: Sequence[tuple[int, str]], queue: list[Visit]) -> Iterator[Event]:
        for depth, link in links:
            if len(queue) >= self.config.max_pages or self._overflows():
                return
            url = normalise_url(link)
            if url is None or not self._claim(url):
                continue
            if self.start.allows(url):
                queue.append(Visit(str(url), depth))
            else:
                yield Skipped(str(url), _NOT_ALLOWED)

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

    def _report(self, visit: Visit, outcome: PageResult) -> Iterator[Event]:
        # A redirect may have led to a page that robots.txt excludes.
        if isinstance(outcome.event, Entity) and not self.start.allows(httpx.URL(outcome.url)):
            outcome.event = Skipped(outcome.url, _NOT_ALLOWED)
            outcome.links, outcome.lost_links = [], []
            outcome.hides = self.before.leads_elsewhere(visit.url)
        self._remember(visit, outcome)
        event = outcome.event
        if event is None or outcome.url in self.listed:
            return
        self.listed.add(outcome.url)
        trouble = isinstance(event, Failed) or outcome.refused
        self.troubles = self.troubles + 1 if trouble else 0
        # A site that is down, or that has begun to refuse us, is not an empty site.
        if self.troubles >= TROUBLES_IN_A_ROW_MAX:
            raise SourceUnavailable(f"The site failed for {self.troubles} pages in a row.")
        yield event

    def _remember(self, visit: Visit, outcome: PageResult) -> None:
        self.hiding += outcome.hides
        if self.before.knows(visit.url):
            self.known += 1
            if self.before.is_page(visit.url) and outcome.url != visit.url and outcome.event:
                self.moved[httpx.URL(outcome.url).path] += 1
        if isinstance(outcome.event, Entity | Unchanged):
            self.now.add_page(visit.url, outcome.url)
        elif outcome.event is not None:
            self.now.keep(visit.url, self.before)


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
