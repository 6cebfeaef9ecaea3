"""Reads the listings of S3 and Azure, which are XML."""

# Expat is used directly, because only then can a DOCTYPE be refused before it is read: without
# one there are no entities, and so neither entity bombs nor external files.
import xml.parsers.expat as expat
from dataclasses import dataclass, field
from typing import Final

from weft.document.child import run_parser
from weft.sources.objects.store import broken_list

RECORDS_MAX: Final = 5_000
VALUE_CHARS_MAX: Final = 8_192
_DEPTH_MAX: Final = 8
_OUT_OF_MEMORY: Final = expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]
ENCODED: Final = "Encoded"
"""The field of a record that tells that a value of it was quoted, as Azure does it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of the outermost element, of each record's, and of the values that are wanted."""

    root: str
    record: str
    values: frozenset[str]


@dataclass(slots=True)
class Listing:
    """The values beside the records, and those of each record."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    records: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


async def read_listing(content: bytes, shape: Shape) -> Listing:
    """Do what `parse_listing` does, where it holds nobody up."""
    return await run_parser(len(content), parse_listing, content, shape)


def parse_listing(content: bytes, shape: Shape) -> Listing:
    """Parse a listing. Raises SourceUnavailable for anything else, such as a page."""
    reader = _Reader(shape)
    # Do not expand namespaces: that could copy a long name for every tag.
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if getattr(error, "code", None) == _OUT_OF_MEMORY:
            raise MemoryError from None
        raise broken_list("is not well-formed XML") from None
    return reader.found


class _Reader:
    def __init__(self, shape: Shape) -> None:
        self.found = Listing()
        self._shape = shape
        self._path: list[str] = []
        self._record: dict[str, str] | None = None
        self._parts: list[str] = []
        self._size = 0

    def refuse(self, *_: object) -> None:
        raise broken_list("is no listing")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if not self._path and tag != self._shape.root:
            self.refuse()
        if len(self._path) == _DEPTH_MAX:
            raise broken_list("is nested too deeply")
        if tag == self._shape.record and self._record is None:
            if len(self.found.records) == RECORDS_MAX:
                raise broken_list(f"has more than {RECORDS_MAX:,} entries")
            self._record = {}
        if self._record is not None and attributes.get(ENCODED) == "true":
            self._record[ENCODED] = "true"
        self._path.append(tag)
        self._parts, self._size = [], 0

    def text(self, data: str) -> None:
        if self._path[-1] in self._shape.values:
            self._size += len(data)
            if self._size > VALUE_CHARS_MAX:
                raise broken_list("has a value of too many characters")
            self._parts.append(data)

    def end(self, _name: str) -> None:
        tag = self._path.pop()
        if tag in self._shape.values:
            holder = self.found.values if self._record is None else self._record
            # The first counts: a value of that name further inside would be about something else.
            holder.setdefault(tag, "".join(self._parts))
        if tag == self._shape.record and self._record is not None:
            self.found.records.append(self._record)
            self._record = None
        self._parts, self._size = [], 0
