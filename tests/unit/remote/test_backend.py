"""The remote backend keeps secrets, remembers facts from answers, and polls."""

import json
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest

from tests.support.airweave.replay import (
    load_exchanges,
    open_scripted_backend,
    open_scripted_client,
)
from tests.support.patience import PATIENCE_SECONDS
from weft.backend import Authorization, Search
from weft.backend.catalogue import find_sources
from weft.domain.connections import ConnectionStatus, NewConnection
from weft.domain.reading.search import SearchQuery
from weft.errors import Conflict, InvalidInput, NotPermitted, Unsupported
from weft.remote.backend import RemoteBackend
from weft.remote.changes import RemoteChanges
from weft.remote.state.notes import MemoryNotes
from weft.remote.state.remote_state import RemoteState

pytestmark = pytest.mark.anyio

ALL = {exchange.name.partition("/")[2][:3]: exchange for exchange in load_exchanges()[22:]}
PENDING: dict[str, Any] = ALL["090"].body
SLACK = {"short_name": "slack", "name": "Slack", "auth_methods": ["oauth_browser"]}
TOKEN: str = PENDING["auth"]["claim_token"]


class OAuthApi:
    """Consent as recorded; ``consented`` says whether the person has come back."""

    def __init__(self) -> None:
        self.consented = False
        self.claims: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/verify-oauth"):
            return self.verify(json.loads(request.content)["claim_token"])
        if path.endswith("/reinitiate-oauth") or request.method == "POST":
            return httpx.Response(200, json=PENDING)
        if path.startswith("/sources/"):
            return httpx.Response(200, json=SLACK)
        if path.endswith("/jobs") or path == "/source-connections":
            return httpx.Response(200, json=[])
        return httpx.Response(200, json=self.now())

    def verify(self, token: str) -> httpx.Response:
        self.claims.append(token)
        if token != TOKEN:
            return httpx.Response(403, json={"detail": "Invalid claim token"})
        if not self.consented:
            text = "OAuth session is pending, expected in_progress"
            return httpx.Response(400, json={"detail": text})
        return httpx.Response(200, json=self.now())

    def now(self) -> dict[str, Any]:
        auth = PENDING["auth"] | {"claim_token": None, "auth_url": None}
        auth |= {"authenticated": self.consented}
        status = "active" if self.consented else "pending_auth"
        return PENDING | {"status": status, "auth": auth}


def authorization_of(backend: RemoteBackend) -> Authorization:
    assert backend.authorization is not None
    return backend.authorization


def search_of(backend: RemoteBackend) -> Search:
    assert backend.search is not None
    return backend.search


async def test_claim_token_stays_inside_and_confirms_the_consent() -> None:
    api = OAuthApi()
    new = NewConnection(short_name="slack", readable_collection_id="docs")
    async with open_scripted_backend(api) as backend:
        made = await backend.connections.create(new)
        assert made.auth.auth_url == PENDING["auth"]["auth_url"]
        assert TOKEN not in repr(made)
        assert made.auth.claim_token is None
        waiting = await backend.connections.get(made.id)
        assert waiting.status is ConnectionStatus.PENDING_AUTH
        api.consented = True
        ready = await backend.connections.get(made.id)
        assert ready.status is ConnectionStatus.ACTIVE
        await backend.connections.get(made.id)
    assert api.claims == [TOKEN], "it is used once, when it can work, and then forgotten"


async def test_new_link_is_confirmed_too() -> None:
    api = OAuthApi()
    async with open_scripted_backend(api) as backend:
        begun = await authorization_of(backend).begin(PENDING["id"])
        assert begun.auth.auth_url is not None
        api.consented = True
        assert (await backend.connections.get(begun.id)).auth.authenticated


async def test_verify_tells_a_wrong_token_from_an_unfinished_consent() -> None:
    async with open_scripted_backend(OAuthApi()) as backend:
        with pytest.raises(NotPermitted) as caught:
            await authorization_of(backend).verify(PENDING["id"], "wrong")
        assert caught.value.field == "claim_token"
        assert "WEFT_API_KEY" not in str(caught.value)
        with pytest.raises(Conflict):
            await authorization_of(backend).verify(PENDING["id"], TOKEN)


async def test_what_the_api_lacks_is_declared_and_refused() -> None:
    async with open_scripted_backend(lambda _: httpx.Response(200, json=[])) as backend:
        assert backend.unsupported == {"connections.check", "search.entity", "trash.restore"}
        with pytest.raises(Unsupported):
            await backend.connections.check("any")
        with pytest.raises(Unsupported):
            await search_of(backend).entity("any", offset=0, max_chars=10)
        with pytest.raises(Unsupported, match="deletes for good"):
            await backend.trash.restore(connection="any")


