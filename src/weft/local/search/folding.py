"""Folds copies: of hits whose texts are nearly the same, the first stands for all."""

from collections.abc import Sequence
from typing import Final

from weft.local.store.search import ShownEntity

SHINGLE_WORDS: Final = 4
LIKENESS_MIN: Final = 0.9
"""The share of runs of words that two texts must have in common, and of their lengths."""
FEW_WORDS: Final = 40
"""Texts of fewer words are alike only if they have the same ones."""


def fold(entities: Sequence[ShownEntity]) -> list[list[ShownEntity]]:
    """Group entities whose texts are nearly the same; each group's first is its best."""
    groups: list[tuple[ShownEntity, frozenset[str], list[ShownEntity]]] = []
    for entity in entities:
        shingles = _shingle(entity.head)
        for first, kept, group in groups:
            if _are_alike(shingles, kept) and _are_named_alike(entity, first):
                group.append(entity)
                break
        else:
            groups.append((entity, shingles, [entity]))
    return [group for *_, group in groups]


def _shingle(text: str) -> frozenset[str]:
    # Signs count as words do: they may be all that two texts differ in.
    words = text.lower().split()
    if len(words) < FEW_WORDS:
        return frozenset([" ".join(words)] if words else ())
    starts = range(len(words) - SHINGLE_WORDS + 1)
    return frozenset(" ".join(words[n : n + SHINGLE_WORDS]) for n in starts)


def _are_alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= LIKENESS_MIN * len(one | other)


def _are_named_alike(one: ShownEntity, other: ShownEntity) -> bool:
    """Tell whether they may be copies by their length and their titles.

    A title that is a part of the id is the name of a file, which copies do not share.
    """
    short, long = sorted((one.chars, other.chars))
    are_titled_alike = one.title == other.title or (
        one.title in one.source_id and other.title in other.source_id
    )
    return short >= LIKENESS_MIN * long and are_titled_alike
