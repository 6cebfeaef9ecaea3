"""Turns a web page into plain text, in time and memory linear in the page's size.

It builds no tree, because the HTML standard lets a page blow its own tree up. Measured with
lexbor: `<p><b id=1>x<p><b id=2>x...` makes 915 MB of nodes out of 29 KB, and 200,000 open `<div>`
take 88 s. Pages come from strangers, and text, title and links need no tree, so this module only
tokenises, by the standard's rules for tags, attributes, comments and raw text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape

MAX_HTML_CHARS = 10 * 1024 * 1024
MAX_TITLE_CHARS = 300
MAX_LINKS = 10_000


@dataclass(slots=True)
class HtmlText:
    """The content of a page; the others are hrefs as written. ``feeds``: of its entries."""

    title: str = ""
    text: str = ""
    links: list[str] = field(default_factory=list[str])
    base: str | None = None
    canonical: str | None = None
    feeds: list[str] = field(default_factory=list[str])


def html_to_text(html: str, *, is_xml: bool = False) -> HtmlText:
    """Return the title, the readable text (one line per block) and the link targets of a page.

    Scripts, styles, templates, `noscript`, vector graphics and navigation are left out of the
    text; links in them still count. Never raises, whatever the page holds. Only in XML does
    ``<title/>`` end where it begins.
    """
    page = PageText(is_xml=is_xml)
    read_html(html, page)
    return page.result()


def read_html(html: str, page: "PageText") -> None:
    """Read the markup of a page into ``page``."""
    position, end = 0, min(len(html), MAX_HTML_CHARS)
    while position < end:
        found = _MARKUP.search(html, position, end)
        opening = found.start() if found else end
        page.add_text(html[position:opening])
        position = _read_markup(page, html, opening, end) if opening < end else end


_MARKUP = re.compile(r"<(?=[a-zA-Z/!?])")
_TAG = re.compile(
    r"<(/?)([a-zA-Z][^\s/>]*+)"
    # Attributes. Possessive quantifiers: no part is ever matched in a second way.
    r"((?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?+)?+)*+)>"
)
_ATTRIBUTE = re.compile(
    r"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"'][^\s>]*+))?+)?+"
)
# Python refuses to read decimal numbers of thousands of digits, and no character needs eight.
_ENDLESS_REFERENCE = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9a-fA-F]{8,}+);?")
_SPACES = re.compile(r"[\s\0]+")

_RAW_TEXT = {
    tag: re.compile(rf"</{tag}(?=[\s/>])", re.IGNORECASE)
    for tag in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
FEED_TYPES = frozenset(
    {"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"}
)
LEFT_OUT = frozenset({"noscript", "template", "svg", "nav", "canvas", "object"})
_CELLS = frozenset({"td", "th", "option"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
# These elements begin and end on a line of their own.
_BLOCKS = HEADINGS | frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details"}
    | {"dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "head"}
    | {"header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup"}
    | {"p", "pre", "section", "select", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"}
)


class PageText:
    """The part that has been read so far; text is a list of pieces in which "\\n" ends a line."""

    def __init__(self, *, is_xml: bool = False) -> None:
        self.is_xml = is_xml
        self.found = HtmlText()
        self.pieces: list[str] = []
        self.left_out: list[tuple[str, int]] = []
        self.preformatted = 0
        self.heading: list[str] | None = None
        self.first_heading = ""

    def add_text(self, raw: str) -> None:
        if not raw:
            return
        text = _decode_references(raw)
        if self.preformatted:
            self.pieces.extend(f"{line}\n" for line in text.replace("\0", "").split("\n")[:-1])
            text = text.rpartition("\n")[2].replace("\0", "")
        else:
            text = _SPACES.sub(" ", text)
        if self.heading is not None:
            self.heading.append(text)
        self.pieces.append(text)

    def open(self, tag: str, attributes: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        elif tag in _CELLS:
            self.pieces.append(" ")
        # A template with this attribute is shown at once: it is the content of a component.
        if tag in LEFT_OUT and "shadowroot" not in attributes.lower():
            self.left_out.append((tag, len(self.pieces)))
        elif tag == "pre":
            self.preformatted += 1
        elif tag == "h1" and not self.first_heading:
            self.heading = []
        elif tag in {"a", "area", "base", "link"}:
            self.add_reference(tag, parse_attributes(attributes))

    def close(self, tag: str) -> None:
        if tag in LEFT_OUT:
            self._drop_element(tag)
        elif tag == "pre":
            self.preformatted = max(0, self.preformatted - 1)
        elif tag in HEADINGS and self.heading is not None:
            self.first_heading = one_line("".join(self.heading))
            self.heading = None
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def add_raw(self, tag: str, attributes: str, content: str) -> None:
        """Take the content of an element in which there is no markup."""
        del attributes
        if tag == "title" and not self.found.title and not self.left_out:
            self.found.title = one_line(_decode_references(content))[:MAX_TITLE_CHARS].rstrip()
        elif tag in {"textarea", "xmp"}:
            self.add_text(content)

    def result(self) -> HtmlText:
        if not self.found.title:
            self.found.title = self.first_heading[:MAX_TITLE_CHARS].rstrip()
        self.found.text = join_lines(self.pieces)
        return self.found

    def _drop_element(self, tag: str) -> None:
        # Text is dropped only when the element is closed: an unclosed <nav> costs no content.
        if not any(tag == opened for opened, _ in self.left_out[-64:]):
            return
        opened, mark = self.left_out.pop()
        while opened != tag:
            opened, mark = self.left_out.pop()
        del self.pieces[mark:]

    def add_reference(self, tag: str, attributes: dict[str, str]) -> None:
        href = attributes.get("href", "").strip()
        if not href:
            return
        if tag == "base":
            self.found.base = self.found.base or href
        elif tag == "link":
            self._add_relation(href, attributes)
        elif len(self.found.links) < MAX_LINKS:
            self.found.links.append(href)

    def _add_relation(self, href: str, attributes: dict[str, str]) -> None:
        kinds = attributes.get("rel", "").lower().split()
        if "canonical" in kinds:
            self.found.canonical = self.found.canonical or href
        is_feed = attributes.get("type", "").strip().lower() in FEED_TYPES
        if "alternate" in kinds and is_feed and len(self.found.feeds) < MAX_LINKS:
            self.found.feeds.append(href)


def _read_markup(page: PageText, html: str, start: int, end: int) -> int:
    """Read the markup that begins with the "<" at ``start``; return the position after it."""
    tag = _TAG.match(html, start, end)
    if tag is None:
        return _read_other_markup(page, html, start, end)
    closing, name, attributes = tag[1], tag[2].lower(), tag[3]
    if closing:
        page.close(name)
        return tag.end()
    page.open(name, attributes)
    raw = _RAW_TEXT.get(name)
    if raw is None or (page.is_xml and attributes.endswith("/")):
        return tag.end()
    ending = raw.search(html, tag.end(), end)
    stop = ending.start() if ending else end
    page.add_raw(name, attributes, html[tag.end() : stop])
    return stop


def _read_other_markup(page: PageText, html: str, start: int, end: int) -> int:
    """Skip a comment, declaration or unclosed tag, or take "<" as text; return the position after.

    A search that finds nothing ends the page, as the standard says, so the whole stays linear.
    """
    following = html[start + 1 : start + 2]
    if html.startswith("<!--", start):
        if html.startswith((">", "->"), start + 4):
            return html.index(">", start) + 1
        ending, skip = html.find("-->", start + 4, end), 3
    elif following in {"!", "?"} or _closes_nothing(html, start):
        ending, skip = html.find(">", start, end), 1
    elif following.isascii() and following.isalpha():
        return end
    else:
        page.add_text("<")
        return start + 1
    return end if ending < 0 else ending + skip


def _closes_nothing(html: str, start: int) -> bool:
    return html.startswith("</", start) and not html[start + 2 : start + 3].isspace()


def parse_attributes(raw: str) -> dict[str, str]:
    """Return the attributes of a tag by their lower-case names."""
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(raw):
        # The first of two attributes with one name counts, as in browsers.
        found.setdefault(
            match[1].lower(), _decode_references(match[2] or match[3] or match[4] or "")
        )
    return found


def _decode_references(text: str) -> str:
    return unescape(_ENDLESS_REFERENCE.sub("\ufffd", text)) if "&" in text else text


def join_lines(pieces: Iterable[str]) -> str:
    """Return the text of the pieces without empty lines."""
    lines = (line.rstrip() for line in "".join(pieces).split("\n"))
    return "\n".join(
        # Only preformatted lines still hold runs of spaces; indentation is kept there.
        line.removeprefix(" ") if not line.startswith("  ") else line
        for line in lines
        if line
    ).strip()


def one_line(text: str) -> str:
    """Return the text with each run of spaces as one space."""
    return _SPACES.sub(" ", text).strip()
