"""Word, PowerPoint and Excel documents (Office Open XML, ECMA-376)."""

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from weft.document.formats.markup import (
    Archive,
    Event,
    find_attribute,
    read_number,
    read_properties,
)
from weft.document.model import Document, TextParts
from weft.domain.base import Json

_HEADING = re.compile(r"heading|title|subtitle", re.IGNORECASE)
# Formats of numbers that show a date (ECMA-376 part 1, 18.8.30).
_DATE_FORMATS: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_NOT_OF_DATES = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_EPOCHS: Final = {False: datetime(1899, 12, 30), True: datetime(1904, 1, 1)}
_LAST_DAY: Final = 2_958_465
_DIGITS_SHOWN: Final = 15

T = TypeVar("T")


def read_word(data: bytes) -> Document:
    """Read a .docx: headers, body with tables, notes, comments, diagrams. Raises Unreadable."""
    archive, parts = Archive(data, "word/document.xml"), TextParts()
    headings = _heading_styles(archive)
    for name in (
        *_numbered(archive, "word/header"),
        archive.main,
        *_numbered(archive, "word/footnotes", "word/endnotes", "word/comments"),
        *_numbered(archive, "word/diagrams/data", "word/footer"),
    ):
        for is_heading, line in _paragraphs(archive.events(name), headings):
            (parts.add_heading if is_heading else parts.add)(line)
    for name in _numbered(archive, "word/charts/chart"):
        parts.add(_chart(archive, name))
    return _build(archive, parts, {"headings": [*parts.headings]} if parts.headings else {})


def read_slides(data: bytes) -> Document:
    """Read a .pptx: the slides in their order, each with its notes. Raises Unreadable."""
    archive, parts = Archive(data, "ppt/presentation.xml"), TextParts()
    targets = archive.targets(archive.main)
    slides = [
        targets.get(find_attribute(attributes, "id"), "")
        for kind, tag, attributes in archive.events(archive.main)
        if kind == "start" and tag == "sldId"
    ]
    for number, name in enumerate(slides, 1):
        lines = [line for _, line in _paragraphs(archive.events(name), frozenset())]
        title = _slide_title(archive.events(name))
        parts.add_heading(f"Slide {number}: {title}" if title else f"Slide {number}")
        for line in lines:
            if " ".join(line.split()) != title:
                parts.add(line)
        for part in archive.targets(name).values():
            for line in _pictured(archive, part):
                parts.add(line)
            if part.startswith("ppt/notesSlides/"):
                said = [line for _, line in _paragraphs(archive.events(part), frozenset())]
                # The notes page repeats the number of its slide.
                said = [line for line in said if line.strip() != str(number)]
                parts.add(f"Notes: {' '.join(said)}" if said else "")
    return _build(archive, parts, {"slides": len(slides), "headings": [*parts.headings]})


def read_sheets(data: bytes) -> Document:
    """Read a .xlsx: each sheet's rows, the cells of a row parted by tabs. Raises Unreadable."""
    archive, parts = Archive(data, "xl/workbook.xml"), TextParts()
    targets = archive.targets(archive.main)
    # Some programs write SharedStrings.xml.
    strings = [part for part in targets.values() if "sharedstrings" in part.lower()]
    shared = list(_strings(archive.events(strings[0] if strings else "xl/sharedStrings.xml")))
    sheets: list[tuple[str, str]] = []
    from_1904 = False
    for kind, tag, attributes in archive.events(archive.main):
        if kind == "start" and tag == "sheet":
            part = targets.get(find_attribute(attributes, "id"), "")
            sheets.append((attributes.get("name", ""), part))
        elif kind == "start" and tag == "workbookPr":
            from_1904 = attributes.get("date1904", "0") in {"1", "true"}
    cells = _Cells(shared, _date_styles(archive.events("xl/styles.xml")), _EPOCHS[from_1904])
    for name, part in sheets:
        parts.add_heading(f"Sheet: {name}")
        for row in cells.rows(archive.events(part)):
            parts.add("\t".join(row))
        for line in _beside_cells(archive, part):
            parts.add(line)
    return _build(archive, parts, {"sheets": [name for name, _ in sheets]})


def _build(archive: Archive, parts: TextParts, facts: Json) -> Document:
    title, properties = read_properties(archive.events("docProps/core.xml"))
    return Document(title, parts.join(), properties | facts)


