"""`gmail`: the messages of a mailbox, with their attachments."""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar, Final, Literal, cast, get_args
from urllib.parse import quote

import anyio
import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from weft.document.child import run_parser
from weft.document.model import Unreadable
from weft.domain.connections import AuthMethod
from weft.errors import WeftError
from weft.net.errors import ResponseTooLarge, decode_json
from weft.sources.base import OAuth1, OAuth2, SourceContext
from weft.sources.imap.message import read_message
from weft.sources.rest.api import Missing
from weft.sources.rest.paging import Asked, read_pages, unexpected_answer
from weft.sources.rest.source import RestSource
from weft.sources.rest.table import (
    Budget,
    Changed,
    Feed,
    Gone,
    Record,
    Request,
    Single,
    Stream,
    Token,
)
from weft.sources.rest.values import find, line_of
from weft.sources.services.google.common import (
    GoogleCredentials,
    find_google_error,
    google_oauth,
)

# The version of each message, which never changes: raise it when the reading improves.
READER: Final = "1"
MESSAGE_BYTES_MAX: Final = 20 * 1024 * 1024
# In Base64, with the rest of the answer.
_ANSWER_BYTES_MAX: Final = MESSAGE_BYTES_MAX // 3 * 4 + 64 * 1024
# A message is held in memory several times while it is decoded.
DOWNLOADS_MAX: Final = 3
LABELS_MAX: Final = 50
CHANGED_MAX: Final = 50_000
_NEVER: Final = ("trash", "spam", "draft", "chat")
_ANSWERED: Final = re.compile(r"^(?:(?:re|fwd?|aw|wg|sv|tr|rv)(?:\[\d+\])?:\s*)+", re.IGNORECASE)
_PAGES: Final[dict[str, Any]] = {
    "param": "pageToken",
    "at": "nextPageToken",
    "size_param": "maxResults",
    "size": 500,
}

Category = Literal["primary", "promotions", "social", "updates", "forums"]
_NAMES: Final[Mapping[str, str]] = {
    f"CATEGORY_{'personal' if name == 'primary' else name}".upper(): name
    for name in get_args(Category)
}
_Labels = dict[str, str]


class GmailConfig(BaseModel):
    """Which messages are read."""

    model_config = ConfigDict(extra="forbid")

    after_date: date | None = Field(
        default=None,
        title="After date",
        description="Read messages that came on this day (UTC) or later, e.g. 2026-01-31.",
    )
    included_labels: list[str] = Field(
        default=["inbox", "sent"],
        max_length=LABELS_MAX,
        title="Included labels",
        description="Read messages with one of these labels; [] reads all mail, archived mail too.",
    )
    excluded_labels: list[str] = Field(
        default=["spam", "trash"],
        max_length=LABELS_MAX,
        title="Excluded labels",
        description="Leave out messages with one of these labels. Trash and spam are never read.",
    )
    excluded_categories: list[Category] = Field(
        default=["promotions", "social"],
        title="Excluded categories",
        description="Leave out these: primary, promotions, social, updates, forums.",
    )
    gmail_query: str | None = Field(
        default=None,
        max_length=1_000,
        title="Gmail query",
        description="What to read, as written into Gmail's search; replaces all other filters.",
    )

    @field_validator("after_date", mode="before")
    @classmethod
    def _read_slashes(cls, value: object) -> object:
        return value.strip().replace("/", "-") if isinstance(value, str) else value

    @field_validator("included_labels", "excluded_labels")
    @classmethod
    def _check_labels(cls, value: list[str]) -> list[str]:
        if not all(map(_name_of, value)):
            raise ValueError("a label must have a letter or a digit in it")
        return value


async def mark_changed(source: "GmailSource", records: Sequence[Record]) -> Sequence[Record]:
    """Mark those of a listing, which shows no labels, whose labels changed since the last one."""
    if all(record.get("_is_changed") for record in records):
        return records
    changed = await source.find_changed()
    return [
        {**record, "_is_changed": True} if line_of(record.get("id")) in changed else record
        for record in records
    ]


