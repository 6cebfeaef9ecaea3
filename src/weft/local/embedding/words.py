"""Split texts into the pieces of words that a static model has vectors for."""

import re
import unicodedata
from collections.abc import Mapping

# Longer runs are no words but encoded data, which means nothing and would drown what does.
WORD_MAX_CHARS = 64
WORDS_KEPT = 65_536

_WORD = re.compile(r"[^\W_]+")
# getUserProfile, HTTPServer and v2 are said in several words.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9]+")
_CONTINUED = "##"


class WordSplitter:
    """Greedy WordPiece: a word is cut into the longest pieces that the vocabulary has.

    Each word is cut once and remembered, so that texts cost little more than finding their words.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self._vocabulary = vocabulary
        self._longest = max(map(len, vocabulary), default=0)
        self._known: dict[str, tuple[int, ...]] = {}

    def split(self, text: str) -> list[int]:
        """Return the numbers of the pieces of all known words, in their order."""
        pieces: list[int] = []
        known = self._known
        for word in _WORD.findall(text):
            found = known.get(word)
            pieces += self._learn(word) if found is None else found
        return pieces

    def _learn(self, word: str) -> tuple[int, ...]:
        if len(word) > WORD_MAX_CHARS:
            return ()
        pieces = tuple(piece for part in _part(word) for piece in self._cut(part))
        if len(self._known) >= WORDS_KEPT:
            self._known.clear()
        self._known[word] = pieces
        return pieces

    def _cut(self, word: str) -> list[int]:
        """Return the pieces of a word in lower case; none if a part of it is unknown."""
        pieces: list[int] = []
        start, mark = 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                piece = self._vocabulary.get(mark + word[start:end])
                if piece is not None:
                    break
            else:
                return []
            pieces.append(piece)
            start, mark = end, _CONTINUED
        return pieces


def _part(word: str) -> list[str]:
    """Return the parts of an identifier in lower case and without accents."""
    if not word.isascii():
        plain = unicodedata.normalize("NFD", word)
        word = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    if word.islower() or word.isupper() or word.istitle():
        return [word.lower()]
    return [part.lower() for part in _PART.findall(word)]
