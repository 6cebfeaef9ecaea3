"""OpenDocument texts, sheets and slides, and EPUB books."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from weft.document.formats.markup import (
    Archive,
    Event,
    find_attribute,
    read_number,
    read_properties,
)
from weft.document.html import html_to_text
from weft.document.model import BROKEN, Document, TextParts, Unreadable
from weft.document.text import decode

_SPACES_MAX: Final = 999
_GAPS: Final = {"tab": "\t", "line-break": "\n"}
_MARGINS: Final = frozenset({"header", "footer"})
# What stands inside a paragraph, and has paragraphs of its own beside its author, number or name.
_ANCHORED: Final = frozenset({"annotation", "note", "frame"})


def read_open_document(data: bytes) -> Document:
    """Read an .odt, .ods or .odp: its sheets and slides by name. Raises Unreadable."""
    archive, parts = Archive(data, "content.xml"), TextParts()
    if any(tag == "encryption-data" for _, tag, _ in archive.events("META-INF/manifest.xml")):
        raise Unreadable("protected by a password")
    # Those of sheets and slides hold no more than a page's number.
    if archive.read("mimetype").endswith(b".text"):
        for _, line in _lines(_inside(archive.events("styles.xml"), _MARGINS)):
            parts.add(line)
    counts = {"table": 0, "page": 0}
    for kind, line in _lines(archive.events("content.xml")):
        if kind in counts:
            counts[kind] += 1
            line = f"{'Sheet' if kind == 'table' else f'Slide {counts[kind]}'}: {line}"
        (parts.add if kind == "p" else parts.add_heading)(line)
    title, facts = read_properties(archive.events("meta.xml"))
    if parts.headings:
        facts["headings"] = [*parts.headings]
    if counts["page"]:
        facts["slides"] = counts["page"]
    return Document(title, parts.join(), facts)


def _inside(events: Iterator[Event], tags: frozenset[str]) -> Iterator[Event]:
    depth = 0
    for event in events:
        is_edge = event[0] != "text" and event[1] in tags
        if is_edge:
            depth += 1 if event[0] == "start" else -1
        elif depth:
            yield event


def _lines(events: Iterator[Event]) -> Iterator[tuple[str, str]]:
    """Yield paragraphs ("p"), headings ("h"), and the names of sheets ("table") and pages."""
    line = _Line()
    is_sheet = False
    changes = 0
    for kind, tag, attributes in events:
        if tag == "tracked-changes" and kind != "text":
            changes += 1 if kind == "start" else -1
        elif changes:
            # It was deleted from the text.
            continue
        elif kind == "text":
            line.add_text(tag)
        elif kind == "end":
            if ended := line.close(tag):
                yield ended, line.take()
        elif tag == "page" or (tag == "table" and is_sheet):
            yield tag, find_attribute(attributes, "name")
        else:
            is_sheet |= tag == "spreadsheet"
            line.open(tag, attributes)


class _Line:
    """What has been read of one paragraph, or of one row of a table."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        # Of each open paragraph, and of each thing anchored in one, whether it is a paragraph.
        self._levels: list[bool] = []
        self._rows = 0

    def add_text(self, text: str) -> None:
        # Between paragraphs there is only what indents the tags.
        if self._levels and self._levels[-1]:
            self._pieces.append(text)

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in {"p", "h"}:
            self._part()
            self._levels.append(True)
        elif tag in _ANCHORED:
            self._levels.append(False)
        elif tag == "table-row":
            self._rows += 1
        elif tag == "s":
            count = read_number(find_attribute(attributes, "c")) or 1
            self._pieces.append(" " * min(count, _SPACES_MAX))
        elif tag in _GAPS:
            self._pieces.append(_GAPS[tag])

    def close(self, tag: str) -> str | None:
        """Return the kind of line that ends here, if one does."""
        if tag in _ANCHORED:
            self._levels.pop()
        elif tag in {"p", "h"}:
            self._levels.pop()
            if not self._rows and True not in self._levels:
                return tag
            self._part()
        elif tag == "table-cell":
            self._pieces.append("\t")
        elif tag == "table-row":
            self._rows -= 1
            return None if self._rows else "p"
        return None

    def _part(self) -> None:
        if self._pieces and not self._pieces[-1].isspace():
            self._pieces.append(" " if self._rows else "\n")

    def take(self) -> str:
        line, self._pieces = "".join(self._pieces), []
        return "\t".join(cell.strip() for cell in line.split("\t"))


def read_epub(data: bytes) -> Document:
    """Read the chapters of a book in their order. Raises Unreadable."""
    archive, parts = Archive(data, "META-INF/container.xml"), TextParts()
    package = next(
        (
            attributes.get("full-path", "")
            for kind, tag, attributes in archive.events("META-INF/container.xml")
            if kind == "start" and tag == "rootfile"
        ),
        "",
    )
    if package not in archive.names:
        raise Unreadable(BROKEN)
    files: dict[str, str] = {}
    spine: list[str] = []
    for kind, tag, attributes in archive.events(package):
        if kind == "start" and tag == "item":
            files[attributes.get("id", "")] = unquote(attributes.get("href", ""))
        elif kind == "start" and tag == "itemref":
            spine.append(attributes.get("idref", ""))
    folder = posixpath.dirname(package)
    for identity in dict.fromkeys(spine):
        path = posixpath.normpath(posixpath.join(folder, files.get(identity, "")))
        page = html_to_text(_drop_prolog(decode(archive.read(path)) or ""), is_xml=True)
        if page.title and not page.text.startswith(page.title):
            parts.add_heading(page.title)
        parts.add(page.text)
    title, facts = read_properties(archive.events(package))
    return Document(title, parts.join(), facts | {"chapters": len(spine)})


def _drop_prolog(text: str) -> str:
    return re.sub(r"\A\s*<\?xml[^>]{0,200}\?>", "", text)
