"""Joins rankings of the same entities into one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from weft.local.store.search import Ranked

MEANING_WEIGHT: Final = 0.4
"""The share of meaning in a joined score. Measured: .3 to .5 are alike on known items, and more
meaning finds more paraphrases. Ranks with equal votes are worse than words alone.
"""


def fuse(words: Sequence[Ranked], meaning: Iterable[Sequence[Ranked]]) -> list[Ranked]:
    """Join the ranking by words with those by meaning, one for each model; the best come first.

    Each ranking's scores are spread from 0 to 1 first. Who is in one ranking alone gets nothing for
    the other.
    """
    joined: dict[int, float] = {}
    for no, score in _spread(words):
        joined[no] = (1 - MEANING_WEIGHT) * score
    # An entity has a vector of one model only.
    for no, score in (each for ranking in meaning for each in _spread(ranking)):
        joined[no] = joined.get(no, 0.0) + MEANING_WEIGHT * score
    # Equal scores are ordered by number, so that pages of the same ranking fit together.
    return sorted((Ranked(*each) for each in joined.items()), key=lambda one: (-one.score, one.no))


def _spread(ranking: Sequence[Ranked]) -> Iterator[Ranked]:
    scores = [each.score for each in ranking]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    for no, score in ranking:
        yield Ranked(no, (score - low) / (high - low) if high > low else 1.0)
