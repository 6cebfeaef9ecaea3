"""Reads sitemaps (sitemaps.org): XML, plain or packed with gzip."""

# Expat is used directly, because only then can a DOCTYPE be refused before it is read: without
# one there are no entities, and so neither entity bombs nor external files.
import xml.parsers.expat as expat
from dataclasses import dataclass, field
from datetime import UTC, datetime

from weft.document.child import run_parser
from weft.errors import SourceUnavailable
from weft.net.unpack import unpack_gzip

SITEMAP_BYTES_MAX = 50 * 1024 * 1024
URLS_MAX = 50_000
VALUE_CHARS_MAX = 2_048
_OUT_OF_MEMORY = expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]
_GZIP_MARK = b"\x1f\x8b"
_VALUES = frozenset({"loc", "lastmod"})
_ROOTS = {"urlset": "url", "sitemapindex": "sitemap"}


@dataclass(slots=True)
class Sitemap:
    """``pages`` with the time of their last change if known, and ``sitemaps`` to read next."""

    pages: list[tuple[str, datetime | None]] = field(
        default_factory=list[tuple[str, datetime | None]]
    )
    sitemaps: list[str] = field(default_factory=list[str])


async def parse_sitemap(content: bytes) -> Sitemap | None:
    """Do what `read_sitemap` does, in another process if it may take long."""
    size = SITEMAP_BYTES_MAX if content.startswith(_GZIP_MARK) else len(content)
    return await run_parser(size, read_sitemap, content)


def read_sitemap(content: bytes) -> Sitemap | None:
    """Parse a sitemap or an index of sitemaps; None if it is something else, such as a page.

    Raises SourceUnavailable if it is a sitemap but broken, hostile or too large when unpacked.
    """
    if content.startswith(_GZIP_MARK):
        content = unpack_gzip(content, SITEMAP_BYTES_MAX)
    reader = _SitemapParser()
    # Do not expand namespaces: that could copy a name as long as the sitemap for every tag.
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except _NotASitemap:
        return None
    except (expat.ExpatError, LookupError, ValueError) as error:
        if getattr(error, "code", None) == _OUT_OF_MEMORY:
            raise MemoryError from None
        if not reader.entry:
            return None
        raise _faulty("A sitemap is not well-formed XML.") from None
    return reader.found


def _faulty(what: str) -> SourceUnavailable:
    return SourceUnavailable(what, hint="The same call fails again until the site mends it.")


class _NotASitemap(Exception):
    pass


class _SitemapParser:
    def __init__(self) -> None:
        self.found = Sitemap()
        self.entry = ""
        self.path: list[str] = []
        self.values: dict[str, str] = {}

    def doctype(self, *_: object) -> None:
        # An HTML page begins with a DOCTYPE; a sitemap never has one.
        raise _NotASitemap

    def start(self, name: str, _attributes: object) -> None:
        tag = name.rpartition(":")[2]
        if not self.path:
            if tag not in _ROOTS:
                raise _NotASitemap
            self.entry = _ROOTS[tag]
        if len(self.path) == 1:
            self.values = {}
        if len(self.path) < 4:
            self.path.append(tag)
        else:
            raise _faulty("A sitemap is nested too deeply.")

    def text(self, data: str) -> None:
        if len(self.path) == 3 and self.path[1] == self.entry and self.path[2] in _VALUES:
            known = self.values.get(self.path[2], "")
            if len(known) <= VALUE_CHARS_MAX:
                self.values[self.path[2]] = known + data

    def end(self, _name: str) -> None:
        self.path.pop()
        location = self.values.get("loc", "").strip()
        if len(self.path) != 1 or not location or len(location) > VALUE_CHARS_MAX:
            return
        if len(self.found.pages) + len(self.found.sitemaps) >= URLS_MAX:
            raise _faulty(f"A sitemap names more than {URLS_MAX:,} addresses.")
        if self.entry == "sitemap":
            self.found.sitemaps.append(location)
        else:
            self.found.pages.append((location, _parse_time(self.values.get("lastmod", ""))))
        self.values = {}


def _parse_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
