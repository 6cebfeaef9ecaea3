"""A model of few words, whose meaning is plain to see."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft.local.embedding.codes import binarize, quantize
from weft.local.embedding.encoder import Encoder, Models, Reranker
from weft.local.store.base import Store
from weft.local.store.vectors import PACKAGED, Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONCEPTS = ("car automobile vehicle", "ship boat vessel", "meal dinner supper", "king monarch")


class ConceptEncoder(Encoder):
    """Knows a few concepts, each by several words."""

    def __init__(self, model: str = "concepts-1") -> None:
        self._model = model

    @property
    def model(self) -> str:
        return self._model

    @property
    def dimensions(self) -> int:
        return 64

    def encode(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        words = [text.lower().split() for text in texts]
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for place, concept in enumerate(CONCEPTS):
            names = concept.split()
            rows[:, place] = [sum(word in names for word in each) for each in words]
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class ScriptedModels(Models):
    """Models that a test gives, or an error in place of one."""

    def __init__(self, **encoders: Encoder | Exception) -> None:
        self.encoders = encoders or {PACKAGED: ConceptEncoder()}
        self.reranks: Reranker | None = None

    def encoder(self, way: str) -> Encoder:
        found = self.encoders[way]
        if isinstance(found, Exception):
            raise found
        return found

    def reranker(self) -> Reranker | None:
        return self.reranks


async def embed_all(store: Store, encoder: Encoder, way: str = PACKAGED) -> int:
    """Embed what waits, as the process behind a sync does; return how many were embedded."""
    await store.vectors.use_models({way: encoder.model})
    count = 0
    while waiting := await store.vectors.take([way], 100):
        rows = encoder.encode([f"{each.title} {each.text}" for each in waiting])
        packed = zip(waiting, binarize(rows), quantize(rows), strict=True)
        vectors = {each.ticket: Vector(a.tobytes(), b.tobytes()) for each, a, b in packed}
        count += await store.vectors.put(encoder.model, vectors)
    return count
