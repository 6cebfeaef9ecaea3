"""Messages in files, as mail programs save them (.eml) and as Outlook does (.msg)."""

import codecs
import email
import email.errors
import email.policy
import email.utils
import io
import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from importlib import import_module
from typing import Any, Final

from weft.document.html import html_to_text
from weft.document.model import BROKEN, Document, TextParts, Unreadable
from weft.document.text import decode
from weft.domain.base import Json

ATTACHMENTS_MAX: Final = 50
_HEADERS: Final = {"from": "From", "to": "To", "cc": "Cc", "date": "Date"}
_LINE_CHARS_MAX: Final = 1_000
# Outlook's numbers of properties, each the name of a stream (MS-OXPROPS).
_OUTLOOK: Final = {"title": "0037", "from": "0C1A", "to": "0E04", "cc": "0E03", "body": "1000"}
_HTML: Final = "__substg1.0_10130102"
_CODE_PAGE: Final = 0x3FFD
# When it was sent, else when it came, in tenths of a microsecond since 1601.
_DATES: Final = (0x0039, 0x0E06)
_TICKS_MAX: Final = 2**61

# It is given the name, the media type and the content.
ReadAttachment = Callable[[str, str, bytes], Document]


def read_eml(data: bytes, read_attachment: ReadAttachment) -> Document:
    """Read a message: who wrote to whom, the text, and the attachments. Raises Unreadable."""
    start = data.removeprefix(codecs.BOM_UTF8).lstrip()
    message = email.message_from_bytes(start, policy=email.policy.default)
    headers = {name: read_header(message, header) for name, header in _HEADERS.items()}
    title = read_header(message, "Subject")
    if not title and not any(headers.values()):
        raise Unreadable("no message: it has no sender, recipient, date or subject")
    facts, parts = _begin(headers)
    leaves = list(_leaves(message))
    for text in filter(_is_body, leaves):
        for line in _decode_body(text).splitlines():
            parts.add(line)
    files = list(itertools.filterfalse(_is_body, leaves))
    names: list[str] = []
    for number, part in enumerate(files[:ATTACHMENTS_MAX], 1):
        name = _name_attachment(part, number)
        names.append(name)
        parts.add(f"Attachment: {name}")
        try:
            parts.add(read_attachment(name, part.get_content_type(), _content(part)).text)
        except Unreadable as error:
            parts.add(f"(not read: {error})")
    if len(files) > ATTACHMENTS_MAX:
        parts.add(f"({len(files) - ATTACHMENTS_MAX} more attachments are not read)")
    if names:
        facts["attachments"] = [*names]
    return Document(title, parts.join(), facts)


def read_msg(data: bytes) -> Document:
    """Read a message that Outlook saved, without its attachments. Raises Unreadable."""
    olefile: Any = import_module("olefile")
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            numbers = _outlook_numbers(file)
            charset = f"cp{numbers.get(_CODE_PAGE, 1252)}"
            found = {name: _outlook_text(file, key, charset) for name, key in _OUTLOOK.items()}
            html = b"" if found["body"].strip() else _outlook_stream(file, _HTML)
    except (OSError, ValueError, IndexError, TypeError):
        raise Unreadable(BROKEN) from None
    title, body = found.pop("title"), found.pop("body")
    facts, parts = _begin(
        {name: _line(value) for name, value in found.items()} | {"date": _outlook_date(numbers)}
    )
    for line in (html_to_text(decode(html) or "").text if html else body).splitlines():
        parts.add(line)
    return Document(_line(title), parts.join(), facts)


def _begin(headers: Mapping[str, str]) -> tuple[Json, TextParts]:
    facts: Json = {}
    parts = TextParts()
    for name, value in headers.items():
        if value:
            facts[name] = value
            parts.add(f"{_HEADERS[name]}: {value}")
    return facts, parts


