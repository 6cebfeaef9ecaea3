"""Search in the catalogue of sources: words that people use, a page at a time."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from weft.domain.base import Page
from weft.domain.reading.cursors import decode_cursor, encode_cursor
from weft.domain.sources import SourceInfo
from weft.domain.text.names import suggest

OTHERS_MAX: Final = 100
"""How many sources beyond a page it names."""

_WORD = re.compile(r"[^\W_]+")
_PLACE = re.compile(r"\d{1,6}")
_PART_MIN_CHARS = 3
"""Shorter ones say too little: "my" begins MySQL, and "of" is in every description."""
_STEM_MIN_CHARS = 5
"""A shorter known word does not stand for a longer one that begins so: "git" is in "gitub"."""


class SourcePage(Page[SourceInfo]):
    """A page of sources, and the short names of those that come after it.

    ``total`` counts all that fit.
    """

    total: int
    others: tuple[str, ...] = ()


def page_sources(
    sources: Sequence[SourceInfo], query: str | None, cursor: str | None, limit: int
) -> SourcePage:
    """Return a page of the sources that fit ``query``, the best first.

    Raises InvalidInput for the cursor of another list.
    """
    place = int(decode_cursor(cursor, _PLACE, "sources", query)[0]) if cursor else 0
    found = search_sources(sources, query)
    end = place + limit
    others = [source.short_name for source in found[end : end + OTHERS_MAX]]
    return SourcePage(
        items=tuple(found[place:end]),
        next_cursor=encode_cursor(end, "sources", query) if others else None,
        total=len(found),
        others=tuple(others),
    )


def search_sources(sources: Sequence[SourceInfo], query: str | None) -> Sequence[SourceInfo]:
    """Return the sources that fit as many of the words as any does; all if there are no words.

    The best come first, and those that are as good stay in their order.
    """
    words = _words(query or "")
    if not words:
        return sources
    scored: list[tuple[int, int, SourceInfo]] = []
    for source in sources:
        scores = [_score(source, word) for word in words]
        scored.append((sum(map(bool, scores)), sum(scores), source))
    most = max((fits for fits, _, _ in scored), default=0)
    kept = [(score, source) for fits, score, source in scored if score and fits == most]
    return [source for _, source in sorted(kept, key=lambda pair: -pair[0])]


def suggest_sources(sources: Iterable[SourceInfo], query: str) -> list[str]:
    """Return the short names of sources that ``query`` may misspell."""
    names = {
        word: source.short_name
        for source in sources
        for text in (*source.labels, source.name, source.short_name)
        for word in (text.casefold(), *_words(text))
    }
    near = (suggest(word, names) for word in (query.casefold(), *_words(query)))
    return list(dict.fromkeys(names[word] for word in near if word))


def _score(source: SourceInfo, word: str) -> int:
    """Return how well one word fits; zero if it does not."""
    names = {*_words(source.short_name), *_words(source.name)}
    if word in names:
        return 5
    if len(word) >= _PART_MIN_CHARS and any(word in name for name in names):
        return 4
    says_much = len(word) >= _PART_MIN_CHARS or any(map(str.isdigit, word))
    prose = (source.description,) if says_much else ()
    told = (source.labels, source.entity_types, prose)
    for score, texts in zip((3, 2, 1), told, strict=True):
        if any(_fits(word, other) for text in texts for other in _words(text)):
            return score
    return 0


def _fits(word: str, other: str) -> bool:
    """Return whether one of two words begins the other, as "postgres" begins "PostgreSQL"."""
    if len(word) >= _PART_MIN_CHARS and other.startswith(word):
        return True
    return word == other or (len(other) >= _STEM_MIN_CHARS and word.startswith(other))


def _words(text: str) -> list[str]:
    return [_singular(word) for word in _WORD.findall(text.casefold())]


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > _PART_MIN_CHARS and word.endswith("s") else word
