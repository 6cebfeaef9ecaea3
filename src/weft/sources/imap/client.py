"""The commands that a mailbox is read with. It is only ever opened for reading (EXAMINE)."""

import re
from array import array
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from weft.domain.text.characters import clean_line
from weft.errors import AuthenticationFailed, SourceMisconfigured, SourceUnavailable
from weft.net.dates import parse_http_date
from weft.sources.imap.config import ImapCredentials
from weft.sources.imap.names import decode_name
from weft.sources.imap.tokens import Token, broken_answer, read_tokens
from weft.sources.imap.wire import Conversation, Done, Parts

FOLDERS_MAX: Final = 5_000
MESSAGES_MAX: Final = 500_000
NAME_CHARS_MAX: Final = 500
LISTED_AT_ONCE: Final = 5_000
UNASKABLE: Final = re.compile(rb"[\x00-\x1f\x7f-\xff]")

_EXISTS: Final = re.compile(rb"\* (\d{1,10}) EXISTS\Z", re.IGNORECASE)
_NUMBER_CODE: Final = re.compile(rb"\* OK \[(UIDVALIDITY|UIDNEXT) (\d{1,10})\]", re.IGNORECASE)
_FETCH: Final = re.compile(rb"\* \d{1,10} FETCH ", re.IGNORECASE)

Row = tuple[int, int, int]
"""UID, size in bytes, and the day when it came as an ordinal, 0 if unknown."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder; ``raw`` is its name as the server writes it, ``uses`` its special ones."""

    raw: bytes
    name: str
    uses: frozenset[str] = frozenset()


@dataclass(slots=True)
class Opened:
    """The state of the folder that is open, as last told. ``uid_next`` None: it was not told."""

    exists: int = 0
    uid_validity: int = 0
    uid_next: int | None = None