def _numbered(archive: Archive, *starts: str) -> Iterator[str]:
    """Yield the parts whose names are one of these, with a number or without."""
    for start in starts:
        pattern = re.compile(rf"{start}\d*\.xml")
        yield from sorted(name for name in archive.names if pattern.fullmatch(name))


def _beside_cells(archive: Archive, sheet: str) -> Iterator[str]:
    """Yield the comments, text boxes and charts of a sheet."""
    for part in archive.targets(sheet).values():
        if part.startswith("xl/comments"):
            yield from _strings(archive.events(part), "comment")
        elif part.startswith("xl/drawings/") and part.endswith(".xml"):
            for _, line in _paragraphs(archive.events(part), frozenset()):
                yield line
            for inner in archive.targets(part).values():
                yield from _pictured(archive, inner)


def _pictured(archive: Archive, part: str) -> Iterator[str]:
    """Yield the lines of a part if it is a diagram or a chart."""
    if "/diagrams/data" in part:
        for _, line in _paragraphs(archive.events(part), frozenset()):
            yield line
    elif "/charts/chart" in part:
        yield _chart(archive, part)


def _chart(archive: Archive, part: str) -> str:
    """Return the title of a chart, and the names of its series and categories once each."""
    words: dict[str, None] = {}
    is_text = is_name = False
    for kind, tag, _ in archive.events(part):
        if kind == "text":
            words |= {" ".join(tag.split()): None} if is_text else {}
        elif tag == "strCache":
            is_name = kind == "start"
        elif tag == "t" or (tag == "v" and is_name):
            is_text = kind == "start"
    return "\t".join(filter(None, words))


def _heading_styles(archive: Archive) -> frozenset[str]:
    """Return the ids of the styles of headings. Word translates the ids, not the names."""
    found: set[str] = set()
    style = ""
    events = (archive.events(name) for name in _numbered(archive, "word/styles"))
    for kind, tag, attributes in itertools.chain.from_iterable(events):
        if kind != "start":
            continue
        if tag == "style":
            style = find_attribute(attributes, "styleId")
        elif (
            tag == "name" and _HEADING.match(find_attribute(attributes, "val"))
        ) or tag == "outlineLvl":
            found.add(style)
    return frozenset(found)


_GAPS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
# The same content once more for older programs, or where it was before it was moved; the former
# style of a paragraph; where its tabs stop.
_LEFT_OUT: Final = frozenset({"Fallback", "moveFrom", "pPrChange", "tabs"})


def _paragraphs(events: Iterator[Event], headings: frozenset[str]) -> Iterator[tuple[bool, str]]:
    """Yield the paragraphs of a Word or PowerPoint part; the cells of a table's row make one.

    Each comes with whether it is a heading.
    """
    paragraph = _Paragraph(headings)
    left_out = 0
    for kind, tag, attributes in events:
        if tag in _LEFT_OUT and kind != "text":
            left_out += 1 if kind == "start" else -1
        elif left_out:
            continue
        elif kind == "text":
            paragraph.add_text(tag)
        elif kind == "start":
            paragraph.open(tag, attributes)
        elif paragraph.close(tag):
            yield paragraph.is_heading, "".join(paragraph.pieces)
            paragraph.pieces, paragraph.is_heading = [], False


class _Paragraph:
    """What has been read of one paragraph, or of one row of a table."""

    def __init__(self, headings: frozenset[str]) -> None:
        self.pieces: list[str] = []
        self.is_heading = False
        self._headings = headings
        self._is_text = False
        self._rows = 0

    def add_text(self, text: str) -> None:
        if self._is_text:
            self.pieces.append(text)

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "t":
            self._is_text = True
        elif tag == "tr":
            self._rows += 1
        elif tag == "pStyle":
            self.is_heading = find_attribute(attributes, "val") in self._headings
        elif tag in _GAPS:
            self.pieces.append(_GAPS[tag])
        elif tag == "p" and self.pieces and not self.pieces[-1].isspace():
            # It is in a text box, whose anchor is in the middle of another paragraph.
            self.pieces.append(" " if self._rows else "\n")

    def close(self, tag: str) -> bool:
        """Return whether the paragraph ends here."""
        if tag == "t":
            self._is_text = False
        elif tag == "tc":
            self.pieces.append("\t")
        elif tag == "tr":
            self._rows -= 1
            return not self._rows
        elif tag == "p" and self._rows:
            self.pieces.append(" ")
        return tag == "p" and not self._rows


