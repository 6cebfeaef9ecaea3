"""The packaged model: what it knows, and that no text harms it."""

import json
import random
from collections.abc import Sequence
from hashlib import blake2b
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from weft.local.embedding.codes import binarize, quantize, restore
from weft.local.embedding.static import StaticEncoder
from weft.local.embedding.words import WordSplitter

DATA = files("weft.local.embedding") / "data"


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder()


def compare(encoder: StaticEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = encoder.encode(texts)
    return vectors @ vectors.T


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("car", "automobile", "banana"),
        ("forgotten login credentials", "How do I reset my password?", "quarterly revenue report"),
        ("invoices that nobody paid", "overdue bills", "a walk in the mountains"),
        ("getUserProfile", "the profile of a user", "delete old backups"),
    ],
)
def test_what_means_the_same_is_near(
    encoder: StaticEncoder, text: str, near: str, far: str
) -> None:
    likeness = compare(encoder, [text, near, far])

    assert likeness[0, 1] > likeness[0, 2] + 0.1


def test_the_packaged_file_is_the_one_that_the_scripts_wrote(encoder: StaticEncoder) -> None:
    told = json.loads((DATA / "english.json").read_text("utf-8"))
    content = (DATA / "english.npz").read_bytes()

    assert blake2b(content, digest_size=16).hexdigest() == told["digest"]
    assert encoder.model == f"{told['name']}-{told['digest'][:8]}"
    assert encoder.dimensions == told["dimensions"] == 256


def test_vectors_are_of_length_one_or_nothing(encoder: StaticEncoder) -> None:
    vectors = encoder.encode(["a text", "", "日本語", "🙂 \0 ---", "x"])

    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 0, 0, 1], abs=1e-6)
    assert encoder.encode([]).shape == (0, 256)


def test_a_vector_depends_on_its_text_alone() -> None:
    texts = ["Syncs stop at night", "", "Überweisung für Straße 12", "the syncs stop"] * 2_000
    together = StaticEncoder().encode(texts)
    warm = StaticEncoder()
    warm.encode(texts[2:4])

    assert np.array_equal(
        together[-4:], np.concatenate([warm.encode([each]) for each in texts[:4]])
    )
    assert np.array_equal(together[:4], together[-4:])


def test_accents_and_case_make_no_difference(encoder: StaticEncoder) -> None:
    assert compare(encoder, ["Café résumé", "CAFE resume"])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "ab " * 300_000,
        "漢" * 1_000_000,
        "é" * 500_000,
        "🙂" * 500_000,
        "\0" * 1_000_000,
        "".join(random.Random(1).choices("abcdefXYZ019+/", k=100_000)),
    ],
    ids=["one word", "words", "chinese", "accents", "emoji", "nul", "encoded"],
)
def test_a_hostile_text_is_read_in_bounds(encoder: StaticEncoder, text: str) -> None:
    [vector] = encoder.encode([text])

    assert np.isfinite(vector).all()


def test_no_more_words_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.local.embedding.words.WORDS_KEPT", 10)
    splitter = WordSplitter({"a": 0, "##a": 1, "##b": 2})
    splitter.split(" ".join("a" * length for length in range(1, 35)))

    assert len(vars(splitter)["_known"]) <= 10
    assert splitter.split("ab aB unknown") == [0, 2, 0]


def test_codes_and_rows_keep_what_is_near(encoder: StaticEncoder) -> None:
    vectors = encoder.encode(["car", "automobile", "banana", ""])
    codes, rows = binarize(vectors), quantize(vectors)
    differing = np.unpackbits(codes[0] ^ codes[1:3], axis=1).sum(axis=1)

    assert (codes.shape, rows.shape) == ((4, 32), (4, 256))
    assert differing[0] < differing[1]
    assert np.abs(restore(rows) - vectors).max() < 0.01
