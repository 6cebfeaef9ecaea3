"""Finds the nearest vectors: the bits of all are compared in memory, the best ones' bytes exactly.

Imports numpy, so only a search imports this. What is in memory may be out of date or gone: whatever
is found is read from the tables, in the snapshot of the search.
"""

import threading
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from heapq import nsmallest
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from weft.domain.text.media_types import media_type_of
from weft.local.store.authors import folded_or_none
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked
from weft.local.store.sqlite.entities.browse import globs_of, id_ranges
from weft.local.store.sqlite.entities.search import values_of
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.rows import read_value
from weft.local.store.sqlite.vectors.codes import CodeIndex, Integers, Selection, Wanted
from weft.local.store.vectors import Vector

CANDIDATES: Final = 1_000
"""So many vectors, the nearest by their bits, are compared exactly."""
CANDIDATES_MAX: Final = 16_000
"""So many if few of them have ids that fit, and there are too many ids to look at."""
IDS_READ_FIRST: Final = 2_000
IDS_READ_MAX: Final = 100_000
IDS_A_STATEMENT: Final = 10
"""A statement takes as long as reading so many ids."""

Floats: TypeAlias = NDArray[np.float32]


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
        values = values_of(scope, wanted) | {"model_no": model_no, "dimensions": len(vector.row)}
        owners = array("q", _read_numbers(db, "embedding_connections_of_model", values))
        if not owners or limit < 1:
            return []
        index = self._refresh(db, model_no, len(vector.code))
        chosen = index.select(
            vector.code,
            Wanted(
                frozenset(owners),
                media_type_of(wanted.pattern),
                wanted.type,
                wanted.media_type,
                values["since"],
                values["until"],
            ),
        )
        has_filter = wanted != EntityFilter(order=wanted.order)
        judge = _Judge(db, vector, values, "vector_rows_that_fit" if has_filter else "vector_rows")
        read_named = partial(_read_named, db, owners, wanted, chosen.left)
        _compare_best(judge, chosen, limit, read_named)
        if judge.asked >= CANDIDATES:
            index.note_gone(judge.gone, judge.asked)
        return judge.rank(limit)

    def _refresh(self, db: Session, model_no: int, size: int) -> CodeIndex:
        """Read what was embedded since, and free the codes of models that are in use no more."""
        with self._lock:
            used = set(_read_numbers(db, "embedding_models_used", {}))
            self._indexes = {key: each for key, each in self._indexes.items() if key[0] in used}
            index = self._indexes.get((model_no, size))
            if index is None or index.is_bloated(db):
                index = self._indexes[model_no, size] = CodeIndex(model_no, size)
            index.read_on(db)
            return index


class _Judge:
    """Compares vectors exactly, as far as they fit; ``gone`` counts those that are no more."""

    def __init__(self, db: Session, vector: Vector, values: dict[str, Any], query: str) -> None:
        self._db, self._query, self._values = db, query, values
        self._row = np.frombuffer(vector.row, np.int8).astype(np.float32)
        self._scores: dict[int, float] = {}
        self.asked = self.gone = 0

    @property
    def count(self) -> int:
        """Return how many fit."""
        return len(self._scores)

    def compare(self, nos: Integers) -> None:
        """Compare entities."""
        if not len(nos):
            return
        values = self._values | {"nos": carray(array("q", nos.tobytes()))}
        read = list(self._db.execute(queries()[self._query], values))
        self.asked += len(nos)
        self.gone += len(nos) - len(read)
        fit = [(no, row) for no, row in read if row is not None]
        rows = np.frombuffer(b"".join(row for _, row in fit), np.int8).astype(np.float32)
        vectors = rows.reshape(-1, len(self._row))
        lengths = np.sqrt(_dot(vectors, vectors) * _dot(self._row, self._row))
        cosines = _dot(vectors, self._row) / np.maximum(lengths, 1)
        self._scores.update(zip((no for no, _ in fit), cosines.tolist(), strict=True))

    def rank(self, limit: int) -> list[Ranked]:
        """Return the best."""
        best = nsmallest(limit, self._scores.items(), key=lambda pair: (-pair[1], pair[0]))
        return [Ranked(*pair) for pair in best]


def _compare_best(
    judge: _Judge, chosen: Selection, limit: int, read_named: Callable[[int], Integers | None]
) -> None:
    """Compare the nearest by their bits until a page is full, as far as that is not too much."""
    # Memory knows nothing of patterns and authors: look at the ids if they are few, or else at the
    # nearest.
    is_narrow = chosen.narrow(read_named(IDS_READ_FIRST))
    count = max(CANDIDATES, limit)
    while True:
        judge.compare(chosen.take(count))
        if judge.count >= limit or not chosen.left:
            return
        count += count * limit // max(judge.count, 1)
        if count > 4 * CANDIDATES:
            break
    if not is_narrow and chosen.narrow(read_named(IDS_READ_MAX)):
        judge.compare(chosen.take(max(CANDIDATES, limit)))
    else:
        judge.compare(chosen.take(CANDIDATES_MAX))


def _read_named(
    db: Session, owners: "array[int]", wanted: EntityFilter, count: int, most: int
) -> Integers | None:
    """Read which of so many entities have ids and authors that fit; None if that is too many."""
    pattern, author = wanted.pattern, folded_or_none(wanted.author)
    ranges = id_ranges(pattern)
    if (pattern == "*" and author is None) or (count > most and not ranges[0][0]):
        return None
    left, named = most, array("q")
    for owner in owners:
        for low, high in ranges:
            values = {"connection_no": owner, "low": low, "high": high, "limit": left + 1}
            values |= {**globs_of(pattern), "author": author}
            [(read, nos)] = db.execute(queries()["vector_named"], values)
            left -= read + IDS_A_STATEMENT
            if left < 0:
                return None
            named.extend(map(int, nos.split(",") if nos else ()))
    return np.frombuffer(named, np.int64)


def _read_numbers(db: Session, query: str, values: Mapping[str, Any]) -> Iterator[int]:
    return (number for (number,) in db.execute(queries()[query], values))


def _dot(ones: Floats, others: Floats) -> Floats:
    # Not by the library for matrices, which would use all cores.
    return np.einsum("...i,...i->...", ones, others)
