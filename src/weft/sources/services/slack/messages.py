"""Makes threads and days of Slack's messages, and readable text of its markup.

A message alone is a poor document: an answer lacks its question. So a thread is one entity, and
what was said outside of threads is one for each channel and day (UTC). Both ids stay as they are
whatever is said later, and a day is whole whenever one of its messages is listed.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from weft.sources.rest.table import Record
from weft.sources.rest.values import find, line_of, moment_of, records_of

CHARS_MAX: Final = 1_000_000
MESSAGES_MAX: Final = 5_000
_CUT: Final = "[More was said; it is too long to be read whole.]"
# An edit of a reply shows in no list of messages: threads are read again for so long, once a day.
WATCHED: Final = timedelta(days=7)
_KEPT: Final = (
    *("ts", "user", "username", "bot_profile", "text", "files", "attachments", "blocks"),
    *("edited", "subtype", "reply_count", "latest_reply"),
)
_NOTICES: Final = re.compile(
    r"(?:channel|group)_(?:join|leave|topic|purpose|name|archive|unarchive|posting_permissions)"
    r"|bot_add|bot_remove|pinned_item|unpinned_item|reminder_add|tombstone"
)
_MARKED: Final = re.compile(r"<([^<>\n]{1,4000})>")
_BLOCK_DEPTH_MAX: Final = 8

Names = Mapping[str, str]
"""The names of people by their ids."""


def day_of(message: Record) -> str:
    """Return the day on which a message was posted, in UTC; empty if that is not told."""
    at = moment_of(message.get("ts"))
    return at.astimezone(UTC).strftime("%Y-%m-%d") if at else ""


def split_day(messages: list[Record]) -> Iterator[Record]:
    """Yield a record for each thread that began on a day, and one for what else was said."""
    loose: list[Record] = []
    for message in sorted(messages, key=_order_of):
        slim = {name: message[name] for name in _KEPT if message.get(name)}
        if message.get("reply_count"):
            yield _record("thread", str(message["ts"]), [slim])
        elif message.get("thread_ts", message.get("ts")) != message.get("ts"):
            continue  # A reply that was shown in the channel too belongs to its thread.
        elif not _NOTICES.fullmatch(str(message.get("subtype") or "")):
            loose.append(slim)
    day = day_of(messages[0])
    if loose:
        yield _record("day", day, loose)
    else:
        # Its messages were deleted, or became threads.
        yield {"_key": day, "_is_gone": True, "_version": "gone", "_updated": messages[0]["ts"]}


def _record(kind: str, key: str, messages: list[Record]) -> Record:
    times = [message.get(name) for message in messages for name in ("ts", "latest_reply")]
    updated = max(times, key=seconds_of)
    body = json.dumps(messages, sort_keys=True).encode()
    version = hashlib.blake2b(body, digest_size=8).hexdigest()
    at, now = moment_of(updated), datetime.now(UTC)
    if kind == "thread" and at and now - at < WATCHED:
        version += f"@{now:%Y-%m-%d}"
    return {
        "_kind": kind,
        "_key": key,
        "_messages": messages,
        "_updated": updated,
        "_version": version,
    }


def show_messages(messages: Sequence[Record], names: Names, clock: str) -> tuple[str, bool]:
    """Return messages as text, with who wrote each when; and whether some were left out."""
    lines: list[str] = []
    chars = 0
    for message in sorted(messages, key=_order_of):
        if len(lines) >= MESSAGES_MAX or chars > CHARS_MAX:
            return "\n\n".join([*lines, _CUT]), True
        at = moment_of(message.get("ts"))
        when = f" ({at.astimezone(UTC):{clock}})" if at else ""
        lines.append(f"{author_of(message, names)}{when}: {show_message(message, names)}")
        chars += len(lines[-1])
    return "\n\n".join(lines), False


def show_message(message: Record, names: Names) -> str:
    """Return what one message says, with what is attached to it."""
    said = message.get("text") or "\n".join(_texts_in_blocks(message.get("blocks"), 0))
    parts = [show_markup(str(said), names)]
    for file in records_of(message.get("files")):
        name = line_of(file.get("title")) or line_of(file.get("name"))
        parts.append(f"[file: {name}]" if name else "")
    for attached in records_of(message.get("attachments")):
        shown = [attached.get(name) for name in ("title", "text")]
        shown = [each for each in shown if isinstance(each, str) and each]
        parts += [show_markup(each, names) for each in shown or [line_of(attached.get("fallback"))]]
    return "\n".join(part for part in parts if part)


def author_of(message: Record, names: Names) -> str:
    """Return who wrote a message."""
    user = line_of(message.get("user"))
    shown = names.get(user) or message.get("username") or find(message, "bot_profile.name")
    return line_of(shown) or user or "somebody"


def show_markup(text: str, names: Names) -> str:
    """Return text with names for mentions, links in Markdown, and nothing escaped.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    shown = _MARKED.sub(lambda found: _show_marked(found[1], names), text)
    # Slack escapes these three and no others; "&amp;lt;" stands for "&lt;".
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _show_marked(marked: str, names: Names) -> str:
    target, _, label = marked.partition("|")
    if target.startswith("@"):
        return f"@{names.get(target[1:]) or label or target[1:]}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        # <!here>, <!subteam^S1|@team> and <!date^time^form|what older clients show>
        return label or f"@{target[1:].partition('^')[0]}"
    address = target.removeprefix("mailto:")
    return f"[{label}]({address})" if label and label != address else address


def _texts_in_blocks(value: object, depth: int) -> Iterator[str]:
    """Yield the texts in blocks, of which apps build messages that have no text of their own."""
    if depth > _BLOCK_DEPTH_MAX:
        return
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _texts_in_blocks(each, depth + 1)
    elif isinstance(value, dict):
        for name, each in cast("dict[str, Any]", value).items():
            if name == "text" and isinstance(each, str):
                yield each
            else:
                yield from _texts_in_blocks(each, depth + 1)


def seconds_of(ts: object) -> float:
    """Return Slack's time of a message as a number."""
    at = moment_of(ts)
    return at.timestamp() if at else 0.0


def _order_of(message: Record) -> float:
    return seconds_of(message.get("ts"))
