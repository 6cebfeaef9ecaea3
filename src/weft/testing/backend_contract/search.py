"""The contract of a backend: searching and reading entities."""

from datetime import timedelta

import pytest

from weft.backend import Backend
from weft.domain.reading.search import SearchHit, SearchMode, SearchQuery
from weft.errors import (
    InvalidInput,
    NotFound,
    Unsupported,
)
from weft.testing.backend_contract.support import (
    COLLECTION,
    ContractPart,
    connect,
    create_collection,
    sync,
)
from weft.testing.stub import EPOCH


class SearchContract(ContractPart):
    """Searching, and reading what was found."""

    @pytest.mark.anyio
    async def test_what_has_all_words_comes_first(self, backend: Backend) -> None:
        await create_collection(backend)
        await sync(backend, await connect(backend, {"entities": 30}))
        assert backend.search is not None
        both = await backend.search.search(
            SearchQuery(readable_collection_id=COLLECTION, query="entity7 foxes")
        )
        assert both.hits[0].title == "Note 7"
        either = await backend.search.search(
            SearchQuery(readable_collection_id=COLLECTION, query="entity7 entity8 absent")
        )
        assert either.matched == "any"
        assert {hit.title for hit in either.hits} == {"Note 7", "Note 8"}

    @pytest.mark.anyio
    async def test_hits_are_paged_and_filtered(self, backend: Backend) -> None:
        await create_collection(backend)
        one = await connect(backend, {"entities": 15}, name="Connection One")
        two = await connect(backend, {"entities": 5}, name="Connection Two")
        for made in (one, two):
            await sync(backend, made)
        assert backend.search is not None
        query = SearchQuery(
            readable_collection_id=COLLECTION, query="lazy dog", limit=12, fold_copies=False
        )
        first = await backend.search.search(query)
        second = await backend.search.search(query.model_copy(update={"cursor": first.next_cursor}))
        assert (len(first.hits), len(second.hits), second.next_cursor) == (12, 8, None)
        assert len({hit.entity_id for hit in (*first.hits, *second.hits)}) == 20
        only = await backend.search.search(query.model_copy(update={"connection": two.id}))
        assert {hit.connection_name for hit in only.hits} == {"Connection Two"}
        none = await backend.search.search(query.model_copy(update={"entity_type": "page"}))
        assert none.hits == ()

    @pytest.mark.anyio
    async def test_copies_are_one_hit_or_several(self, backend: Backend) -> None:
        await create_collection(backend)
        for name in ("Original", "Copy"):
            await sync(backend, await connect(backend, {"entities": 1}, name=name))
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="lazy dog")
        folded = (await backend.search.search(query)).hits
        each = await backend.search.search(query.model_copy(update={"fold_copies": False}))
        ids = {hit.entity_id for hit in each.hits}
        assert len(each.hits) == 2
        assert {name for hit in folded for name in (hit.entity_id, *_copies_of(hit))} == ids

    @pytest.mark.anyio
    async def test_hits_are_filtered_by_when_they_were_updated(self, backend: Backend) -> None:
        await create_collection(backend)
        await sync(backend, await connect(backend, {"entities": 5}))
        assert backend.search is not None
        query = SearchQuery(
            readable_collection_id=COLLECTION,
            query="lazy dog",
            since=EPOCH + timedelta(seconds=1),
            until=EPOCH + timedelta(seconds=3),
            limit=1,
        )
        titles: set[str] = set()
        for _ in range(2):
            page = await backend.search.search(query)
            titles |= {hit.title for hit in page.hits}
            # The times of a period such as 24h move on between pages.
            since = EPOCH + timedelta(seconds=0.5)
            query = query.model_copy(update={"cursor": page.next_cursor, "since": since})
        assert (titles, query.cursor) == ({"Note 1", "Note 2"}, None)

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        ("field", "value", "found"), [("path", "stub-1", ["Note 1"]), ("author", "nobody", [])]
    )
    async def test_filter_by_path_or_author_is_kept_or_refused(
        self, backend: Backend, field: str, value: str, found: list[str]
    ) -> None:
        await create_collection(backend)
        await sync(backend, await connect(backend, {"entities": 3}))
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="lazy dog")
        narrowed = query.model_copy(update={field: value})
        try:
            outcome: object = [hit.title for hit in (await backend.search.search(narrowed)).hits]
        except Unsupported as error:
            outcome = (error.field, bool(error.hint))
        assert outcome in (found, (field, True))

    @pytest.mark.anyio
    @pytest.mark.parametrize("mode", SearchMode)
    @pytest.mark.parametrize("fold_copies", [False, True])
    async def test_pages_lose_and_repeat_nothing(
        self, backend: Backend, mode: SearchMode, fold_copies: bool
    ) -> None:
        await create_collection(backend)
        for name in ("Original", "Copy"):
            await sync(backend, await connect(backend, {"entities": 60}, name=name))
        assert backend.search is not None
        query = SearchQuery(
            readable_collection_id=COLLECTION,
            query="lazy dog",
            mode=mode,
            limit=25,
            fold_copies=fold_copies,
        )
        if mode is SearchMode.MEANING:
            try:
                await backend.search.search(query)
            except Unsupported:
                return  # The test of modes says how.
        found: list[tuple[str, str]] = []
        for _ in range(10):
            page = await backend.search.search(query)
            found += [
                (hit.connection_id, name)
                for hit in page.hits
                for name in (hit.entity_id, *_copies_of(hit))
            ]
            if page.next_cursor is None:
                break
            query = query.model_copy(update={"cursor": page.next_cursor})
        assert len(set(found)) == len(found) == 120

    @pytest.mark.anyio
    async def test_mode_is_kept_or_refused(self, backend: Backend) -> None:
        await create_collection(backend)
        await sync(backend, await connect(backend, {"entities": 3}))
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="lazy dog")
        by_words = query.model_copy(update={"mode": SearchMode.WORDS})
        found = await backend.search.search(by_words)
        assert (len(found.hits), found.by_meaning) == (3, False)
        by_meaning = query.model_copy(update={"mode": SearchMode.MEANING})
        try:
            assert (await backend.search.search(by_meaning)).by_meaning
        except Unsupported as error:
            refused = (error.field, bool(error.hint))
        else:
            refused = None
        assert refused in (None, ("mode", True))

    @pytest.mark.anyio
    async def test_search_without_a_collection_looks_through_all(self, backend: Backend) -> None:
        for readable_id in (COLLECTION, "contract-other"):
            await create_collection(backend, readable_id)
            made = await connect(
                backend, {"entities": 5}, name=readable_id, readable_collection_id=readable_id
            )
            await sync(backend, made)
        assert backend.search is not None
        query = SearchQuery(query="lazy dog", limit=6, fold_copies=False)
        first = await backend.search.search(query)
        second = await backend.search.search(query.model_copy(update={"cursor": first.next_cursor}))
        assert (len(first.hits), len(second.hits), second.next_cursor) == (6, 4, None)
        found = [(hit.connection_name, hit.title) for hit in (*first.hits, *second.hits)]
        assert len(set(found)) == 10
        assert {name for name, _ in found} == {COLLECTION, "contract-other"}

    @pytest.mark.anyio
    async def test_entity_is_read_in_windows(self, backend: Backend) -> None:
        await create_collection(backend)
        await sync(backend, await connect(backend, {"entities": 1, "text_chars": 100}))
        assert backend.search is not None
        query = SearchQuery(readable_collection_id=COLLECTION, query="entity0")
        hit = (await backend.search.search(query)).hits[0]
        asked = backend.search.entity(hit.entity_id, offset=0, max_chars=1000)
        if await self.check_lack("search.entity", backend, asked):
            return
        whole = await backend.search.entity(hit.entity_id, offset=0, max_chars=1000)
        assert (len(whole.text), whole.total_chars) == (100, 100)
        window = await backend.search.entity(hit.entity_id, offset=40, max_chars=20)
        assert window.text == whole.text[40:60]
        with pytest.raises(NotFound):
            await backend.search.entity("999999", offset=0, max_chars=10)

    @pytest.mark.anyio
    @pytest.mark.parametrize("query", ["", "  ", "***", '"', "x" * 1001])
    async def test_query_without_words_is_refused(self, backend: Backend, query: str) -> None:
        await create_collection(backend)
        assert backend.search is not None
        with pytest.raises(InvalidInput) as caught:
            await backend.search.search(SearchQuery(readable_collection_id=COLLECTION, query=query))
        assert caught.value.field == "query"

    @pytest.mark.anyio
    @pytest.mark.parametrize(
        "query", ['"unbalanced', "a AND OR NOT", "col:x", "x^2", "(", "NEAR(a b)", "é ß 字 \0x"]
    )
    async def test_query_syntax_is_taken_as_plain_words(self, backend: Backend, query: str) -> None:
        await create_collection(backend)
        assert backend.search is not None
        wanted = SearchQuery(readable_collection_id=COLLECTION, query=query)
        if any(char.isalnum() for char in query):
            assert (await backend.search.search(wanted)).hits == ()
        else:
            with pytest.raises(InvalidInput):
                await backend.search.search(wanted)


def _copies_of(hit: SearchHit) -> list[str]:
    return [copy.entity_id for copy in hit.copies]
