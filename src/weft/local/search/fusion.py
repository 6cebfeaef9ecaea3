"""Joins rankings of the same entities into one."""

from collections.abc import Iterable, Sequence
from typing import Final

from weft.local.store.search import Ranked

MEANING_WEIGHT: Final = 0.4
"""The share of meaning in a joined score. Measured: .35 to .45 are alike on known items, and more
meaning finds more paraphrases.
"""


def fuse(words: Sequence[Ranked], meaning: Iterable[Sequence[Ranked]]) -> list[Ranked]:
    """Join the ranking by words with those by meaning, one for each model; the best come first.

    All scores are about 1 for what is surely meant, so that the best of a bad ranking counts for
    little. Who is in one ranking alone gets nothing for the other.
    """
    best = max((each.score for each in words), default=0.0)
    by_words = [Ranked(no, score / max(best, 1.0)) for no, score in words]
    # An entity has a vector of one model only.
    by_meaning = [each for ranking in meaning for each in ranking]
    return mix(by_words, by_meaning, MEANING_WEIGHT)


def mix(first: Sequence[Ranked], second: Sequence[Ranked], weight: float) -> list[Ranked]:
    """Add up scores, ``weight`` being the share of the second ranking; the best come first."""
    mixed: dict[int, float] = {}
    for share, ranking in ((1 - weight, first), (weight, second)):
        for no, score in ranking:
            mixed[no] = mixed.get(no, 0.0) + share * score
    # Equal scores are ordered by number, so that pages of the same ranking fit together.
    return sorted((Ranked(*each) for each in mixed.items()), key=lambda one: (-one.score, one.no))


def spread(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Move the scores so that the best is 1 and the last 0."""
    scores = [each.score for each in ranking]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [
        Ranked(no, (score - low) / (high - low) if high > low else 1.0) for no, score in ranking
    ]
