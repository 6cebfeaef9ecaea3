"""Search: by words and phrases, in one collection, best first."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from weft.domain.reading.search import SNIPPET_MAX_CHARS
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Term
from weft.testing.store_contract.support import (
    ORGANIZATION,
    find,
    find_titles,
    list_all,
    make_connection,
    make_entity,
)

HOSTILE_WORDS = 2_000
HOSTILE_STEP = 8
# Eight times the text may cost eight times the work; a quadratic search needs 64 times.
HOSTILE_GROWTH_MAX = 20
# Shorter work cannot be told from the noise of a busy machine.
NOISE_SECONDS = 0.1

HOSTILE_TEXTS: dict[str, tuple[Sequence[str], Callable[[int], str]]] = {
    "one word": (("word",), lambda words: "word " * words),
    "one word, and a match at the end": (("word", "end"), lambda words: "word " * words + "end"),
    "phrase of one word": (("word word word",), lambda words: "word " * words),
    "forms of one word": (
        ("word", "WORD", "words", "wörd", "Wording", "worded"),
        lambda words: "word " * words,
    ),
    "two words": (("to", "be"), lambda words: "to be " * (words // 2)),
    "sentences": (("word",), lambda words: "Word. " * words),
    "no spaces": (("word",), lambda words: "word-" * words),
    "one long word first": (("end",), lambda words: "x" * (words * 5) + " end"),
    "no words first": (("end",), lambda words: "= " * (words * 3) + " end"),
    "wide characters": (("语",), lambda words: "语 🍮" * words),
    "accents": (("e",), lambda words: "e\u0301 " * words),
}


class TextSearchContract:
    """Finding entities by the words of title and text."""

    @pytest.mark.anyio
    async def test_any_of_the_terms_but_all_that_are_required(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a", "red apple"), make_entity("b", "red pear"))
        assert sorted(await find_titles(store, "red")) == ["a", "b"]
        assert await find_titles(store, "red", "pear") == ["b", "a"]
        assert sorted(await find_titles(store, "apple", "pear")) == ["a", "b"]
        assert await find_titles(store, "red", Term("pear", is_required=True)) == ["b"]
        both = (Term("apple", is_required=True), Term("pear", is_required=True))
        assert await find_titles(store, *both) == []

    @pytest.mark.anyio
    async def test_page_tells_which_hits_have_all_terms(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, make_entity("a", "red apple"), make_entity("b", "red pear"))
        for terms, expected in (("red",), {"a", "b"}), (("red", "pear"), {"b"}):
            found = await find(store, *terms)
            assert {each.title for each in found if each.has_all} == expected

    @pytest.mark.anyio
    async def test_without_a_collection_all_of_the_organization_are_searched(
        self, store: Store
    ) -> None:
        await list_all(store, await make_connection(store), make_entity("a", "red apple"))
        other = await make_connection(store, "other")
        await list_all(store, other, make_entity("b", "red pear"))
        assert sorted(await find_titles(store, "red", readable_id=None)) == ["a", "b"]
        only = await find_titles(store, "red", readable_id=None, connection_id=other.id)
        assert only == ["b"]
        assert await find_titles(store, "red", readable_id=None, organization_id="somebody") == []

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
    @pytest.mark.parametrize(
        ("text", "term"),
        [
            ("class HTTPConnectionPoolManager:", "HTTPConnectionPool"),
            ("getUserProfile(id)", "get_user_profile"),
            ("get_user_profile(id)", "getUserProfile"),
            ("Straße", "strasse"),
            ("Muenchen", "München"),
            ("東京都の天気予報", "天気"),
            ("東京都の天気予報", "報"),
            ("데이터베이스를", "데이터베이스"),
            ("เดินทางไปประเทศไทย", "ประเทศ"),
        ],
    )
    async def test_word_is_found_in_another_spelling_and_inside_of_others(
        self, store: Store, text: str, term: str
    ) -> None:
        made = await make_connection(store)
        text = f"{'other ' * 200}{text}{' other' * 200}"
        await list_all(store, made, make_entity("a", text), make_entity("b", "other"))
        for is_required in (False, True):
            [hit] = await find(store, Term(term, is_required))
            assert (hit.title, hit.has_all, hit.has_none) == ("a", True, False)
            assert text.split("other")[200].strip() in hit.excerpt.text

    @pytest.mark.anyio
    async def test_parts_of_an_identifier_are_words(self, store: Store) -> None:
        made = await make_connection(store)
        code = make_entity("code", "class HTTPConnectionPool:")
        await list_all(store, made, code, make_entity("prose", "a connection for each pool"))
        assert sorted(await find_titles(store, "connection", "pool")) == ["code", "prose"]
        assert await find_titles(store, "connection pool") == ["code"]

    @pytest.mark.anyio
    async def test_word_that_is_nowhere_is_taken_as_a_beginning(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(
            store, made, make_entity("a", "Datenbankverbindung"), make_entity("b", "Datentyp")
        )
        [hit] = await find(store, "datenbank")
        assert (hit.title, hit.has_all) == ("a", False)
        assert await find_titles(store, Term("datenbank", is_required=True)) == []
        assert sorted(await find_titles(store, Term("daten", is_prefix=True))) == ["a", "b"]
        await list_all(store, await make_connection(store), make_entity("c", "eine Datenbank"))
        assert await find_titles(store, "datenbank") == ["c"]

    @pytest.mark.anyio
    async def test_file_is_found_by_its_name_and_a_commit_by_its_hash(self, store: Store) -> None:
        made = await make_connection(store)
        mention = "README.md " * 20
        await list_all(
            store,
            made,
            replace(make_entity("file:docs/README.md", "how to begin"), title="Begin here"),
            replace(make_entity("commit:3fa9c2107bde", "as README.md says"), title="Mend it"),
            make_entity("talk", f"{mention} and 3fa9c2107"),
            *(make_entity(f"filler{n}", "nothing of interest") for n in range(6)),
        )
        assert (await find_titles(store, "README.md"))[0] == "Begin here"
        assert (await find_titles(store, "3fa9c21"))[0] == "Mend it"

    @pytest.mark.anyio
    async def test_search_stays_in_its_collection_connection_and_type(self, store: Store) -> None:
        first, second = await make_connection(store), await make_connection(store)
        elsewhere = await make_connection(store, "other-docs")
        await list_all(
            store, first, make_entity("a", "word"), make_entity("b", "word", kind="page")
        )
        await list_all(store, second, make_entity("c.pdf", "word"))
        await list_all(store, elsewhere, make_entity("d", "word"))
        assert sorted(await find_titles(store, "word")) == ["a", "b", "c.pdf"]
        assert await find_titles(store, "word", readable_id="other-docs") == ["d"]
        assert await find_titles(store, "word", connection_id=second.id) == ["c.pdf"]
        assert await find_titles(store, "word", type="page") == ["b"]
        pdf = {"type": "pdf", "media_type": "application/pdf"}
        assert await find_titles(store, "word", **pdf) == ["c.pdf"]

    @pytest.mark.anyio
    async def test_search_keeps_to_times_and_paths(self, store: Store) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        later = noon + timedelta(hours=1)
        made = await make_connection(store)
        await list_all(
            store,
            made,
            make_entity("a/noon", "word", updated_at=noon),
            make_entity("a/later", "word", updated_at=later),
            make_entity("[u]ndated", "word"),
            make_entity("file:b/c", "word"),
        )
        assert await find_titles(store, "word", since=later) == ["a/later"]
        assert await find_titles(store, "word", until=later) == ["a/noon"]
        assert await find_titles(store, "word", since=noon, until=noon) == []
        assert sorted(await find_titles(store, "word", pattern="a/*")) == ["a/later", "a/noon"]
        assert await find_titles(store, "word", pattern="[u]*") == ["[u]ndated"]
        assert await find_titles(store, "word", pattern="b/*") == ["file:b/c"]

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
        [hit] = await find(store, "needle")
        assert (hit.connection_id, hit.connection_name) == (made.id, "My Notes")
        assert (hit.type, hit.title, hit.url) == ("page", "a", "https://e.example/a")
        assert "needle" in hit.excerpt.text
        assert len(hit.excerpt.text) < len(text)
        assert hit.excerpt.offset == text.index(hit.excerpt.text.strip(" …"))

    @pytest.mark.anyio
    async def test_score_is_a_share_of_what_is_looked_for(self, store: Store) -> None:
        made = await make_connection(store)
        others = (make_entity(f"other{n}", "nothing of interest at all here") for n in range(20))
        some, all_of_them = (
            make_entity("some", "one red apple"),
            make_entity("all", "red blue green"),
        )
        await list_all(store, made, some, all_of_them, *others)
        terms = [Term(word) for word in ("red", "blue", "green", "absent")]
        ranked = await store.search.rank(Scope(ORGANIZATION), terms, EntityFilter(), limit=9)
        best, last = (each.score for each in ranked)
        assert 0.5 < best < 3
        assert 0 < last < best / 2

    @pytest.mark.anyio
    async def test_excerpt_is_around_the_words_that_say_something(self, store: Store) -> None:
        made = await make_connection(store)
        text = f"{'how it is and what it does, ' * 60}\nThe needle.\n{'so it is. ' * 60}"
        await list_all(store, made, make_entity("a", text))
        [hit] = await find(store, "how", "is", "the", "needle", "it")
        assert "The needle." in hit.excerpt.text

    @pytest.mark.anyio
    @pytest.mark.parametrize("unbroken", [char * 70_000 for char in "= f语"])
    @pytest.mark.parametrize("first", [True, False])
    async def test_snippet_is_short_whatever_stands_between_words(
        self, store: Store, unbroken: str, first: bool
    ) -> None:
        made = await make_connection(store)
        text = f"{unbroken} needle" if first else f"needle {unbroken} end"
        await list_all(store, made, make_entity("a", text))
        [hit] = await find(store, "needle")
        assert len(hit.excerpt.text) <= SNIPPET_MAX_CHARS
        assert "needle" in hit.excerpt.text

    @pytest.mark.anyio
    @pytest.mark.parametrize("name", HOSTILE_TEXTS)
    async def test_work_of_a_search_grows_no_faster_than_the_text(
        self, store: Store, name: str
    ) -> None:
        terms, make_text = HOSTILE_TEXTS[name]
        made = await make_connection(store)
        await list_all(
            store,
            made,
            make_entity("small", make_text(HOSTILE_WORDS), kind="small"),
            make_entity("large", make_text(HOSTILE_WORDS * HOSTILE_STEP), kind="large"),
        )
        small = await self._measure_seconds(store, terms, "small")
        large = await self._measure_seconds(store, terms, "large")
        assert large < max(NOISE_SECONDS, small * HOSTILE_GROWTH_MAX)

    @staticmethod
    async def _measure_seconds(store: Store, terms: Sequence[str], entity_type: str) -> float:
        """Return the least CPU time of all threads that one of several searches takes."""
        needed: list[float] = []
        for _ in range(3):
            started = time.process_time()
            [hit] = await find(store, *terms, type=entity_type)
            needed.append(time.process_time() - started)
            assert 0 < len(hit.excerpt.text) <= SNIPPET_MAX_CHARS
        return min(needed)

    @pytest.mark.anyio
    async def test_pages_of_hits_neither_overlap_nor_miss(self, store: Store) -> None:
        made = await make_connection(store)
        await list_all(store, made, *(make_entity(f"e{n}", "word " * (n + 1)) for n in range(7)))
        pages = [await find_titles(store, "word", limit=3, offset=offset) for offset in (0, 3, 6)]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert {title for page in pages for title in page} == {f"e{n}" for n in range(7)}
