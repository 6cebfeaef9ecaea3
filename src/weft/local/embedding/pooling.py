"""Vectors of texts, and scores of candidates, from what a transformer says of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from weft.errors import TryLater
from weft.local.embedding.answers import to_units
from weft.local.embedding.calibration import PAIRS, measure
from weft.local.embedding.encoder import Encoder, Reranker
from weft.local.embedding.prefixes import Prefixes
from weft.local.embedding.transformer import Answer, Transformer

Clock = Callable[[], float]

RERANK_SECONDS: Final = 3.0
"""A search that would have to wait longer for a better order does without."""

RERANK_CHARS: Final = 500
"""No more of a candidate is compared, since each token is read at the caller's expense."""


class TransformerEncoder(Encoder):
    """Embeds by a transformer, as the mean of a text's tokens or as the first of them."""

    def __init__(
        self, transformer: Transformer, name: str, prefixes: Prefixes, *, takes_first: bool = False
    ) -> None:
        self._transformer = transformer
        self._prefixes = prefixes
        self._takes_first = takes_first
        self._name = name
        queries = self._transformer.run([prefixes.query + query for query, _ in PAIRS])
        passages = self.run([passage for _, passage in PAIRS])
        self._scale = measure(self.gather(queries), self.gather(passages))

    @property
    def model(self) -> str:
        return f"{self._name} {self._scale.dimensions}"

    @property
    def dimensions(self) -> int:
        return self._scale.dimensions

    @property
    def floor(self) -> float:
        return self._scale.floor

    @property
    def strong(self) -> float:
        return self._scale.strong

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        asked = [i for i, text in enumerate(texts) if text.strip()]
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        if asked:
            rows[asked] = self.gather(self.run([texts[i] for i in asked]))
        return rows

    def encode_query(self, query: str) -> NDArray[np.float32]:
        return self.gather(self._transformer.run([self._prefixes.query + query]))[0]

    def run(self, texts: Sequence[str]) -> Iterator[Answer]:
        """Run the model over passages; see `gather`."""
        return self._transformer.run([self._prefixes.passage + text for text in texts])

    def gather(self, answers: Iterable[Answer]) -> NDArray[np.float32]:
        """Return a row for each text that the model was run over."""
        return to_units(_in_order(answers, self._pool).astype(np.float64))

    def _pool(self, answer: Answer) -> NDArray[np.float32]:
        if answer.output.ndim == 2:
            return answer.output
        if self._takes_first:
            return answer.output[:, 0]
        mask = answer.mask[:, :, None].astype(np.float32)
        return (answer.output * mask).sum(1) / np.maximum(mask.sum(1), 1)


class VectorReranker(Reranker):
    """Orders candidates by a model that embeds each of them, as read in full, and the query."""

    def __init__(self, encoder: TransformerEncoder, clock: Clock = time.monotonic) -> None:
        self._encoder = encoder
        self._clock = clock

    @property
    def model(self) -> str:
        return self._encoder.model

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return cosines. Raises TryLater if that takes too long."""
        if not texts:
            return []
        answers = within(RERANK_SECONDS, self._encoder.run(_cut(texts)), self._clock)
        rows = self._encoder.gather(answers)
        return [float(cosine) for cosine in rows @ self._encoder.encode_query(query)]


class PairReranker(Reranker):
    """Orders candidates by a model that reads each together with the query."""

    def __init__(self, transformer: Transformer, name: str, clock: Clock = time.monotonic) -> None:
        self._transformer = transformer
        self._name = name
        self._clock = clock

    @property
    def model(self) -> str:
        return self._name

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return what the model says of each pair. Raises TryLater if that takes too long."""
        if not texts:
            return []
        answers = within(RERANK_SECONDS, self._transformer.run(_cut(texts), query), self._clock)
        # Of a model that scores both "no" and "yes", the latter is last.
        return [float(score) for score in _in_order(answers, lambda answer: answer.output)[:, -1]]


def within(seconds: float, answers: Iterable[Answer], clock: Clock) -> Iterator[Answer]:
    """Yield the answers. Raises TryLater when they have taken longer than ``seconds``."""
    end = clock() + seconds
    for answer in answers:
        if clock() > end:
            raise TryLater(
                f"The model in WEFT_RERANK took longer than {seconds:.0f} seconds.",
                hint="Use a smaller one, or unset WEFT_RERANK.",
            )
        yield answer


def _in_order(
    answers: Iterable[Answer], pool: Callable[[Answer], NDArray[np.float32]]
) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    places: list[int] = []
    for answer in answers:
        parts.append(pool(answer))
        places += answer.places
    return np.concatenate(parts)[np.argsort(places)]


def _cut(texts: Sequence[str]) -> list[str]:
    return [text[:RERANK_CHARS] for text in texts]
