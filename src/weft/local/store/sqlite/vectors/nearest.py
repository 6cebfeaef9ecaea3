"""Finds the nearest vectors: the bits of all are compared in memory, the best ones' bytes exactly.

Imports numpy, so only a search imports this. What is in memory may be out of date or gone: whatever
is found is read from the tables, in the snapshot of the search.
"""

import threading
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked
from weft.local.store.sqlite.entities.browse import globs_of, id_ranges
from weft.local.store.sqlite.entities.search import values_of
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import read_value
from weft.local.store.sqlite.vectors.codes import CodeIndex, Wanted
from weft.local.store.vectors import Vector

CANDIDATES: Final = 1_000, 4_000, 16_000
"""So many vectors, the nearest by their bits, are compared exactly; more if too few of them fit."""
IDS_READ_MAX: Final = 20_000


class Codes:
    """The codes of all vectors of a database, for each model; several threads may search them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexes: dict[tuple[int, int], CodeIndex] = {}

    def find_nearest(
        self,
        db: Session,
        scope: Scope,
        model: str,
        vector: Vector,
        wanted: EntityFilter,
        limit: int,
    ) -> list[Ranked]:
        """See `VectorStore.nearest`; runs in a snapshot."""
        model_no = read_value(db, "embedding_model_no", {"model": model})
        values = values_of(scope, wanted) | {"model_no": model_no, "size": len(vector.code)}
        owners = _read_numbers(db, "embedding_connections_of_model", values)
        if not owners or limit < 1:
            return []
        judge = _Judge(db, vector, values)
        named = _read_named(db, owners, wanted.pattern)
        if named is not None and len(named) <= CANDIDATES[0]:
            return judge.rank(named)[:limit]
        index = self._refresh(db, model_no, len(vector.code))
        kinds, times = (wanted.type, wanted.media_type), (values["since"], values["until"])
        chosen = index.select(vector.code, Wanted(frozenset(owners), *kinds, *times, named))
        found = list[Ranked]()
        for count in CANDIDATES:
            found = judge.rank(array("q", chosen.take(count).tobytes()), found)
            if len(found) >= limit or chosen.taken < count:
                break
        index.note_gone(judge.gone, chosen.taken)
        return found[:limit]

    def _refresh(self, db: Session, model_no: int, size: int) -> CodeIndex:
        """Read what was embedded since, and free the codes of models that are in use no more."""
        with self._lock:
            used = _read_numbers(db, "embedding_models_used", {})
            self._indexes = {key: each for key, each in self._indexes.items() if key[0] in used}
            index = self._indexes.get((model_no, size))
            if index is None or index.is_bloated(db):
                index = self._indexes[model_no, size] = CodeIndex(model_no, size)
            index.read_on(db)
            return index


class _Judge:
    """Compares vectors exactly, as far as they fit; ``gone`` counts those that are no more."""

    def __init__(self, db: Session, vector: Vector, values: dict[str, Any]) -> None:
        self._db = db
        self._row = _to_numbers(vector.row)[0]
        self._values = values
        self.gone = 0

    def rank(self, nos: "array[int]", ranked: Sequence[Ranked] = ()) -> list[Ranked]:
        """Rank entities, and those that are ranked already; leave out what does not fit."""
        if not nos:
            return list(ranked)
        values = self._values | {"nos": carray(nos)}
        read = list(self._db.execute(queries()["vector_rows"], values))
        self.gone += len(nos) - len(read)
        fit = [(no, row) for no, row in read if row is not None]
        vectors = _to_numbers(b"".join(row for _, row in fit), len(self._row))
        lengths = np.sqrt(_dot(vectors, vectors) * _dot(self._row, self._row))
        cosines = _dot(vectors, self._row) / np.maximum(lengths, 1)
        scores = zip((no for no, _ in fit), cosines.tolist(), strict=True)
        # One that is known anew is among the codes twice.
        found = {no: Ranked(no, score) for no, score in (*ranked, *scores)}
        return sorted(found.values(), key=lambda each: (-each.score, each.no))


def _to_numbers(row: bytes, dimensions: int = -1) -> NDArray[np.float32]:
    numbers = np.frombuffer(row, np.int8).astype(np.float32)
    return numbers.reshape(-1, dimensions if dimensions > 0 else len(row))


def _read_named(db: Session, owners: "array[int]", pattern: str) -> "array[int] | None":
    """Read the entities whose ids fit; None if too many ids would have to be looked at."""
    if pattern == "*":
        return None
    left, named = IDS_READ_MAX, array("q")
    for owner in owners:
        for low, high in id_ranges(pattern):
            values = {"connection_no": owner, "low": low, "high": high, "limit": left + 1}
            [(count, nos)] = db.execute(queries()["vector_named"], values | globs_of(pattern))
            left -= count
            if left < 0:
                return None
            named.extend(map(int, nos.split(",") if nos else ()))
    return named


def _read_numbers(db: Session, query: str, values: Mapping[str, Any]) -> "array[int]":
    return array("q", (number for (number,) in db.execute(queries()[query], values)))


def _dot(ones: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    # Not by the library for matrices, which would use all cores.
    return np.einsum("...i,...i->...", ones, others)
