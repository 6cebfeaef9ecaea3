"""Reads the folders of a mailbox one after another, and tells what of them cannot be believed."""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import anyio

from weft.document.model import Unreadable
from weft.document.text import path_id
from weft.domain.entities import Entity
from weft.errors import CursorExpired, SourceUnavailable
from weft.sources.base import Deleted, Event, Expect, Failed, Skipped, SourceContext, Unchanged
from weft.sources.imap.client import UNASKABLE, Folder, Listing, MailClient, Message, Opened
from weft.sources.imap.config import ImapConfig
from weft.sources.imap.memory import FolderMemory
from weft.sources.imap.message import read_message
from weft.sources.imap.wire import Done

BATCH_MESSAGES: Final = 50
BATCH_BYTES: Final = 8 * 1024 * 1024
LOOKUP_SIZE: Final = 500
FAILURES_IN_A_ROW_MAX: Final = 50
_CONTRADICTED: Final = "whose lists are not what the server counts"
_UNTITLED: Final = "(no subject)"


class FolderReader:
    """Yields events of folders. ``now`` is the memory that it leaves, ``gaps`` count its failures.

    ``doubt``: why what is gone may be a fault. ``has_older``: messages before `after_date` exist.
    """

    def __init__(
        self,
        client: MailClient,
        config: ImapConfig,
        context: SourceContext,
        reader: int,
        before: Mapping[str, FolderMemory],
        *,
        is_full: bool,
    ) -> None:
        self._client = client
        self._config = config
        self._context = context
        self._reader = reader
        self._before = before
        self._is_full = is_full
        self._first_day = config.after_date.toordinal() if config.after_date else 0
        self._expected = 0
        self._failures = 0
        self.now: dict[str, FolderMemory] = {}
        self.gaps: Counter[str] = Counter()
        self.doubt: str | None = None
        self.has_older = False

    async def read(self, folder: Folder) -> AsyncGenerator[Event]:
        """Yield the messages of a folder, or what has come and gone there."""
        before = self._before.get(folder.name)
        if before is not None:
            self.now[folder.name] = before
        opened = await self._open(folder)
        if opened is None:
            return
        is_new = before is None or before.uid_validity != opened.uid_validity
        if before and before.uids and is_new and not opened.exists:
            self._doubt_emptied()
        # In a full listing, and in a folder that was made anew, all is to be looked at.
        old = None if is_new or self._is_full else before
        news = await self._list_news(old, opened) if old else None
        listing = news or await self._client.list_messages()
        memory = FolderMemory(folder.raw, opened.uid_validity, opened.uid_next, set(listing.uids))
        if old and news:
            memory.uids |= old.uids
        elif before and listing.is_proven and not self._is_full:
            for uid in sorted(before.uids - memory.uids):
                yield Deleted(_id_of(folder.name, uid))
        async for event in self._read_new(folder.name, memory, listing, old):
            yield event
        if news or listing.is_proven:
            self.now[folder.name] = memory
        else:
            self.gaps[_CONTRADICTED] += 1

    async def list_ids(self, folder: Folder) -> list[str]:
        """Return the ids of the messages of a folder that a full sync would look at."""
        if await self._open(folder) is None:
            return []
        listing = await self._client.list_messages()
        self.gaps[_CONTRADICTED] += not listing.is_proven
        return [_id_of(folder.name, uid) for uid, _ in self._select(listing, ())]

    async def _open(self, folder: Folder) -> Opened | None:
        if not UNASKABLE.search(folder.raw):
            opened = await self._client.open_folder(folder.raw)
            if isinstance(opened, Opened):
                return opened
        self.gaps["that could not be opened"] += 1
        return None

    async def read_unlisted(
        self, listed: Collection[str], gaps: Collection[str]
    ) -> AsyncGenerator[Event]:
        """Ask for known folders that are listed no more: only a refusal says that they are gone."""
        for name, before in self._before.items():
            if name in listed:
                continue
            opened = None if gaps else await self._client.open_folder(before.raw)
            if not isinstance(opened, Done) or not opened.says_no:
                self.now[name] = before
                self.gaps["no longer listed, but not gone either"] += 1
            elif not self._is_full:
                for uid in sorted(before.uids):
                    yield Deleted(_id_of(name, uid))

    def _doubt_emptied(self) -> None:
        if not self._is_full:
            raise CursorExpired("A folder was made anew, and is empty.")
        self.doubt = "a folder that had messages was made anew, and is empty"

    async def _list_news(self, before: FolderMemory, opened: Opened) -> Listing | None:
        """List what came since, if nothing can have gone; None if all must be listed."""
        if before.uid_next is None or opened.uid_next is None:
            return None
        listing = Listing()
        if opened.uid_next != before.uid_next:
            found = await self._client.list_since(before.uid_next)
            if found is None:
                return None
            listing = found
        if len(before.uids) + len(listing.uids) != opened.exists:
            return None
        left = sorted(before.left)
        for start in range(0, len(left), LOOKUP_SIZE):
            again = await self._client.list_some(left[start : start + LOOKUP_SIZE])
            if again is None:
                return None
            listing.extend(again)
        return listing

    async def _read_new(
        self, folder: str, memory: FolderMemory, listing: Listing, old: FolderMemory | None
    ) -> AsyncGenerator[Event]:
        """Yield the messages of a listing that were not read before, the newest first."""
        rows = self._select(listing, old.uids - old.left if old else ())
        self._expected += len(rows)
        yield Expect(self._expected)
        version = f"{self._reader}-{memory.uid_validity}"
        for group in _chunks(rows, LOOKUP_SIZE):
            ids = {uid: _id_of(folder, uid) for uid, _ in group}
            stored = await self._context.known_versions(ids.values())
            wanted: list[tuple[int, int]] = []
            for uid, size in group:
                if stored.get(ids[uid]) == version:
                    yield Unchanged(ids[uid])
                elif size > self._config.max_message_size:
                    yield Skipped(ids[uid], self._too_large())
                else:
                    wanted.append((uid, size))
            for batch in _batches(wanted):
                for uid, event in await self._read_batch(folder, version, batch):
                    if isinstance(event, Failed):
                        memory.left.add(uid)
                    self._watch_failures(event)
                    yield event

    def _select(self, listing: Listing, known: Collection[int]) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for uid, size, day in zip(
            reversed(listing.uids), reversed(listing.sizes), reversed(listing.days), strict=True
        ):
            if day and day < self._first_day:
                self.has_older = True
            elif uid not in known:
                found.append((uid, size))
        return found

    async def _read_batch(
        self, folder: str, version: str, uids: Sequence[int]
    ) -> list[tuple[int, Event]]:
        most = self._config.max_message_size
        found = await self._client.download(
            sorted(uids), most + 1, literal_max=most + 2 * BATCH_BYTES
        )
        events: dict[int, Event] = {}

        async def make(uid: int) -> None:
            message = found.get(uid)
            if message is None or not message.content:
                events[uid] = Failed(_id_of(folder, uid), "the server did not send it")
            else:
                events[uid] = await self._make_event(folder, uid, version, message)

        async with anyio.create_task_group() as group:
            for uid in uids:
                group.start_soon(make, uid)
        return [(uid, events[uid]) for uid in uids]

    async def _make_event(self, folder: str, uid: int, version: str, message: Message) -> Event:
        entity_id = _id_of(folder, uid)
        # Some servers only guess the size before.
        if len(message.content) > self._config.max_message_size:
            return Skipped(entity_id, self._too_large())
        try:
            text = await read_message(message.content)
        except Unreadable as error:
            return Skipped(entity_id, str(error))
        except SourceUnavailable as error:
            return Failed(entity_id, error.message)
        return Entity(
            id=entity_id,
            type="message",
            title=text.subject or _UNTITLED,
            text=text.text,
            updated_at=message.received,
            metadata={"folder": folder, **text.facts},
            breadcrumbs=tuple(part for part in folder.split("/") if part),
            version=version,
        )

    def _watch_failures(self, event: Event) -> None:
        self._failures = self._failures + 1 if isinstance(event, Failed) else 0
        if self._failures >= FAILURES_IN_A_ROW_MAX:
            raise SourceUnavailable(
                f"The mail server failed for {self._failures} messages in a row."
            )

    def _too_large(self) -> str:
        return f"larger than {self._config.max_message_size:,} bytes (max_message_size)"


def _id_of(folder: str, uid: int) -> str:
    return f"{path_id(folder.encode())}/{uid}"


def _batches(rows: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    batch: list[int] = []
    total = 0
    for uid, size in rows:
        if batch and (len(batch) == BATCH_MESSAGES or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(uid)
        total += size
    if batch:
        yield batch


def _chunks(rows: Sequence[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    rest = iter(rows)
    while chunk := list(islice(rest, size)):
        yield chunk
