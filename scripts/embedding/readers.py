"""Read sections, as pairs of a title and the text below it, from the formats of documentation."""

import re
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser

_UNDERLINE = re.compile(r"([-=~^*#\"'`+.])\1\1+")


class _Page(HTMLParser):
    """Take the headings and the paragraphs of HTML, DocBook or Mallard."""

    HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "title", "dt"})
    BLOCKS = frozenset(
        {"p", "para", "simpara", "li", "dd", "td", "th", "div", "tr", "section", "br"}
    )
    SKIPPED = frozenset(
        {"script", "style", "nav", "pre", "head", "header", "footer", "screen", "programlisting",
         "svg", "math", "table", "info", "button", "form", "synopsis"}
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[tuple[str, str]] = []
        self._title = ""
        self._words: list[str] = []
        self._paragraphs: list[str] = []
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self.SKIPPED:
            self._skipped.append(tag)
        elif tag in self.HEADINGS:
            self.end_section()
        elif tag in self.BLOCKS:
            self._end_paragraph()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SKIPPED:
            if tag in self._skipped:
                del self._skipped[self._skipped.index(tag) :]
        elif tag in self.HEADINGS:
            self._title = _clean_title(" ".join("".join(self._words).split()))
            self._words.clear()
        elif tag in self.BLOCKS:
            self._end_paragraph()

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self._words.append(data)

    def end_section(self) -> None:
        """Keep what was read since the last heading."""
        self._end_paragraph()
        if self._paragraphs:
            self.sections.append((self._title, " ".join(self._paragraphs)))
            self._paragraphs.clear()

    def _end_paragraph(self) -> None:
        # Links of a menu are short; a paragraph that tells something is not.
        text = " ".join("".join(self._words).split())
        self._words.clear()
        if len(text) >= 40:
            self._paragraphs.append(text)


def _clean_title(title: str) -> str:
    return re.sub(r"^[\d.]+\s+|[¶#]+$|^(?:Chapter|Appendix|Part) \w+[.:]\s*", "", title).strip()


def _read_html(content: str) -> Iterable[tuple[str, str]]:
    page = _Page()
    page.feed(content)
    page.end_section()
    return page.sections


def _read_wordnet(content: str) -> Iterator[tuple[str, str]]:
    """Yield the words of a set of synonyms, and what they mean."""
    for line in content.splitlines():
        if line.startswith(" ") or " | " not in line:
            continue
        fields, _, gloss = line.partition(" | ")
        parts = fields.split()
        words = parts[4 : 4 + 2 * int(parts[3], 16) : 2]
        names = [re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in words]
        yield ", ".join(names), gloss.strip()


def _read_dictionary(content: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of a file of dictd: a word at the margin, its text indented below."""
    for entry in re.split(r"\n(?=\S)", content):
        word, _, text = entry.partition("\n")
        yield word.strip(), " ".join(re.sub(r"[{}]|<[^>]*>", "", text).split())


def _read_rst(content: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of reStructuredText or Markdown: headings and paragraphs at the margin."""
    title, paragraphs = "", list[str]()
    for block in re.split(r"\n\s*\n", content):
        lines = [line.rstrip() for line in block.strip("\n").splitlines()]
        marks = [line for line in lines if _UNDERLINE.fullmatch(line)]
        if not lines:
            continue
        if marks or lines[0].startswith(("# ", "## ")):
            yield title, " ".join(paragraphs)
            names = [line for line in lines if line not in marks]
            title, paragraphs = (_clean_title(names[0].lstrip("# ")) if names else ""), []
        elif not lines[0].startswith((" ", "..", "\t", "|", "+", "`", ":")):
            plain = re.sub(r"`+|\*\*|:[a-z:]+:(?=`)|<[^>]*>`?_*", "", " ".join(lines))
            paragraphs.append(" ".join(plain.split()))
    yield title, " ".join(paragraphs)


def _read_lyx(content: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of a document of LyX; what is no plain text in it is left out."""
    title, paragraphs = "", list[str]()
    for layout in re.findall(r"\\begin_layout (.*?)\\end_layout", content, re.DOTALL):
        kind, _, inner = layout.partition("\n")
        inner = re.sub(r"\\begin_inset.*?\\end_inset", "", inner, flags=re.DOTALL)
        text = " ".join(line for line in inner.splitlines() if not line.startswith("\\"))
        text = " ".join(text.split())
        if kind.endswith("section") or kind in {"Chapter", "Section", "Title"}:
            yield title, " ".join(paragraphs)
            title, paragraphs = text, []
        elif kind in {"Standard", "Itemize", "Enumerate"}:
            paragraphs.append(text)
    yield title, " ".join(paragraphs)


READERS: dict[str, Callable[[str], Iterable[tuple[str, str]]]] = {
    "html": _read_html,
    "wordnet": _read_wordnet,
    "dictionary": _read_dictionary,
    "rst": _read_rst,
    "lyx": _read_lyx,
}
