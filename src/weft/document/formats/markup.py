"""Reads the XML parts of documents in a zip file, under bounds."""

import io
import posixpath
import xml.parsers.expat as expat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from weft.document.model import BROKEN, Unreadable
from weft.domain.base import Json

UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_PROPERTIES: Final = {"title": "title", "creator": "author", "subject": "subject"}
_OUT_OF_MEMORY = expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]

# The local name of a tag with its attributes, the name alone at the end of it, or a piece of text.
Event = tuple[Literal["start", "end", "text"], str, Mapping[str, str]]


class Archive:
    """A zip file whose parts may unpack to so many bytes together, and no more."""

    def __init__(self, data: bytes, main: str) -> None:
        """Open the file. Raises Unreadable if it lacks a main part, which most call ``main``."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            raise Unreadable(BROKEN) from None
        self.names = frozenset(self._zip.namelist())
        self._left = UNPACKED_BYTES_MAX
        self.main = main if main in self.names else self._find_main(posixpath.dirname(main))

    def _find_main(self, folder: str) -> str:
        # Word on the web calls it word/document2.xml.
        for kind, tag, attributes in self.events("_rels/.rels"):
            if kind == "start" and tag == "Relationship":
                path = attributes.get("Target", "").lstrip("/")
                is_main = attributes.get("Type", "").endswith("/officeDocument")
                if is_main and path in self.names and posixpath.dirname(path) == folder:
                    return path
        raise Unreadable(BROKEN)

    def read(self, name: str) -> bytes:
        """Return a whole part; nothing if there is none. Raises Unreadable."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a part in pieces; none if there is no such part. Raises Unreadable."""
        if name not in self.names:
            return
        try:
            with self._zip.open(name) as part:
                while piece := part.read(_CHUNK_BYTES):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise Unreadable(f"unpacks to more than {UNPACKED_BYTES_MAX:,} bytes")
                    yield piece
        except NotImplementedError:
            raise Unreadable("packed in a way that is not supported") from None
        except RuntimeError:
            raise Unreadable("protected by a password") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise Unreadable(BROKEN) from None

    def events(self, name: str) -> Iterator[Event]:
        """Yield the events of an XML part; none if there is no such part. Raises Unreadable."""
        return read_markup(self.chunks(name))

    def targets(self, name: str) -> dict[str, str]:
        """Return the parts that a part of an Office document refers to, by the reference's id."""
        folder, file = posixpath.split(name)
        found: dict[str, str] = {}
        for kind, tag, attributes in self.events(f"{folder}/_rels/{file}.rels"):
            if kind == "start" and tag == "Relationship":
                target = attributes.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else f"{folder}/{target}"
                found[attributes.get("Id", "")] = posixpath.normpath(path)
        return found


def read_markup(chunks: Iterator[bytes]) -> Iterator[Event]:
    """Yield the events of XML. Raises Unreadable if it is broken or declares entities.

    A DOCTYPE without declarations of its own names a file at most, which is never read.
    """
    events: list[Event] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_declarations
    parser.StartElementHandler = lambda name, attributes: events.append(
        ("start", _local(name), attributes)
    )
    parser.EndElementHandler = lambda name: events.append(("end", _local(name), {}))
    parser.CharacterDataHandler = lambda text: events.append(("text", text, {}))
    empty = True
    try:
        for chunk in chunks:
            empty = False
            parser.Parse(chunk, False)
            yield from events
            events.clear()
        if not empty:
            parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if getattr(error, "code", None) == _OUT_OF_MEMORY:
            raise MemoryError from None
        raise Unreadable(BROKEN) from None
    yield from events


def find_attribute(attributes: Mapping[str, str], name: str) -> str:
    """Return an attribute by its local name, rather one with a prefix; empty if it has none."""
    prefixed = (value for key, value in attributes.items() if key.endswith(f":{name}"))
    return next(prefixed, attributes.get(name, ""))


def read_properties(events: Iterator[Event]) -> tuple[str, Json]:
    """Return the title of a document, and its author and subject if it names them."""
    found: dict[str, str] = {}
    inside = ""
    for kind, tag, _ in events:
        if kind != "text":
            inside = tag if kind == "start" else ""
        elif inside in _PROPERTIES and (value := " ".join(tag.split())[:1000]):
            found.setdefault(_PROPERTIES[inside], value)
    return found.pop("title", ""), {**found}


def read_number(text: str) -> int | None:
    """Return a whole number of at most eight digits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse_declarations(
    _name: str, _system: str | None, _public: str | None, declares: bool
) -> None:
    if declares:
        raise Unreadable("declares a document type, as entity bombs do")