def _slide_title(events: Iterator[Event]) -> str:
    pieces: list[str] = []
    is_title = is_text = False
    for kind, tag, attributes in events:
        if kind == "start" and tag == "ph":
            is_title = attributes.get("type", "") in {"title", "ctrTitle"}
        elif kind == "end" and tag == "sp":
            if is_title and "".join(pieces).strip():
                break
            is_title = False
        elif kind != "text" and tag == "t":
            is_text = kind == "start"
        elif kind == "start" and is_title and tag in {"br", "p"}:
            pieces.append(" ")
        elif kind == "text" and is_title and is_text:
            pieces.append(tag)
    return " ".join("".join(pieces).split())


def _strings(events: Iterator[Event], item: str = "si") -> Iterator[str]:
    pieces: list[str] = []
    is_text, phonetic = False, 0
    for kind, tag, _ in events:
        if kind == "text":
            pieces += [tag] if is_text and not phonetic else []
        elif tag == "t":
            is_text = kind == "start"
        elif tag == "rPh":
            # How a Japanese word is spoken, which the sheet does not show.
            phonetic += 1 if kind == "start" else -1
        elif tag == item and kind == "end":
            yield " ".join("".join(pieces).split())
            pieces = []


def _date_styles(events: Iterator[Event]) -> list[bool]:
    """Tell of each style of cells whether it shows a date."""
    formats: dict[str, bool] = {}
    styles: list[bool] = []
    in_cells = False
    for kind, tag, attributes in events:
        if kind == "text":
            continue
        if tag == "cellXfs":
            in_cells = kind == "start"
        elif kind == "start" and tag == "numFmt":
            code = _NOT_OF_DATES.sub("", attributes.get("formatCode", "")).lower()
            formats[attributes.get("numFmtId", "")] = any(letter in code for letter in "ymdhs")
        elif kind == "start" and tag == "xf" and in_cells:
            identity = attributes.get("numFmtId", "0")
            styles.append(formats.get(identity, read_number(identity) in _DATE_FORMATS))
    return styles


class _Cells:
    """Turns the cells of a sheet into what they show."""

    def __init__(self, shared: list[str], dates: list[bool], epoch: datetime) -> None:
        self._shared = shared
        self._dates = dates
        self._epoch = epoch

    def rows(self, events: Iterator[Event]) -> Iterator[list[str]]:
        row: list[str] = []
        pieces: list[str] = []
        kind_of_cell = style = ""
        is_value = False
        for kind, tag, attributes in events:
            if kind == "text":
                pieces += [tag] if is_value else []
            elif tag in {"v", "t"}:
                is_value = kind == "start"
            elif tag == "c" and kind == "start":
                kind_of_cell, style = attributes.get("t", "n"), attributes.get("s", "")
                pieces = []
            elif tag == "c":
                value = self._show(kind_of_cell, style, "".join(pieces))
                row += [value] if value else []
            elif tag == "row" and kind == "end":
                yield row
                row = []

    def _show(self, kind: str, style: str, value: str) -> str:
        if kind == "s":
            return _find_at(value, self._shared, "")
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if kind == "n" and _find_at(style, self._dates, False):
            return self._show_date(value)
        if kind == "n" and "." in value and len(value) > _DIGITS_SHOWN + 1:
            # Sheets show 1.1 where they store 1.1000000000000001.
            with contextlib.suppress(ValueError):
                return f"{float(value):.{_DIGITS_SHOWN}g}"
        return " ".join(value.split())

    def _show_date(self, value: str) -> str:
        try:
            days = float(value)
        except ValueError:
            return value
        if not 0 <= days <= _LAST_DAY:
            return value
        # Sheets count days as numbers, whose rounding would show as fractions of a second.
        moment = self._epoch + timedelta(seconds=round(days * 86_400))
        if days < 1:
            return moment.time().isoformat()
        return moment.date().isoformat() if days.is_integer() else moment.isoformat(" ")


def _find_at(index: str, values: Sequence[T], default: T) -> T:
    number = read_number(index)
    return default if number is None or number >= len(values) else values[number]
