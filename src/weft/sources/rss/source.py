"""The `rss` source: the entries of feeds.

A feed shows its newest entries only, so an entry that it shows no more was not deleted: it stays
for as long as the feed is in the configuration. With a cursor, a feed that has not changed costs
one request and no answer, and of any other only new and changed entries are stored.
"""

from collections.abc import AsyncGenerator, Mapping
from itertools import islice

import httpx
from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.domain.text.words import quantity
from weft.errors import CursorExpired, WeftError
from weft.net.transport import host_of
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Expect,
    Incomplete,
    NoFields,
    Omitted,
    Source,
    Unchanged,
)
from weft.sources.rss.config import RssConfig
from weft.sources.rss.memory import FeedMemory, dump_memory, parse_memory
from weft.sources.rss.model import FeedEntry
from weft.sources.rss.reader import (
    READER,
    Answer,
    Feed,
    make_entity,
    read_first_pages,
    read_following,
)

CONCURRENT_FEEDS = 4
STORED_MAX = 200_000


class RssSource(Source[RssConfig, NoFields]):
    """Feeds, read without any login."""

    short_name = "rss"
    name = "RSS and Atom feeds"
    description = "Entries of feeds (RSS, Atom, JSON Feed); older ones are kept."
    Config = RssConfig
    supports_continuous = True
    cursor_fields = ("feeds",)
    entity_types = ("entry",)
    labels = ("web", "feed", "blog", "news", "podcast", "changelog")

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the origin of the first feed, although no credentials are sent."""
        del options
        if not isinstance(config, RssConfig):
            return None
        return str(httpx.URL(config.urls[0]).copy_with(path="/", query=None)).rstrip("/")

    async def check(self) -> str:
        """Read all feeds. Raises if none of them can be read."""
        entries, problems = 0, list[WeftError]()
        async with self.context.http() as client:
            async for _, answer in self._read_all(client, {}):
                if isinstance(answer, Answer):
                    entries += len(answer.page.entries)
                elif answer:
                    problems.append(answer)
        total = len(self.config.urls)
        if len(problems) == total:
            raise problems[0]
        said = f"{quantity(total - len(problems), 'feed')} answered with {entries} entries"
        return "; but ".join([said, *(problem.message for problem in problems)])

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all entries, or those that are new or changed since the cursor."""
        before = {} if cursor is None else parse_memory(cursor, self._scope())
        if before is None:
            raise CursorExpired("The cursor belongs to other feeds.")
        asked = before if cursor is not None else await self._recall()
        listing = _Listing(self, before)
        async with self.context.http() as client:
            async for feed, answer in self._read_all(client, asked):
                if answer is None:
                    listing.now[feed.url] = asked[feed.url]
                    continue
                async for event in listing.read_feed(client, feed, answer):
                    yield event
        if len(listing.unread) == len(self.config.urls):
            raise listing.unread[0]
        problems = [*listing.unread, *listing.gaps]
        for problem in problems:
            yield Incomplete(problem.message.rstrip("."))
        if cursor is None and not problems:
            async for event in listing.keep_others():
                yield event
        yield Checkpoint(dump_memory(self._scope(), listing.now))
        if cursor is None and not problems:
            yield Complete(listing.say_evidence())

    async def _recall(self) -> Mapping[str, FeedMemory]:
        """Return what the last sync remembers, if what it read is stored and may be relied on."""
        some = await self.context.stored_ids(1)
        # No versions are known where somebody wants all to be read.
        if not await self.context.known_versions(some):
            return {}
        return parse_memory(self.context.last_cursor or {}, self._scope()) or {}

    async def _read_all(
        self, client: httpx.AsyncClient, before: Mapping[str, FeedMemory]
    ) -> AsyncGenerator[tuple[Feed, Answer | WeftError | None]]:
        """Yield the first page of each feed, or why it could not be read; None if unchanged."""
        urls = self.config.urls
        named = (_name_feed(number, url, len(urls)) for number, url in enumerate(urls, 1))
        while batch := list(islice(named, CONCURRENT_FEEDS)):
            pairs = [(feed, before.get(feed.url, FeedMemory())) for feed in batch]
            for feed, answer in zip(batch, await read_first_pages(client, pairs), strict=True):
                yield feed, answer

    def _scope(self) -> Json:
        return {
            "reader": READER,
            "urls": [*self.config.urls],
            "max_entries": self.config.max_entries,
        }


