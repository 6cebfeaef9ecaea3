"""Learn a vector for each piece of a word, so that the sum over a text says what the text means.

Two losses are made small together: how far the sums lie from the teacher's vectors, and how often
a title is taken for that of another text of its batch. The second needs no teacher.
"""
# pyright: basic, reportMissingImports=false

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scripts.embedding.corpus import Section
from weft.local.embedding.words import WordSplitter

DIMENSIONS = 256
BATCH = 1_024
NEIGHBOURS = 4_096
STEPS = 300
WARM_UP = 50
RATE = 0.01
TEACHER_WEIGHT = 20
TEMPERATURE = 0.05
TEXT_MAX_CHARS = 1_000
WINDOW = (12, 160)
TITLE_REPEATS_MAX = 2
SEED = 1

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lesson:
    """All that is learned from: passages with the teacher's vectors, and sections with titles."""

    passages: Sequence[str]
    taught: Floats
    sections: Sequence[Section]


def learn(splitter: WordSplitter, pieces: Floats, lesson: Lesson) -> Floats:
    """Return a row for each piece, starting from the teacher's vectors of single pieces."""
    mean = lesson.taught.mean(axis=0)
    axes = find_axes(normalize(lesson.taught - mean))
    wanted = normalize((lesson.taught - mean) @ axes)
    # The vocabulary is ordered by how common a piece is, and what is common tells little.
    rarity = np.log1p(np.arange(len(pieces), dtype=np.float32))[:, None]
    rows = (pieces - pieces.mean(axis=0)) @ axes * rarity
    rows /= np.sqrt(np.square(rows).sum(axis=1)).mean()
    passages = Bags(splitter, lesson.passages)
    sections = choose_titled(lesson.sections)
    titles = Bags(splitter, [each.title for each in sections])
    texts = Bags(splitter, [each.text for each in sections])
    chance = np.random.default_rng(SEED)
    climber = Climber(rows)
    for step in range(1, STEPS + 1):
        read = chance.choice(len(wanted), BATCH, replace=False)
        # Sections of one package are neighbours; to tell those apart takes more than their subject.
        first = chance.integers(0, len(sections) - NEIGHBOURS)
        matched = first + chance.choice(NEIGHBOURS, BATCH, replace=False)
        parts = passages.take(read), titles.take(matched), texts.take_windows(matched, chance)
        # Only what occurs in the batch is touched, which is a small part of all.
        touched = np.unique(np.concatenate([piece for part in parts for piece in part]))
        passage_bags, title_bags, text_bags = (count(part, touched) for part in parts)
        slope = TEACHER_WEIGHT * follow_teacher(rows[touched], passage_bags, wanted[read])
        slope += match_titles(rows[touched], title_bags, text_bags)
        climber.step(touched, slope, RATE * min(1, step / WARM_UP) * (1 - 0.9 * step / STEPS))
        if step % 100 == 0:
            print(f"step {step} of {STEPS}", flush=True)
    return rows


class Climber:
    """Adam: go against the slope, as far for what changes seldom as for what changes often."""

    def __init__(self, rows: Floats) -> None:
        self._rows = rows
        self._mean, self._square = np.zeros_like(rows), np.zeros_like(rows)
        self._steps = 0

    def step(self, touched: NDArray[np.int32], slope: Floats, rate: float) -> None:
        """Move the touched rows."""
        self._steps += 1
        mean = self._mean[touched] * np.float32(0.9) + slope * np.float32(0.1)
        square = self._square[touched] * np.float32(0.99) + slope * slope * np.float32(0.01)
        self._mean[touched], self._square[touched] = mean, square
        mean *= np.float32(rate / (1 - 0.9**self._steps))
        square *= np.float32(1 / (1 - 0.99**self._steps))
        self._rows[touched] -= mean / (np.sqrt(square) + np.float32(1e-8))


def find_axes(vectors: Floats) -> Floats:
    """Return the directions in which the teacher's vectors differ most."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(axes[:, : -DIMENSIONS - 1 : -1], dtype=np.float32)


def choose_titled(sections: Sequence[Section]) -> list[Section]:
    """Leave out sections whose title says nothing, as "Example" does."""
    counts = Counter(each.title for each in sections)
    return [each for each in sections if each.title and counts[each.title] <= TITLE_REPEATS_MAX]


class Bags:
    """Texts as the numbers of their pieces."""

    def __init__(self, splitter: WordSplitter, texts: Sequence[str]) -> None:
        self._found = [np.array(splitter.split(text[:TEXT_MAX_CHARS]), np.int32) for text in texts]

    def take(self, chosen: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """Return the pieces of some texts."""
        return [self._found[number] for number in chosen]

    def take_windows(
        self, chosen: NDArray[np.int64], chance: np.random.Generator
    ) -> list[NDArray[np.int32]]:
        """Return those of a part of each text, which is its beginning as often as not."""
        parts = list[NDArray[np.int32]]()
        for found in self.take(chosen):
            length = min(len(found), int(chance.integers(*WINDOW)))
            start = 0 if chance.random() < 0.5 else chance.integers(0, len(found) - length + 1)
            parts.append(found[start : start + length])
        return parts


def count(parts: Sequence[NDArray[np.int32]], touched: NDArray[np.int32]) -> sparse.csr_matrix:
    """Return a row for each text that tells how often it has each of the touched pieces."""
    ends = np.cumsum([0, *map(len, parts)])
    places = np.searchsorted(touched, np.concatenate(parts))
    ones = np.ones(len(places), np.float32)
    return sparse.csr_matrix((ones, places, ends), shape=(len(parts), len(touched)))


def follow_teacher(rows: Floats, bags: sparse.csr_matrix, wanted: Floats) -> Floats:
    """Return the slope of the mean cosine distance to the teacher's vectors."""
    sums = bags @ rows
    vectors, lengths = normalize(sums), measure(sums)
    return bags.T @ (bend(-wanted / len(wanted), vectors) / lengths)


def match_titles(rows: Floats, titles: sparse.csr_matrix, texts: sparse.csr_matrix) -> Floats:
    """Return the slope of the loss of choosing the text of a title, and the title of a text."""
    asked, answers = titles @ rows, texts @ rows
    left, right = normalize(asked), normalize(answers)
    scores = np.exp((left @ right.T - 1) / np.float32(TEMPERATURE))
    wrong = (scores / scores.sum(axis=1, keepdims=True) + scores / scores.sum(axis=0)) / 2
    np.fill_diagonal(wrong, wrong.diagonal() - 1)
    wrong *= np.float32(1 / (len(wrong) * TEMPERATURE))
    slope = titles.T @ (bend(wrong @ right, left) / measure(asked))
    return slope + texts.T @ (bend(wrong.T @ left, right) / measure(answers))


def bend(slope: NDArray[np.floating], vectors: Floats) -> Floats:
    """Return the part of a slope that turns unit vectors; their length cannot change."""
    return slope - vectors * (slope * vectors).sum(axis=1, keepdims=True)


def measure(vectors: Floats) -> Floats:
    """Return the length of each row, above zero."""
    return np.sqrt(np.square(vectors).sum(axis=1, keepdims=True)) + np.float32(1e-6)


def normalize(vectors: Floats) -> Floats:
    """Return the rows with length 1; a row of zeros stays so."""
    return vectors / measure(vectors)
