"""Walks a site, by its sitemaps or by links, and says whether all of it was seen."""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
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
from weft.domain.jobs import FindingKind
from weft.domain.text.words import agree, quantity
from weft.errors import SourceUnavailable
from weft.net.transport import origin_of
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Expect,
    Failed,
    Incomplete,
    Omitted,
    Skipped,
    Unchanged,
)
from weft.sources.web.addresses import normalise_url
from weft.sources.web.canonical import CanonicalPages
from weft.sources.web.config import WebConfig
from weft.sources.web.lost import LostPages
from weft.sources.web.memory import Named, SiteMemory, name_parent
from weft.sources.web.pages import PageReader, PageResult, Visit
from weft.sources.web.sitemap import Sitemap
from weft.sources.web.sitemap_fetch import SitemapReader
from weft.sources.web.start import Start

CONCURRENT_PAGES = 4
TROUBLES_IN_A_ROW_MAX = 12
# So many pages that have moved to one address are taken for a notice in place of them.
MOVED_TO_ONE_MIN = 3
# Addresses that are not wanted count too, since a page or sitemap can invent any number of them.
SEEN_MAX = 500_000
_SEEN_DIGEST_BYTES = 16
DEAD_NAMED_MAX = 10
DEAD_NAMED_CHARS_MAX = 2_000
# The limit of one trip to a worker thread.
CHUNK_ADDRESSES = 1_000
_NOT_ALLOWED = "the site's robots.txt does not allow it"

T = TypeVar("T")


