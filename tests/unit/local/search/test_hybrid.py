"""Search by words and meaning together: what it finds, in which order, and what it says of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Event

import pytest

from tests.support.local.models import ConceptEncoder, ScriptedModels, embed_all
from tests.support.store.memory.store import MemoryStore
from weft.domain.reading.search import SearchHit, SearchMode, Strength
from weft.errors import Unsupported, WeftError
from weft.local.embedding.encoder import Models, Reranker
from weft.local.search import reranking
from weft.local.search.hybrid import Asked, HybridSearch
from weft.local.search.meaning import CANDIDATES
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Term
from weft.local.store.vectors import PACKAGED
from weft.testing.store_contract.support import (
    ORGANIZATION,
    list_all,
    make_connection,
    make_entity,
)

pytestmark = pytest.mark.anyio

TEXTS = {
    "a": "the automobile is red and has four wheels",
    "b": "a boat on the lake in the evening",
    "c": "car rental in the city, cheap and easy",
    "d": "nothing at all of interest",
}


@pytest.fixture
def store() -> Store:
    return MemoryStore(lambda: datetime(2026, 5, 1, tzinfo=UTC))


def ask(query: str, mode: SearchMode = SearchMode.AUTO, *, phrase: str = "") -> Asked:
    terms = [Term(word) for word in query.split()]
    terms += [Term(phrase, is_required=True)] if phrase else []
    return Asked(Scope(ORGANIZATION), query, terms, EntityFilter(), mode, True)


async def fill(store: Store, texts: dict[str, str] = TEXTS, *, embed: bool = True) -> None:
    made = await make_connection(store)
    await list_all(store, made, *(make_entity(name, text) for name, text in texts.items()))
    if embed:
        await embed_all(store, ConceptEncoder())


async def find(
    store: Store, asked: Asked, models: Models | None, *, limit: int = 10, offset: int = 0
) -> tuple[Sequence[SearchHit], str]:
    search = HybridSearch(store, models)
    page = await search.rank(asked, limit, offset)
    hits, _ = await search.show(asked, page)
    return hits, page.meaning.note


async def test_words_come_first_and_what_means_the_same_follows(store: Store) -> None:
    await fill(store)
    hits, note = await find(store, ask("car"), ScriptedModels())
    assert [(hit.path, hit.strength) for hit in hits] == [
        ("c", Strength.STRONG),
        ("a", Strength.STRONG),
    ]
    assert note == ""


@pytest.mark.parametrize(
    ("mode", "found"),
    [(SearchMode.WORDS, ["c"]), (SearchMode.MEANING, ["a", "c"]), (SearchMode.AUTO, ["c", "a"])],
)
async def test_mode_decides_what_finds(store: Store, mode: SearchMode, found: list[str]) -> None:
    await fill(store)
    hits, _ = await find(store, ask("car", mode), ScriptedModels())
    assert [hit.path for hit in hits] == found


async def test_quoted_phrase_is_required_of_what_is_found_by_meaning_too(store: Store) -> None:
    await fill(store)
    hits, _ = await find(store, ask("vehicle", phrase="four wheels"), ScriptedModels())
    assert [hit.path for hit in hits] == ["a"]
    assert (await find(store, ask("car", phrase="no such phrase"), ScriptedModels()))[0] == []


async def test_unrelated_query_finds_nothing(store: Store) -> None:
    await fill(store)
    assert (await find(store, ask("monarch"), ScriptedModels()))[0] == []


async def test_meaning_alone_shows_what_is_nearest_however_far(store: Store) -> None:
    await fill(store, {"near": "car meal meal meal meal meal", "far": "nothing at all"})
    assert (await find(store, ask("vehicle"), ScriptedModels()))[0] == []
    [hit], _ = await find(store, ask("vehicle", SearchMode.MEANING), ScriptedModels())
    assert (hit.path, hit.strength) == ("near", Strength.WEAK)


async def test_note_says_how_much_is_embedded_so_far(store: Store) -> None:
    await fill(store)
    other = await make_connection(store, "other-docs")
    await list_all(store, other, make_entity("new", "a vehicle"), make_entity("newer", "a car"))
    hits, note = await find(store, ask("car"), ScriptedModels())
    assert [hit.path for hit in hits] == ["c", "newer", "a"]
    assert note.startswith("4 of 6 entities can be found by meaning so far")


async def test_model_that_cannot_be_had_leaves_the_words_and_a_note(store: Store) -> None:
    await fill(store)
    models = ScriptedModels(packaged=WeftError("numpy is missing.", hint="Install it."))
    hits, note = await find(store, ask("car"), models)
    assert [hit.path for hit in hits] == ["c"]
    assert note == "numpy is missing. Install it."
    with pytest.raises(Unsupported, match="numpy is missing"):
        await find(store, ask("car", SearchMode.MEANING), models)


async def test_vectors_of_another_model_are_never_compared(store: Store) -> None:
    await fill(store)
    models = ScriptedModels(packaged=ConceptEncoder("concepts-2"))
    hits, note = await find(store, ask("car"), models)
    assert [hit.path for hit in hits] == ["c"]
    assert "another model" in note


async def test_pages_hold_each_hit_once_beyond_the_candidates_too(store: Store) -> None:
    cars = {f"car{n}": f"car number{n} is unlike any other{n}" for n in range(CANDIDATES + 30)}
    autos = {f"auto{n}": f"automobile model{n} of year{n}" for n in range(20)}
    await fill(store, cars | autos)
    seen: list[str | None] = []
    search = HybridSearch(store, ScriptedModels())
    asked = ask("car")
    more = True
    while more:
        page = await search.rank(asked, 7, len(seen))
        hits, _ = await search.show(asked, page)
        seen += [hit.path for hit in hits]
        more = page.more
    assert len(seen) == len(set(seen))
    assert set(cars) <= {*seen}


@pytest.mark.parametrize("mode", SearchMode)
async def test_pages_with_copies_hold_each_entity_once(store: Store, mode: SearchMode) -> None:
    texts = {f"car{n}": f"car of the owner number{n % 5} and nobody else" for n in range(40)}
    await fill(store, texts)
    search = HybridSearch(store, ScriptedModels())
    asked = ask("car", mode)
    seen: list[str] = []
    offset, more = 0, True
    while more:
        page = await search.rank(asked, 7, offset)
        for hit in (await search.show(asked, page))[0]:
            seen += [hit.title, *(copy.title for copy in hit.copies)]
        offset, more = offset + 7, page.more
    assert sorted(seen) == sorted(texts)


async def test_hit_without_the_words_shows_its_nearest_passage(store: Store) -> None:
    filler = "Nothing of interest is said here. " * 30
    await fill(store, {"long": f"{filler}\n\nThe automobile stands there. \n\n{filler}"})
    [hit], _ = await find(store, ask("car"), ScriptedModels())
    assert "automobile stands there" in hit.snippet
    assert hit.offset > len(filler) / 2


async def test_copies_are_folded_into_the_best(store: Store) -> None:
    text = " ".join(f"step{n} of the car" for n in range(50))
    await fill(store, {"original": text, "copy": text + " end", "other": "a car"})
    hits, _ = await find(store, ask("car"), ScriptedModels())
    assert {(hit.path, *(copy.title for copy in hit.copies)) for hit in hits} == {
        ("original", "copy"),
        ("other",),
    }


async def test_reason_is_told_where_nothing_was_embedded(store: Store) -> None:
    await fill(store, embed=False)
    hits, note = await find(store, ask("car"), ScriptedModels())
    assert [hit.path for hit in hits] == ["c"]
    assert note.startswith("0 of 4 entities")
    with pytest.raises(Unsupported) as raised:
        await find(store, ask("car", SearchMode.MEANING), ScriptedModels())
    assert (raised.value.field, bool(raised.value.hint)) == ("mode", True)


async def test_note_says_why_what_waits_to_be_embedded_stands_still(store: Store) -> None:
    await fill(store, embed=False)
    search = HybridSearch(store, ScriptedModels(), lambda: "numpy is missing.")
    note = (await search.rank(ask("car"), 10, 0)).meaning.note
    assert note.startswith("0 of 4 entities")
    assert note.endswith("For now it stands still: numpy is missing.")
    with pytest.raises(Unsupported, match="numpy is missing"):
        await search.rank(ask("car", SearchMode.MEANING), 10, 0)
    await embed_all(store, ConceptEncoder())
    assert (await search.rank(ask("car"), 10, 0)).meaning.note == ""


async def test_other_ways_are_searched_each_with_its_own_model(store: Store) -> None:
    await fill(store)
    other = await make_connection(store, "other-docs")
    [collection] = await store.collections.find(ORGANIZATION, "other-docs")
    await store.vectors.set_way(collection, "endpoint")
    await list_all(store, other, make_entity("far", "a vehicle of another collection"))
    await embed_all(store, ConceptEncoder("remote-1"), "endpoint")
    models = ScriptedModels(**{PACKAGED: ConceptEncoder(), "endpoint": ConceptEncoder("remote-1")})
    hits, note = await find(store, ask("car"), models)
    assert {hit.path for hit in hits} == {"a", "c", "far"}
    assert note == "Found by meaning with remote-1, to which the query was sent."


class CountingReranker(Reranker):
    """Prefers texts with many letters x; may be slow, or fail."""

    def __init__(self, wait: Event | None = None, error: WeftError | None = None) -> None:
        self._wait = wait
        self._error = error

    @property
    def model(self) -> str:
        return "counting"

    def score(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        if self._wait is not None:
            self._wait.wait()
        if self._error is not None:
            raise self._error
        return [text.count("x") for text in texts]


CARS = {"one": "car x", "two": "car car xx", "three": "car car car xxxx"}


async def test_reranker_orders_the_first_candidates(store: Store) -> None:
    await fill(store, CARS)
    models = ScriptedModels()
    models.reranks = CountingReranker()
    hits, note = await find(store, ask("car"), models)
    assert (next(hit.path for hit in hits), note) == ("three", "Ordered by counting.")


async def test_slow_or_broken_reranker_leaves_the_order_and_a_note(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, CARS)
    plain, _ = await find(store, ask("car"), ScriptedModels())
    monkeypatch.setattr(reranking, "RERANK_SECONDS", 0.01)
    done = Event()
    models = ScriptedModels()
    for reranker, told in (
        (CountingReranker(done), "Not reranked: counting took more than 0.01 s."),
        (CountingReranker(error=WeftError("It is broken.")), "It is broken."),
    ):
        models.reranks = reranker
        hits, note = await find(store, ask("car"), models)
        assert ([hit.path for hit in hits], note) == ([hit.path for hit in plain], told)
    done.set()
