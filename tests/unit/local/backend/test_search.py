"""Search: any of the plain words, all of the quoted ones, in pages that go on where one ended."""

import pytest

from tests.support.local.harness import COLLECTION, ORGANIZATION, LocalHarness, fetch_of, note
from weft.domain.reading.cursors import encode_cursor
from weft.domain.reading.search import QUERY_MAX_CHARS, SEARCH_LIMIT_MAX, SearchQuery, SearchResults
from weft.errors import InvalidInput, NotFound
from weft.local.backend.search import OFFSET_MAX, WORDS_MAX, LocalSearch, parse_terms
from weft.local.store.search import Term

pytestmark = pytest.mark.anyio

TEXTS = {
    "fox": "the quick brown fox",
    "dog": "the lazy brown dog",
    "both": "the brown fox jumps over the lazy dog",
    "code": 'a "quoted" c++ and x-ray NOT found OR else',
}


@pytest.fixture
async def search(local: LocalHarness) -> LocalSearch:
    local.script.fetch = fetch_of(*(note(name, text) for name, text in TEXTS.items()))
    await local.run_sync(await local.connect())
    return LocalSearch(local.engine, ORGANIZATION)


def query(text: str, **fields: object) -> SearchQuery:
    values = {"readable_collection_id": COLLECTION, "query": text} | fields
    return SearchQuery.model_validate(values)


def titles(results: SearchResults) -> set[str]:
    return {hit.title for hit in results.hits}


def cursor_of(text: str) -> str:
    return encode_cursor(text, *query("fox").cursor_scope)


@pytest.mark.parametrize(
    ("text", "matched", "expected"),
    [
        ("fox", "all", {"fox", "both"}),
        ("FOX dog", "any", {"both", "fox", "dog"}),
        ("fox dog fox dog", "any", {"both", "fox", "dog"}),
        ('"brown fox"', "all", {"fox", "both"}),
        ('"fox brown"', "all", set[str]()),
        ('"brown fox" dog', "any", {"fox", "both"}),
        ('"fox" "dog"', "all", {"both"}),
        ("the fox", "all", {"fox", "both"}),
        ("the", "all", {"fox", "dog", "both"}),
        ('"the" quick', "any", {"fox", "dog", "both"}),
        ("quick lazy", "any", {"fox", "dog", "both"}),
        ("quick absent", "any", {"fox"}),
        ("absent", "all", set[str]()),
        ("absent missing", "all", set[str]()),
        ("x-ray", "all", {"code"}),
        ("c++", "all", {"code"}),
        ('fox"', "all", {"fox", "both"}),
        ('"unfinished fox', "any", {"fox", "both"}),
        ("title:fox", "any", {"fox", "both"}),
        ("qui*", "all", {"fox"}),
        ("fo*", "all", set[str]()),
        ("fox NOT lazy", "any", {"fox", "both", "dog"}),
        ("NEAR(fox dog)", "any", {"both", "fox", "dog"}),
        ("fox\0", "all", {"fox", "both"}),
    ],
)
async def test_words_are_taken_literally_and_little_ones_do_not_count(
    search: LocalSearch, text: str, matched: str, expected: set[str]
) -> None:
    results = await search.search(query(text))
    assert (results.matched, titles(results)) == (matched, expected)


@pytest.mark.parametrize("text", ["", " \t\n", "*", '""', '"" ""', "()", "\0", "…", "🍮"])
async def test_query_without_a_word_is_refused(search: LocalSearch, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await search.search(query(text))
    assert caught.value.field == "query"


async def test_query_has_a_longest_length(search: LocalSearch) -> None:
    await search.search(query("x" * QUERY_MAX_CHARS))
    with pytest.raises(InvalidInput) as caught:
        await search.search(query("x" * (QUERY_MAX_CHARS + 1)))
    assert caught.value.field == "query"


async def test_words_beyond_the_limit_do_not_count(search: LocalSearch) -> None:
    many = " ".join(["fox"] * 5 + [f"w{n}" for n in range(WORDS_MAX - 1)])
    assert (await search.search(query(f"{many} dog"))).matched == "any"
    assert titles(await search.search(query(f"{many} lazy"))) == {"fox", "both"}


async def test_words_of_phrases_count_as_well(search: LocalSearch) -> None:
    phrase = " ".join(["quick"] * WORDS_MAX)
    assert parse_terms(f'fox "{phrase} dog" cat') == [Term(phrase, is_required=True)]
    assert parse_terms('(salt, "red" pepper.) c++ «word»') == [
        Term("red", is_required=True),
        Term("salt"),
        Term("pepper"),
        Term("c++"),
        Term("word"),
    ]
    assert parse_terms("-".join(["a"] * WORDS_MAX * 2)) == [Term("-".join(["a"] * WORDS_MAX))]


@pytest.mark.parametrize("limit", [0, -1, SEARCH_LIMIT_MAX + 1])
async def test_limit_out_of_bounds_is_refused(search: LocalSearch, limit: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        await search.search(query("fox", limit=limit))
    assert caught.value.field == "limit"


async def test_page_goes_on_where_the_one_before_ended(search: LocalSearch) -> None:
    first = await search.search(query("quick lazy", limit=2))
    assert (first.matched, len(first.hits)) == ("any", 2)
    second = await search.search(query("quick lazy", limit=2, cursor=first.next_cursor))
    assert (second.matched, len(second.hits), second.next_cursor) == ("any", 1, None)
    assert titles(first) | titles(second) == {"fox", "dog", "both"}


async def test_last_full_page_has_no_cursor(search: LocalSearch) -> None:
    assert (await search.search(query("fox", limit=2))).next_cursor is None
    assert (await search.search(query("fox", limit=1))).next_cursor is not None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        *map(cursor_of, ["all", "-1", "1234567", "1:2", "٣"]),
    ],
)
async def test_cursor_that_search_did_not_make_is_refused(search: LocalSearch, cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await search.search(query("fox", cursor=cursor))
    assert caught.value.field == "cursor"


async def test_cursor_of_another_query_is_refused(search: LocalSearch) -> None:
    cursor = (await search.search(query("fox", limit=1))).next_cursor
    assert (await search.search(query("fox", limit=2, cursor=cursor))).hits
    with pytest.raises(InvalidInput, match="not one that this list gave"):
        await search.search(query("dog", cursor=cursor))


async def test_cursor_far_beyond_the_end_finds_nothing(search: LocalSearch) -> None:
    far = await search.search(query("fox", cursor=cursor_of(f"{OFFSET_MAX * 9}")))
    assert (far.hits, far.next_cursor) == ((), None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"readable_collection_id": "nope"}, "readable_collection_id"),
        ({"connection": "nope"}, "connection_id"),
    ],
)
async def test_unknown_place_to_search_is_named(
    search: LocalSearch, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(NotFound) as caught:
        await search.search(query("fox", **fields))
    assert caught.value.field == field


async def test_other_organization_finds_nothing_and_reads_nothing(
    local: LocalHarness, search: LocalSearch
) -> None:
    [hit] = (await search.search(query("quick"))).hits
    stranger = LocalSearch(local.engine, "somebody")
    with pytest.raises(NotFound):
        await stranger.search(query("quick"))
    with pytest.raises(NotFound):
        await stranger.entity(hit.entity_id, offset=0, max_chars=10)
    mine = await search.entity(hit.entity_id, offset=4, max_chars=5)
    assert mine.text == "quick"
