"""Vectors of the store in memory: all are compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import sqrt

from tests.support.store.memory.browse import fits
from tests.support.store.memory.state import EntityState, State
from weft.domain.collections import Collection
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Ranked
from weft.local.store.vectors import (
    EMBEDDED_MAX_CHARS,
    Coverage,
    Vector,
    VectorStore,
    Waiting,
)


class MemoryVectors(VectorStore):
    """See VectorStore."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._models: dict[str, str] = {}

    def _way_of(self, connection_id: str) -> str:
        owner = self._state.connections[connection_id].collection_id
        return self._state.collections[owner].embedded_by

    def _waits(self, connection_id: str, each: EntityState) -> bool:
        model = self._models.get(self._way_of(connection_id))
        return each.vector is None or model is None or each.model != model

    async def take(self, ways: Sequence[str], limit: int) -> Sequence[Waiting]:
        found = [
            Waiting(each.ticket, way, each.entity.title, each.entity.text[:EMBEDDED_MAX_CHARS])
            for (owner, _), each in self._state.entities.items()
            if (way := self._way_of(owner)) in ways and self._waits(owner, each)
        ]
        return sorted(found)[:limit]

    async def put(self, model: str, vectors: Mapping[int, Vector]) -> int:
        heard = [
            each
            for (owner, _), each in self._state.entities.items()
            if each.ticket in vectors and self._models.get(self._way_of(owner)) == model
        ]
        for each in heard:
            each.vector, each.model = vectors[each.ticket], model
            each.ticket = next(self._state.tickets)
        return len(heard)

    async def ways(self) -> Mapping[str, str | None]:
        ways = {each.embedded_by for each in self._state.collections.values()}
        return {way: self._models.get(way) for way in ways}

    async def use_models(self, models: Mapping[str, str]) -> int:
        before = self._count_waiting()
        self._models |= models
        return self._count_waiting() - before

    def _count_waiting(self) -> int:
        return sum(self._waits(owner, each) for (owner, _), each in self._state.entities.items())

    async def set_way(self, collection: Collection, way: str) -> int | None:
        found = self._state.collections.get(collection.id)
        if found is None:
            return None
        self._state.collections[found.id] = found.model_copy(update={"embedded_by": way})
        self._state.record("embed", "collection", found.id, found.organization_id)
        return sum(
            self._waits(owner, each)
            for (owner, _), each in self._state.entities.items()
            if self._state.connections[owner].collection_id == found.id
        )

    async def measure(self, scope: Scope) -> Sequence[Coverage]:
        total: Counter[str] = Counter()
        for owner in self._state.connections:
            if self._state.is_in(scope, owner):
                total[self._way_of(owner)] += 0
        embedded = total.copy()
        for owner, each in self._state.within(scope):
            total[self._way_of(owner)] += 1
            embedded[self._way_of(owner)] += not self._waits(owner, each)
        return [Coverage(way, self._models.get(way), embedded[way], n) for way, n in total.items()]

    async def nearest(
        self, scope: Scope, model: str, vector: Vector, wanted: EntityFilter, *, limit: int
    ) -> Sequence[Ranked]:
        found = [
            Ranked(each.number, _cosine(vector.row, each.vector.row))
            for owner, each in self._state.within(scope)
            if each.vector
            and each.model == model
            and not self._waits(owner, each)
            and fits(each, wanted)
        ]
        return sorted(found, key=lambda each: (-each.score, each.no))[:limit]


def _cosine(one: bytes, other: bytes) -> float:
    return _dot(one, other) / (sqrt(_dot(one, one) * _dot(other, other)) or 1)


def _dot(one: bytes, other: bytes) -> int:
    return sum(
        a * b for a, b in zip(memoryview(one).cast("b"), memoryview(other).cast("b"), strict=True)
    )