async def load_message(source: "GmailSource", listed: Record) -> Record | None:
    """Read a message; None if it is gone, or if a change of its labels put it out of the choice."""
    key = line_of(listed.get("id"))
    try:
        async with source.downloads:
            message, content = await _download(source, key)
    except Missing:
        return None
    labels = await source.find_labels()
    names = sorted(labels.get(each, each) for each in _label_ids_of(message))
    if listed.get("_is_of_feed") and not fits(source.config, names, message):
        return None
    mail = await read_message(content)
    return {
        **message,
        "_subject": mail.subject,
        "_thread": _ANSWERED.sub("", mail.subject),
        "_text": mail.text,
        "_facts": mail.facts,
        "_labels": names,
    }


async def _download(source: "GmailSource", key: str) -> tuple[Record, bytes]:
    """Return a message as Gmail describes it, and as it was sent.

    Raises Unreadable for one that Gmail says is too large.
    """
    place, what = f"/messages/{quote(key, safe='')}", "a message"
    try:
        answer = await source.api.download(
            place, what=what, params={"format": "raw"}, bytes_max=_ANSWER_BYTES_MAX
        )
    except ResponseTooLarge:
        about = await source.api.get(place, what=what, params={"format": "minimal"})
        size = find(about, "sizeEstimate")
        if isinstance(size, int) and size > MESSAGE_BYTES_MAX:
            raise Unreadable(f"larger than {MESSAGE_BYTES_MAX} bytes") from None
        raise
    message = await run_parser(len(answer), decode_json, answer, what)
    raw = find(message, "raw")
    if find(message, "id") != key or not isinstance(raw, str) or not raw:
        raise unexpected_answer(what)
    try:
        content = base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise unexpected_answer(what) from None
    return {name: part for name, part in message.items() if name != "raw"}, content


def query_of(config: GmailConfig) -> str:
    """Return what Gmail's search is asked for, if not for a query of the configuration's own.

    It leaves out trash and spam by itself.
    """
    parts = [f"after:{_seconds_of(config.after_date) - 1}"] if config.after_date else []
    included = [_term_of(label) for label in config.included_labels]
    parts += [f"({' OR '.join(included)})"] if included else []
    parts += [f"-{_term_of(label)}" for label in config.excluded_labels]
    parts += [f"-category:{name}" for name in config.excluded_categories]
    return " ".join((*parts, "-in:drafts", "-in:chats"))


def fits(config: GmailConfig, labels: Iterable[str], message: Record) -> bool:
    """Return whether `query_of` would find a message, without asking for it."""
    names = {_NAMES.get(label) or _name_of(label) for label in labels}
    left_out = {*map(_name_of, config.excluded_labels), *_NEVER, *config.excluded_categories}
    came = line_of(message.get("internalDate"))
    if config.after_date and came.isdecimal():
        is_older = int(came) < _seconds_of(config.after_date) * 1000
    else:
        is_older = False
    included = set(map(_name_of, config.included_labels))
    return not is_older and not names & left_out and (not included or bool(names & included))


