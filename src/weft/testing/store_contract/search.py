"""Search: by words and phrases, in one collection, best first."""

import pytest

from weft.domain.search import SNIPPET_MAX_CHARS
from weft.local.store.base import Store
from weft.testing.store_contract.support import (
    COLLECTION,
    find_titles,
    list_all,
    make_connection,
    make_entity,
    open_collection,
)


class TextSearchContract:
    """Finding entities by the words of title and text."""

    @pytest.mark.anyio
    async def test_all_or_any_of_the_terms(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a", "red apple"), make_entity("b", "red pear"))
        assert sorted(await find_titles(store, "red")) == ["a", "b"]
        assert await find_titles(store, "red", "pear") == ["b"]
        assert sorted(await find_titles(store, "apple", "pear", matching="any")) == ["a", "b"]
        assert await find_titles(store, "apple", "pear") == []

    @pytest.mark.anyio
    async def test_term_of_several_words_is_a_phrase(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(
            store, made, make_entity("a", "the quick fox"), make_entity("b", "fox, so quick")
        )
        assert await find_titles(store, "quick fox") == ["a"]
        assert await find_titles(store, "quick-fox") == ["a"]
        assert sorted(await find_titles(store, "quick", "fox")) == ["a", "b"]

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "term", ['quo"te', "a AND b", "NEAR(a b)", "title : a", "a*", "-a", "a' OR '1", "a\0b"]
    )
    async def test_no_term_is_an_expression(self, store: Store, term: str) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("e", "alone"))
        assert await find_titles(store, term) == []

    @pytest.mark.anyio
    async def test_case_and_accents_do_not_count(self, store: Store) -> None:
        await list_all(store, await make_connection(store), make_entity("a", "Crème BRÛLÉE"))
        for term in ("creme", "CRÈME", "brulee"):
            assert await find_titles(store, term) == ["a"]

    @pytest.mark.anyio
    async def test_search_stays_in_its_collection_connection_and_type(self, store: Store) -> None:
        first, second = await make_connection(store), await make_connection(store)
        elsewhere = await make_connection(store, "other-docs")
        await list_all(
            store, first, make_entity("a", "word"), make_entity("b", "word", kind="page")
        )
        await list_all(store, second, make_entity("c", "word"))
        await list_all(store, elsewhere, make_entity("d", "word"))
        assert sorted(await find_titles(store, "word")) == ["a", "b", "c"]
        assert await find_titles(store, "word", readable_id="other-docs") == ["d"]
        assert await find_titles(store, "word", connection_id=second.id) == ["c"]
        assert await find_titles(store, "word", entity_type="page") == ["b"]

    @pytest.mark.anyio
    async def test_title_weighs_more_than_text(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(
            store,
            made,
            make_entity("other", "needle in the text of this one"),
            make_entity("needle", "nothing of interest in this one"),
            *(make_entity(f"filler{n}", "nothing of interest at all") for n in range(6)),
        )
        assert await find_titles(store, "needle") == ["needle", "other"]

    @pytest.mark.anyio
    async def test_hit_tells_whose_it_is_and_shows_the_place(self, store: Store) -> None:
        made = await make_connection(store, name="My Notes")
        text = f"{'before ' * 100} needle {'after ' * 100}"
        await list_all(store, made, make_entity("a", text, kind="page", url="https://e.example/a"))
        [hit] = await store.entities.search(
            await open_collection(store, COLLECTION),
            ["needle"],
            "all",
            connection_id=None,
            entity_type=None,
            limit=5,
            offset=0,
        )
        assert (hit.connection_id, hit.connection_name) == (made.id, "My Notes")
        assert (hit.type, hit.title, hit.url) == ("page", "a", "https://e.example/a")
        assert "needle" in hit.snippet
        assert len(hit.snippet) < len(text)
        assert hit.score > 0

    @pytest.mark.anyio
    @pytest.mark.parametrize("unbroken", [char * 70_000 for char in "= f语"])
    @pytest.mark.parametrize("first", [True, False])
    async def test_snippet_is_short_whatever_stands_between_words(
        self, store: Store, unbroken: str, first: bool
    ) -> None:
        made = await make_connection(store)
        text = f"{unbroken} needle" if first else f"needle {unbroken} end"
        await list_all(store, made, make_entity("a", text))
        [hit] = await store.entities.search(
            await open_collection(store, COLLECTION),
            ["needle"],
            "all",
            connection_id=None,
            entity_type=None,
            limit=5,
            offset=0,
        )
        assert len(hit.snippet) <= SNIPPET_MAX_CHARS
        assert "needle" in hit.snippet

    @pytest.mark.anyio
    async def test_pages_of_hits_neither_overlap_nor_miss(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(make_entity(f"e{n}", "word " * (n + 1)) for n in range(7)))
        pages = [await find_titles(store, "word", limit=3, offset=offset) for offset in (0, 3, 6)]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert {title for page in pages for title in page} == {f"e{n}" for n in range(7)}
