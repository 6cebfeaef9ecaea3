"""Folds copies: of hits whose texts are nearly the same, the first stands for all."""

import re
from collections.abc import Sequence
from typing import Final

from weft.local.store.search import ShownEntity

SHINGLE_WORDS: Final = 4
LIKENESS_MIN: Final = 0.9
"""The share of runs of words that two texts must have in common, and of their lengths."""
_WORD = re.compile(r"\w+")


def fold(entities: Sequence[ShownEntity]) -> list[list[ShownEntity]]:
    """Group entities whose texts are nearly the same; each group's first is its best."""
    groups: list[tuple[ShownEntity, frozenset[str], list[ShownEntity]]] = []
    for entity in entities:
        shingles = _shingle(entity.head)
        for first, kept, group in groups:
            if _are_alike(shingles, kept) and _are_close(entity.chars, first.chars):
                group.append(entity)
                break
        else:
            groups.append((entity, shingles, [entity]))
    return [group for *_, group in groups]


def _shingle(text: str) -> frozenset[str]:
    words = _WORD.findall(text.lower())
    if not words:
        return frozenset()
    # A text of few words is like another only if it has the same words.
    starts = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return frozenset(" ".join(words[n : n + SHINGLE_WORDS]) for n in starts)


def _are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= LIKENESS_MIN * len(one | other)


def _are_close(one: int, other: int) -> bool:
    return min(one, other) >= LIKENESS_MIN * max(one, other)
