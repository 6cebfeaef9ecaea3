"""Authorising by a link that a person opens: offered, waited for, and never made twice."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult, InputResponses

from tests.support.patience import PATIENCE_SECONDS
from tests.support.server.fakes import FakeAuthorization, FakeBackend, FakeChanges, text_of
from tests.support.server.person import Person
from tests.support.server.records import make_connection
from weft.domain.connections import AuthDetails, AuthMethod, ConnectionStatus
from weft.server.app import WeftServer
from weft.server.questions import authorize

pytestmark = pytest.mark.anyio

NEW = {"short_name": "github", "readable_collection_id": "docs", "config": {"repo_name": "a/b"}}
CLAIM = "cl41m-t0k3n"


@pytest.fixture(params=("legacy", "2026-07-28"))
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def authorization(backend: FakeBackend) -> FakeAuthorization:
    assert backend.authorization is not None
    backend.authorization.base = "http://127.0.0.1:1/authorize"
    return backend.authorization


class WatchedChanges(FakeChanges):
    """Sets an event once a follower has looked and waits for the next change."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for = anyio.Event()

    async def follow(self) -> AsyncGenerator[None]:
        async for _ in super().follow():
            yield
            self.waited_for.set()


async def call_tool(
    server: WeftServer, mode: str, person: Person | None, tool: str, **arguments: Any
) -> CallToolResult:
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert CLAIM not in result.model_dump_json()
    return result


async def test_person_who_follows_the_link_makes_the_connection_active(
    server: WeftServer, mode: str, backend: FakeBackend, authorization: FakeAuthorization
) -> None:
    person = Person("accept")
    person.act = lambda: authorization.finish("c2") and None
    result = await call_tool(server, mode, person, "create_connection", **NEW)
    assert person.link.url == "http://127.0.0.1:1/authorize/1"
    assert "'GitHub Connection' (github)" in person.link.message
    assert "The user authorised it." in text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["status"] == "active"
    assert "auth_url" not in result.structured_content["auth"]
    assert len(backend.connections.created) == 1
    assert authorization.begun == ["c2"]


async def test_authorisation_that_comes_while_the_call_waits_is_seen(
    server: WeftServer, mode: str, backend: FakeBackend, authorization: FakeAuthorization
) -> None:
    changes = backend.changes = WatchedChanges()

    async def later() -> None:
        await changes.waited_for.wait()
        authorization.finish("c2")
        changes.announce()

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        result = await call_tool(server, mode, Person("accept"), "create_connection", **NEW)
        assert "The user authorised it." in text_of(result)


@pytest.mark.usefixtures("authorization")
async def test_wait_for_a_person_ends_when_the_server_is_to_end(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    changes = backend.changes = WatchedChanges()

    async def later() -> None:
        await changes.waited_for.wait()
        server.waits.end()

    async with anyio.create_task_group() as group:
        group.start_soon(later)
        result = await call_tool(server, mode, Person("accept"), "create_connection", **NEW)
        assert "has not finished there yet" in text_of(result)


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        ("accept", "has not finished there yet"),
        ("decline", "declined to open the link"),
        ("cancel", "closed the question"),
    ],
)
async def test_connection_waits_with_its_link_until_it_is_authorised(
    server: WeftServer,
    mode: str,
    backend: FakeBackend,
    authorization: FakeAuthorization,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    note: str,
) -> None:
    monkeypatch.setattr(authorize, "AUTHORISE_SECONDS_MAX", 0.05)
    result = await call_tool(server, mode, Person(answer), "create_connection", **NEW)
    text = text_of(result)
    assert note in text
    assert "http://127.0.0.1:1/authorize/1" in text
    assert "get_connection(connection_id='c2')" in text
    assert result.structured_content is not None
    assert result.structured_content["status"] == "pending_auth"
    assert result.structured_content["auth"]["auth_url"] == "http://127.0.0.1:1/authorize/1"
    assert len(backend.connections.created) == 1
    assert authorization.begun == ["c2"]


async def test_client_that_opens_no_links_gets_it_as_text(
    server: WeftServer, mode: str, authorization: FakeAuthorization
) -> None:
    result = await call_tool(server, mode, None, "create_connection", **NEW)
    assert "http://127.0.0.1:1/authorize/1" in text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["auth"]["auth_url"] == "http://127.0.0.1:1/authorize/1"
    assert authorization.begun == ["c2"]


async def test_authorising_without_credentials_makes_a_new_link(
    server: WeftServer, mode: str, authorization: FakeAuthorization
) -> None:
    result = await call_tool(server, mode, None, "authorize_connection", connection_id="c1")
    assert "http://127.0.0.1:1/authorize/1" in text_of(result)
    person = Person("accept")
    person.act = lambda: authorization.finish("c1") and None
    result = await call_tool(server, mode, person, "authorize_connection", connection_id="c1")
    assert person.link.url == "http://127.0.0.1:1/authorize/2"
    assert "The user authorised it." in text_of(result)
    assert authorization.begun == ["c1", "c1"]


async def test_consent_to_be_given_in_a_browser_is_offered_and_begun_once(
    server: WeftServer, mode: str, authorization: FakeAuthorization
) -> None:
    person = Person("accept")
    person.act = lambda: authorization.finish("c1") and None
    arguments = {"connection_id": "c1", "auth": {"oauth_browser": {"client_id": "own"}}}
    result = await call_tool(server, mode, person, "authorize_connection", **arguments)
    assert person.link.url == "http://127.0.0.1:1/authorize/1"
    assert "The user authorised it." in text_of(result)
    assert len(authorization.given) == 1


