"""From bytes to clean text: encodings, binary detection, language and title of a file."""

import codecs
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from weft.document.html import html_to_text
from weft.domain.characters import HIDDEN, HIDDEN_OR_BREAK

MAX_TITLE_CHARS = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Below this share of ASCII, a file that is not Unicode is taken for binary or for an alphabet
# that cannot be guessed, and decoding it would only store noise.
_MIN_ASCII_SHARE = 0.7
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")

_HTML = frozenset({".html", ".htm", ".xhtml"})
_MARKDOWN = frozenset({".md", ".markdown", ".mdx", ".mkd"})
_ATX_HEADING = re.compile(r"^ {0,3}#{1,2}[ \t]+(\S[^\n]*)$", re.MULTILINE)
_HEADING_SEARCH_CHARS = 20_000

_LANGUAGES = {
    "bash": ".sh .bash .zsh",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .hh .hpp",
    "csharp": ".cs",
    "css": ".css .scss .less",
    "csv": ".csv .tsv",
    "dart": ".dart",
    "elixir": ".ex .exs",
    "go": ".go",
    "haskell": ".hs",
    "html": ".html .htm .xhtml",
    "ini": ".ini .cfg .conf .properties",
    "java": ".java",
    "javascript": ".js .mjs .cjs .jsx",
    "json": ".json .jsonl .ndjson .ipynb",
    "kotlin": ".kt .kts",
    "lua": ".lua",
    "markdown": ".md .markdown .mdx .mkd",
    "php": ".php",
    "powershell": ".ps1",
    "python": ".py .pyi",
    "r": ".r",
    "restructuredtext": ".rst",
    "ruby": ".rb",
    "rust": ".rs",
    "scala": ".scala",
    "sql": ".sql",
    "svelte": ".svelte",
    "swift": ".swift",
    "tex": ".tex",
    "text": ".txt .text .log",
    "toml": ".toml",
    "typescript": ".ts .tsx .mts",
    "vue": ".vue",
    "xml": ".xml .svg .xsd",
    "yaml": ".yaml .yml",
}
_BY_SUFFIX = {suffix: name for name, list_ in _LANGUAGES.items() for suffix in list_.split()}
_BY_NAME = {"dockerfile": "dockerfile", "makefile": "makefile", "gnumakefile": "makefile"}


def decode(data: bytes) -> str | None:
    """The text of a file, or None if it is binary or in no encoding that can be told.

    Unicode by byte-order mark, then UTF-8, then Windows-1252 where nearly all of it is ASCII.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decoded(data[len(bom) :], encoding)
    if b"\0" in data:
        return None
    text = _decoded(data, "utf-8")
    if text is None:
        return _western(data)
    # A log may hold a stray control byte; a file full of them is no text.
    strays = len(_NOT_IN_TEXT.findall(data))
    return text if strays * 100 <= len(data) else None


def clean_text(text: str) -> str:
    """The text with ``\\n`` as its only line end, and without characters that nobody can see."""
    if "\r" in text or not text.isascii() or "\x0b" in text or "\x0c" in text:
        text = _NEWLINES.sub("\n", text)
    return HIDDEN.sub("", text)


def clean_line(text: str) -> str:
    """The text on one line, each run of unseen characters replaced by one space."""
    return HIDDEN_OR_BREAK.sub(" ", text).strip()


def path_id(path: bytes) -> str:
    """An id for a file's path, whatever bytes it is made of; different paths have different ids.

    Most paths are their own id. What is no clean text is quoted, and marked so that no other path
    has that id.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = ""
    if text and clean_line(text) == text and not text.startswith("%/"):
        return text
    return "%/" + quote(path)


def language_of(path: str) -> str | None:
    """The usual name of the format or programming language that a file name promises."""
    name = PurePosixPath(path.lower())
    return _BY_SUFFIX.get(name.suffix) or _BY_NAME.get(name.name)


def read_document(path: str, text: str) -> tuple[str, str]:
    """Title and text of a decoded file.

    Prose is known by its heading and found by its path, so its title has both; anything else is
    known by its path.
    """
    suffix = PurePosixPath(path.lower()).suffix
    heading = ""
    if suffix in _HTML:
        page = html_to_text(text)
        heading, text = page.title, page.text
    elif suffix in _MARKDOWN:
        found = _ATX_HEADING.search(text[:_HEADING_SEARCH_CHARS])
        heading = found.group(1).rstrip("# \t") if found else ""
    shown, heading = clean_line(path), clean_line(heading)[:MAX_TITLE_CHARS]
    return (f"{heading} ({shown})" if heading else shown), clean_text(text)


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _western(data: bytes) -> str | None:
    if _NOT_IN_TEXT.search(data):
        return None
    ascii_share = sum(byte < 0x80 for byte in data) / len(data)
    if ascii_share < _MIN_ASCII_SHARE:
        return None
    return _decoded(data, "cp1252") or data.decode("latin-1")
