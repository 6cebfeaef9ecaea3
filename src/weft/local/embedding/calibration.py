"""Finds out which products of a model's vectors mean nothing, and which mean the same.

Models differ: with some, two texts about different things have a product of 0.05, with others of
0.75. A few queries and passages, of which each fits one, tell them apart.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PAIRS: Final = (
    ("how do I reset my password", "Recover access to your account with a link that we mail."),
    ("quarterly revenue", "Sales grew by four percent in the three months that ended in June."),
    ("symptoms of the flu", "Fever, a cough and aching muscles are signs of influenza."),
    ("recipe for bread", "Mix flour, water, yeast and salt, let the dough rise, and bake it."),
    (
        "train delays today",
        "Because of a fault in the signals, services run late this morning.",
    ),
    ("list files in a folder", "The command prints the names of what a directory contains."),
    ("history of the roman empire", "Augustus became the first emperor after the civil wars."),
    ("planting tomatoes", "Set the seedlings in warm soil, in full sun, and water them often."),
)

MARGIN: Final = 1.5
"""Related texts are nearer than unrelated ones by so many standard deviations of the latter.

Vectors that are made up reach it once in 20,000 times; models of texts have 5 and more.
"""

MARGIN_MIN: Final = 0.001
"""By so much at least, since vectors that are all the same have no deviation but rounding."""


class Scale(NamedTuple):
    """A model's length of vectors, and what their products mean: see `Encoder`.

    ``tells_apart`` is False of a model whose vectors say nothing of what a text is about.
    """

    dimensions: int
    floor: float
    strong: float
    tells_apart: bool


def measure(queries: NDArray[np.float32], passages: NDArray[np.float32]) -> Scale:
    """Return the scale of a model from its vectors of PAIRS, in their order."""
    products = queries @ passages.T
    fits = np.eye(len(PAIRS), dtype=bool)
    unrelated, related = float(products[~fits].mean()), float(products[fits].mean())
    margin = max(MARGIN_MIN, MARGIN * float(products[~fits].std()))
    return Scale(
        passages.shape[1], (unrelated + related) / 2, related, related - unrelated > margin
    )
