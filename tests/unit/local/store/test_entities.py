"""Entities in the store: found where they belong, read in windows, cleared when unowned."""

from dataclasses import replace

import pytest

from tests.support.store.bench import ORGANIZATION, Bench, entity
from weft.local.store.base import Claim
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import ShownEntity, Term
from weft.sources.base import Deleted

pytestmark = pytest.mark.anyio


async def search(
    bench: Bench,
    *terms: str,
    connection_id: str | None = None,
    entity_type: str | None = None,
    limit: int = 10,
    offset: int = 0,
) -> list[ShownEntity]:
    scope = Scope(ORGANIZATION, (await bench.collection()).id, connection_id)
    words = [Term(term) for term in terms]
    wanted = EntityFilter(type=entity_type)
    ranked = await bench.store.search.rank(scope, words, wanted, limit=limit, offset=offset)
    return list(await bench.store.search.show(scope, words, [each.no for each in ranked]))


async def number_of(bench: Bench, source_id: str) -> str:
    [(number,)] = bench.rows("SELECT no FROM entity WHERE source_id = ?", source_id)
    return str(number)


async def test_hit_tells_whose_it_is_and_shows_the_place(bench: Bench) -> None:
    made = await bench.connection(name="My Notes")
    text = f"{'before ' * 100} needle {'after ' * 100}"
    await bench.list_all(made, entity("a", text, kind="page", url="https://example.com/a"))
    [hit] = await search(bench, "needle")
    assert (hit.connection_id, hit.connection_name) == (made.id, "My Notes")
    assert (hit.type, hit.title, hit.url) == ("page", "a", "https://example.com/a")
    assert "needle" in hit.excerpt.text
    assert len(hit.excerpt.text) < len(text)
    assert str(hit.no) == await number_of(bench, "a")


@pytest.mark.parametrize(
    "before", ["filler " * 200, "wörd, 语言. " * 9_000, "w" * 40_000 + " é" * 40_000]
)
async def test_excerpt_shows_the_place_with_most_of_the_terms(bench: Bench, before: str) -> None:
    text = f"{before} one {before} two {before} one two three {before} three"
    await bench.list_all(await bench.connection(), entity("a", text))
    [hit] = await search(bench, "one", "two", "three")
    assert hit.excerpt.text.startswith(" … ")
    assert "one two three" in hit.excerpt.text
    assert hit.excerpt.text.endswith(" … ")


async def test_match_of_the_title_alone_shows_how_the_text_begins(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("needle", "(It begins) here."), entity("empty needle"))
    assert {hit.excerpt.text for hit in await search(bench, "needle")} == {"(It begins) here.", ""}


