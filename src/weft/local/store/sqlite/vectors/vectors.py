"""Which entities wait to be embedded, their vectors, and the nearest ones, on SQLite.

An entity waits while the model of its vector is not that of its collection's way to embed. So a
new model, another way, and a move to another collection are one row, however many then wait.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from weft.domain.collections import Collection
from weft.local.arrays import require_numpy
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.audit import Target, write_audited
from weft.local.store.sqlite.tables.rows import Table, insert_rows, read_value
from weft.local.store.vectors import EMBEDDED_MAX_CHARS, Coverage, Vector, VectorStore, Waiting

if TYPE_CHECKING:
    from weft.local.store.sqlite.vectors.nearest import Codes


class SqliteVectors(Table, VectorStore):
    """See VectorStore."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._codes: Codes | None = None

    async def take(self, ways: Sequence[str], limit: int) -> Sequence[Waiting]:
        if not ways or limit < 1:
            return []
        return await self._database.read(_take, tuple(ways), limit)

    async def put(self, model: str, vectors: Mapping[int, Vector]) -> int:
        for vector in vectors.values():
            if len(vector.row) != 8 * len(vector.code) or len(vector.row) % 64:
                raise ValueError("a vector has a bit and a byte for each of 64 or more dimensions")
        return await self._database.write_relaxed(_put, model, vectors) if vectors else 0

    async def ways(self) -> Mapping[str, str | None]:
        return await self._database.read(_find_ways)

    async def use_models(self, models: Mapping[str, str]) -> int:
        return await self._database.write(_use_models, models)

    async def set_way(self, collection: Collection, way: str) -> int | None:
        target = Target("collection", collection.id, collection.organization_id)
        return await write_audited(self._database, "embed", target, _set_way, collection, way)

    async def measure(self, scope: Scope) -> Sequence[Coverage]:
        return await self._database.read(_measure, scope)

    async def nearest(
        self, scope: Scope, model: str, vector: Vector, wanted: EntityFilter, *, limit: int
    ) -> Sequence[Ranked]:
        if self._codes is None:
            self._codes = _open_codes()
        async with self._database.searching:
            return await self._database.read(
                self._codes.find_nearest, scope, model, vector, wanted, limit
            )

    def forget(self) -> None:
        """Free the codes that are kept in memory."""
        self._codes = None


def _open_codes() -> "Codes":
    require_numpy()
    # Nothing else needs numpy, which takes longer to import than a server to start.
    from weft.local.store.sqlite.vectors.nearest import Codes

    return Codes()


def _take(db: Session, ways: tuple[str, ...], limit: int) -> list[Waiting]:
    found = list[tuple[int, int, int, str]]()
    for owner, model_no, way, first in _rows(db, "embedding_connections", {"ways": carray(ways)}):
        if len(found) == limit and found[-1][:2] < (first is None, first or 0):
            break
        values = {"connection_no": owner, "model_no": model_no, "limit": limit}
        found += [(*row, way) for row in _rows(db, "embedding_waiting", values)]
        found = sorted(found)[:limit]
    if not found:
        return []
    values = {"nos": carray(array("q", (no for _, _, no, _ in found))), "chars": EMBEDDED_MAX_CHARS}
    texts = {no: rest for no, *rest in _rows(db, "embedding_texts", values)}
    return [Waiting(ticket, way, *texts[no]) for _, ticket, no, way in found]


def _put(db: Session, model: str, vectors: Mapping[int, Vector]) -> int:
    model_no = read_value(db, "embedding_model_no", {"model": model})
    values = {"tickets": carray(array("q", vectors)), "model_no": model_no}
    heard = list(_rows(db, "embedding_heard", values))
    if heard:
        tickets = carray(array("q", (ticket for ticket, _, _ in heard)))
        db.execute(queries()["embedding_end"], {"tickets": tickets})
        known = [(no, owner, model_no, vectors[ticket].code) for ticket, no, owner in heard]
        insert_rows(db, "embedding_put", known)
        rows = [(no, model_no, vectors[ticket].row) for ticket, no, _ in heard]
        insert_rows(db, "vector_put", rows)
    return len(heard)


def _find_ways(db: Session) -> dict[str, str | None]:
    return dict(_rows(db, "embedding_ways", {}))


def _use_models(db: Session, models: Mapping[str, str]) -> int:
    count = 0
    for way, model in models.items():
        number = read_value(db, "embedding_model_no", {"model": model})
        if number is None:
            number = read_value(db, "embedding_model_add", {"model": model})
        former = read_value(db, "embedding_way_model", {"way": way})
        if former != number:
            db.execute(queries()["embedding_way_set"], {"way": way, "model_no": number})
            values = {"way": way, "former": former}
            count += read_value(db, "embedding_count_former", values)
    return count


def _set_way(db: Session, collection: Collection, way: str) -> int | None:
    values = {"collection_id": collection.id, "way": way}
    if read_value(db, "collection_set_way", values) is None:
        return None
    found = _measure(db, Scope(collection.organization_id, collection.id))
    return sum(each.total - each.embedded for each in found)


def _measure(db: Session, scope: Scope) -> list[Coverage]:
    return [Coverage(*row) for row in _rows(db, "embedding_coverage", asdict(scope))]


def _rows(db: Session, query: str, values: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    return iter(db.execute(queries()[query], values))
