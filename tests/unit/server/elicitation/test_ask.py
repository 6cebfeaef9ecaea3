"""Questions to a person: who can be asked, what counts as an answer, and that none counts twice."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import (
    ClientCapabilities,
    ElicitationCapability,
    ElicitResult,
    ErrorData,
    FormElicitationCapability,
    InputRequiredResult,
    InputResponses,
    UrlElicitationCapability,
)

from tests.support.patience import PATIENCE_SECONDS
from tests.support.server.fakes import FakeBackend, text_of
from tests.support.server.person import YES, Person
from tests.support.server.records import make_connection
from tests.support.virtual_time import VIRTUAL
from weft.domain.sources import FieldInfo
from weft.errors import Conflict
from weft.server import app
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.server.elicitation import ask
from weft.server.elicitation.ask import Ask, Rounds, form_schema

pytestmark = pytest.mark.anyio

MODES = ("legacy", "2026-07-28")
DELETE = {"connection_id": "c1"}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


async def call_delete(server: WeftServer, mode: str, person: Person) -> tuple[str, Any]:
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            result = await client.call_tool("delete_connection", DELETE)
    return text_of(result), result.structured_content


async def test_person_sees_what_would_go_and_confirms_it(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    person = Person(YES)
    text, data = await call_delete(server, mode, person)
    assert data["deleted"] is True
    assert "Deleted for good connection 'Docs Repo'" in text
    assert backend.connections.rows == {}
    for fact in ("Docs Repo", "12 entities", "0 2 * * *", "running job: none", "source itself"):
        assert fact in person.form.message
    assert person.form.requested_schema["required"] == ["confirm"]
    assert "default" not in person.form.requested_schema["properties"]["confirm"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [({"confirm": False}, "said no"), ("decline", "said no"), ("cancel", "closed the question")],
)
async def test_nothing_is_deleted_without_a_yes(
    server: WeftServer, mode: str, backend: FakeBackend, answer: Any, said: str
) -> None:
    text, data = await call_delete(server, mode, Person(answer))
    assert data["deleted"] is False
    assert "confirmation_token" not in data
    assert said in text
    assert list(backend.connections.rows) == ["c1"]


@pytest.mark.parametrize(
    "answer",
    [
        "accept",
        {},
        {"confirm": "true"},
        {"confirm": 1},
        {"confirm": None},
        {"confirm": True, "also": "x"},
        {"confirm": True, "also": "x" * 100_000},
    ],
)
async def test_answer_that_does_not_fit_deletes_nothing(
    server: WeftServer, mode: str, backend: FakeBackend, answer: Any
) -> None:
    text, data = await call_delete(server, mode, Person(answer))
    assert data is None
    assert "nothing was deleted" in text
    assert list(backend.connections.rows) == ["c1"]


async def test_collection_is_confirmed_by_the_person(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    person = Person("decline", YES)
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        kept = await client.call_tool("delete_collection", {"readable_collection_id": "docs"})
        assert kept.structured_content is not None
        assert kept.structured_content["deleted"] is False
        assert list(backend.collections.rows) == ["docs"]
        gone = await client.call_tool("delete_collection", {"readable_collection_id": "docs"})
    assert gone.structured_content is not None
    assert gone.structured_content["deleted"] is True
    assert backend.collections.rows == {}


async def test_what_changed_while_the_person_was_asked_is_not_deleted(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    def change() -> None:
        backend.connections.rows["c1"] = make_connection("c1", version=4)

    person = Person(YES)
    person.act = change
    text, data = await call_delete(server, mode, person)
    assert data is None
    assert "changed while the user was asked" in text
    assert list(backend.connections.rows) == ["c1"]


@pytest.mark.parametrize("anyio_backend", [VIRTUAL])
async def test_persons_time_is_not_the_calls(server: WeftServer, mode: str) -> None:
    async def think() -> None:
        await anyio.sleep(app.CALL_SECONDS_MAX + 1)

    person = Person(YES)
    person.act = think
    _, data = await call_delete(server, mode, person)
    assert data["deleted"] is True


async def test_waiting_for_a_person_ends(
    server: WeftServer, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "PERSON_SECONDS_MAX", 0.05)
    text, data = await call_delete(server, "legacy", Person("never"))
    assert data["deleted"] is False
    assert "did not answer in time" in text
    assert list(backend.connections.rows) == ["c1"]


async def test_client_that_cannot_do_what_it_says_gets_a_preview(
    server: WeftServer, backend: FakeBackend
) -> None:
    person = Person(ErrorData(code=-32601, message="no such method"))
    text, data = await call_delete(server, "legacy", person)
    assert data["confirmation_token"] in text
    assert list(backend.connections.rows) == ["c1"]
    async with Client(server, mode="legacy", elicitation_callback=Person()) as client:
        token = {"confirmation_token": data["confirmation_token"]}
        result = await client.call_tool("delete_connection", DELETE | token)
    assert result.structured_content is not None
    assert result.structured_content["deleted"] is True


async def test_invented_token_is_refused_where_people_are_asked(
    server: WeftServer, mode: str, backend: FakeBackend
) -> None:
    async with Client(server, mode=mode, elicitation_callback=Person()) as client:
        token = {"confirmation_token": "A" * 54}
        result = await client.call_tool("delete_connection", DELETE | token)
    assert result.is_error
    assert list(backend.connections.rows) == ["c1"]


async def test_answer_without_a_question_counts_for_nothing(
    server: WeftServer, backend: FakeBackend
) -> None:
    async with Client(server, mode="2026-07-28", elicitation_callback=Person()) as client:
        answer: InputResponses = {
            "confirm": ElicitResult(action="accept", content={"confirm": True})
        }
        result = await client.session.call_tool(
            "delete_connection", DELETE, input_responses=answer, allow_input_required=True
        )
    assert isinstance(result, InputRequiredResult)
    assert list(backend.connections.rows) == ["c1"]


async def test_question_is_put_again_when_the_retry_has_no_answer(
    server: WeftServer, backend: FakeBackend
) -> None:
    async with Client(server, mode="2026-07-28", elicitation_callback=Person()) as client:
        first = await client.session.call_tool(
            "delete_connection", DELETE, allow_input_required=True
        )
        assert isinstance(first, InputRequiredResult)
        second = await client.session.call_tool(
            "delete_connection",
            DELETE,
            request_state=first.request_state,
            allow_input_required=True,
        )
    assert isinstance(second, InputRequiredResult)
    assert list(backend.connections.rows) == ["c1"]


async def test_state_of_another_call_or_process_is_refused_with_the_way_out(
    server: WeftServer, backend: FakeBackend
) -> None:
    backend.connections.rows["c2"] = make_connection("c2", name="Other")
    other = build_server(lambda _: backend.as_backend(), version="1")
    answer: InputResponses = {"confirm": ElicitResult(action="accept", content={"confirm": True})}
    async with Client(server, mode="2026-07-28", elicitation_callback=Person()) as client:
        first = await client.session.call_tool(
            "delete_connection", DELETE, allow_input_required=True
        )
        assert isinstance(first, InputRequiredResult)
        with pytest.raises(MCPError, match="call again without requestState"):
            await client.session.call_tool(
                "delete_connection",
                {"connection_id": "c2"},
                input_responses=answer,
                request_state=first.request_state,
                allow_input_required=True,
            )
    async with Client(other, mode="2026-07-28", elicitation_callback=Person()) as client:
        with pytest.raises(MCPError, match="another process"):
            await client.session.call_tool(
                "delete_connection",
                DELETE,
                input_responses=answer,
                request_state=first.request_state,
                allow_input_required=True,
            )
    assert sorted(backend.connections.rows) == ["c1", "c2"]


async def test_call_that_asks_is_not_counted_as_done(backend: FakeBackend) -> None:
    seen: list[str] = []

    def observe(tool: str, outcome: str, seconds: float) -> None:
        del tool, seconds
        seen.append(outcome)

    server = build_server(lambda _: backend.as_backend(), version="1", observe=observe)
    await call_delete(server, "2026-07-28", Person(YES))
    assert seen == ["asked", "ok"]


@pytest.mark.parametrize(
    ("elicitation", "form", "visit"),
    [
        (None, False, False),
        (ElicitationCapability(), True, False),
        (ElicitationCapability(form=FormElicitationCapability()), True, False),
        (ElicitationCapability(url=UrlElicitationCapability()), False, True),
        (
            ElicitationCapability(form=FormElicitationCapability(), url=UrlElicitationCapability()),
            True,
            True,
        ),
    ],
)
def test_capabilities_say_what_can_be_asked(
    elicitation: ElicitationCapability | None, form: bool, visit: bool
) -> None:
    class Asking:
        client_capabilities = ClientCapabilities(elicitation=elicitation)

    context: Any = Asking()
    ask = Ask(context, Rounds())
    assert (ask.can_show_form, ask.can_open_link) == (form, visit)


def field(name: str, kind: str, **more: Any) -> FieldInfo:
    values = {"name": name, "title": name, "type": kind, "description": "", "required": True}
    return FieldInfo.model_validate(values | more)


def test_form_takes_plain_values_and_never_a_secret() -> None:
    schema = form_schema(
        [
            field("mode", "string", choices=("a", "b"), default="a", description="Which."),
            field("depth", "integer", required=False),
        ]
    )
    assert schema == {
        "type": "object",
        "properties": {
            "mode": {
                "type": "string",
                "title": "mode",
                "description": "Which.",
                "enum": ["a", "b"],
                "default": "a",
            },
            "depth": {"type": "integer", "title": "depth"},
        },
        "required": ["mode"],
    }
    for refused in (field("token", "string", secret=True), field("list", "array")):
        with pytest.raises(ValueError, match="never a secret"):
            form_schema([refused])


def maker_of(value: str, running: anyio.Event | None = None) -> Callable[[], Awaitable[str]]:
    async def make() -> str:
        if running is not None:
            running.set()
            await anyio.sleep_forever()
        return value

    return make


async def test_repeated_round_does_nothing_again_until_it_is_forgotten() -> None:
    now = 0.0
    rounds = Rounds(lambda: now)
    assert await rounds.run_once("call", "connection", maker_of("first")) == "first"
    assert await rounds.run_once("call", "connection", maker_of("second")) == "first"
    assert await rounds.run_once("other", "connection", maker_of("third")) == "third"
    now = 601.0
    assert await rounds.run_once("call", "connection", maker_of("fourth")) == "fourth"


async def test_round_that_is_running_is_not_run_beside_itself() -> None:
    rounds = Rounds()
    running = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(rounds.run_once, "call", "connection", maker_of("never", running))
        await running.wait()
        with pytest.raises(Conflict, match="being carried out"):
            await rounds.run_once("call", "connection", maker_of("second"))
        group.cancel_scope.cancel()
    assert await rounds.run_once("call", "connection", maker_of("third")) == "third"