def make_result(name: str, sync_id: str, entity_id: str, text: str) -> dict[str, Any]:
    system = {"source_name": "stub", "entity_type": "note", "sync_id": sync_id}
    system |= {"chunk_index": 0, "original_entity_id": entity_id}
    return {
        "entity_id": f"{entity_id}-chunk",
        "name": name,
        "relevance_score": 0.5,
        "textual_representation": text,
        "airweave_system_metadata": system,
        "web_url": "https://example.com",
    }


@pytest.mark.parametrize("source", ["stub", ""])
async def test_hit_is_named_by_the_connection_of_its_sync_and_chunks_are_one(source: str) -> None:
    one = ALL["018"].body
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            sent.append(json.loads(request.content))
            texts = ("a pelican lands", "a worse part of the same")
            hits = [make_result("Note", one["sync_id"], "e1", text) for text in texts]
            hits += [make_result("X", "gone", each, "no") for each in ("e2", "e3")]
            for hit in hits:
                hit["airweave_system_metadata"]["source_name"] = source
            return httpx.Response(200, json={"results": hits})
        if request.url.path == "/source-connections":
            return httpx.Response(200, json=ALL["023"].body)
        if request.url.path.startswith("/collections"):
            return ALL["012"].response()
        return httpx.Response(200, json=one)

    query = SearchQuery(readable_collection_id="docs", query="pelican", entity_type="note", limit=3)
    async with open_scripted_backend(answer) as backend:
        results = await search_of(backend).search(query)
        again = query.model_copy(update={"cursor": results.next_cursor})
        await search_of(backend).search(again)
    assert [(hit.entity_id, hit.connection_name) for hit in results.hits] == [
        ("e1", one["name"]),
        ("e2", source),
    ], "and what the next page begins with is only there"
    assert results.hits[0].snippet == "a pelican lands", "the best chunk stands for its entity"
    assert results.matched == "any", "one hit has not the word"
    (condition,) = sent[0]["filter"][0]["conditions"]
    assert (condition["value"], sent[0]["limit"]) == ("note", 4)
    assert [body["offset"] for body in sent] == [0, 3]


async def test_query_without_a_word_is_not_sent() -> None:
    async with open_scripted_backend(lambda _: httpx.Response(500)) as backend:
        with pytest.raises(InvalidInput):
            await search_of(backend).search(SearchQuery(readable_collection_id="d", query=" * "))


async def test_catalogue_is_read_once_however_it_is_searched() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=[SLACK])

    async with open_scripted_backend(answer) as backend:
        for words, names in (("my slack", ["slack"]), (None, ["slack"]), ("postgres", [])):
            page = await find_sources(backend.sources, words)
            assert [source.short_name for source in page.items] == names
        assert "WEFT_API_URL" in (page.note or "")
    assert asked == ["/sources"]


async def test_followers_hear_of_changes_of_others() -> None:
    listed = [ALL["023"].body[0] | {"status": "active"}]
    async with open_scripted_backend(lambda _: httpx.Response(200, json=listed)) as backend:
        following = aiter(backend.changes.follow())
        with anyio.fail_after(PATIENCE_SECONDS):
            await anext(following)
            listed[0] = listed[0] | {"name": "Renamed by someone"}
            await anext(following)


async def test_followers_hear_of_own_changes_although_lists_show_nothing_of_them() -> None:
    one = ALL["018"].body

    def answer(request: httpx.Request) -> httpx.Response:
        listing = request.url.path == "/source-connections"
        return httpx.Response(200, json=[] if listing else one)

    async with open_scripted_backend(answer) as backend:
        following = aiter(backend.changes.follow())
        await anext(following)

        async def hear() -> None:
            await anext(following)

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(hear)
                await anyio.wait_all_tasks_blocked()
                await backend.connections.delete(one["id"])


async def test_followers_hear_of_own_changes_that_are_made_while_they_poll() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        if polled:
            state.own_changes.announce()
        polled.append(True)
        return httpx.Response(200, json=[])

    polled: list[bool] = []
    async with open_scripted_client(answer) as client:
        state = RemoteState(client, MemoryNotes())
        following = aiter(RemoteChanges(state).follow())
        await anext(following)
        with anyio.fail_after(PATIENCE_SECONDS):
            await anext(following)


async def test_list_with_a_filter_reads_on_until_the_page_is_full() -> None:
    rows = [
        ALL["023"].body[0] | {"id": str(UUID(int=n)), "short_name": f"s{n % 2}"} for n in range(30)
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        skip, limit = int(request.url.params["skip"]), int(request.url.params["limit"])
        return httpx.Response(200, json=rows[skip : skip + limit])

    async with open_scripted_backend(answer) as backend:
        first = await backend.connections.list(short_name="s1", limit=10)
        rest = await backend.connections.list(short_name="s1", limit=10, cursor=first.next_cursor)
    seen = [item.id for item in (*first.items, *rest.items)]
    assert seen == [str(UUID(int=n)) for n in range(1, 30, 2)]
    assert rest.next_cursor is None
