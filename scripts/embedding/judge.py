"""Judge a model by texts that it did not learn from, never by what search is measured with."""

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from scripts.embedding.corpus import Section
from weft.local.embedding.words import WordSplitter

RANKS = 10
CANDIDATES = 100
MEANING_SHARE = 0.4
QUESTIONS_MAX = 1_000
TEXT_MAX_CHARS = 1_000

Ranking = dict[int, float]


def judge(splitter: WordSplitter, rows: NDArray[np.float32], sections: Sequence[Section]) -> None:
    """Print how well texts are found by their titles: by words, by meaning, and by both."""
    counts = Counter(each.title for each in sections)
    asked = [
        number
        for number, each in enumerate(sections)
        if len(each.title.split()) >= 3 and counts[each.title] == 1
    ][:QUESTIONS_MAX]
    texts = _add_up(splitter, rows, [each.text[:TEXT_MAX_CHARS] for each in sections])
    titles = _add_up(splitter, rows, [sections[number].title for number in asked])
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE found USING fts5(text, tokenize='porter')")
    index.executemany("INSERT INTO found VALUES (?)", [(each.text,) for each in sections])
    gains = defaultdict[str, float](float)
    for number, title in zip(asked, titles, strict=True):
        words = _find_words(index, sections[number].title)
        scores = texts @ title
        meaning = {int(each): float(scores[each]) for each in np.argsort(-scores)[:CANDIDATES]}
        both = _blend(words, meaning)
        for name, ranking in (("words", words), ("meaning", meaning), ("both", both)):
            gains[name] += _rate(ranking, number)
    told = ", ".join(f"{name} {gain / len(asked):.3f}" for name, gain in gains.items())
    print(f"nDCG@10 of {len(asked):,} titles among {len(sections):,} texts: {told}")


def _add_up(
    splitter: WordSplitter, rows: NDArray[np.float32], texts: Sequence[str]
) -> NDArray[np.float32]:
    sums = np.stack([rows[splitter.split(text)].sum(axis=0) for text in texts])
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)


def _find_words(index: sqlite3.Connection, title: str) -> Ranking:
    match = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", title)))
    # FTS5 numbers its rows from 1.
    found = index.execute(
        "SELECT rowid - 1, -rank FROM found WHERE found MATCH ? ORDER BY rank LIMIT ?",
        (match, CANDIDATES),
    )
    return dict(found.fetchall())


def _rate(ranking: Ranking, number: int) -> float:
    """Return the gain of finding this text where the ranking has it."""
    best = sorted(ranking, key=lambda each: -ranking[each])[:RANKS]
    return 1 / log2(best.index(number) + 2) if number in best else 0


def _blend(words: Ranking, meaning: Ranking) -> Ranking:
    """Add the scores of two rankings, each stretched from 0 to 1."""
    both = defaultdict[int, float](float)
    for ranking, share in ((words, 1 - MEANING_SHARE), (meaning, MEANING_SHARE)):
        low, high = min(ranking.values(), default=0), max(ranking.values(), default=0)
        for number, score in ranking.items():
            both[number] += share * (score - low) / ((high - low) or 1)
    return both
