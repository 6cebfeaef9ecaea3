"""Vectors: who waits for one, whose is heard, and which are nearest."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import cos, radians, sin
from uuid import uuid4

import pytest

from weft.domain.connections import Connection
from weft.errors import Fenced
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.vectors import EMBEDDED_MAX_CHARS, PACKAGED, Coverage, Vector, Waiting
from weft.testing.store_contract.support import (
    COLLECTION,
    ORGANIZATION,
    PassTime,
    claim_new,
    commit,
    finish,
    get_connection,
    list_all,
    make_connection,
    make_entity,
    make_row,
    open_collection,
    sweep_all,
)

MODEL = "model-1"
OTHER_MODEL = "model-2"
OTHER_WAY = "endpoint"
ALL = Scope(ORGANIZATION)
DIMENSIONS = 64
DAY = timedelta(days=1)


def make_vector(degrees: float) -> Vector:
    """Make a vector in a plane; the farther apart the angles, up to 180, the smaller the cosine."""
    numbers = [round(127 * part(radians(degrees))) for part in (cos, sin)]
    numbers += [0] * (DIMENSIONS - len(numbers))
    bits = "".join("1" if number > 0 else "0" for number in numbers)
    code = int(bits, 2).to_bytes(DIMENSIONS // 8, "big")
    return Vector(code, bytes(number % 256 for number in numbers))


async def take(store: Store, *ways: str, limit: int = 99) -> dict[str, Waiting]:
    """Return what waits, by its title, in its order."""
    found = await store.vectors.take(ways or (PACKAGED, OTHER_WAY), limit)
    return {each.title: each for each in found}


async def embed(store: Store, degrees: Mapping[str, float], model: str = MODEL) -> int:
    """Give vectors to those that wait and have these titles."""
    waiting = await take(store)
    vectors = {waiting[title].ticket: make_vector(angle) for title, angle in degrees.items()}
    return await store.vectors.put(model, vectors)


async def find_nearest(
    store: Store,
    degrees: float = 0,
    *,
    scope: Scope = ALL,
    model: str = MODEL,
    limit: int = 99,
    wanted: EntityFilter | None = None,
) -> list[str]:
    """Return the titles of the nearest, best first."""
    found = await store.vectors.nearest(
        scope, model, make_vector(degrees), wanted or EntityFilter(), limit=limit
    )
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    read = [
        await store.entities.get(scope.organization_id, str(each.no), offset=0, max_chars=1)
        for each in found
    ]
    return [each.title for each in read if each]


async def measure(store: Store, scope: Scope = ALL) -> Sequence[Coverage]:
    """Count what is embedded, in the order of the ways."""
    return sorted(await store.vectors.measure(scope))


async def make_embedded(store: Store, degrees: Mapping[str, float]) -> Connection:
    """Make a connection with entities of these titles that have a vector."""
    await store.vectors.use_models({PACKAGED: MODEL})
    made = await make_connection(store)
    await list_all(store, made, *(make_entity(title) for title in degrees))
    assert await embed(store, degrees) == len(degrees)
    return made


class VectorContract:
    """Waiting to be embedded, vectors, and the nearest."""

    @pytest.mark.anyio
    async def test_entity_waits_until_it_has_a_vector(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a", "red apple"), make_entity("b", "pear"))
        assert await measure(store) == [(PACKAGED, None, 0, 2)]
        assert await store.vectors.use_models({PACKAGED: MODEL}) == 0
        waiting = await take(store)
        assert [(each.title, each.text, each.way) for each in waiting.values()] == [
            ("a", "red apple", PACKAGED),
            ("b", "pear", PACKAGED),
        ]
        assert await take(store) == waiting, "nothing is reserved"
        assert await embed(store, {"a": 0}) == 1
        assert [*await take(store)] == ["b"]
        assert await measure(store) == [(PACKAGED, MODEL, 1, 2)]
        assert await store.vectors.put(MODEL, {waiting["a"].ticket: make_vector(9)}) == 0
        assert await find_nearest(store) == ["a"]
        await embed(store, {"b": 20})
        assert await take(store) == {}
        assert await store.vectors.put(MODEL, {}) == 0
        assert await find_nearest(store, 15) == ["b", "a"], "what was embedded since is found"
        assert await find_nearest(store, 15, limit=1) == ["b"]

    @pytest.mark.anyio
    async def test_oldest_are_taken_first_of_all_connections(self, store: Store) -> None:
        first, second = await make_connection(store), await make_connection(store)
        await list_all(store, second, make_entity("a"), make_entity("b"))
        await list_all(store, first, make_entity("c"), make_entity("d", "x" * 9_000))
        await list_all(store, second, make_entity("a", "new"), make_entity("b"), make_entity("e"))
        assert [*await take(store, limit=3)] == ["b", "c", "d"]
        waiting = await take(store)
        assert [*waiting] in (["b", "c", "d", "a", "e"], ["b", "c", "d", "e", "a"])
        assert waiting["d"].text == "x" * EMBEDDED_MAX_CHARS
        assert await take(store, OTHER_WAY) == {}
        assert list(await store.vectors.take([], 9)) == []

    @pytest.mark.anyio
    async def test_score_is_the_cosine(self, store: Store) -> None:
        await make_embedded(store, {"a": 60, "b": 180})
        found = await store.vectors.nearest(ALL, MODEL, make_vector(0), EntityFilter(), limit=9)
        assert [each.score for each in found] == pytest.approx([0.5, -1], abs=0.02)

    @pytest.mark.anyio
    async def test_vector_of_former_content_is_not_heard(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0, "b": 10})
        await list_all(store, made, make_entity("a", "new"), make_entity("b"))
        assert await find_nearest(store) == ["b"]
        waiting = await take(store)
        assert [*waiting] == ["a"]
        await list_all(store, made, make_entity("a", "newer"), make_entity("b"))
        assert await store.vectors.put(MODEL, {waiting["a"].ticket: make_vector(0)}) == 0
        assert (await take(store))["a"].text == "newer"
        await embed(store, {"a": 90})
        assert await find_nearest(store) == ["b", "a"]

    @pytest.mark.anyio
    async def test_new_time_keeps_the_vector(self, store: Store) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        made = await make_embedded(store, {"a": 0, "b": 10})
        assert await find_nearest(store, wanted=EntityFilter(since=noon)) == []
        dated = make_entity("a", kind="page", updated_at=noon)
        await list_all(store, made, dated, make_entity("b"))
        assert await take(store) == {}
        assert await find_nearest(store) == ["a", "b"]
        assert await find_nearest(store, wanted=EntityFilter(since=noon)) == ["a"]
        assert await find_nearest(store, wanted=EntityFilter(type="note")) == ["b"]

    @pytest.mark.anyio
    async def test_fenced_batch_queues_nothing(self, store: Store) -> None:
        made = await make_connection(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await store.trash.delete_connection(ORGANIZATION, made.id, keep_for=DAY)
        with pytest.raises(Fenced):
            await commit(store, claim, make_entity("late"))
        [gone] = await store.trash.find_connections(ORGANIZATION, limit=9)
        await store.trash.restore(gone, COLLECTION)
        assert await take(store) == {}

    @pytest.mark.anyio
    async def test_vector_goes_with_its_entity(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0, "b": 10})
        await list_all(store, made, *(make_entity(title) for title in "abcd"))
        waiting = await take(store)
        claim = await store.entities.begin_listing(await claim_new(store, made))
        await commit(store, claim, make_entity("b"), make_entity("d"))
        assert await find_nearest(store) == ["a", "b"]
        await sweep_all(store, claim)
        assert await find_nearest(store) == ["b"]
        assert [*await take(store)] == ["d"]
        assert await measure(store) == [(PACKAGED, MODEL, 1, 2)]
        assert await store.vectors.put(MODEL, {waiting["c"].ticket: make_vector(0)}) == 0
        await finish(store, claim)
        await list_all(store, made, make_entity("a"), make_entity("b"))
        assert [*await take(store)] == ["a"], "one that comes back is another"

    @pytest.mark.anyio
    async def test_restored_connection_keeps_its_vectors(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0})
        await list_all(store, made, make_entity("a"), make_entity("b"))
        gone = await store.trash.delete_connection(ORGANIZATION, made.id, keep_for=DAY)
        assert gone is not None
        assert await find_nearest(store) == []
        assert await take(store) == {}
        assert await measure(store) == []
        assert await store.trash.restore(gone, COLLECTION)
        assert await find_nearest(store) == ["a"]
        assert [*await take(store)] == ["b"]

    @pytest.mark.anyio
    async def test_purged_connection_takes_its_vectors_along(
        self, store: Store, pass_time: PassTime
    ) -> None:
        made = await make_embedded(store, {"a": 0})
        await list_all(store, made, make_entity("a"), make_entity("b"))
        ticket = (await take(store))["b"].ticket
        collection = await open_collection(store)
        assert await store.trash.delete_collection(collection, [made.id], keep_for=DAY)
        assert await find_nearest(store) == []
        pass_time(DAY)
        while await store.trash.purge(9):
            pass
        assert await store.vectors.put(MODEL, {ticket: make_vector(0)}) == 0
        assert await measure(store) == []

    @pytest.mark.anyio
    async def test_vectors_of_another_model_are_not_compared(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0, "b": 10})
        await list_all(store, made, *(make_entity(title) for title in "abc"))
        former = await take(store)
        assert await store.vectors.use_models({PACKAGED: MODEL, OTHER_WAY: MODEL}) == 0
        assert await store.vectors.use_models({PACKAGED: OTHER_MODEL}) == 2
        assert await measure(store) == [(PACKAGED, OTHER_MODEL, 0, 3)]
        assert await find_nearest(store) == await find_nearest(store, model=OTHER_MODEL) == []
        assert {*await take(store)} == {"a", "b", "c"}
        assert await store.vectors.put(MODEL, {former["c"].ticket: make_vector(0)}) == 0
        assert await embed(store, {"b": 0}, OTHER_MODEL) == 1
        assert await find_nearest(store) == []
        assert await find_nearest(store, model=OTHER_MODEL) == ["b"]
        assert await measure(store) == [(PACKAGED, OTHER_MODEL, 1, 3)]

    @pytest.mark.anyio
    async def test_collection_is_embedded_in_its_way(self, store: Store) -> None:
        await make_embedded(store, {"a": 0})
        await store.vectors.use_models({OTHER_WAY: OTHER_MODEL})
        other = await make_connection(store, "other")
        await list_all(store, other, make_entity("b"), make_entity("c"))
        collection = await open_collection(store, "other")
        assert await store.vectors.ways() == {PACKAGED: MODEL}
        assert await store.vectors.set_way(collection, OTHER_WAY) == 2
        assert await store.vectors.ways() == {PACKAGED: MODEL, OTHER_WAY: OTHER_MODEL}
        assert {*await take(store, OTHER_WAY)} == {"b", "c"}
        assert await take(store, PACKAGED) == {}
        assert await embed(store, {"b": 0}, MODEL) == 0
        assert await embed(store, {"b": 0}, OTHER_MODEL) == 1
        assert await measure(store) == [(OTHER_WAY, OTHER_MODEL, 1, 2), (PACKAGED, MODEL, 1, 1)]
        assert await find_nearest(store) == ["a"]
        assert await find_nearest(store, model=OTHER_MODEL) == ["b"]
        assert await store.vectors.set_way(collection, OTHER_WAY) == 1
        assert (await open_collection(store, "other")).embedded_by == OTHER_WAY
        (entry,) = await store.audit.list(connection_id=None, since=None, limit=1)
        assert (entry.action, entry.target_id) == ("embed", collection.id)
        gone = collection.model_copy(update={"id": str(uuid4())})
        assert await store.vectors.set_way(gone, OTHER_WAY) is None

    @pytest.mark.anyio
    async def test_connection_that_moves_to_another_way_waits(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0})
        await store.vectors.use_models({OTHER_WAY: OTHER_MODEL})
        collection = await open_collection(store, "other")
        assert await store.vectors.set_way(collection, OTHER_WAY) == 0
        now = await get_connection(store, made.id)
        assert await store.connections.update(
            make_row("other", id=made.id, sync_id=made.sync_id),
            expected_version=now.version,
            new_config=False,
            set_state=False,
            set_auth=False,
        )
        assert await find_nearest(store) == []
        assert [each.way for each in (await take(store)).values()] == [OTHER_WAY]
        assert await measure(store) == [(OTHER_WAY, OTHER_MODEL, 0, 1)]

    @pytest.mark.anyio
    async def test_nearest_stay_in_their_scope(self, store: Store) -> None:
        made = await make_embedded(store, {"a": 0})
        second, other = await make_connection(store), await make_connection(store, "other")
        await list_all(store, second, make_entity("b"))
        await list_all(store, other, make_entity("c"))
        await embed(store, {"b": 10, "c": 20})
        docs = (await open_collection(store)).id
        assert await find_nearest(store) == ["a", "b", "c"]
        assert await find_nearest(store, scope=Scope(ORGANIZATION, docs)) == ["a", "b"]
        assert await find_nearest(store, scope=Scope(ORGANIZATION, None, made.id)) == ["a"]
        assert await find_nearest(store, scope=Scope(ORGANIZATION, docs, other.id)) == []
        assert await find_nearest(store, scope=Scope("somebody")) == []
        assert await measure(store, Scope(ORGANIZATION, docs)) == [(PACKAGED, MODEL, 2, 2)]
        assert await measure(store, Scope(ORGANIZATION, None, made.id)) == [(PACKAGED, MODEL, 1, 1)]
        assert await measure(store, Scope("somebody")) == []

    @pytest.mark.anyio
    async def test_nearest_keep_to_types_times_paths_and_authors(self, store: Store) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        later = noon + timedelta(hours=1)
        await store.vectors.use_models({PACKAGED: MODEL})
        made = await make_connection(store)
        await list_all(
            store,
            made,
            make_entity("a/noon", updated_at=noon),
            make_entity("a/later", kind="page", updated_at=later),
            make_entity("[u]ndated.pdf"),
            make_entity("file:b/c", metadata={"from": "Ada <ada@example.org>"}),
        )
        titles = ("a/noon", "a/later", "[u]ndated.pdf", "file:b/c")
        await embed(store, {title: 10 * place for place, title in enumerate(titles)})

        async def find(**filters: object) -> list[str]:
            return await find_nearest(store, wanted=EntityFilter(**filters))  # type: ignore[arg-type]

        assert await find() == [*titles]
        assert await find(type="page") == ["a/later"]
        assert await find(type="pdf", media_type="application/pdf") == ["[u]ndated.pdf"]
        assert await find(since=later) == ["a/later"]
        assert await find(until=later) == ["a/noon"]
        assert await find(since=noon, until=noon) == []
        assert await find(pattern="a/*") == ["a/noon", "a/later"]
        assert await find(pattern="a/*", type="page") == ["a/later"]
        assert await find(pattern="[u]*") == ["[u]ndated.pdf"]
        assert await find(pattern="b/*") == ["file:b/c"]
        assert await find(author="ada") == ["file:b/c"]
        assert await find(author="ada", pattern="a/*") == []
        assert await find(pattern="*/?ater") == ["a/later"]
