"""Required configuration that a call left out: asked of the person, and never a secret."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CallToolResult, ErrorData

from tests.support.server.fakes import FakeBackend, FakeSources, text_of
from tests.support.server.person import Person
from tests.support.server.records import SOURCE
from weft.domain.sources import FieldInfo, SourceInfo
from weft.errors import InvalidInput
from weft.server.app import WeftServer
from weft.server.questions.missing_config import add_other_name_hint

pytestmark = pytest.mark.anyio

NEW = {"short_name": "github", "readable_collection_id": "docs"}
GIVEN = {"repo_name": "a/b", "depth": 2, "mode": "fast"}


def field(name: str, kind: str, **more: Any) -> FieldInfo:
    values = {"name": name, "title": name.title(), "type": kind, "description": f"The {name}."}
    return FieldInfo.model_validate(values | {"required": True} | more)


FIELDS = (
    field("repo_name", "string"),
    field("depth", "integer", default=1),
    field("mode", "string", choices=("fast", "full")),
    field("branch", "string", required=False),
)


class AskedSources(FakeSources):
    def __init__(self, fields: Sequence[FieldInfo]) -> None:
        super().__init__()
        self.fields = tuple(fields)

    async def get(self, short_name: str) -> SourceInfo:
        source = await super().get(short_name)
        return source.model_copy(update={"config_fields": self.fields})


@pytest.fixture(params=("legacy", "2026-07-28"))
def open_client(
    request: pytest.FixtureRequest, server: WeftServer, backend: FakeBackend
) -> Callable[[Person], Client]:
    backend.sources = AskedSources(FIELDS)
    return lambda person: Client(server, mode=request.param, elicitation_callback=person)


async def call_create(client: Client, **arguments: Any) -> CallToolResult:
    async with client:
        return await client.call_tool("create_connection", NEW | arguments)


async def test_one_form_asks_for_all_that_is_missing(
    open_client: Callable[[Person], Client], backend: FakeBackend
) -> None:
    person = Person({"depth": 2, "mode": "fast"})
    result = await call_create(open_client(person), config={"repo_name": "a/b", "branch": "main"})
    assert not result.is_error
    (new,) = backend.connections.created
    assert new.config == GIVEN | {"branch": "main"}
    properties = person.form.requested_schema["properties"]
    assert list(properties) == person.form.requested_schema["required"] == ["depth", "mode"]
    assert properties["mode"]["enum"] == ["fast", "full"]
    assert properties["depth"]["default"] == 1
    assert properties["depth"]["description"] == "The depth."
    assert "GitHub" in person.form.message


async def test_complete_config_is_not_asked_about(
    open_client: Callable[[Person], Client], backend: FakeBackend
) -> None:
    result = await call_create(open_client(Person()), config=GIVEN)
    assert not result.is_error
    assert len(backend.connections.created) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("decline", "did not want to say"),
        ("cancel", "closed the question"),
        ({"repo_name": "a/b"}, "does not fit"),
        (GIVEN | {"mode": "slow"}, "does not fit"),
        (GIVEN | {"depth": "2"}, "does not fit"),
        (GIVEN | {"depth": True}, "does not fit"),
        (GIVEN | {"token": "x"}, "does not fit"),
    ],
)
async def test_nothing_is_created_without_the_answer(
    open_client: Callable[[Person], Client], backend: FakeBackend, answer: Any, reason: str
) -> None:
    result = await call_create(open_client(Person(answer)))
    assert result.is_error
    assert reason in text_of(result)
    assert "config.repo_name, config.depth, config.mode" in text_of(result)
    assert backend.connections.created == []


@pytest.mark.parametrize(
    "unasked", [field("password", "string", secret=True), field("paths", "array")]
)
async def test_what_a_form_cannot_ask_is_left_to_the_sources_own_error(
    open_client: Callable[[Person], Client], backend: FakeBackend, unasked: FieldInfo
) -> None:
    backend.sources = AskedSources((*FIELDS, unasked))
    person = Person()
    await call_create(open_client(person))
    assert person.asked == []
    (new,) = backend.connections.created
    assert new.config == {}


async def test_client_that_cannot_ask_after_all_gets_the_sources_own_error(
    server: WeftServer, backend: FakeBackend
) -> None:
    person = Person(ErrorData(code=-32601, message="no such method"))
    await call_create(Client(server, mode="legacy", elicitation_callback=person))
    (new,) = backend.connections.created
    assert new.config == {}
    assert SOURCE.config_fields[0].name == "repo_name"


async def test_config_under_its_other_name_arrives(
    open_client: Callable[[Person], Client], backend: FakeBackend
) -> None:
    given = {"short_name": SOURCE.short_name, "readable_collection_id": "docs"}
    async with open_client(Person()) as client:
        await client.call_tool("create_connection", {**given, "source_config": GIVEN})
    (new,) = backend.connections.created
    assert new.config == GIVEN


def test_error_of_missing_config_names_the_other_name_only_where_none_arrived() -> None:
    error = InvalidInput("config.path is required.", field="config.path", hint="See get_source.")
    assert "source_config" in str(add_other_name_hint(error, {}))
    assert add_other_name_hint(error, {"pth": "x"}) is error
    other = InvalidInput("name is too short.", field="name")
    assert add_other_name_hint(other, {}) is other
