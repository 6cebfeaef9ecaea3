"""Reads a web page: its main text, what it says of itself, and whether a script would write it.

It builds no tree, for the reasons in `html`. While the page is read, it notes where elements begin
and end that may be the main part or something around it (`page_parts`), and chooses at the end.
Libraries that find main text build trees, and trafilatura leaves out captions, callouts and
signatures of the pages that the tests hold this module to.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from weft.document.html import (
    LEFT_OUT,
    MAX_TITLE_CHARS,
    HtmlText,
    PageText,
    join_lines,
    one_line,
    parse_attributes,
    read_html,
)
from weft.document.page_facts import PageFacts
from weft.document.page_parts import (
    PROSE_CHARS_MIN,
    Count,
    Kind,
    Part,
    choose_main,
    count_main_chars,
    kind_of,
    settle_kind,
)

# Elements whose ends are looked for. One that was never closed ends with the one around it.
_CONTAINERS = frozenset(
    {"article", "aside", "dialog", "div", "dl", "footer", "form", "header", "main", "nav", "ol"}
    | {"section", "table", "ul"}
)
_OPEN_SEARCHED: Final = 64
_ASKS_FOR_SCRIPT = re.compile(
    r"(?:enable|activate|turn on|requires?|needs?|without)\b.{0,60}\bjavascript"
    r"|javascript\b.{0,40}(?:required|disabled|enabled|needed|aktiv)",
    re.IGNORECASE | re.DOTALL,
)
_NOTICE_CHARS_MAX: Final = 500
# A page with less text than this may be one that a script fills.
_THIN_CHARS: Final = 120
_ROOT_CHARS_MAX: Final = 30


@dataclass(slots=True)
class WebPage(HtmlText):
    """A page with its main text; ``facts`` are what it says of itself.

    ``needs_script``: there is next to no text, and signs that a script would write it.
    """

    facts: dict[str, str] = field(default_factory=dict[str, str])
    needs_script: bool = False


def read_web_page(html: str) -> WebPage:
    """Return title, main text, links and facts of a page. Never raises, whatever it holds."""
    page = _MainText()
    read_html(html, page)
    return page.build()


class _Open(NamedTuple):
    tag: str
    kind: Kind
    is_inside: bool
    start: Count


class _MainText(PageText):
    """Notes where parts begin and end, while the text is read."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = PageFacts()
        self.opened: list[_Open] = []
        self.parts: list[Part] = []
        # All of `Count` but the pieces; `marks` has them at what may be left out.
        self.counts = [0, 0, 0, 0]
        self.marks: list[Count] = []
        self.in_link = False
        self.first_prose: int | None = None
        self.scripts = 0
        self.notice = ""

    def add_text(self, raw: str) -> None:
        before = len(self.pieces)
        super().add_text(raw)
        size = sum(len(piece) for piece in self.pieces[before:] if not piece.isspace())
        if not size:
            return
        self.counts[0] += size
        if self.in_link:
            self.counts[1] += size
        elif size >= PROSE_CHARS_MIN and self.first_prose is None:
            self.first_prose = before

    def open(self, tag: str, attributes: str) -> None:
        if tag in {"a", "html", "meta", "time", "script"}:
            self._note(tag, parse_attributes(attributes))
        super().open(tag, attributes)
        if tag in LEFT_OUT:
            self.marks.append(self._count())
        if tag in _CONTAINERS or "-" in tag:
            self._open_part(tag, attributes)

    def close(self, tag: str) -> None:
        if tag == "a":
            self.in_link = False
        if tag == "noscript" and self.left_out and self.left_out[-1][0] == tag:
            pieces = self.pieces[self.left_out[-1][1] :]
            self.notice = self.notice or "".join(pieces)[:_NOTICE_CHARS_MAX]
        if tag in _CONTAINERS or "-" in tag:
            self._close_part(tag)
        kept = len(self.pieces)
        super().close(tag)
        if len(self.pieces) < kept:
            self._forget_dropped()

    def add_raw(self, tag: str, attributes: str, content: str) -> None:
        if tag == "script" and "ld+json" in attributes.lower():
            self.facts.add_json_ld(content)
        super().add_raw(tag, attributes, content)

    def build(self) -> WebPage:
        found, facts = self.found, self.facts.list_facts()
        stated = one_line(facts.pop("title", ""))[:MAX_TITLE_CHARS].rstrip()
        found.title = found.title or stated or self.first_heading[:MAX_TITLE_CHARS].rstrip()
        whole = Part(Kind.NONE, Count(0, 0, 0, 0, 0), self._count())
        kept = choose_main(self.parts, whole, self.first_prose)
        text = join_lines(self._list_pieces(kept))
        heading = self.first_heading
        # A heading above the main part belongs to it; one that was never closed is none.
        is_new = heading not in found.title and heading not in text
        if is_new and len(heading) <= MAX_TITLE_CHARS:
            text = f"{heading}\n{text}".rstrip()
        return WebPage(
            title=found.title,
            text=text,
            links=found.links,
            base=found.base,
            canonical=found.canonical,
            facts=facts,
            feeds=found.feeds,
            needs_script=self._needs_script(count_main_chars(self.parts, whole), text),
        )

    def _list_pieces(self, kept: Iterable[tuple[int, int]]) -> Iterable[str]:
        for start, end in kept:
            yield from self.pieces[start:end]
            yield "\n"

    def _needs_script(self, chars: int, text: str) -> bool:
        if not self.scripts or chars >= _THIN_CHARS:
            return False
        roots = [part for part in self.parts if part.kind is Kind.ROOT]
        return (
            any(part.chars <= _ROOT_CHARS_MAX for part in roots)
            or "javascript" in self.notice.lower()
            or _ASKS_FOR_SCRIPT.search(text) is not None
        )

    def _note(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "a":
            self.in_link = "href" in attributes
            self.counts[2] += self.in_link
            self.counts[3] += attributes.get("href", "").startswith("#")
        elif tag == "html":
            self.facts.add_lang(attributes.get("lang", ""))
        elif tag == "meta":
            self.facts.add_meta(attributes)
        elif tag == "script":
            self.scripts += "src" in attributes or attributes.get("type") == "module"
        elif tag == "time":
            self.facts.add_time(attributes)

    def _count(self) -> Count:
        return Count(len(self.pieces), *self.counts)

    def _open_part(self, tag: str, attributes: str) -> None:
        inside = bool(self.opened) and self.opened[-1].is_inside
        found = parse_attributes(attributes) if attributes else {}
        kind = kind_of(tag, found, is_inside=inside)
        inside = inside or tag in {"article", "section", "main"} or kind is Kind.MAIN
        self.opened.append(_Open(tag, kind, inside, self._count()))

    def _close_part(self, tag: str) -> None:
        near = self.opened[-_OPEN_SEARCHED:]
        if not any(part.tag == tag for part in near):
            return
        while self.opened:
            part = self.opened.pop()
            self._end_part(part)
            if part.tag == tag:
                return

    def _end_part(self, opened: _Open) -> None:
        part = Part(opened.kind, opened.start, self._count())
        settled = settle_kind(part, is_inside=opened.is_inside)
        if settled:
            self.parts.append(settled)

    def _forget_dropped(self) -> None:
        """Forget what was noted of pieces that are left out after all."""
        size = len(self.pieces)
        while self.marks and self.marks[-1].pieces >= size:
            _, *self.counts = self.marks.pop()
        while self.parts and self.parts[-1].end.pieces > size:
            self.parts.pop()
        while self.opened and self.opened[-1].start.pieces > size:
            self.opened.pop()
        if self.first_prose is not None and self.first_prose >= size:
            self.first_prose = None
