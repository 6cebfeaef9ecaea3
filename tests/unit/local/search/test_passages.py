"""Passages: the nearest part of a text, told with its place in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from weft.local.embedding.encoder import Encoder
from weft.local.search.passages import PASSAGE_CHARS, find_passages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILLER = "Nothing of interest is said in this sentence. "


class CountingEncoder(Encoder):
    """Means only how often a text has the word whale."""

    @property
    def model(self) -> str:
        return "whales"

    @property
    def dimensions(self) -> int:
        return 64

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        rows = np.zeros((len(texts), self.dimensions), np.float32)
        rows[:, 0] = [text.count("whale") for text in texts]
        return rows


@pytest.mark.parametrize("gap", [" ", "\n", "\n\n", "。"])
def test_nearest_passage_is_shown_with_its_place(gap: str) -> None:
    text = FILLER * 30 + gap + "The whale is a mammal. " + gap + FILLER * 30
    [found] = find_passages(CountingEncoder(), "whale", [text])
    assert "The whale is a mammal." in found.text
    assert found.text.startswith(" … ")
    assert found.text.endswith(" … ")
    assert text[found.offset :].startswith(found.text.removeprefix(" … ")[:40])
    assert len(found.text) <= PASSAGE_CHARS + 6


def test_short_text_is_shown_as_it_is() -> None:
    [found] = find_passages(CountingEncoder(), "whale", ["A whale."])
    assert found == ("A whale.", 0)


@pytest.mark.parametrize("text", ["", " ", "语" * 3_000, "x" * 8_000])
def test_any_text_gives_a_passage(text: str) -> None:
    [found] = find_passages(CountingEncoder(), "whale", [text])
    assert found.offset == 0
