"""Turns a message into text: in a child process, as all documents are."""

import email.policy
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from typing import Any, Final

from pydantic import JsonValue

from weft.document.child import THREAD_BYTES_MAX, TooCostly, run_parser
from weft.document.formats.mail import read_header
from weft.document.model import Unreadable
from weft.document.read import parse_file
from weft.domain.base import Json
from weft.domain.text.characters import clean_line

SUBJECT_CHARS_MAX: Final = 300
REFERENCES_MAX: Final = 50
_ID_CHARS_MAX: Final = 250


@dataclass(slots=True)
class MailText:
    """The subject, the text with that of attachments, and who wrote to whom about what."""

    subject: str = ""
    text: str = ""
    facts: Json = field(default_factory=dict[str, JsonValue])


async def read_message(content: bytes) -> MailText:
    """Read a message. Raises Unreadable, and SourceUnavailable as `run_parser`."""
    try:
        # However short, it may have attachments that unpack to gigabytes.
        return await run_parser(max(len(content), THREAD_BYTES_MAX + 1), parse_message, content)
    except TooCostly:
        raise Unreadable("takes too much memory or time to read") from None


def parse_message(content: bytes) -> MailText:
    """Read a message in this process. Raises Unreadable."""
    document = parse_file("message.eml", content)
    headers: Any = BytesHeaderParser(policy=email.policy.default).parsebytes(content)
    subject = clean_line(read_header(headers, "Subject"))[:SUBJECT_CHARS_MAX].strip()
    references = _read_ids(read_header(headers, "References"))
    own, answered = (
        next(iter(_read_ids(read_header(headers, name))), "")
        for name in ("Message-ID", "In-Reply-To")
    )
    facts: Json = {"message_id": own, "in_reply_to": answered, "references": [*references]}
    return MailText(
        subject,
        document.text,
        document.facts | {name: value for name, value in facts.items() if value},
    )


def _read_ids(text: str) -> list[str]:
    # The first names the thread, and the last ones the message that this one answers.
    found = [clean_line(word.strip("<>"))[:_ID_CHARS_MAX] for word in text.split()]
    found = [each for each in found if each]
    return found if len(found) <= REFERENCES_MAX else [found[0], *found[1 - REFERENCES_MAX :]]
