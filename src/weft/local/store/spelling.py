"""Other spellings of words, for an index that parts words at spaces and signs alone.

An index holds, beside a text, its `parts`: of HTTPConnectionPool the words HTTP, Connection and
Pool; of scripts without spaces every two letters that stand together; of Straße also Strasse. Most
texts have none. What is looked for is spelled in the same ways.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import add
from typing import Final

IDENTIFIER_MAX_CHARS: Final = 64
PIECES_MAX: Final = 8
"""What falls into more pieces is no name that somebody gave, but encoded data."""

NAME_MAX_CHARS: Final = 100
PREFIX_MIN_CHARS: Final = 3
"""Fewer letters begin too many words."""

_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz0123456789"
_UPPER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SHAPES: Final = bytes(
    ord("a") if byte in _LOWER else ord("A") if byte in _UPPER else ord(" ") for byte in range(256)
)
# Written so that it begins with a capital, which is rare: the search skips from one to the next.
_INNER_CAPITAL: Final = re.compile(rb"A(?:(?<=aA)|Aa)")
_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+")

# Latin letters that are no other letter with a mark, as the index takes their marks off; and marks
# of other scripts that many leave out.
_FOLDED: Final = (
    "ẞß:ss Ææ:ae Œœ:oe Øø:o Łł:l ĐđÐð:d Þþ:th ı:i"
    " Άά:α Έέ:ε Ήή:η ΊίΪϊΐ:ι Όό:ο ΎύΫϋΰ:υ Ώώ:ω Ёё:е أإآ:ا"
)
_WRITTEN_OUT: Final = f"{_FOLDED} Ää:ae Öö:oe Üü:ue Øø:oe Åå:aa"


def _pairs_of(spelled: str) -> Iterator[tuple[str, str]]:
    for each in spelled.split():
        letters, _, out = each.partition(":")
        yield from ((letter, out) for letter in letters)


def _map_letters(spelled: str) -> dict[int, str]:
    return {ord(letter): out for letter, out in _pairs_of(spelled)}


_SPELLED: Final = (_map_letters(_FOLDED), _map_letters(_WRITTEN_OUT))
_READ_BACK: Final = [pair for pair in _pairs_of(_WRITTEN_OUT) if pair[0].islower()]
_WITHOUT_MARKS: Final = {
    number: unicodedata.normalize("NFD", chr(number))[0]
    for number in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00))
} | {number: letter for number, letter in _SPELLED[0].items() if len(letter) == 1}
_LETTER: Final = re.compile("[" + "".join(map(chr, _SPELLED[1])) + "]")
_WORD: Final = re.compile(r"[^\W_]+")

# Vowels and tones of Thai, Lao, Myanmar and Khmer part words for the index, unless they are given
# numbers that Unicode leaves to everybody.
_MARKS: Final = {
    number: 0xE000 + (number & 0xFFF)
    for number in (*range(0xE00, 0xF00), *range(0x1000, 0x10A0), *range(0x1780, 0x1800))
    if unicodedata.category(chr(number)) in ("Mn", "Mc")
}
_MARK: Final = re.compile("[" + "".join(map(chr, _MARKS)) + "]")
_DENSE_LETTERS: Final = (
    "々〇\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
    "\ue000-\ue09f\ue780-\ue7ff\uee00-\ueeff"
)
_DENSE: Final = re.compile(f"[{_DENSE_LETTERS}]")
_RUN: Final = re.compile(
    f"(?P<dense>[{_DENSE_LETTERS}]++)"
    f"|(?<![A-Za-z0-9])[A-Za-z0-9]++(?=[{_DENSE_LETTERS}])|(?<=[{_DENSE_LETTERS}])[A-Za-z0-9]++"
)

_BEFORE_NAME: Final = re.compile(r".*[/:#]", re.DOTALL)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_HASH: Final = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE)
_FILE_NAME: Final = re.compile(r"[^\s:]*\w\.[A-Za-z][A-Za-z0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row; the last may only begin so. ``in_names``: in a title or name."""

    text: str
    is_prefix: bool = False
    in_names: bool = False


Spelling = tuple[Phrase, ...]
"""Phrases that must all be there."""


def find_parts(text: str) -> str:
    """Return what a text has to be found by besides its words; nothing for plain text."""
    plain = text.encode("ascii", "replace")
    shapes = plain.translate(_SHAPES)
    is_ascii = text.isascii()
    if is_ascii and not _INNER_CAPITAL.search(shapes):
        return ""
    found: Iterable[str] = _split_identifiers(plain, shapes)
    return " ".join(found if is_ascii else chain(found, _spell_out(text)))


def find_names(source_id: str, title: str) -> str:
    """Return what else an entity is found by than its title: a file's name, a commit's hash.

    Nobody remembers the number of a row.
    """
    name = _BEFORE_NAME.sub("", source_id.rstrip("/"))
    if name.isdecimal() or name in title or len(name) > NAME_MAX_CHARS or _UUID.fullmatch(name):
        return find_parts(title)
    return f"{name} {find_parts(f'{title} {name}')}".rstrip()


