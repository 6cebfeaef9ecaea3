"""Excerpts of the texts that a search finds, cut around their matches.

The work is bounded by the length of the text, however often it matches: the index says at which
words the matches stand, and the index's tokenizer counts the words up to there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, cast

import apsw

from weft.domain.reading.search import SNIPPET_MAX_CHARS
from weft.local.store.search import Excerpt
from weft.local.store.spelling import find_form
from weft.local.store.sqlite.file.matches import EXCERPT_WORDS
from weft.local.store.sqlite.file.session import Session

# The interpreter stands still while the tokenizer reads one part of a text.
CHUNK_CHARS = 32_768
BEFORE_MAX_CHARS = SNIPPET_MAX_CHARS // 4
_GAP = " … "

# Takes UTF-8; returns each word's first byte, the byte after it, and what the index holds of it.
Tokenizer = Callable[[bytes], list[tuple[int, int, str]]]


def index_tokenizer(db: Session) -> Tokenizer:
    """Return what divides a text into words as the index does."""
    divide = cast("Any", db).fts5_tokenizer("porter", ["unicode61", "remove_diacritics", "2"])
    return lambda text: divide(text, apsw.FTS5_TOKENIZE_AUX, None, include_colocated=False)


def cut_excerpt(tokenize: Tokenizer, text: str, places: str | None) -> Excerpt:
    """Return the words around the matches; ``places`` is what `match_places` says of the text."""
    first, last = map(int, places.split()) if places else (0, 0)
    start = max(0, first - (EXCERPT_WORDS - 1 - (last - first)) // 2) if places else 0
    after = start + EXCERPT_WORDS
    found = _find_words(tokenize, text, {start, first, after - 1, after})
    anchor = found[first][0] if first in found else 0
    begin = found[start][0] if start and start in found else 0
    begin = max(begin, anchor - BEFORE_MAX_CHARS)
    end, tail = (found[after - 1][1], _GAP) if after in found else (len(text), "")
    head = _GAP if begin else ""
    end = min(end, begin + SNIPPET_MAX_CHARS - len(head) - len(tail))
    return Excerpt(head + text[begin:end] + tail, begin)


def find_places(tokenize: Tokenizer, text: str, terms: Iterable[str]) -> str | None:
    """Return what `match_places` says of matches, for terms that the text has inside of words."""
    first = find_form(text, [_stem(tokenize, term) for term in terms])
    if first is None:
        return None
    place = sum(len(words) for *_, words in _read_words(tokenize, text[: first + 1])) - 1
    return f"{max(place, 0)} {max(place, 0)}"


def _stem(tokenize: Tokenizer, term: str) -> str:
    """Return the term up to where its last word may have other endings."""
    written = term.encode()
    *_, (start, end, stem) = tokenize(written) or [(0, 0, "")]
    ending = written[start:end].decode()
    kept = 0
    while ending[kept : kept + 1].lower() == stem[kept : kept + 1] != "":
        kept += 1
    return written[:start].decode() + ending[: kept or None]


def _find_words(
    tokenize: Tokenizer, text: str, wanted: Collection[int]
) -> dict[int, tuple[int, int]]:
    """Return where the words with these numbers begin and end, in characters."""
    found: dict[int, tuple[int, int]] = {}
    counted, last = 0, max(wanted)
    for at, chunk, words in _read_words(tokenize, text):
        for number in wanted:
            if 0 <= number - counted < len(words):
                start, end, *_ = words[number - counted]
                begin = at + len(chunk[:start].decode())
                found[number] = begin, begin + len(chunk[start:end].decode())
        counted += len(words)
        if counted > last:
            break
    return found


def _read_words(
    tokenize: Tokenizer, text: str
) -> Iterator[tuple[int, bytes, list[tuple[int, int, str]]]]:
    """Yield the text in parts, each with its place, its UTF-8 and its words, none of them torn."""
    at, size = 0, CHUNK_CHARS
    while at < len(text):
        chunk = text[at : at + size].encode()
        words = tokenize(chunk)
        following = at + size
        if following < len(text) and words and words[-1][1] == len(chunk):
            # The last word may go on: the next part begins with it.
            following = at + len(chunk[: words.pop()[0]].decode())
        if following == at:
            size *= 2
            continue
        yield at, chunk, words
        at, size = following, CHUNK_CHARS
