"""Text to learn from: sections of documentation that Debian packages carry, under open licences.

None of it is what search is measured with (`bench/retrieval`): no package's description, no manual
page (nor pages of documentation made of them), and nothing made of Python's docstrings.
"""

import gzip
import re
import subprocess
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from scripts.embedding.readers import READERS

SECTION_MIN_CHARS = 60
SECTION_MAX_CHARS = 4_000
SECTIONS_A_SOURCE = 30_000
PASSAGE_MAX_CHARS = 450
LENGTHS = ((30, 120), (30, 120), (100, 240), (200, 420))
ANY_LENGTH = 1_024
SHORT_MAX_CHARS = 120
FILE_MAX_BYTES = 30_000_000


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text below it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A package: its licence, the files to read in it, and how much the teacher reads of it.

    What is ``judged`` is left out where hyperparameters are chosen.
    """

    package: str
    version: str
    licence: str
    files: str
    passages: int
    without: str = r"$^"
    read: str = "html"
    judged: bool = False


def read_sources() -> list[Source]:
    """Return the packages that `sources.toml` names, in its order."""
    told = tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))
    return [Source(package, **fields) for package, fields in told.items()]


def read_sections(source: Source, folder: Path) -> list[Section]:
    """Return the distinct sections of a package, always in the same order."""
    # A text that comes back is boilerplate.
    found = {(each.title, each.text): each for each in _read(source, folder)}
    texts = Counter(text for _, text in found)
    sections = [each for each in found.values() if texts[each.text] == 1]
    return sorted(sections, key=lambda each: digest(each.title + "\0" + each.text))[
        :SECTIONS_A_SOURCE
    ]


def make_passages(section: Section) -> Iterator[str]:
    """Yield the title if it says something, and pieces of the text of 40 to 450 characters."""
    if 3 <= len(section.title.split()) <= 12:
        yield section.title
    start = f"{section.title}\n" if section.title else ""
    piece, wanted = "", 0
    for sentence in re.split(r"(?<=[.;:!?]) +", section.text):
        if not piece:
            # Texts and questions come in all lengths.
            low, high = LENGTHS[digest(sentence)[0] % len(LENGTHS)]
            wanted = low + (high - low) * digest(sentence)[1] // 255
        piece = f"{piece} {sentence}".strip()
        if len(piece) >= wanted:
            yield (start + piece)[:PASSAGE_MAX_CHARS]
            piece = start = ""
    if len(piece) >= SECTION_MIN_CHARS:
        yield (start + piece)[:PASSAGE_MAX_CHARS]


def choose_passages(source: Source, sections: Iterable[Section]) -> list[str]:
    """Return what the teacher reads of a package: some of any length, and more of the short ones.

    The teacher takes as long for a long passage as for several short ones, which teach more.
    """
    found = dict.fromkeys(passage for section in sections for passage in make_passages(section))
    order = sorted(found, key=digest)
    short = [each for each in order[ANY_LENGTH:] if len(each) <= SHORT_MAX_CHARS]
    return (order[:ANY_LENGTH] + short)[: source.passages]


def digest(text: str) -> bytes:
    """Return what stands for chance here: it is the same on every machine."""
    return blake2b(text.encode(), digest_size=16).digest()


def _read(source: Source, folder: Path) -> Iterator[Section]:
    read = READERS[source.read]
    for content in _read_files(source, folder):
        for title, text in read(content):
            if len(text) >= SECTION_MIN_CHARS and _is_english(text):
                yield Section(title, text[:SECTION_MAX_CHARS])


def _read_files(source: Source, folder: Path) -> Iterator[str]:
    """Yield the texts of the chosen files of a package, which is downloaded if it is not there."""
    wanted, unwanted = re.compile(source.files), re.compile(source.without)
    name = f"{source.package}_{source.version.replace(':', '%3a')}_*.deb"
    if not [*folder.glob(name)]:
        subprocess.run(
            ["/usr/bin/apt-get", "download", "-q", f"{source.package}={source.version}"],
            cwd=folder,
            check=True,
        )
    [path] = folder.glob(name)
    unpack = ["/usr/bin/dpkg-deb", "--fsys-tarfile", path]
    with (
        subprocess.Popen(unpack, stdout=subprocess.PIPE) as unpacked,
        tarfile.open(fileobj=unpacked.stdout, mode="r|") as tar,
    ):
        for member in tar:
            is_chosen = wanted.search(member.name) and not unwanted.search(member.name)
            content = tar.extractfile(member) if is_chosen and member.isfile() else None
            if content is not None and member.size <= FILE_MAX_BYTES:
                yield _decode(member.name, content.read())


def _decode(name: str, content: bytes) -> str:
    if name.endswith((".gz", ".dz")):
        content = gzip.decompress(content)
    return content.decode("utf-8", "replace")


def _is_english(text: str) -> bool:
    letters = sum(character.isascii() and character.isalpha() for character in text)
    return letters > 0.6 * len(text)
