"""Vectors on SQLite: what only its tables, and the codes in memory, can get wrong."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from tests.support.store.bench import ORGANIZATION, Bench, entity, open_bench
from weft.domain.connections import Connection
from weft.errors import Unsupported
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.sqlite.file.queries import migrations
from weft.local.store.sqlite.vectors import codes, nearest
from weft.local.store.vectors import PACKAGED, Vector

pytestmark = pytest.mark.anyio

ALL = Scope(ORGANIZATION)
MODEL = "model-1"


def make_scale(place: int) -> Vector:
    """Make a vector that differs from that of another place by as many bits as they are apart."""
    bits = ((1 << 64) - 1) >> place
    return Vector(bits.to_bytes(8, "big"), b"\xff" * place + b"\x01" * (64 - place))


async def embed(bench: Bench, places: Mapping[str, int], model: str = MODEL) -> None:
    """Give vectors to those that wait."""
    waiting = await bench.store.vectors.take([PACKAGED], 99)
    vectors = {each.ticket: make_scale(places[each.title]) for each in waiting}
    assert await bench.store.vectors.put(model, vectors) == len(vectors)


async def make_embedded(bench: Bench, names: Sequence[str]) -> Connection:
    """Embed entities, each farther from the first than the one before."""
    await bench.store.vectors.use_models({PACKAGED: MODEL})
    made = await bench.connection()
    await bench.list_all(made, *(entity(name) for name in names))
    await embed(bench, {name: place for place, name in enumerate(names)})
    return made


async def find(bench: Bench, place: int = 0, model: str = MODEL, **options: Any) -> list[str]:
    """Return the names of the nearest."""
    wanted = EntityFilter(pattern=options.pop("pattern", "*"))
    vector, limit = make_scale(place), options.pop("limit", 99)
    found = await bench.store.vectors.nearest(ALL, model, vector, wanted, limit=limit)
    names = dict(bench.rows("SELECT no, source_id FROM entity"))
    return [names[each.no] for each in found]


@pytest.fixture
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make few entities fill the codes, the candidates and the ids that are read."""
    for module, values in (
        (codes, {"CHUNK": 8, "FETCHED": 3, "GARBAGE_MIN": 10}),
        (
            nearest,
            {
                "CANDIDATES": 4,
                "CANDIDATES_MAX": 30,
                "IDS_READ_FIRST": 2,
                "IDS_READ_MAX": 20,
                "IDS_A_STATEMENT": 0,
            },
        ),
    ):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


async def test_entities_of_before_there_were_vectors_wait(tmp_path: Path) -> None:
    path = tmp_path / "weft.db"
    with closing(cast("Any", apsw).Connection(str(path))) as db:
        db.execute("PRAGMA synchronous = OFF")
        for _, script in migrations()[:16]:
            db.execute(script)
        db.execute("PRAGMA user_version = 16; PRAGMA journal_mode = WAL")
        db.execute(
            "INSERT INTO entity (no, connection_no, source_id, type, hash)"
            " VALUES (7, 1, 'a', 'note', x'00'), (9, 1, 'b', 'note', x'00')"
        )
    async with open_bench(path) as bench:
        assert bench.rows("SELECT id, no, connection_no, model_no FROM embedding") == [
            (1, 7, 1, 0),
            (2, 9, 1, 0),
        ]
        bench.check_index()


async def test_tickets_are_never_used_twice(bench: Bench) -> None:
    made = await bench.connection()
    tickets = set[int]()
    for text in ("first", "second", "third"):
        await bench.list_all(made, entity("a", text))
        [waiting] = await bench.store.vectors.take([PACKAGED], 2)
        assert waiting.ticket not in tickets
        tickets.add(waiting.ticket)


async def test_vector_without_whole_words_is_refused(bench: Bench) -> None:
    for vector in (Vector(b"\0" * 8, b"\0" * 63), Vector(b"\0" * 4, b"\0" * 32)):
        with pytest.raises(ValueError, match="a bit and a byte"):
            await bench.store.vectors.put(MODEL, {1: vector})