def read_header(message: EmailMessage, name: str) -> str:
    """Return a decoded header on one line of bounded length; empty if there is none."""
    try:
        return _line(str(message.get(name, "")))
    except (email.errors.MessageError, LookupError, ValueError, AttributeError, TypeError):
        # Python's parser of addresses stumbles over some that are none.
        raw = (text for key, text in message.raw_items() if key.lower() == name.lower())
        return _line(next(raw, ""))


def _leaves(part: Any) -> Iterator[Any]:
    """Yield the parts without parts; of alternatives the plainest, and the files of all."""
    if part.get_content_maintype() != "multipart" or not part.is_multipart():
        yield part
        return
    branches = [list(_leaves(inner)) for inner in part.iter_parts()]
    is_choice = part.get_content_subtype() == "alternative"
    chosen = max(branches, key=_plainness, default=list[Any]())
    for branch in branches:
        for leaf in branch:
            # Mail programs put attachments beside the HTML, and the pictures that it shows.
            if not is_choice or branch is chosen or not _is_shown(leaf):
                yield leaf


def _plainness(branch: list[Any]) -> int:
    kinds = [leaf.get_content_subtype() for leaf in branch if _is_body(leaf)]
    if "plain" in kinds and any(_decode_body(leaf).strip() for leaf in branch if _is_body(leaf)):
        return 2
    return 1 if "html" in kinds else 0


def _is_shown(leaf: Any) -> bool:
    return leaf.get_content_maintype() in {"text", "image"} and not leaf.is_attachment()


def _is_body(leaf: Any) -> bool:
    is_text = leaf.get_content_type() in {"text/plain", "text/html"}
    return is_text and not leaf.is_attachment() and not leaf.get_filename()


def _decode_body(part: Any) -> str:
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):
        text = _decode_oddly(part)
    return html_to_text(text).text if part.get_content_subtype() == "html" else text


def _decode_oddly(part: Any) -> str:
    content = part.get_payload(decode=True) or b""
    try:
        return content.decode(str(part.get_content_charset()).removeprefix("x-"), "replace")
    except LookupError:
        return decode(content) or ""


def _name_attachment(part: Any, number: int) -> str:
    is_mail = part.get_content_type() == "message/rfc822"
    return _line(part.get_filename() or "") or ("message.eml" if is_mail else f"part {number}")


def _content(part: Any) -> bytes:
    if part.is_multipart():
        # A message, or the groups of headers that tell why one was not delivered. They are not
        # folded anew, which would read headers that cannot be read.
        policy = email.policy.default.clone(refold_source="none")
        return b"\n".join(inner.as_bytes(policy=policy) for inner in part.get_payload())
    return part.get_payload(decode=True) or b""


def _line(text: str) -> str:
    return " ".join(text.split())[:_LINE_CHARS_MAX]


def _outlook_numbers(file: Any) -> dict[int, int]:
    """Return the properties of fixed length: 16 bytes each, behind 32 others (MS-OXMSG 2.4)."""
    entries = _outlook_stream(file, "__properties_version1.0")[32:]
    whole = entries[: len(entries) // 16 * 16]
    return {number: value for _, number, _, value in struct.iter_unpack("<HHIQ", whole)}


def _outlook_date(numbers: Mapping[int, int]) -> str:
    ticks = next((numbers[number] for number in _DATES if numbers.get(number)), 0)
    if not 0 < ticks < _TICKS_MAX:
        return ""
    moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
    return email.utils.format_datetime(moment)


def _outlook_stream(file: Any, name: str) -> bytes:
    return file.openstream(name).read() if file.exists(name) else b""


def _outlook_text(file: Any, number: str, charset: str) -> str:
    name = f"__substg1.0_{number}"
    if content := _outlook_stream(file, f"{name}001F"):
        text = content.decode("utf-16-le", "replace")
    else:
        content = _outlook_stream(file, f"{name}001E")
        try:
            text = content.decode(charset, "replace")
        except LookupError:
            text = decode(content) or ""
    return text.replace("\0", "")