async def test_active_connection_counts_as_authorised_only_once_it_is_anew(
    server: WeftServer,
    mode: str,
    authorization: FakeAuthorization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert authorization.base
    monkeypatch.setattr(authorize, "AUTHORISE_SECONDS_MAX", 0.05)
    result = await call_tool(
        server, mode, Person("accept"), "authorize_connection", connection_id="c1"
    )
    assert "has not finished there yet" in text_of(result)
    assert "http://127.0.0.1:1/authorize/1" in text_of(result)


async def test_backend_without_links_says_what_else_to_do(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    async with Client(server, mode=mode, elicitation_callback=Person()) as client:
        refused = await client.call_tool("authorize_connection", {"connection_id": "c1"})
        assert refused.is_error
        assert "no page for credentials" in text_of(refused)
        assert "auth={'direct': {'credentials': {...}}}" in text_of(refused)
        made = await client.call_tool("create_connection", NEW)
    assert not made.is_error
    assert "no page for credentials" in text_of(made)
    assert "auth={'direct': {'credentials': {...}}}" in text_of(made)
    assert len(backend.connections.created) == 1


async def test_claim_is_confirmed_by_the_server_and_shown_to_nobody(
    server: WeftServer, mode: str, backend: FakeBackend, authorization: FakeAuthorization
) -> None:
    authorization.claims["c2"] = CLAIM
    person = Person("accept")
    person.act = lambda: authorization.finished.add("c2")
    result = await call_tool(server, mode, person, "create_connection", **NEW)
    assert "The user authorised it." in text_of(result)
    assert backend.connections.rows["c2"].status is ConnectionStatus.ACTIVE


async def test_claim_is_confirmed_when_the_connection_is_read_later(
    server: WeftServer, mode: str, authorization: FakeAuthorization
) -> None:
    authorization.claims["c2"] = CLAIM
    await call_tool(server, mode, None, "create_connection", **NEW)
    waiting = await call_tool(server, mode, None, "get_connection", connection_id="c2")
    assert waiting.structured_content is not None
    assert waiting.structured_content["status"] == "pending_auth"
    authorization.finished.add("c2")
    ready = await call_tool(server, mode, None, "get_connection", connection_id="c2")
    assert ready.structured_content is not None
    assert ready.structured_content["status"] == "active"


async def test_link_of_the_provider_is_offered_as_it_is(
    server: WeftServer, mode: str, backend: FakeBackend, authorization: FakeAuthorization
) -> None:
    url = "https://provider.example/consent"
    details = AuthDetails(
        method=AuthMethod.OAUTH_BROWSER, authenticated=False, auth_url=url, claim_token=CLAIM
    )
    waiting = {"status": ConnectionStatus.PENDING_AUTH}

    async def create(new: object) -> Any:
        del new
        backend.connections.rows["c2"] = make_connection(
            "c2", **waiting, auth=details.model_copy(update={"auth_url": None})
        )
        return make_connection("c2", **waiting, auth=details)

    backend.connections.create = create
    authorization.claims["c2"] = CLAIM
    person = Person("accept")
    person.act = lambda: authorization.finished.add("c2")
    result = await call_tool(
        server, mode, person, "create_connection", **NEW, auth={"oauth_browser": {}}
    )
    assert person.link.url == url
    assert "The user authorised it." in text_of(result)
    assert authorization.begun == []


async def test_client_hears_that_the_call_waits_for_the_person(
    server: WeftServer,
    mode: str,
    authorization: FakeAuthorization,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert authorization.base
    monkeypatch.setattr(authorize, "AUTHORISE_SECONDS_MAX", 0.05)
    said: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        said.append(message)

    async with Client(server, mode=mode, elicitation_callback=Person("accept")) as client:
        await client.call_tool(
            "authorize_connection", {"connection_id": "c1"}, progress_callback=hear
        )
    assert said == ["Waiting for the user, who opened the link."]


async def test_older_client_hears_that_the_link_has_done_its_work(
    server: WeftServer, authorization: FakeAuthorization
) -> None:
    heard: list[Any] = []
    news = anyio.Event()

    async def hear(message: Any) -> None:
        heard.append(message)
        news.set()

    person = Person("accept")
    person.act = lambda: authorization.finish("c1") and None
    async with Client(
        server, mode="legacy", elicitation_callback=person, message_handler=hear
    ) as client:
        await client.call_tool("authorize_connection", {"connection_id": "c1"})
        with anyio.fail_after(PATIENCE_SECONDS):
            await news.wait()
    assert heard[0].method == "notifications/elicitation/complete"
    assert heard[0].params.elicitation_id == person.link.elicitation_id


async def test_repeated_round_creates_nothing_again(
    server: WeftServer, backend: FakeBackend, authorization: FakeAuthorization
) -> None:
    answer: InputResponses = {"config": ElicitResult(action="accept", content={"repo_name": "a/b"})}
    incomplete = {key: value for key, value in NEW.items() if key != "config"}
    async with Client(server, mode="2026-07-28", elicitation_callback=Person()) as client:
        first = await client.session.call_tool(
            "create_connection", incomplete, allow_input_required=True
        )
        assert isinstance(first, InputRequiredResult)
        for _ in range(2):
            second = await client.session.call_tool(
                "create_connection",
                incomplete,
                input_responses=answer,
                request_state=first.request_state,
                allow_input_required=True,
            )
            assert isinstance(second, InputRequiredResult)
    assert len(backend.connections.created) == 1
    assert authorization.begun == ["c2"]
