"""The SQL function `match_places`: the words at which a query matches a text in the index.

FTS5's own snippet() and highlight() take time by the square of the matches in one text.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, cast

from weft.local.store.sqlite.file.session import Session

EXCERPT_WORDS = 48
MATCHES_PER_TERM_MAX = 16
TEXT_COLUMN = 1


class Matches(Protocol):
    """The matches in one row, as FTS5 tells them to a function."""

    @property
    def phrase_count(self) -> int:
        """Return the number of terms in the query."""
        ...

    def phrase_columns(self, phrase: int, /) -> Sequence[int]:
        """Return the columns in which the term matches."""
        ...

    def phrase_column_offsets(self, phrase: int, column: int, /) -> list[int]:
        """Return the words of the column at which the term matches, counted from 0."""
        ...


def register_match_places(db: Session) -> None:
    """Make `match_places` known to the session, which must not know it yet."""
    cast("Any", db).register_fts5_function("match_places", match_places)


def match_places(matches: Matches) -> str:
    """Return which terms match, a digit for each; then the best excerpt's first and last word.

    Words are counted from 0. Best is the excerpt with the most terms, among the first matches of
    each; there is none if the text has no term.
    """
    terms = "".join(str(int(bool(matches.phrase_columns(n)))) for n in range(matches.phrase_count))
    return " ".join([terms, *_find_excerpt(matches)])


def _find_excerpt(matches: Matches) -> Sequence[str]:
    places = sorted(
        (place, term)
        for term in range(matches.phrase_count)
        for place in matches.phrase_column_offsets(term, TEXT_COLUMN)[:MATCHES_PER_TERM_MAX]
    )
    best: Sequence[str] = ()
    most = left = 0
    near: Counter[int] = Counter()
    for place, term in places:
        near[term] += 1
        while place - places[left][0] >= EXCERPT_WORDS:
            near.subtract((places[left][1],))
            left += 1
        terms = sum(count > 0 for count in near.values())
        if terms > most:
            best, most = (str(places[left][0]), str(place)), terms
    return best
