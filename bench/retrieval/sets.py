"""Questions with known answers, made of texts that Python and the system carry.

Each document lacks the line that its question is made of. What the machine does not have gives a
smaller set, or none. None of this may train a model that is measured with it.
"""

import ast
import gzip
import re
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path

QUERIES_MAX = 1_000
MANUALS_MAX = 4_000
PAGES_A_PROGRAM = 40
TEXT_MIN_CHARS = 80
QUERY_MIN_CHARS = 12
TEXT_MAX_CHARS = 100_000
PARAPHRASES = Path(__file__).with_name("paraphrases.tsv")
MANUALS = Path("/usr/share/man")
SECTIONS = ("1", "5", "7", "8")
PACKAGES = Path("/var/lib/dpkg/status")
TRANSLATIONS = Path("/var/lib/apt/lists")
APT_HELPER = Path("/usr/lib/apt/apt-helper")

_NOT_FOR_USERS = {"idlelib", "lib2to3", "site-packages", "test", "tests", "turtledemo"}
_PACKAGE = re.compile(r"^Package: (\S+)", re.MULTILINE)
_DESCRIPTION = re.compile(r"^Description(?:-en)?: (.+)\n((?: .*\n?)+)", re.MULTILINE)
_NAME_SECTION = re.compile(
    r'^\.S[Hh]\s+"?(?:NAME|Name)"?\s*\n(.*?)(?=^\.S[Hh])', re.MULTILINE | re.DOTALL
)
_SHOWN_MACRO = re.compile(
    r"^\.(?:B|I|R|BI|BR|IB|IR|RB|RI|SB|SM|SH|SS|Sh|Ss|TP|IP|Nm|Nd|Ar|Fl|Pa|Li|Em|Sy)\b *(.*)$"
)
_ESCAPES = (
    (re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)"), ""),
    (re.compile(r"\\s[-+]?\d+|\\[&/,|^%:]|\\[hvwkmM]'[^']*'|\\[*n](?:\[[^\]]*\]|\(..|.)"), ""),
    (re.compile(r"\\\((?:aq|cq|oq)"), "'"),
    (re.compile(r"\\\((?:lq|rq|dq)"), '"'),
    (re.compile(r"\\\((?:em|en|hy)|\\-"), "-"),
    (re.compile(r"\\\(..|\\\[[^\]]*\]"), " "),
    (re.compile(r"\\e"), r"\\"),
    (re.compile(r"\\(.)"), r"\1"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A text under the key that a question names as its answer."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Documents, and questions with the key of the only right answer."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[tuple[str, str], ...]


def make_sets() -> list[QuestionSet]:
    """Return the sets of which this machine has the material."""
    sets = [
        _make_set("package descriptions", _read_packages()),
        _make_set("man pages", _read_manuals()),
        *make_docstring_sets(),
    ]
    return [made for made in sets if made.questions]


def make_docstring_sets() -> tuple[QuestionSet, QuestionSet]:
    """Return the sets that every Python has: first lines of docstrings, and paraphrases."""
    docstrings = dict(_read_docstrings())
    paraphrases = QuestionSet(
        "paraphrases of docstrings",
        tuple(Document(key, text) for key, text in docstrings.items()),
        tuple((query, key) for key, query in read_paraphrases() if key in docstrings),
    )
    first_lines = ((key, *_part(text)) for key, text in docstrings.items())
    return _make_set("docstrings", first_lines), paraphrases


def read_paraphrases() -> list[tuple[str, str]]:
    """Return the key of a docstring, and a question that shares no stem with it or its summary."""
    lines = PARAPHRASES.read_text("utf-8").splitlines()
    return [(key, query) for key, _, query in (line.partition("\t") for line in lines)]


def _make_set(name: str, found: Iterable[tuple[str, str, str]]) -> QuestionSet:
    """Make a set of triples of key, question and text; each machine takes always the same ones."""
    unique = {key: (query, text) for key, query, text in found if len(text) >= TEXT_MIN_CHARS}
    keys = sorted(unique, key=lambda key: blake2b(key.encode()).digest())
    # A question whose answer is not the only one with that line would count as missed.
    asked = Counter(query for query, _ in unique.values())
    fit = (
        (unique[key][0], key)
        for key in keys
        if len(unique[key][0]) >= QUERY_MIN_CHARS and asked[unique[key][0]] == 1
    )
    return QuestionSet(
        name,
        tuple(Document(key, unique[key][1][:TEXT_MAX_CHARS]) for key in keys),
        tuple(islice(fit, QUERIES_MAX)),
    )


def _read_docstrings() -> Iterator[tuple[str, str]]:
    """Yield the names and docstrings of what the standard library offers."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not parts or _NOT_FOR_USERS & {*parts} or any(part.startswith("_") for part in parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except SyntaxError:
            # Templates of projects are no Python.
            continue
        yield from _walk_docstrings(tree, ".".join(parts))


def _walk_docstrings(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, str]]:
    if text := ast.get_docstring(node):
        yield name, text
    if isinstance(node, ast.Module | ast.ClassDef):
        for child in node.body:
            is_named = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if is_named and not child.name.startswith("_"):
                yield from _walk_docstrings(child, f"{name}.{child.name}")


def _part(text: str) -> tuple[str, str]:
    """Return the first paragraph in one line, and the rest."""
    first, _, rest = text.partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _read_packages() -> Iterator[tuple[str, str, str]]:
    """Yield name, short and long description of Debian's packages, or of those installed."""
    lists = sorted(TRANSLATIONS.glob("*Translation-en*"))
    if lists and APT_HELPER.exists():
        # They may be compressed in a way that only apt is sure to know.
        shown = subprocess.run(
            [APT_HELPER, "cat-file", *lists], check=True, capture_output=True
        ).stdout
    elif PACKAGES.exists():
        shown = PACKAGES.read_bytes()
    else:
        return
    for record in shown.decode(errors="replace").split("\n\n"):
        name, described = _PACKAGE.search(record), _DESCRIPTION.search(record)
        if name and described:
            text = re.sub(r"^ \.?", "", described[2], flags=re.MULTILINE).strip()
            yield name[1], described[1], text


def _read_manuals() -> Iterator[tuple[str, str, str]]:
    """Yield name, NAME line and the rest of some manual pages."""
    paths = [path for section in SECTIONS for path in (MANUALS / f"man{section}").glob("*.gz")]
    chosen = sorted(paths, key=lambda path: blake2b(path.name.encode()).digest())
    found: dict[str, tuple[str, str, str]] = {}
    programs: Counter[str] = Counter()
    for path in chosen:
        if len(found) >= MANUALS_MAX:
            break
        program = re.split("[-_.]", path.name)[0]
        programs[program] += 1
        # Some programs have thousands of pages, all alike; a symbolic link is another name.
        if programs[program] > PAGES_A_PROGRAM or path.is_symlink():
            continue
        source = gzip.decompress(path.read_bytes()).decode(errors="replace")
        name = _NAME_SECTION.search(source)
        if name is None:
            continue
        _, dash, query = _show_manual(name[1]).partition(" - ")
        rest = source[: name.start()] + source[name.end() :]
        if dash and query not in found:
            found[query] = path.name.removesuffix(".gz"), query, _show_manual(rest)
    yield from found.values()


def _show_manual(source: str) -> str:
    """Return the words of a page in roff; not as neatly as groff, but in no time."""
    shown: list[str] = []
    for line in source.splitlines():
        if line.startswith((".", "'")):
            macro = _SHOWN_MACRO.match(line)
            if macro is None:
                continue
            line = f"- {macro[1]}" if line.startswith(".Nd") else macro[1].replace('"', "")
        for pattern, replacement in _ESCAPES:
            line = pattern.sub(replacement, line)
        shown.append(line.strip())
    return "\n".join(shown) if len(shown) > 4 else " ".join(filter(None, shown))
