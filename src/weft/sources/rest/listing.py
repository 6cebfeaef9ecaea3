"""Reads the streams of a service: all of them, or what changed since a cursor."""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
from pydantic import JsonValue

from weft.document.model import Unreadable
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import (
    AccessDenied,
    ConnectionFault,
    CursorExpired,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.errors import ResponseTooLarge
from weft.sources.base import (
    AnySource,
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Expect,
    Failed,
    Incomplete,
    Skipped,
    Unchanged,
)
from weft.sources.rest.absence import MISSING_MAX, Absence, walk
from weft.sources.rest.api import Api, Missing, PlaceLost
from weft.sources.rest.cursor import Cursor, Horizon
from weft.sources.rest.paging import Asked, Page, read_pages, resume, unexpected_answer
from weft.sources.rest.streams import BoundStream, below, changes_in
from weft.sources.rest.table import Changed, Feed, Load, Record
from weft.sources.rest.values import ODD, find, line_of

CONCURRENT_LOADS: Final = 8
FAILURES_IN_A_ROW_MAX: Final = 24
# More than two batches of the engine: what was named in them may not be stored yet.
RECENT_MAX: Final = 20_000
RELIST_AFTER: Final = timedelta(hours=24)


@dataclass(slots=True)
class _Item:
    """A record of a page; ``is_known``: the last sync has read it as it is."""

    record: Record
    key: str
    id: str
    is_known: bool = False


class Listing:
    """One fetch."""

    def __init__(
        self, source: AnySource, api: Api, roots: Sequence[BoundStream], saved: Json | None
    ) -> None:
        self._source = source
        self._api = api
        self._roots = roots
        self._names = [stream.name for stream in walk(roots)]
        self._cursor = Cursor.parse(saved, self._names)
        self._refuse_old_listing()
        self._recent: set[str] = set()
        self._order: deque[str] = deque()
        self._lacking: set[tuple[str, str]] = set()
        self._too_large: set[str] = set()
        self._failures = 0
        self._sound = self._whole = True

    @property
    def _full(self) -> bool:
        return self._cursor.mode == "full"

    def _refuse_old_listing(self) -> None:
        """Raise CursorExpired if it is time to see by a full listing what is gone."""
        listed_at = self._cursor.listed_at
        if listed_at is None or all(stream.tells_deletions for stream in walk(self._roots)):
            return
        # A clock that was set back since then would put the next listing off.
        if not timedelta() <= datetime.now(UTC) - listed_at < RELIST_AFTER:
            raise CursorExpired("Only a full listing shows what is gone, and the last one is old.")

    async def read(self) -> AsyncGenerator[Event]:
        """Yield the events of the fetch."""
        async for event in self._read_streams():
            self._whole = self._whole and not isinstance(event, Incomplete)
            self._sound = self._sound and not (
                isinstance(event, Failed) and event.id not in self._too_large
            )
            yield event
        verdict = await self._prove() if self._full and self._whole else None
        if self._whole and self._sound and not isinstance(verdict, Incomplete):
            if self._full:
                self._cursor.mode, self._cursor.listed_at = "since", datetime.now(UTC)
            yield self._checkpoint()
        if verdict is not None:
            yield verdict

    async def _prove(self) -> Complete | Incomplete:
        unseen = await self._source.context.unseen_ids(MISSING_MAX + RECENT_MAX)
        missing = [entity_id for entity_id in unseen if entity_id not in self._recent]
        missing = missing[:MISSING_MAX]
        return await Absence(self._source, self._api, self._roots, missing, self._lacking).judge()

    def _may_save(self, place: JsonValue) -> bool:
        """Return whether the listing may go on there later: a cursor may hold no secret."""
        is_good = place is not None and self._whole and self._sound
        return is_good and not self._api.shows_secret(place)

    def _checkpoint(self) -> Checkpoint:
        # A change during the listing has the time of the service's clock, which may be behind.
        clocks = [at for at in (self._cursor.began, self._api.began) if at]
        self._cursor.began = min(clocks, default=None)
        return Checkpoint(self._cursor.save(self._names))

    async def _read_streams(self) -> AsyncGenerator[Event]:
        cursor, begun = self._cursor, self._cursor.at_stream is None
        if begun:
            cursor.began = datetime.now(UTC)
        if self._full and begun:
            await self._mark_feeds()
        for root in self._roots:
            page = None
            if not begun:
                if root.name != cursor.at_stream:
                    continue
                begun, page = True, cursor.at_page
            cursor.at_stream, cursor.at_page = root.name, page
            feed = root.row.feed
            if feed and not self._full and root.name in cursor.marks:
                reading = self._read_feed(root, feed)
            else:
                reading = self._read_stream(root, None, page)
            async for event in reading:
                yield event
        cursor.at_stream = cursor.at_page = None

    async def _read_stream(
        self, stream: BoundStream, parent: Record | None, start: JsonValue = None
    ) -> AsyncGenerator[Event]:
        """Read a listing. After each page of a root stream comes a checkpoint."""
        row = stream.row
        if row.deletes and self._full:
            return
        horizon = self._horizon_of(stream, parent)
        since = None if self._full or row.since is None else horizon.before
        asked, place = stream.ask(parent, since), stream.place_of(since)
        pages = read_pages(
            self._api, asked, place.paging, place.records, optional=row.optional, start=start
        )
        pages = pages if start is None else resume(pages)
        async for page in self._allow_lack(stream, parent, stream.gather(pages)):
            if isinstance(page, Skipped):
                yield page
                continue
            if page.total and parent is None:
                yield Expect(page.total)
            records = await stream.prepare(self._source, page.records)
            items, is_older = self._take(stream, records, parent, horizon)
            async for event in self._read_items(stream, items):
                yield event
            for gap in _gaps_in(stream, page, items):
                yield Incomplete(gap)
            if is_older:
                return
            if parent is None and self._may_save(page.following):
                self._cursor.at_page = page.following
                yield self._checkpoint()

    async def _read_below(self, stream: BoundStream, parent: Record) -> AsyncGenerator[Event]:
        async for event in self._read_stream(stream, parent):
            yield event
        if stream.row.since is not None:
            self._horizon_of(stream, parent).settle(stream.row.since.overlap)

    async def _allow_lack(
        self, stream: BoundStream, parent: Record | None, pages: AsyncGenerator[Page]
    ) -> AsyncGenerator[Page | Skipped]:
        try:
            async for page in pages:
                yield page
        except (SourceMisconfigured, AccessDenied) as error:
            if not stream.may_lack(error):
                raise
            is_new = all(name != stream.name for name, _ in self._lacking)
            self._lacking.add((stream.name, stream.key_prefix(parent)))
            self._lacking |= {(each.name, "") for each in walk(stream.children)}
            # An incremental sync has nothing new to say of it.
            if is_new and self._full:
                yield Skipped(stream.name, line_of(error.message))

    def _horizon_of(self, stream: BoundStream, parent: Record | None) -> Horizon:
        if parent is None or stream.row.since is None or stream.up is None:
            return self._cursor.horizon(stream.name)
        return self._cursor.horizon(f"{stream.name}/{stream.up.key_of(parent)}")

    def _take(
        self,
        stream: BoundStream,
        records: Sequence[Record],
        parent: Record | None,
        horizon: Horizon,
    ) -> tuple[list[_Item], bool]:
        """Return the records of a page; and whether the rest of a listing is older than wanted."""
        how, bound = stream.row.since, None
        if how and how.param is None and horizon.before and not self._full:
            bound = horizon.before - how.overlap
        items: list[_Item] = []
        last = None
        for found in records:
            record = found if parent is None else below(parent, found)
            key = stream.key_of(record)
            item = _Item(record, key, stream.id_of(key))
            updated = stream.updated_of(record)
            if bound is not None:
                if updated is None:
                    raise unexpected_answer(f"'{stream.name}'")
                if last is not None and updated > last:
                    raise SourceUnavailable(f"'{stream.name}' does not come newest first.")
                if updated < bound:
                    return items, True
                last = updated
            is_own = stream.owns(record)
            if is_own:
                item.is_known = not self._full and horizon.knows(item.id, record)
                items.append(item)
            is_settled = is_own and stream.is_settled(record)
            horizon.note(item.id, updated, record if is_settled else None)
        return items, False

    async def _read_items(
        self, stream: BoundStream, items: Sequence[_Item]
    ) -> AsyncGenerator[Event]:
        row = stream.row
        known: Mapping[str, str] = {}
        if row.version is not None:
            known = await self._source.context.known_versions([item.id for item in items])
        size = CONCURRENT_LOADS if row.load else max(1, len(items))
        for start in range(0, len(items), size):
            group = items[start : start + size]
            for item, event in zip(group, await self._make(stream, group, known), strict=True):
                if event is not None:
                    self._note(event)
                    yield event
                if row.deletes or not stream.is_wanted(item.record):
                    continue
                for child in stream.children:
                    is_due = child.row.since is not None or not item.is_known
                    if is_due and child.has_children(item.record):
                        async for event in self._read_below(child, item.record):
                            yield event

    async def _make(
        self, stream: BoundStream, group: Sequence[_Item], known: Mapping[str, str]
    ) -> list[Event | None]:
        """Return an event, or none, for each record. Raises what stops the whole sync."""
        found: dict[int, Event | WeftError | None] = {}

        async def make(number: int, item: _Item) -> None:
            # Raised here, an error would be in an ExceptionGroup.
            try:
                found[number] = await self._make_one(stream, item, known)
            except WeftError as error:
                found[number] = error

        if stream.row.load is None:
            for number, item in enumerate(group):
                await make(number, item)
        else:
            async with anyio.create_task_group() as tasks:
                for number, item in enumerate(group):
                    tasks.start_soon(make, number, item)
        return [self._event_of(item.id, found[number]) for number, item in enumerate(group)]

    async def _make_one(
        self, stream: BoundStream, item: _Item, known: Mapping[str, str]
    ) -> Event | None:
        row, record = stream.row, item.record
        if item.is_known or row.unstored:
            return None
        if row.deletes:
            return Deleted(item.id)
        if not stream.is_wanted(record):
            return None if self._full else Deleted(item.id)
        version = stream.version_of(record)
        if version is not None and known.get(item.id) == version:
            return Unchanged(item.id)
        try:
            if row.load is not None:
                loaded = await self._load(row.load, stream.name, record)
                if loaded is None:
                    return None if self._full else Deleted(item.id)
                record = loaded
            return await stream.build(item.id, item.key, record, known.get(item.id))
        except Unreadable as error:
            return Skipped(item.id, str(error))

    async def _load(self, load: Load, name: str, record: Record) -> Record | None:
        try:
            return await load(self._source, record)
        except ODD:
            raise unexpected_answer(f"'{name}'") from None

    def _event_of(self, entity_id: str, outcome: Event | WeftError | None) -> Event | None:
        if not isinstance(outcome, WeftError):
            return outcome
        if isinstance(outcome, ResponseTooLarge):
            # Another try would end no better, so the cursor need not wait for one.
            self._too_large.add(entity_id)
        is_one = isinstance(outcome, SourceMisconfigured | AccessDenied)
        if isinstance(outcome, RateLimited | ConnectionFault) and not is_one:
            raise outcome
        return Failed(entity_id, line_of(outcome.message))

    def _note(self, event: Event) -> None:
        """Note what was named, and give up where the service fails for one record after another."""
        if isinstance(event, Failed):
            self._failures += 1
            if self._failures >= FAILURES_IN_A_ROW_MAX:
                raise SourceUnavailable(f"{self._failures} records in a row could not be read.")
        elif isinstance(event, Entity):
            self._failures = 0
        if not isinstance(event, Entity | Unchanged | Failed | Skipped):
            return
        self._recent.add(event.id)
        self._order.append(event.id)
        if len(self._order) > RECENT_MAX:
            self._recent.discard(self._order.popleft())

    async def _mark_feeds(self) -> None:
        """Note, before all is listed, from where on feeds of changes are read afterwards."""
        for root in self._roots:
            feed = root.row.feed
            if feed is not None:
                answer = await self._api.get(feed.start_path, what=f"'{root.name}'")
                self._cursor.marks[root.name] = _mark_at(answer, feed.start_at, root.name)

    async def _read_feed(self, stream: BoundStream, feed: Feed) -> AsyncGenerator[Event]:
        mark = self._cursor.marks[stream.name]
        asked = Asked(f"the changes of '{stream.name}'", feed.path, params=dict(feed.params))
        asked.put(feed.mark_param, mark)
        pages = read_pages(self._api, asked, feed.paging, feed.records, optional=feed.optional)
        try:
            async for page in pages:
                changed: dict[str, _Item | None] = {}
                for change in changes_in(feed, page.records, asked.what):
                    key = change.key if not isinstance(change, Changed) else None
                    record = change.record if isinstance(change, Changed) else {}
                    key = stream.key_of(record) if key is None else key
                    item = _Item(record, key, stream.id_of(key))
                    changed[item.id] = item if isinstance(change, Changed) else None
                for entity_id, item in changed.items():
                    if item is None:
                        yield Deleted(entity_id)
                items = [item for item in changed.values() if item is not None]
                records = await stream.prepare(self._source, [item.record for item in items])
                for item, record in zip(items, records, strict=True):
                    item.record = record
                async for event in self._read_items(stream, items):
                    yield event
                if page.following is None:
                    mark = _mark_at(page.answer, feed.mark, stream.name)
        except (Missing, PlaceLost):
            raise CursorExpired(f"The changes of '{stream.name}' do not go back so far.") from None
        self._cursor.marks[stream.name] = mark


def _gaps_in(stream: BoundStream, page: Page, items: Sequence[_Item]) -> Iterator[str]:
    """Yield why a page may lack records."""
    if page.gap:
        yield page.gap
    if stream.is_cut(page.answer):
        yield f"the service cut the list of '{stream.name}' off"
    by_id = {item.id: item.record for item in items}
    if len(by_id) < len(items) and any(by_id[item.id] != item.record for item in items):
        yield f"different records of '{stream.name}' have the same key"


def _mark_at(answer: object, path: str, name: str) -> JsonValue:
    mark = find(answer, path)
    if isinstance(mark, str | int) and mark != "":
        return mark
    raise unexpected_answer(f"the changes of '{name}'")