def _seconds_of(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _name_of(label: str) -> str:
    """Return a label as Gmail's search writes it."""
    return re.sub(r"[^\w]+", "-", label.strip().lower()).strip("-")


def _term_of(label: str) -> str:
    """Return what finds a label in Gmail's search, for which categories are none."""
    name = _name_of(label)
    return f"category:{name}" if name in _NAMES.values() else f"label:{name}"


def _label_ids_of(message: Record) -> list[str]:
    found = message.get("labelIds")
    return [line_of(each) for each in cast("list[Any]", found)] if isinstance(found, list) else []


def _changes_in(change: Record) -> Iterable[Changed | Gone]:
    for name in ("messagesAdded", "labelsAdded", "labelsRemoved"):
        for key in _messages_in(change, name):
            yield Changed(record={"id": key, "_is_changed": True, "_is_of_feed": True})
    for key in _messages_in(change, "messagesDeleted"):
        yield Gone(key=key)


def _messages_in(change: Record, name: str) -> list[str]:
    found = change.get(name)
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    keys = [line_of(find(each, "message.id")) for each in listed]
    if not all(keys):
        raise unexpected_answer("a change")
    return keys


class GmailSource(RestSource[GmailConfig, GoogleCredentials]):
    """A mailbox at Gmail.

    https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/list,
    https://developers.google.com/workspace/gmail/api/guides/sync and
    https://developers.google.com/workspace/gmail/api/reference/quota.
    """

    short_name = "gmail"
    name = "Gmail"
    description = "Messages of a Gmail mailbox, with their attachments."
    labels = ("mail", "email", "messages", "inbox", "google")
    checked_against = "the vendor's published description"
    Config = GmailConfig
    Credentials = GoogleCredentials
    auth_methods = tuple(AuthMethod)
    base_url = "https://gmail.googleapis.com/gmail/v1/users/me"
    # 6,000 units a minute in newer projects. A message costs 5 by the older table; this leaves 20.
    budget = Budget(requests=300, seconds=60)
    check_request = Request(path="/profile", shows="emailAddress")
    streams: ClassVar[tuple[Stream, ...]] = (
        Stream(
            name="message",
            path="/messages",
            records="messages",
            optional=True,
            # Each answer has it, an empty one too.
            cut=lambda answer: "resultSizeEstimate" not in answer,
            paging=Token(**_PAGES),
            prepare=mark_changed,
            feed=Feed(
                start_path="/profile",
                start_at="historyId",
                path="/history",
                mark_param="startHistoryId",
                mark="historyId",
                records="history",
                optional=True,
                paging=Token(**_PAGES),
                changes=_changes_in,
            ),
            # The listing has ids only, so it costs little to look each day.
            forgets=True,
            version=lambda message: None if message.get("_is_changed") else READER,
            load=load_message,
            title="_subject",
            text="_text",
            url="https://mail.google.com/mail/#all/{id}",
            updated="internalDate",
            author="_facts.from",
            breadcrumbs=("_thread",),
            metadata={
                **{
                    name: f"_facts.{name}"
                    for name in ("from", "to", "cc", "date", "attachments", "message_id")
                },
                "thread_id": "threadId",
                "labels": "_labels",
            },
        ),
    )

    def __init__(
        self, config: GmailConfig, credentials: GoogleCredentials, context: SourceContext
    ) -> None:
        super().__init__(config, credentials, context)
        self.downloads = anyio.Semaphore(DOWNLOADS_MAX)
        self._asking = anyio.Lock()
        self._labels: _Labels | None = None
        self._changed: set[str] | None = None

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return Google's consent page."""
        del config, options
        return google_oauth("gmail.readonly")

    def table(self) -> tuple[Stream, ...]:
        """Return the stream of what the configuration wants.

        Whether a query fits what has changed is known to Gmail alone, so all ids are listed.
        """
        [row] = self.streams
        if self.config.gmail_query:
            changed = {"params": {"q": "{config.gmail_query}"}, "feed": None}
        else:
            changed = {"params": {"q": query_of(self.config)}}
        return (row.model_copy(update=changed),)

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Return the error that an answer names by its reason."""
        return find_google_error(response, answer, "the Gmail API")

    async def find_labels(self) -> Mapping[str, str]:
        """Return the names of labels by their id, which are asked for once."""
        async with self._asking:
            if self._labels is None:
                asked = Asked("the labels", "/labels")
                found: _Labels = {}
                async for page in read_pages(self.api, asked, Single(), "labels"):
                    found |= {
                        line_of(each.get("id")): line_of(each.get("name")) for each in page.records
                    }
                if "INBOX" not in found:
                    raise unexpected_answer(asked.what)
                self._labels = found
            return self._labels

    async def find_changed(self) -> Collection[str]:
        """Return the messages that changed since the last sync, as far as Gmail remembers."""
        if self._changed is None:
            self._changed = set()
            mark = find(self.context.last_cursor, "marks.message")
            if isinstance(mark, str | int):
                await self._read_changed(mark, self._changed)
        return self._changed

    async def _read_changed(self, mark: str | int, changed: set[str]) -> None:
        asked = Asked("the changes", "/history", params={"startHistoryId": mark})
        pages = read_pages(self.api, asked, Token(**_PAGES), "history", optional=True)
        try:
            async for page in pages:
                for change in (each for record in page.records for each in _changes_in(record)):
                    if isinstance(change, Changed):
                        changed.add(line_of(change.record["id"]))
                if len(changed) > CHANGED_MAX:
                    break
        except Missing:
            # Too long ago: the labels of known messages stay as they were.
            return
