"""Messages in files, as mail programs save them (.eml) and as Outlook does (.msg)."""

import email
import email.policy
import io
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage, MIMEPart
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

ReadAttachment = Callable[[str, bytes], Document]


def read_eml(data: bytes, read_attachment: ReadAttachment) -> Document:
    """Read a message: who wrote to whom, the text, and the attachments. Raises Unreadable."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    headers = {name: _line(str(message.get(header, ""))) for name, header in _HEADERS.items()}
    if not any(headers.values()):
        raise Unreadable("no message: it has no sender, recipient or date")
    facts, parts = _begin(headers)
    for line in _body(message).splitlines():
        parts.add(line)
    attachments: list[str] = []
    for name, content in _attachments(message):
        attachments.append(name)
        parts.add(f"Attachment: {name}")
        try:
            parts.add(read_attachment(name, content).text)
        except Unreadable as error:
            parts.add(f"(not read: {error})")
    title = _line(str(message.get("Subject", "")))
    if attachments:
        facts["attachments"] = [*attachments]
    return Document(title, parts.join(), facts)


def read_msg(data: bytes) -> Document:
    """Read a message that Outlook saved, without its attachments. Raises Unreadable."""
    olefile: Any = import_module("olefile")
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as file:
            found = {name: _outlook_text(file, number) for name, number in _OUTLOOK.items()}
    except (OSError, ValueError, IndexError, TypeError):
        raise Unreadable(BROKEN) from None
    title, body = found.pop("title"), found.pop("body")
    facts, parts = _begin({name: _line(value) for name, value in found.items()})
    for line in body.splitlines():
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


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    text = _decode_part(part)
    return html_to_text(text).text if part.get_content_subtype() == "html" else text


def _decode_part(part: MIMEPart) -> str:
    try:
        content = part.get_content()
    except (LookupError, ValueError, KeyError):
        content = part.get_payload(decode=True)
    return (decode(content) or "") if isinstance(content, bytes) else str(content)


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(message.iter_attachments(), 1):
        if number > ATTACHMENTS_MAX:
            return
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            yield part.get_filename() or "message.eml", inner.as_bytes()
        elif not part.is_multipart():
            content = part.get_payload(decode=True)
            name = _line(part.get_filename() or "")
            yield name or f"part {number}", content if isinstance(content, bytes) else b""


def _line(text: str) -> str:
    return " ".join(text.split())[:_LINE_CHARS_MAX]


def _outlook_text(file: Any, number: str) -> str:
    for kind, encoding in (("001F", "utf-16-le"), ("001E", "cp1252")):
        name = f"__substg1.0_{number}{kind}"
        if file.exists(name):
            return file.openstream(name).read().decode(encoding, "replace").replace("\0", "")
    return ""