async def test_vector_of_other_dimensions_is_not_compared(bench: Bench) -> None:
    await make_embedded(bench, "ab")
    longer = Vector(b"\1" * 16, b"\1" * 128)
    found = await bench.store.vectors.nearest(ALL, MODEL, longer, EntityFilter(), limit=9)
    assert list(found) == []


async def test_without_numpy_search_by_meaning_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.list_all(await bench.connection(), entity("a"))
    for name in ("weft.local.store.sqlite.vectors.nearest", "numpy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Unsupported, match="numpy"):
        await find(bench)
    assert await bench.hits("a") == ["a"]


@pytest.mark.usefixtures("small_numbers")
class TestManyVectors:
    async def test_all_are_found_in_order(self, bench: Bench) -> None:
        names = [f"{number:02}" for number in range(30)]
        await make_embedded(bench, names)
        assert await find(bench) == names
        assert await find(bench, limit=4) == names[:4]
        assert await find(bench, 29, limit=5) == names[:24:-1]

    @pytest.mark.parametrize(
        "pattern",
        [
            pytest.param("a/*", id="few ids"),
            pytest.param("b/*", id="more than are read at first"),
            pytest.param("c*", id="more than are read at all"),
            pytest.param("*x", id="nobody knows where"),
            pytest.param("*.md", id="an ending that memory knows"),
            pytest.param("?/1*", id="two here and there"),
        ],
    )
    async def test_page_is_filled_with_those_that_fit(self, bench: Bench, pattern: str) -> None:
        names = [f"c/{number:02}" for number in range(22)]
        names += ["a/1", "b/1", "b/2.md", "b/3", "b/4x", "a/2.md", "b/5x"]
        await make_embedded(bench, names)
        expected = [each for each in names if apsw_glob(each, pattern)]
        assert expected
        for limit in (1, 3, 99):
            found = await find(bench, pattern=pattern, limit=limit)
            assert found == expected[:limit]

    async def test_what_is_gone_does_not_pile_up(self, bench: Bench) -> None:
        made = await make_embedded(bench, ["a", "b"])
        for text in range(25):
            await bench.list_all(made, entity("a", f"{text}"), entity("b"))
            await embed(bench, {"a": 0})
            assert await find(bench) == ["a", "b"]
        [index] = indexes_of(bench)
        assert index.count <= 2 + 2 * codes.GARBAGE_MIN

    async def test_what_is_gone_takes_no_place_on_a_page(self, bench: Bench) -> None:
        names = [f"{number:02}" for number in range(30)]
        made = await make_embedded(bench, names)
        await find(bench)
        await bench.list_all(made, entity("29"), *(entity(name, "new") for name in names[:29]))
        await find(bench)
        assert await find(bench) == ["29"]

    async def test_other_process_embeds_and_deletes(self, bench: Bench) -> None:
        made = await make_embedded(bench, ["a", "b"])
        assert await find(bench) == ["a", "b"]
        async with open_bench(bench.path) as other:
            assert await find(other) == ["a", "b"]
            await other.list_all(made, entity("b"), entity("c"))
            await embed(other, {"c": 0})
        assert await find(bench) == ["c", "b"]

    async def test_codes_of_a_model_that_is_used_no_more_are_freed(self, bench: Bench) -> None:
        await make_embedded(bench, ["a", "b"])
        await find(bench)
        await bench.store.vectors.use_models({PACKAGED: "model-2"})
        await embed(bench, {"a": 0, "b": 1}, "model-2")
        assert await find(bench, model="model-2") == ["a", "b"]
        [index] = indexes_of(bench)
        assert index.model_no == 2


def indexes_of(bench: Bench) -> Sequence[codes.CodeIndex]:
    """Return what the store keeps in memory."""
    store: Any = bench.store
    return list(store.vectors._codes._indexes.values())


def apsw_glob(text: str, pattern: str) -> bool:
    with closing(cast("Any", apsw).Connection(":memory:")) as db:
        return bool(db.execute("SELECT ? GLOB ?", (text, pattern)).get)
