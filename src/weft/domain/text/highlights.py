"""Finds the words of a query in a text that is shown to people.

It is a reading aid: the store decides what fits, and also knows stems that are not looked for here.
The dashboard does the same in `highlights.js`.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from weft.domain.text.folding import fold_text
from weft.domain.text.little_words import is_little

LONGER_BY_MAX: Final = 3
"""So many more letters may a form of a word have, as in connections and connected."""
STEM_MIN_CHARS: Final = 4

# Scripts that put no spaces between words.
_DENSE: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_PART: Final = re.compile(rf"[{_DENSE}]+|[^\W_{_DENSE}]+")
_DENSE_RUN: Final = re.compile(rf"[{_DENSE}]+")
_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WRITTEN_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


@dataclass(frozen=True, slots=True)
class _Wanted:
    words: Collection[str]
    begun: Collection[str]
    pairs: Collection[str]

    def has(self, text: str) -> bool:
        return any(
            word in self.words
            or any(_is_form(word, each) for each in self.words)
            or any(word.startswith(each) for each in self.begun)
            for word in _spellings(text)
        )


def find_highlights(text: str, query: str) -> list[tuple[int, int]]:
    """Return where words of the query, or forms of them, begin and end, in order.

    A word that ends with * stands for all that begin so.
    """
    wanted = _read(query)
    found: list[tuple[int, int]] = []
    for begin, end in _find(text, wanted):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _read(query: str) -> _Wanted:
    words, begun, pairs = set[str](), set[str](), set[str]()
    for part in _PART.finditer(query):
        if _DENSE_RUN.fullmatch(part[0]):
            pairs |= {"".join(two) for two in pairwise(part[0])} or {part[0]}
        elif query[part.end() : part.end() + 1] == "*":
            begun |= _spellings(part[0])
        else:
            words |= _spellings(part[0])
    # They stand nearly everywhere, and so show nothing unless there is nothing else.
    telling = {word for word in words if len(word) > 2 and not is_little(word)}
    return _Wanted(telling or words, begun, pairs)


def _find(text: str, wanted: _Wanted) -> Iterator[tuple[int, int]]:
    for part in _PART.finditer(text):
        begin, word = part.start(), part[0]
        if _DENSE_RUN.fullmatch(word):
            found = ((at, at + len(pair)) for pair in wanted.pairs for at in _places(word, pair))
            yield from sorted((begin + start, begin + end) for start, end in found)
        elif wanted.has(word):
            yield part.span()
        else:
            # A letter with an accent would be taken for the end of a piece.
            pieces = list(_PIECE.finditer(word)) if word.isascii() else []
            for piece in pieces if len(pieces) > 1 else ():
                if wanted.has(piece[0]):
                    yield begin + piece.start(), begin + piece.end()


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _spellings(word: str) -> set[str]:
    return {fold_text(word), fold_text(word.lower().translate(_WRITTEN_OUT))}


def _is_form(word: str, other: str) -> bool:
    """Tell whether one is the other with a short ending."""
    short, long = sorted((word, other), key=len)
    most = LONGER_BY_MAX if short == other or len(short) >= STEM_MIN_CHARS else 0
    return long.startswith(short) and len(long) - len(short) <= most
