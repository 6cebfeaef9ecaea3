"""What a document turns into."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from weft.domain.base import Json

TEXT_CHARS_MAX: Final = 10_000_000
BROKEN: Final = "broken, or not what its name says"
HEADINGS_MAX: Final = 50
HEADING_CHARS_MAX: Final = 200


class Unreadable(Exception):
    """The content has no text that could be stored; its argument is the reason, to be shown."""


@dataclass(slots=True)
class Document:
    """The title, if the document has one of its own, the text, and metadata such as page counts."""

    title: str = ""
    text: str = ""
    facts: Json = field(default_factory=dict[str, JsonValue])


class TextParts:
    """Collects the lines of a text. Raises Unreadable beyond `TEXT_CHARS_MAX`."""

    def __init__(self) -> None:
        self.headings: list[str] = []
        self._lines: list[str] = []
        self._size = 0

    def add(self, line: str) -> None:
        line = line.rstrip()
        if not line:
            return
        self._size += len(line) + 1
        if self._size > TEXT_CHARS_MAX:
            raise Unreadable(f"more than {TEXT_CHARS_MAX:,} characters of text")
        self._lines.append(line)

    def add_heading(self, line: str) -> None:
        heading = " ".join(line.split())
        if heading and len(self.headings) < HEADINGS_MAX:
            self.headings.append(heading[:HEADING_CHARS_MAX])
        self.add(heading)

    def join(self) -> str:
        return "\n".join(self._lines)
