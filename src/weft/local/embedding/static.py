"""The model that comes with Weft: a vector for each piece of a word, added up for a text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weft.local.embedding.encoder import Encoder
from weft.local.embedding.packaged import DATA, name_packaged
from weft.local.embedding.words import WordSplitter

PASSAGE_MAX_CHARS = 1_000

# Whole numbers add up to the same sum in every order and on every processor.
UNIT = 1 << 14
# A sum of as many pieces stays below what 32 bits hold; what a text is about is said before.
TEXT_MAX_CHARS = 100_000
# So few that their vectors stay in the processor's cache.
PIECES_AT_ONCE = 500


def passage_of(title: str, text: str) -> str:
    """Return what stands for an entity when it is embedded: its title, and how its text begins."""
    return f"{title}\n{text[:PASSAGE_MAX_CHARS]}"


class StaticEncoder(Encoder):
    """Add up the vectors of a text's words; English, and any text that shares its words."""

    def __init__(self) -> None:
        with (DATA / "english.npz").open("rb") as file, np.load(file) as arrays:
            rows, scales = arrays["rows"], arrays["scales"]
            pieces = bytes(arrays["pieces"]).decode().split("\n")
        self._model = name_packaged()
        self._rows = np.rint(rows * (scales[:, None] * np.float32(UNIT / 127))).astype(np.int32)
        self._splitter = WordSplitter({piece: number for number, piece in enumerate(pieces)})

    @property
    def model(self) -> str:
        """Name the model by what its file holds."""
        return self._model

    @property
    def dimensions(self) -> int:
        """Return the length of a vector."""
        return self._rows.shape[1]

    @property
    def floor(self) -> float:
        """Return what 95 of 100 pairs of unrelated texts are below."""
        return 0.15

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a row for each text: of length 1, or 0 if no word of the text is known."""
        sums = np.zeros((len(texts), self.dimensions), np.int32)
        pieces, starts, numbers = list[int](), list[int](), list[int]()
        for number, text in enumerate(texts):
            found = self._splitter.split(text[:TEXT_MAX_CHARS])
            if found:
                numbers.append(number)
                starts.append(len(pieces))
                pieces += found
            if len(pieces) > PIECES_AT_ONCE:
                self._add_up(sums, numbers, starts, pieces)
                pieces, starts, numbers = [], [], []
        if numbers:
            self._add_up(sums, numbers, starts, pieces)
        lengths = np.sqrt(np.square(sums, dtype=np.float64).sum(axis=1, keepdims=True))
        return (sums / np.maximum(lengths, 1)).astype(np.float32)

    def _add_up(
        self, sums: NDArray[np.int32], numbers: list[int], starts: list[int], pieces: list[int]
    ) -> None:
        """Write the sum of the vectors of each text's pieces into the row of its number."""
        sums[numbers] = np.add.reduceat(self._rows[pieces], starts, axis=0)
