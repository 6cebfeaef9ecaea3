"""The protocols of models: encoders turn texts into vectors, rerankers compare texts with a query.

Nothing here imports numpy, which a server's start must not wait for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Encoder(Protocol):
    """Turns texts into vectors of length 1; their product tells how near two are in meaning.

    Methods block and compute, so call them from a thread. They raise a WeftError if the model
    cannot be had.
    """

    @property
    def model(self) -> str:
        """Name the model and its version. Vectors of models of other names are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Return how long a vector is; a multiple of 64."""
        ...

    @property
    def floor(self) -> float:
        """Return the product below which two texts have nothing in common."""
        return 0.2

    @property
    def strong(self) -> float:
        """Return the product from which on two texts are about the same thing."""
        return 0.5

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return a row for each passage; a row of zeros for one that means nothing."""
        ...

    def encode_query(self, query: str) -> "NDArray[np.float32]":
        """Return the vector to look for passages by; most models make no difference."""
        return self.encode([query])[0]


class Reranker(Protocol):
    """Orders a few candidates anew, by reading each with the query."""

    @property
    def model(self) -> str:
        """Name the model and its version."""
        ...

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return a score for each text; higher is better, among those of one call."""
        ...


class Models(Protocol):
    """The models that the operator's settings give to a process, loaded when first asked for."""

    def encoder(self, way: str) -> Encoder:
        """Return the encoder of a way to embed. Raises a WeftError that says what is missing."""
        ...

    def reranker(self) -> Reranker | None:
        """Return the reranker, if one is set. Raises a WeftError that says what is missing."""
        ...
