"""Vectors as a store keeps them: one bit a dimension to find candidates, one byte to order them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def binarize(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a code for each row: a bit a dimension, set if the number is above zero.

    Codes of texts that mean the same differ in few bits; 256 dimensions take 32 bytes.
    """
    import numpy as np

    return np.packbits(vectors > 0, axis=1)


def quantize(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return each row scaled so that its largest number is 127; only its direction counts."""
    import numpy as np

    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    return np.rint(vectors * (127 / np.maximum(largest, 1e-12))).astype(np.int8)


def restore(rows: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the unit vectors that quantized rows stand for."""
    import numpy as np

    vectors = rows.astype(np.float32)
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return vectors / np.maximum(lengths, 1)