class _Listing:
    """One pass over the feeds. ``now`` is the memory that it leaves.

    ``unread`` says why feeds could not be read, and ``gaps`` why one was not read to its end.
    """

    def __init__(self, source: RssSource, before: Mapping[str, FeedMemory]) -> None:
        self._context = source.context
        self._config = source.config
        self._before = before
        self._listed: set[str] = set()
        self._expected = 0
        self._kept = 0
        self._malformed = 0
        self._doubled = 0
        self.now: dict[str, FeedMemory] = {}
        self.unread: list[WeftError] = []
        self.gaps: list[WeftError] = []

    async def read_feed(
        self, client: httpx.AsyncClient, feed: Feed, answer: Answer | WeftError
    ) -> AsyncGenerator[Event]:
        """Yield the entries of a feed, page by page for as long as there may be new ones."""
        before = self.now[feed.url] = self._before.get(feed.url, FeedMemory())
        if isinstance(answer, WeftError):
            self.unread.append(answer)
            return
        title, memory, room = answer.page.title, answer.memory, self._config.max_entries
        visited = {feed.url, str(answer.url)}
        self._malformed += answer.page.is_malformed
        while True:
            is_news = False
            async for event in self._report(feed, title, answer.page.entries[:room], memory):
                is_news = is_news or not isinstance(event, Expect)
                yield event
            room -= len(answer.page.entries)
            following = answer.page.following
            if room < 0 or (room == 0 and following):
                yield Omitted(FindingKind.LIMIT, None, "max_entries")
            if following is None or following in visited or room <= 0:
                break
            # Newer entries come first: behind a page without news there are none.
            if before.seen and not is_news:
                memory.keep(before, most=2 * self._config.max_entries)
                break
            visited.add(following)
            try:
                answer = await read_following(client, feed, following, len(visited))
            except WeftError as error:
                self.gaps.append(error)
                return
        self.now[feed.url] = memory

    async def keep_others(self) -> AsyncGenerator[Event]:
        """Name what is stored of the feeds, but was not shown this time."""
        stored = await self._context.stored_ids(STORED_MAX)
        if len(stored) >= STORED_MAX:
            yield Incomplete(f"{STORED_MAX:,} entries or more are stored, too many to look through")
        feeds = tuple(f"{url}#" for url in self._config.urls)
        for entity_id in stored:
            if entity_id.startswith(feeds) and entity_id not in self._listed:
                self._kept += 1
                yield Unchanged(entity_id)

    def say_evidence(self) -> str:
        """Say what was read of the feeds, and how."""
        said = f"{quantity(len(self._config.urls), 'feed')} read to the last page"
        if self._kept:
            said += f"; entries that they did not show again and that are kept: {self._kept}"
        if self._malformed:
            said += f"; no well-formed XML, and read as far as possible: {self._malformed}"
        if self._doubled:
            said += f"; left out, as a newer entry has their id: {self._doubled}"
        return said

    async def _report(
        self, feed: Feed, title: str, entries: list[FeedEntry], memory: FeedMemory
    ) -> AsyncGenerator[Event]:
        """Yield what is new or changed of a page, and remember all of it."""
        self._expected += len(entries)
        yield Expect(self._expected)
        found: dict[str, Entity] = {}
        for entry in entries:
            entity = make_entity(feed, title, entry)
            # Newer entries come first.
            first = found.setdefault(entity.id, entity)
            self._doubled += first.version != entity.version
        known = await self._context.known_versions(found)
        for entity_id, entity in found.items():
            if entity_id in self._listed:
                continue
            self._listed.add(entity_id)
            memory.add(entity)
            if self._before.get(feed.url, FeedMemory()).has(entity):
                continue
            yield Unchanged(entity_id) if known.get(entity_id) == entity.version else entity


def _name_feed(number: int, url: str, total: int) -> Feed:
    host = host_of(httpx.URL(url))
    return Feed(url, f"The feed at {host}" if total == 1 else f"Feed {number} ({host})")
