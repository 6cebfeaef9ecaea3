"""The `imap` source: the messages of a mailbox.

A message never changes in IMAP: a folder's UIDVALIDITY and the message's UID name it for good. So
no message is downloaded twice, and a sync compares UIDs only. What is gone is known by a list of
all UIDs of a folder, which is believed only if it names each message that the server counts.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from typing import Final, cast

import anyio.to_thread
from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.jobs import FindingKind
from weft.domain.text.words import quantity
from weft.errors import CursorExpired, NotPermitted
from weft.net.addresses import AllowList
from weft.net.streams import open_stream
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Incomplete,
    Named,
    Omitted,
    PreviewEvent,
    Source,
    SourceContext,
)
from weft.sources.imap.client import Folder, MailClient
from weft.sources.imap.config import ImapConfig, ImapCredentials
from weft.sources.imap.folders import FolderReader
from weft.sources.imap.memory import dump_memory, parse_memory
from weft.sources.imap.wire import Conversation
from weft.sources.patterns import Fits, PatternWatch, WrongPattern, pin_patterns

# Part of every version: raise it when the reader improves, so that all messages are read again.
READER: Final = 1
LEFT_OUT: Final = frozenset({"trash", "junk", "drafts", "all", "flagged", "important"})
"""The special uses (RFC 6154) of folders that are read only if the configuration names them."""
_NAMES_LEFT_OUT: Final = frozenset(
    {"trash", "deleted items", "deleted messages", "junk", "junk e-mail", "junk email", "spam"}
    | {"bulk mail", "drafts"}
)


class ImapSource(Source[ImapConfig, ImapCredentials]):
    """A mailbox on any server that speaks IMAP."""

    short_name = "imap"
    name = "Mailbox (IMAP)"
    description = "Messages of a mailbox, with the text of their attachments."
    Config = ImapConfig
    Credentials = ImapCredentials
    supports_continuous = True
    cursor_fields = ("folders",)
    entity_types = ("message",)
    labels = ("mail", "email", "inbox", "gmail", "outlook", "exchange")
    checked_against = "real servers"

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the server's origin; another one if it would be reached without TLS."""
        del options
        if not isinstance(config, ImapConfig):
            return None
        scheme = "imap" if config.security == "plain" else "imaps"
        host = f"[{config.host}]" if ":" in config.host else config.host
        return f"{scheme}://{host}:{config.port_number}"

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the patterns ones of folder names."""
        del context
        return pin_patterns(config, _locate, negates=False)

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Raise NotPermitted for a password without TLS where the operator did not allow that."""
        wanted = cast("ImapConfig", config)
        allowed = AllowList.parse(context.allow_hosts)
        if wanted.security == "plain" and not allowed.permits_by_name(
            wanted.host, wanted.port_number
        ):
            raise NotPermitted(
                "Only hosts that the operator names can be reached without TLS.",
                field="security",
                hint="Use tls or starttls, or have the operator add the host to WEFT_ALLOW_HOSTS.",
                needs=f"may reach {wanted.host} without TLS (WEFT_ALLOW_HOSTS)",
            )

    async def check(self) -> str:
        """Log in and list the folders."""
        async with self._open() as client:
            folders = self._choose(await client.list_folders())
        return f"{self.config.host}, {quantity(len(folders), 'folder')} to read"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the messages of all folders, and the patterns that no folder fits."""
        config = self.config
        watch = PatternWatch({"include": config.include, "exclude": config.exclude}, _compile)
        async with self._open() as client:
            reader = FolderReader(client, config, self.context, READER, {}, is_full=True)
            listed = await client.list_folders()
            for folder in listed:
                watch.see(tuple(folder.name.split("/")), is_folder=True)
            for folder in self._choose(listed):
                for entity_id in await reader.list_ids(folder):
                    yield Named(entity_id, "message")
            gaps = [*_find_gaps(client, listed), *_describe(reader)]
        for unmatched in await anyio.to_thread.run_sync(watch.list_unmatched):
            yield unmatched
        for gap in gaps:
            yield Incomplete(gap)
        if not gaps:
            yield Complete("each folder listed all messages that it counts")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all messages, or what has come and gone since the cursor."""
        before = parse_memory(self.context.last_cursor if cursor is None else cursor, self._scope())
        if cursor is not None and before is None:
            raise CursorExpired("The cursor belongs to another mailbox or selection.")
        async with self._open() as client:
            reader = FolderReader(
                client, self.config, self.context, READER, before or {}, is_full=cursor is None
            )
            listed = await client.list_folders()
            gaps = _find_gaps(client, listed)
            for folder in self._choose(listed):
                async for event in reader.read(folder):
                    yield event
            async for event in reader.read_unlisted({folder.name for folder in listed}, gaps):
                yield event
        gaps += _describe(reader)
        for gap in gaps:
            yield Incomplete(gap)
        if reader.has_older:
            yield Omitted(FindingKind.OLDER, None, "after_date")
        yield Checkpoint(dump_memory(self._scope(), reader.now))
        if cursor is None and not gaps:
            said = f"{quantity(len(reader.now), 'folder')}, in each all messages that it counts"
            yield Complete(said, reader.doubt)

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[MailClient]:
        self.require_access(self.config, self.context)
        host, port = self.config.host, self.config.port_number
        async with open_stream(host, port, self.context.allow_hosts) as stream:
            if self.config.security == "tls":
                await stream.start_tls()
            conversation = Conversation(stream)
            client = MailClient(conversation)
            await client.begin(start_tls=self.config.security == "starttls")
            await client.log_in(self.credentials)
            yield client
            await conversation.say_goodbye()

    def _choose(self, folders: Sequence[Folder]) -> list[Folder]:
        has_uses = any(folder.uses & LEFT_OUT for folder in folders)
        return [folder for folder in folders if self._wants(folder, has_uses=has_uses)]

    def _wants(self, folder: Folder, *, has_uses: bool) -> bool:
        if _matches(folder.name, self.config.exclude):
            return False
        if self.config.include:
            return _matches(folder.name, self.config.include)
        if has_uses:
            return not folder.uses & LEFT_OUT
        # A server that tells no uses has such folders by their usual names.
        return folder.name.rpartition("/")[2].lower() not in _NAMES_LEFT_OUT

    def _scope(self) -> Json:
        wanted = self.config.model_dump(mode="json", exclude={"port", "security"})
        return {**wanted, "reader": READER, "username": self.credentials.username}


def _find_gaps(client: MailClient, listed: Sequence[Folder]) -> list[str]:
    if client.too_many_folders:
        return ["the mailbox has too many folders to list"]
    # Every mailbox has one.
    if not any(folder.name == "INBOX" for folder in listed):
        return ["the server lists no INBOX, so it may not list other folders as well"]
    return []


def _describe(reader: FolderReader) -> list[str]:
    return [f"{quantity(count, 'folder')} {why}" for why, count in reader.gaps.items() if count]


def _compile(pattern: str) -> Fits:
    return lambda parts, _: fnmatchcase("/".join(parts), pattern)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _locate(text: str) -> str:
    text = text.strip("/")
    if not text:
        raise WrongPattern("names all folders", "Leave it out: without any, all are read.")
    return "INBOX" if text.upper() == "INBOX" else text