@dataclass(slots=True)
class Listing:
    """Messages of a folder in the order of their UIDs; of each its size in bytes and its day.

    ``is_proven``: it names all that the server counts, and nothing else.
    """

    uids: "array[int]" = field(default_factory=lambda: array("Q"))
    sizes: "array[int]" = field(default_factory=lambda: array("Q"))
    days: "array[int]" = field(default_factory=lambda: array("Q"))
    is_proven: bool = False

    def extend(self, other: "Listing") -> None:
        """Add the messages of another listing."""
        self.uids += other.uids
        self.sizes += other.sizes
        self.days += other.days


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was sent, and when it came."""

    content: bytes
    received: datetime | None


class MailClient:
    """Speaks with one server. Its errors are ours."""

    def __init__(self, conversation: Conversation) -> None:
        self._talk = conversation
        self._opened = Opened()
        self.too_many_folders = False

    async def begin(self, *, start_tls: bool) -> None:
        """Wait for the server, and begin TLS if that is asked for."""
        greeting = await self._talk.read_greeting()
        # After PREAUTH, a session that is logged in already, TLS can no longer be begun.
        if greeting[:5].upper() != b"* OK ":
            raise SourceMisconfigured(
                "What answers there is no mail server (IMAP), or it accepts no connection.",
                field="host",
                hint="Check host, port and security.",
            )
        if start_tls:
            await self._talk.start_tls()

    async def log_in(self, credentials: ImapCredentials) -> None:
        """Log in by a token or password. Raises AuthenticationFailed."""
        offered = await self._list_capabilities()
        user, token = credentials.username, credentials.access_token
        secret = credentials.password.get_secret_value() if credentials.password else ""
        if token is not None:
            if "AUTH=XOAUTH2" not in offered:
                raise SourceMisconfigured("The mail server takes no token (XOAUTH2).", field="auth")
            proof = f"user={user}\x01auth=Bearer {token.get_secret_value()}\x01\x01"
            done = await self._talk.run(b"AUTHENTICATE XOAUTH2", answer=b64encode(proof.encode()))
        elif "AUTH=PLAIN" in offered:
            proof = f"\0{user}\0{secret}"
            done = await self._talk.run(b"AUTHENTICATE PLAIN", answer=b64encode(proof.encode()))
        elif "LOGINDISABLED" in offered or not (user + secret).isascii():
            raise SourceMisconfigured("The mail server takes no such password here.", field="auth")
        else:
            done = await self._talk.run(b"LOGIN %b %b" % (_quote(user), _quote(secret)))
        if done.says_no:
            raise AuthenticationFailed(
                "The mail server refused the user name or the password.",
                hint="Many providers want an app password, or IMAP to be allowed in the settings.",
            )
        if done.status != "OK":
            raise SourceUnavailable("The mail server could not log in.")

    async def list_folders(self) -> list[Folder]:
        """Return all folders that hold messages, in the order of their names."""
        found: dict[bytes, Folder] = {}

        def take(parts: Parts) -> None:
            if parts[0][:7].upper() != b"* LIST ":
                return
            folder = _read_folder(read_tokens(parts))
            self.too_many_folders = self.too_many_folders or len(found) >= FOLDERS_MAX
            if folder and not self.too_many_folders:
                found[folder.raw] = folder

        offered = await self._list_capabilities()
        extended = {"SPECIAL-USE", "LIST-EXTENDED"} <= offered
        done = await self._talk.run(b'LIST "" "*"' + b" RETURN (SPECIAL-USE)" * extended, take)
        if done.status != "OK":
            raise SourceUnavailable("The mail server could not list the folders.")
        return _make_unique(sorted(found.values(), key=lambda folder: folder.raw))

    async def open_folder(self, raw: bytes) -> Opened | Done:
        """Open a folder, or return how the server refused."""
        self._opened = opened = Opened()

        def take(parts: Parts) -> None:
            self._note(parts)
            if found := _NUMBER_CODE.match(parts[0]):
                field_name = "uid_validity" if found[1].upper() == b"UIDVALIDITY" else "uid_next"
                setattr(opened, field_name, int(found[2]))

        done = await self._talk.run(b"EXAMINE " + _quote_bytes(raw), take)
        if done.status == "OK" and not opened.uid_validity:
            raise broken_answer()
        return opened if done.status == "OK" else done

    async def list_messages(self) -> Listing:
        """List all messages of the open folder; it is proven if it names what the server counts."""
        exists = self._opened.exists
        if not exists:
            return Listing(is_proven=await self._is_empty())
        rows: dict[int, Row] = {}
        is_good, start = True, max(1, exists - MESSAGES_MAX + 1)
        while start <= exists:
            end = start + LISTED_AT_ONCE
            # The last range is open, so that messages show that the server's count leaves out.
            last = b"*" if end > exists else b"%d" % (end - 1)
            is_good &= await self._fetch_rows(b"FETCH %d:%b" % (start, last), rows)
            start = end
        listing = _make_listing(rows.values())
        # UIDs rise with the numbers of messages, so no two have the same.
        by_number = [rows[number][0] for number in sorted(rows)]
        # Numbers are keys, and so distinct: their count, least and greatest tell if one is missing.
        # A list of all could be as long as the server claims, and fill the memory.
        counted = self._opened.exists
        is_whole = len(rows) == counted and (not rows or (min(rows), max(rows)) == (1, counted))
        listing.is_proven = is_good and is_whole and by_number == list(listing.uids)
        return listing

    async def list_since(self, uid: int) -> Listing | None:
        """List the messages of the open folder from a UID on; None if that fails."""
        rows: dict[int, Row] = {}
        if not await self._fetch_rows(b"UID FETCH %d:*" % uid, rows):
            return None
        # A server answers N:* with its last message, even if the number of that is below N.
        return _make_listing(row for row in rows.values() if row[0] >= uid)

    async def list_some(self, uids: Collection[int]) -> Listing | None:
        """List those of the messages that are in the open folder; None if that fails."""
        rows: dict[int, Row] = {}
        if not await self._fetch_rows(b"UID FETCH " + write_set(sorted(uids)), rows):
            return None
        return _make_listing(row for row in rows.values() if row[0] in uids)

    async def download(
        self, uids: Sequence[int], most: int, literal_max: int
    ) -> dict[int, Message]:
        """Return messages by UID, of each at most so many bytes; those that are gone are missing.

        Raises SourceUnavailable if one comes with more than ``literal_max`` bytes.
        """
        found: dict[int, Message] = {}
        left = literal_max

        def take(parts: Parts) -> None:
            nonlocal left
            self._note(parts)
            row = _read_fetch(parts)
            left -= sum(map(len, parts[1::2]))
            if left < 0:
                raise SourceUnavailable("The mail server sends more than it was asked for.")
            content = next((v for k, v in row.items() if k.startswith(b"BODY[]")), None)
            uid = _number(row.get(b"UID"))
            if uid in wanted and isinstance(content, bytes):
                found[uid] = Message(content, _time_of(row.get(b"INTERNALDATE")))

        wanted = frozenset(uids)
        command = b"UID FETCH %b (UID INTERNALDATE BODY.PEEK[]<0.%d>)" % (write_set(uids), most)
        done = await self._talk.run(command, take, literal_max=literal_max)
        if done.status == "BAD":
            raise SourceUnavailable("The mail server could not send messages.")
        return found

    async def _list_capabilities(self) -> frozenset[str]:
        words: set[str] = set()

        def take(parts: Parts) -> None:
            if parts[0][:13].upper() == b"* CAPABILITY ":
                words.update(parts[0][13:].decode("ascii", "replace").upper().split())

        await self._talk.run(b"CAPABILITY", take)
        if not words:
            raise broken_answer()
        return frozenset(words)

    async def _is_empty(self) -> bool:
        found: list[bytes] = []

        def take(parts: Parts) -> None:
            self._note(parts)
            if parts[0][:8].upper() == b"* SEARCH":
                found.append(parts[0][8:].strip())

        done = await self._talk.run(b"UID SEARCH ALL", take)
        return done.status == "OK" and found == [b""] and not self._opened.exists

    async def _fetch_rows(self, command: bytes, rows: dict[int, Row]) -> bool:
        """Add UID, size and day of messages by their numbers; return whether that went well."""

        def take(parts: Parts) -> None:
            self._note(parts)
            row = _read_fetch(parts)
            uid, size = _number(row.get(b"UID")), _number(row.get(b"RFC822.SIZE"))
            if uid and len(rows) <= MESSAGES_MAX and b"RFC822.SIZE" in row:
                received = _time_of(row.get(b"INTERNALDATE"))
                number = int(parts[0].split(b" ", 2)[1])
                rows[number] = (uid, size, received.date().toordinal() if received else 0)

        command += b" (UID INTERNALDATE RFC822.SIZE)"
        return (await self._talk.run(command, take)).status == "OK"

    def _note(self, parts: Parts) -> None:
        """Follow how many messages there are, which a server may tell at any time."""
        if found := _EXISTS.match(parts[0]):
            self._opened.exists = int(found[1])


def write_set(uids: Sequence[int]) -> bytes:
    """Return UIDs that rise as IMAP writes a set of them."""
    spans: list[list[int]] = []
    for uid in uids:
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in spans)


def _make_listing(rows: Iterable[Row]) -> Listing:
    by_uid = {row[0]: row for row in rows}
    ordered = [by_uid[uid] for uid in sorted(by_uid)]
    uids, sizes, days = (array("Q", (row[place] for row in ordered)) for place in range(3))
    return Listing(uids, sizes, days)


def _read_fetch(parts: Parts) -> dict[bytes, Token]:
    if not _FETCH.match(parts[0]):
        return {}
    tokens = read_tokens(parts)
    pairs = tokens[3] if len(tokens) == 4 else None
    if not isinstance(pairs, list) or len(pairs) % 2:
        raise broken_answer()
    names = (name.upper() if isinstance(name, bytes) else b"" for name in pairs[::2])
    return dict(zip(names, pairs[1::2], strict=True))


def _read_folder(tokens: list[Token]) -> Folder | None:
    if len(tokens) < 5 or not isinstance(tokens[2], list) or not isinstance(tokens[4], bytes):
        raise broken_answer()
    flags = {flag.lower() for flag in tokens[2] if isinstance(flag, bytes)}
    raw, divider = tokens[4], tokens[3]
    if flags & {b"\\noselect", b"\\nonexistent"}:
        return None
    name = decode_name(raw) or raw.decode("latin-1")
    if isinstance(divider, bytes) and divider:
        name = name.replace(divider.decode("latin-1"), "/")
    name = "INBOX" if name.upper() == "INBOX" else clean_line(name)[:NAME_CHARS_MAX]
    uses = frozenset(flag.removeprefix(b"\\").decode("latin-1") for flag in flags)
    return Folder(raw, name or "?", uses)


def _make_unique(folders: Sequence[Folder]) -> list[Folder]:
    """Give another name to folders that would look the same when it is cleaned."""
    found: dict[str, Folder] = {}
    for folder in folders:
        name = folder.name
        while name in found:
            name += "~"
        found[name] = Folder(folder.raw, name, folder.uses)
    return list(found.values())


def _quote(text: str) -> bytes:
    return _quote_bytes(text.encode())


def _quote_bytes(text: bytes) -> bytes:
    if UNASKABLE.search(text):
        raise SourceMisconfigured("A name or password has a character that cannot be sent.")
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _number(token: Token) -> int:
    return int(token) if isinstance(token, bytes) and token.isdigit() and len(token) < 11 else 0


def _time_of(token: Token) -> datetime | None:
    return parse_http_date(token.decode("latin-1")) if isinstance(token, bytes) else None
