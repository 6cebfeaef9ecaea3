"""From bytes to clean text: encodings, binary detection, language and title of a file."""

import codecs
import re
from urllib.parse import quote

from weft.document.html import html_to_text
from weft.domain.text.characters import clean_line, drop_hidden

MAX_TITLE_CHARS = 200

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# The usual encodings of text without a byte-order mark. A short list finds the right one more
# often, and sooner, than a list of all that Python knows.
_WESTERN = "cp1252"
_LEGACY = [
    *(_WESTERN, "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_UTF_16 = ["utf_16_le", "utf_16_be"]
_UTF_16_MIN_BYTES = 64
_SAMPLE_BYTES = 32 * 1024

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
    """Decode a file; None if it is binary or its encoding cannot be told.

    A byte-order mark decides, then UTF-8; any other encoding is guessed from a sample.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decode_strictly(data[len(bom) :], encoding)
    if b"\0" in data:
        return _decode_unmarked_utf_16(data)
    text = _decode_strictly(data, "utf-8")
    # A log may hold a stray control byte; a file full of them is no text.
    strays_allowed = len(data) // 100 if text is not None else 0
    if len(_NOT_IN_TEXT.findall(data)) > strays_allowed:
        return None
    return _decode_legacy(data) if text is None else text


def clean_text(text: str) -> str:
    """Make ``\\n`` the only line end, and drop hidden characters."""
    if "\r" in text or not text.isascii() or "\x0b" in text or "\x0c" in text:
        text = _NEWLINES.sub("\n", text)
    return drop_hidden(text)


def path_id(path: bytes) -> str:
    """Turn a path of any bytes into an id; different paths have different ids.

    Most paths are their own id. A path that is not clean text is quoted, and marked so that no
    other path has that id.
    """
    try:
        text = path.decode()
    except UnicodeDecodeError:
        text = ""
    if text and clean_line(text) == text and not text.startswith("%/"):
        return text
    return "%/" + quote(path)


def is_text_ending(ending: str) -> bool:
    """Return whether names with this lower-case ending, without its dot, usually hold text."""
    return f".{ending}" in _BY_SUFFIX


def language_of(path: str) -> str | None:
    """Return the name of the format or programming language that a file name suggests."""
    name = path.lower().rpartition("/")[2]
    return _BY_SUFFIX.get(_suffix_of(name)) or _BY_NAME.get(name)


def read_text(path: str, text: str) -> tuple[str, str]:
    """Return the title and the clean text of a decoded file: a page without its markup."""
    suffix = _suffix_of(path.lower())
    heading = ""
    if suffix in _HTML:
        page = html_to_text(text, is_xml=suffix == ".xhtml")
        heading, text = page.title, page.text
    elif suffix in _MARKDOWN:
        found = _ATX_HEADING.search(text[:_HEADING_SEARCH_CHARS])
        heading = found.group(1).rstrip("# \t") if found else ""
    return compose_title(path, heading), clean_text(text)


def compose_title(path: str, heading: str) -> str:
    """Return the title of a file.

    People know prose by its heading and find it by its path, so its title has both; the title of
    anything else is its path.
    """
    shown, heading = clean_line(path), clean_line(heading)[:MAX_TITLE_CHARS]
    return f"{heading} ({shown})" if heading else shown


def _suffix_of(path: str) -> str:
    # Cheaper than pathlib, as every file is asked for it.
    stem, dot, ending = path.rpartition("/")[2].rpartition(".")
    return f".{ending}" if dot and stem else ""


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _decode_unmarked_utf_16(data: bytes) -> str | None:
    # So few bytes always look like characters of some script.
    if len(data) < _UTF_16_MIN_BYTES:
        return None
    encoding = _guess_encoding(data[:_SAMPLE_BYTES], _UTF_16)
    text = _decode_strictly(data, encoding) if encoding else None
    return None if text is None or _NOT_IN_TEXT.search(text.encode()) else text


def _decode_legacy(data: bytes) -> str | None:
    # Only lines with non-ASCII bytes tell the encoding, and in code they may be very few.
    telling = b"\n".join(line for line in data.split(b"\n") if not line.isascii())
    sample = telling[:_SAMPLE_BYTES]
    encoding = _guess_encoding(sample, _LEGACY)
    if encoding is None and len(sample) < len(telling):
        # The sample may end in the middle of a two-byte character.
        encoding = _guess_encoding(sample[:-1], _LEGACY)
    return None if encoding is None else data.decode(encoding, errors="replace")


def _guess_encoding(sample: bytes, candidates: list[str]) -> str | None:
    # Imported here because few files need it, and loading it takes a while.
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=candidates)
    best = matches.best()
    if best is None:
        return None
    equal = [m for m in matches if (m.chaos, m.coherence) == (best.chaos, best.coherence)]
    western = any(_WESTERN in match.could_be_from_charset for match in equal)
    return _WESTERN if western else best.encoding