def spell(text: str, *, is_prefix: bool = False) -> list[Spelling]:
    """Return how the index may have a word, or words in a row, that somebody looks for."""
    text = unicodedata.normalize("NFC", text)
    is_prefix = is_prefix and _is_beginning(text)
    texts = [text, *(text.translate(letters) for letters in _SPELLED)]
    pieces = [_split(word) or [word] for word in _WORD.findall(text)]
    texts.append(" ".join(chain.from_iterable(pieces)) if any(p[1:] for p in pieces) else text)
    found: list[Spelling] = [(Phrase(each, is_prefix),) for each in dict.fromkeys(texts)]
    if _DENSE.search(text):
        found.append(tuple(_spell_runs(text)))
    elif _HASH.fullmatch(text):
        found.append((Phrase(text, is_prefix=True, in_names=True),))
    elif _FILE_NAME.fullmatch(text):
        found.append((Phrase(text, is_prefix, in_names=True),))
    return list(dict.fromkeys(found))


def loosen(text: str) -> list[Spelling]:
    """Return what to take for a word that is nowhere: what begins so, or any two of its letters.

    For words that nowhere stand in a row, as in salt,pepper, it is any of them.
    """
    text = unicodedata.normalize("NFC", text)
    if _DENSE.search(text):
        return [(Phrase(pair),) for pair in _list_pairs(_to_dense(text))]
    words = list(dict.fromkeys(_WORD.findall(text)))
    if len(words) > 1:
        telling = [word for word in words if len(word) > 1] or words
        return list(chain.from_iterable(map(spell, telling)))
    return spell(text, is_prefix=True) if _is_beginning(text) else []


def _is_beginning(text: str) -> bool:
    return len(text) >= PREFIX_MIN_CHARS and text[-PREFIX_MIN_CHARS:].isalnum()


def find_form(text: str, terms: Sequence[str]) -> int | None:
    """Return the first place in a text that has one of the terms in any form, or a part of it."""
    versions = [text.replace("İ", "I").lower()]
    if not text.isascii():
        versions += [
            versions[0].translate(_WITHOUT_MARKS),
            unicodedata.normalize("NFKC", versions[0]),
        ]
    # If one letter became two, places are not those of the text.
    versions = [version for version in versions if len(version) == len(text)]
    whole = [form for term in terms for form in _list_forms(term)]
    parts = [pair for term in terms if _DENSE.search(term) for pair in _list_pairs(term)]
    for forms in (whole, parts):
        places = (version.find(form) for version in versions for form in forms)
        if found := [place for place in places if place >= 0]:
            return min(found)
    return None


def _list_forms(text: str) -> list[str]:
    """Return how a text may have what is looked for, in small letters, also inside a word."""
    text = unicodedata.normalize("NFC", text)
    pieces = list(chain.from_iterable(_split(word) or [word] for word in _WORD.findall(text)))
    forms = [text, *(text.translate(letters) for letters in _SPELLED)]
    forms += [sign.join(pieces) for sign in ("", "_", "-", " ") if pieces]
    if _DENSE.search(text):
        forms += text.split()
    forms = [form.lower() for form in forms]
    forms += [form.replace(out, letter) for form in forms for letter, out in _READ_BACK]
    return list(dict.fromkeys(forms))


def _split_identifiers(plain: bytes, shapes: bytes) -> Iterator[str]:
    words: dict[bytes, None] = {}
    # Most words are skipped, and never looked at by themselves.
    match = _INNER_CAPITAL.search(shapes)
    while match:
        start, end = shapes.rfind(b" ", 0, match.start()) + 1, shapes.find(b" ", match.start())
        end = end if end >= 0 else len(shapes)
        if end - start <= IDENTIFIER_MAX_CHARS:
            words[plain[start:end]] = None
        match = _INNER_CAPITAL.search(shapes, end)
    for word in words:
        yield from _split(word.decode())


def _split(word: str) -> list[str]:
    """Return the pieces of an identifier, or nothing if it is a word like others."""
    if not (word.isascii() and _INNER_CAPITAL.search(word.encode().translate(_SHAPES))):
        return []
    pieces = _PIECE.findall(word)
    return pieces if len(pieces) <= PIECES_MAX else []


def _spell_out(text: str) -> Iterator[str]:
    is_western = _is_western(text)
    if not is_western:
        text = unicodedata.normalize("NFC", text)
    if _LETTER.search(text):
        for chunk in dict.fromkeys(text.split()):
            if not chunk.isascii() and _LETTER.search(chunk):
                spelled = (chunk.translate(letters) for letters in _SPELLED)
                yield from dict.fromkeys(each for each in spelled if each != chunk)
    if not is_western and _DENSE.search(text):
        last: dict[str, None] = {}
        for match in _RUN.finditer(_to_dense(text)):
            run = match[0]
            if match["dense"]:
                yield from map(add, run, run[1:])
                last[run[-1]] = None
            else:
                yield run
        # A letter alone is looked for as the beginning of two, so the last of each run is missing.
        yield from last


def _is_western(text: str) -> bool:
    """Tell quickly whether all letters are of Western Europe, none of them in two characters."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _to_dense(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    return text.translate(_MARKS) if _MARK.search(text) else text


def _list_pairs(text: str) -> list[str]:
    runs = (match[0] for match in _RUN.finditer(text) if match["dense"])
    return list(dict.fromkeys(chain.from_iterable(map(_pair, runs))))


def _pair(run: str) -> list[str]:
    return list(map(add, run, run[1:])) or [run]


def _spell_runs(text: str) -> Iterator[Phrase]:
    for chunk in _to_dense(text).split():
        matches = list(_RUN.finditer(chunk))
        if not matches:
            yield Phrase(chunk)
            continue
        words = chain.from_iterable(_pair(m[0]) if m["dense"] else [m[0]] for m in matches)
        last = matches[-1]
        yield Phrase(" ".join(words), is_prefix=bool(last["dense"]) and len(last[0]) == 1)