@dataclass(slots=True)
class SiteWalk:
    """One walk over the site, which visits every address once.

    ``before`` is what the last walk could read, and ``now`` what this one can; ``stored`` are the
    pages in the store.
    """

    config: WebConfig
    reader: PageReader
    start: Start
    before: SiteMemory
    now: SiteMemory
    stored: Collection[str] = ()
    # Keep digests, as half a million addresses may have two thousand characters each.
    seen: set[bytes] = field(default_factory=set[bytes])
    listed: set[str] = field(default_factory=set[str])
    moved: Counter[str] = field(default_factory=Counter[str])
    known: int = 0
    hiding: int = 0
    troubles: int = 0
    unasked: int = 0
    beyond: int = 0
    # Digests of wanted addresses that were left out: beyond max_pages, and beyond max_depth.
    left_out: set[bytes] = field(default_factory=set[bytes])
    deeper: set[bytes] = field(default_factory=set[bytes])
    dead_links: int = 0
    # Some of them, with their parents.
    dead: list[Visit] = field(default_factory=list[Visit])
    is_full: bool = False
    # The length that the queue may have when pages are asked for once more.
    room: int | None = None
    overflowed: bool = False
    lost: LostPages = field(init=False)
    canonical: CanonicalPages = field(init=False)

    def __post_init__(self) -> None:
        self.lost = LostPages(self.before, self.now)
        self.canonical = CanonicalPages(
            self.reader, self.before, lambda url: self.start.allows(url) and self.wants(url)
        )

    async def read_sitemaps(self, sitemaps: SitemapReader, first: Sitemap) -> AsyncGenerator[Event]:
        """Yield the pages that the sitemap and those it leads to name."""
        visits = self.list_first()
        async for address, sitemap in sitemaps.read_all(
            self.start.named_by or self.config.url, first
        ):
            parent = name_parent(address)
            for pages in chunks(sitemap.pages, CHUNK_ADDRESSES):
                for event in await run_in_thread(partial(self.add_visits, pages, parent, visits)):
                    yield event
            # A full list reads on until it knows that there is more.
            if self.left_out or self.overflowed:
                break
        async for event in self._read_pages(visits):
            yield event
        for event in self._conclude(sitemaps.gaps):
            yield event

    def list_first(self) -> list[Visit]:
        """Return the start page, if it is no sitemap, as what to read before what sitemaps name."""
        start = normalise_url(str(self.start.url))
        if not self.start.named_by or start is None or not self.start.allows(start):
            return []
        self.seen.add(digest(str(start)))
        return [Visit(str(start), parent=name_parent(self.start.named_by))]

    async def follow_links(self) -> AsyncGenerator[Event]:
        """Yield the pages that links lead to, nearest first."""
        start = Visit(str(normalise_url(self.config.url)))
        self.seen.add(digest(start.url))
        async for event in self._read_pages([start]):
            yield event
        for event in self._conclude([]):
            yield event

    async def _read_pages(self, queue: list[Visit]) -> AsyncGenerator[Event]:
        """Read the pages of the queue, in a crawl those they link, and those lost since."""
        yield Expect(len(queue))
        done = 0
        while True:
            if done == len(queue):
                for event in await run_in_thread(partial(self._queue_lost, queue)):
                    yield event
            if done == len(queue):
                return
            batch = queue[done : done + CONCURRENT_PAGES]
            # A batch has one depth, so that links alone decide which page is found first.
            batch = [visit for visit in batch if visit.depth == batch[0].depth]
            done += len(batch)
            outcomes = await self.canonical.settle(batch, await self.reader.read(batch))
            for visit, outcome in zip(batch, outcomes, strict=True):
                for event in self._report(visit, outcome):
                    yield event
                if self.now.kind == "crawl":
                    found = partial(self.queue_links, visit.depth + 1, outcome, queue)
                    for event in await run_in_thread(found):
                        yield event
            yield Expect(len(queue))

    def _conclude(self, gaps: list[str]) -> Iterator[Event]:
        """Say whether everything was seen, and remember what was."""
        if self.hiding:
            gaps.append(
                f"{quantity(self.hiding, 'page')} could not be read, nor what only they lead to"
            )
        if self.overflowed:
            gaps.append(f"the site has more than {SEEN_MAX:,} addresses")
        if self.unasked:
            gaps.append(
                f"{quantity(self.unasked, 'known page')} {agree(self.unasked, 'was', 'were')} not "
                "reached, nor asked for once more"
            )
        moved = max(self.moved.values(), default=0)
        if moved >= MOVED_TO_ONE_MIN and 2 * moved > self.known:
            gaps.append(
                f"{moved} pages lead to one and the same place now; if the site has moved, "
                "change the URL of the connection"
            )
        for gap in gaps:
            yield Incomplete(gap)
        yield from self.list_omitted()
        self.lost.settle(has_gaps=bool(gaps))
        if gaps:
            self.now.keep_all(self.before)
        yield Checkpoint(self.now.dump())
        if not gaps:
            yield Complete(self._say_evidence())

    def _say_evidence(self) -> str:
        lost = self.lost
        most = ", up to max_pages" if self.is_full else ""
        said = f"each page that the site names and lets us read was asked for{most}"
        if lost.asked:
            said += f"; of {len(lost.asked)} known pages that it names no more, asked for once more"
            said += f", {len(lost.asked & self.now.pages.keys())} stay"
        if lost.dropped:
            said += f"; known pages not named in two syncs: {len(lost.dropped)}"
        if self.beyond:
            said += f"; known pages beyond max_pages: {self.beyond}"
        return said

    def add_visits(
        self, pages: Sequence[tuple[str, datetime | None]], parent: str, visits: list[Visit]
    ) -> Iterator[Event]:
        for location, updated_at in pages:
            if self._overflows():
                return
            url = normalise_url(location)
            if len(visits) >= self.config.max_pages:
                self._leave_out(url, self.left_out)
                continue
            if url is None or not self._claim(url):
                continue
            if self.start.allows(url):
                visits.append(Visit(str(url), updated_at=updated_at, parent=parent))
            else:
                yield Skipped(str(url), _NOT_ALLOWED)

    def queue_links(self, depth: int, page: PageResult, queue: list[Visit]) -> Iterator[Event]:
        parent = name_parent(page.url)
        for link in page.links:
            room = self.config.max_pages if self.room is None else self.room
            if self._overflows():
                return
            url = normalise_url(link)
            if depth > self.config.max_depth or len(queue) >= room:
                too_deep = depth > self.config.max_depth
                self._leave_out(url, self.deeper if too_deep else self.left_out)
                continue
            if url is None or not self._claim(url):
                continue
            if self.start.allows(url):
                queue.append(Visit(str(url), depth, parent=parent))
            else:
                yield Skipped(str(url), _NOT_ALLOWED)

    def _queue_lost(self, queue: list[Visit]) -> Iterator[Event]:
        """Queue pages to ask for once more; with what they lead to, at most `max_pages`."""
        if self.room is None:
            self.is_full = len(queue) >= self.config.max_pages
            # A full listing leaves out pages beyond, as configured, unless it could read fewer.
            read = len(self.now.pages) if self.is_full else 0
            self.room = len(queue) + self.config.max_pages - read
            self._correct_memory()
        for address, named in self.lost.take_nearest(lambda a: digest(a) in self.seen).items():
            check_cancelled()
            self.seen.add(digest(address))
            url = httpx.URL(address)
            if origin_of(url) not in self.start.site:
                self.unasked += 1
            elif not self.start.allows(url):
                yield Skipped(address, _NOT_ALLOWED)
            elif len(queue) < self.room:
                self.lost.asked.add(address)
                queue.append(Visit(address, named.depth, parent=named.parent))
            elif self.is_full:
                self.beyond += 1
            else:
                self.unasked += 1

    def _correct_memory(self) -> None:
        """Forget known pages that the configuration does not want, and add others that are stored.

        A sync that was broken off, or whose deletions are held, stores pages without a memory.
        """
        pages, most = self.before.pages, self.config.max_depth
        # Under an old selection, what is not wanted by its own address was found by a redirect.
        if self.before.scope.selection != self.now.scope.selection:
            self.before.pages = {
                address: named
                for address, named in pages.items()
                if named.depth <= most and self.wants(httpx.URL(address))
            }
        for address in self.stored:
            url = httpx.URL(address)
            if address not in pages and origin_of(url) in self.start.site and self.wants(url):
                # At the greatest depth, since nothing says that what it leads to is wanted.
                self.before.pages[address] = Named("", most)

    def _leave_out(self, url: httpx.URL | None, left_out: set[bytes]) -> None:
        """Count an address that a limit leaves out, as far as there is room to know it again."""
        if url is None or len(self.seen) + len(self.left_out) + len(self.deeper) >= SEEN_MAX:
            return
        address = digest(str(url))
        if address in self.seen or address in left_out or not self.start.covers(url):
            return
        if self.wants(url) and self.start.allows(url):
            left_out.add(address)

    def list_omitted(self) -> Iterator[Omitted]:
        """Say what the limits left out, and how many links lead to nothing."""
        pages = len(self.left_out - self.seen) + self.beyond
        deeper = len(self.deeper - self.seen - self.left_out)
        if pages:
            yield Omitted(FindingKind.LIMIT, pages, "max_pages")
        if deeper:
            yield Omitted(FindingKind.LIMIT, deeper, "max_depth")
        if self.dead_links:
            examples = tuple(self._list_dead())
            yield Omitted(FindingKind.DEAD_LINKS, self.dead_links, examples=examples)

    def _list_dead(self) -> Iterator[str]:
        pages = {name_parent(address): address for address in self.listed}
        room = DEAD_NAMED_CHARS_MAX
        for visit in self.dead:
            page = pages.get(visit.parent)
            named = f"{visit.url} (on {page})" if page else visit.url
            room -= len(named)
            if room >= 0:
                yield named

    def _overflows(self) -> bool:
        check_cancelled()
        self.overflowed = self.overflowed or len(self.seen) >= SEEN_MAX
        return self.overflowed

    def _claim(self, url: httpx.URL) -> bool:
        """Mark the address as seen; return whether it is new, on the site and wanted."""
        address = digest(str(url))
        if address in self.seen or not self.start.covers(url):
            return False
        self.seen.add(address)
        return self.wants(url)

    def wants(self, url: httpx.URL) -> bool:
        """Return whether the configuration wants the page."""
        check_cancelled()
        path = url.path
        suffix = path.rpartition("/")[2].rpartition(".")
        if suffix[1] and f".{suffix[2].lower()}" in BINARY_SUFFIXES:
            return False
        included = not self.config.include or _matches(path, self.config.include)
        return included and not _matches(path, self.config.exclude)

    def _report(self, visit: Visit, outcome: PageResult) -> Iterator[Event]:
        # A redirect may have led to a page that robots.txt excludes.
        if isinstance(outcome.event, Entity) and not self.start.allows(httpx.URL(outcome.url)):
            outcome.event = Skipped(outcome.url, _NOT_ALLOWED)
            outcome.links = []
        self._remember(visit, outcome)
        event = outcome.event
        if event is None:
            self.dead_links += 1
            self.dead = [*self.dead, visit][:DEAD_NAMED_MAX]
        if event is None or outcome.url in self.listed:
            return
        self.listed.add(outcome.url)
        trouble = outcome.refused or (isinstance(event, Failed) and not outcome.is_shell)
        self.troubles = self.troubles + 1 if trouble else 0
        # A site that is down, or that has begun to refuse us, is not an empty site.
        if self.troubles >= TROUBLES_IN_A_ROW_MAX:
            raise SourceUnavailable(f"The site failed for {self.troubles} pages in a row.")
        yield event

    def _remember(self, visit: Visit, outcome: PageResult) -> None:
        self.hiding += outcome.hides
        if self.before.knows(visit.url):
            self.known += 1
            if self.before.is_page(visit.url) and outcome.moved_to:
                self.moved[outcome.moved_to] += 1
        if isinstance(outcome.event, Entity | Unchanged):
            self.now.add_page(visit.url, outcome.url, Named(visit.parent, visit.depth))
            return
        self.lost.unlinked.discard(visit.url)
        self.lost.has_unread |= isinstance(outcome.event, Failed) and self.now.kind == "crawl"
        if outcome.event is not None:
            self.now.keep(visit.url, self.before)


async def run_in_thread(list_events: Callable[[], Iterator[T]]) -> list[T]:
    # Matching thousands of addresses with a site's rules may take seconds.
    return await anyio.to_thread.run_sync(lambda: list(list_events()))


def digest(address: str) -> bytes:
    return hashlib.blake2b(address.encode(), digest_size=_SEEN_DIGEST_BYTES).digest()


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