async def test_title_weighs_more_than_text_and_best_comes_first(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(
        made,
        entity("other", "needle in the text of this one"),
        entity("needle", "nothing of interest in this one"),
        *(entity(f"filler{n}", "nothing of interest at all") for n in range(6)),
    )
    hits = await search(bench, "needle")
    assert [hit.title for hit in hits] == ["needle", "other"]


async def test_search_stays_in_its_collection_connection_and_type(bench: Bench) -> None:
    first, second = await bench.connection(), await bench.connection()
    elsewhere = await bench.connection("other-docs")
    await bench.list_all(first, entity("a", "word"), entity("b", "word", kind="page"))
    await bench.list_all(second, entity("c", "word"))
    await bench.list_all(elsewhere, entity("d", "word"))
    assert sorted(hit.title for hit in await search(bench, "word")) == ["a", "b", "c"]
    of_first = await search(bench, "word", connection_id=first.id)
    assert sorted(hit.title for hit in of_first) == ["a", "b"]
    pages = await search(bench, "word", entity_type="page")
    assert [hit.title for hit in pages] == ["b"]
    assert await search(bench, "word", entity_type="nothing") == []


async def test_pages_of_hits_neither_overlap_nor_miss(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, *(entity(f"e{n}", "word " * (n + 1)) for n in range(7)))
    pages = [await search(bench, "word", limit=3, offset=offset) for offset in (0, 3, 6)]
    titles = [hit.title for page in pages for hit in page]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(titles) == [f"e{n}" for n in range(7)]


@pytest.mark.parametrize(
    ("text", "match"),
    [("Crème Brûlée", "creme"), ("running quickly", "run"), ("naïve ÉCOLE", "ecole")],
)
async def test_words_are_found_without_accents_and_by_their_stem(
    bench: Bench, text: str, match: str
) -> None:
    await bench.list_all(await bench.connection(), entity("a", text))
    assert [hit.title for hit in await search(bench, match)] == ["a"]


async def test_entity_is_read_in_windows_of_characters(bench: Bench) -> None:
    text = "äöü🍮 abc"
    await bench.list_all(await bench.connection(), entity("a", text))
    number = await number_of(bench, "a")
    for offset, size in ((0, 100), (0, 3), (3, 2), (6, 100), (8, 5), (0, 0)):
        found = await bench.store.entities.get(ORGANIZATION, number, offset=offset, max_chars=size)
        assert found is not None
        assert found.text == text[offset : offset + size]
        assert (found.offset, found.total_chars) == (offset, len(text))


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", " 1", "1_0", "٣", "9" * 19, "1; DROP"])
async def test_text_that_is_no_entity_id_finds_nothing(bench: Bench, text: str) -> None:
    await bench.list_all(await bench.connection(), entity("a"))
    assert await bench.store.entities.get(ORGANIZATION, text, offset=0, max_chars=1) is None


async def test_entity_of_another_organization_is_not_found(bench: Bench) -> None:
    await bench.list_all(await bench.connection(), entity("a"))
    number = await number_of(bench, "a")
    assert await bench.store.entities.get("somebody", number, offset=0, max_chars=1) is None


async def test_purge_clears_deleted_connections_and_leaves_others(bench: Bench) -> None:
    doomed, kept = await bench.connection(), await bench.connection()
    await bench.list_all(doomed, *(entity(f"d{n}", "word") for n in range(5)))
    await bench.list_all(kept, *(entity(f"k{n}", "word") for n in range(2)))
    assert await bench.store.trash.purge(10) == 0, "nothing is deleted yet"
    await bench.store.trash.delete_connection(ORGANIZATION, doomed.id)
    assert await bench.hits("word") == ["k0", "k1"], "unsearchable before the purge"
    assert bench.rows("SELECT count(*) FROM entity_body") == [(7,)]
    steps = [await bench.store.trash.purge(2) for _ in range(4)]
    assert steps == [2, 2, 1, 0]
    assert bench.rows("SELECT title FROM entity_body ORDER BY title") == [("k0",), ("k1",)]
    assert bench.rows("SELECT count(*) FROM any_connection") == [(1,)]
    assert await bench.hits("word") == ["k0", "k1"]
    found = "SELECT count(*) FROM entity_fts WHERE entity_fts MATCH 'word'"
    assert bench.rows(found) == [(2,)]
    bench.check_index()


async def test_purge_during_syncs_of_others_disturbs_nothing(bench: Bench) -> None:
    doomed, kept = await bench.connection(), await bench.connection()
    await bench.list_all(doomed, entity("d", "word"))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(kept))
    await bench.commit(claim, entity("k0", "word"))
    await bench.store.trash.delete_connection(ORGANIZATION, doomed.id)
    assert await bench.store.trash.purge(10) == 1
    await bench.commit(claim, entity("k1", "word"))
    assert await bench.sweep(claim) == 0
    assert await bench.hits("word") == ["k0", "k1"]
    bench.check_index()


async def test_listing_that_starts_over_forgets_what_the_first_had_seen(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a"), entity("b"), entity("c"))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    await bench.commit(claim, entity("a"))
    again = await bench.store.entities.begin_listing(claim)
    await bench.commit(again, entity("b"))
    assert await bench.sweep(again) == 2
    assert bench.rows("SELECT source_id FROM entity") == [("b",)]


async def test_resumed_listing_remembers_what_it_had_seen(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a"), entity("b"), entity("c"))
    claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    await bench.commit(claim, entity("a"))
    await bench.pass_watched(leases=1.5)
    taken = await bench.claim("owner-2")
    assert taken is not None
    await bench.commit(taken, entity("b"))
    assert await bench.sweep(taken) == 1
    assert bench.rows("SELECT source_id FROM entity ORDER BY 1") == [("a",), ("b",)]


async def test_entity_that_was_named_and_then_said_to_be_gone_is_deleted_once(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a"), entity("b"))
    claim: Claim = await bench.store.entities.begin_listing(await bench.claim_new(made))
    await bench.commit(claim, entity("a"), entity("b"))
    await bench.commit(claim, Deleted("a"))
    assert await bench.sweep(claim) == 1
    assert await bench.sweep(claim) == 0
    assert (await bench.job(claim)).entities_deleted == 1
    assert await bench.types(made) == {"note": 1}


async def test_incremental_commit_touches_nothing_that_it_did_not_name(bench: Bench) -> None:
    made = await bench.connection()
    await bench.list_all(made, entity("a", "alpha"), entity("b", "beta"))
    claim = replace(await bench.claim_new(made), full_sync=False)
    await bench.commit(claim, entity("c", "gamma"))
    await bench.finish(claim)
    assert await bench.types(made) == {"note": 3}
