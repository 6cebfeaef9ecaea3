"""A change that sends a connection elsewhere: the person is asked first."""

from collections.abc import Callable
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CallToolResult

from tests.support.server.fakes import FakeBackend, FakeSources, text_of
from tests.support.server.person import YES, Person
from tests.support.server.records import make_connection
from weft.domain.sources import FieldInfo, SourceInfo
from weft.server.app import WeftServer
from weft.server.questions.new_host import host_change

pytestmark = pytest.mark.anyio

OLD = {"url": "https://good.example/a.git", "depth": 1}
EVIL = {"url": "https://me:c4n4ry@evil.example:8443/a.git"}


class Sources(FakeSources):
    """A source whose field `url` says where the credentials go."""

    async def get(self, short_name: str) -> SourceInfo:
        source = await super().get(short_name)
        return source.model_copy(update={"config_fields": (field("url", endpoint=True),)})


@pytest.fixture(params=("legacy", "2026-07-28"))
def open_client(
    request: pytest.FixtureRequest, server: WeftServer, backend: FakeBackend
) -> Callable[[Person | None], Client]:
    backend.connections.rows["c1"] = make_connection("c1", config=OLD)
    backend.sources = Sources()
    return lambda person: Client(server, mode=request.param, elicitation_callback=person)


async def call_update(client: Client, **arguments: Any) -> CallToolResult:
    async with client:
        return await client.call_tool("update_connection", {"connection_id": "c1"} | arguments)


async def test_person_sees_both_hosts_and_what_becomes_of_the_credentials(
    open_client: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    person = Person(YES)
    result = await call_update(open_client(person), config=EVIL)
    assert not result.is_error
    message = person.form.message
    for shown in ("https://good.example", "https://evil.example:8443", "dropped", "Docs Repo"):
        assert shown in message
    assert "c4n4ry" not in message
    (change,) = backend.connections.changes
    assert change.config == EVIL
    assert change.expected_version == 3


async def test_new_credentials_for_the_new_host_are_asked_about_too(
    open_client: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    person = Person("decline")
    auth = {"direct": {"credentials": {"personal_access_token": "x"}}}
    await call_update(open_client(person), config=EVIL, auth=auth)
    assert "will send the credentials that come with this change" in person.form.message
    assert backend.connections.changes == []


@pytest.mark.parametrize("answer", [{"confirm": False}, "decline", "cancel"])
async def test_nothing_changes_without_a_yes(
    open_client: Callable[[Person | None], Client], backend: FakeBackend, answer: Any
) -> None:
    result = await call_update(open_client(Person(answer)), config=EVIL, name="Not this")
    assert not result.is_error
    assert "Nothing was changed" in text_of(result)
    assert backend.connections.changes == []


async def test_answer_that_does_not_fit_changes_nothing(
    open_client: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    result = await call_update(open_client(Person({"confirm": "yes"})), config=EVIL)
    assert result.is_error
    assert backend.connections.changes == []


async def test_change_by_others_meanwhile_is_not_overwritten(
    open_client: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    def change() -> None:
        backend.connections.rows["c1"] = make_connection("c1", config=OLD, version=4)

    person = Person(YES)
    person.act = change
    result = await call_update(open_client(person), config=EVIL)
    assert result.is_error
    assert backend.connections.rows["c1"].config == OLD


async def test_same_host_no_credentials_and_no_elicitation_are_not_asked_about(
    open_client: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    await call_update(
        open_client(Person()), config={"url": "https://good.example/b.git", "depth": 2}
    )
    await call_update(open_client(None), config=EVIL)
    row = backend.connections.rows["c1"]
    without = row.auth.model_copy(update={"authenticated": False})
    backend.connections.rows["c1"] = row.model_copy(update={"auth": without})
    await call_update(open_client(Person()), config=OLD)
    assert len(backend.connections.changes) == 3


def field(name: str, **more: Any) -> FieldInfo:
    given = {"name": name, "title": name, "type": "string", "description": "", "required": False}
    return FieldInfo.model_validate(given | more)


PLACE = field("place", endpoint=True)
CLOUD = "https://cloud.example"
HOSTED = field("place", endpoint=True, default=CLOUD)


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ("https://a/x", "https://A/y", None),
        ("https://a/x", "http://a/x", ("https://a", "http://a")),
        ("https://a:1/x", "https://a:2/x", ("https://a:1", "https://a:2")),
        ("https://a/x", None, ("https://a", "none")),
        (None, "https://a/x", ("none", "https://a")),
        ("git@a:x.git", "git@b:x.git", ("ssh://a", "ssh://b")),
        ("db1", "db2", ("db1", "db2")),
        (1, 2, ("1", "2")),
        ("a.example", "me:s/e@b.example/x", ("a.example", "b.example")),
        ("a.example/x", "A.example/y", None),
        ("/home/me/x", "/home/me/y", None),
        ("/home/me/x", "https://a/x", ("none", "https://a")),
        ("./x", "C:\\x", None),
        ("https://a", "https://[b", ("https://a", "a place that cannot be read")),
    ],
)
def test_move_is_told_from_the_value_of_the_field_that_says_where(
    before: Any, after: Any, places: tuple[str, str] | None
) -> None:
    assert host_change([PLACE], {"place": before}, {"place": after}) == places


def test_nothing_is_guessed_from_the_name_or_value_of_another_field() -> None:
    other = field("host_url")
    old, new = {"host_url": "https://a", "place": "b"}, {"host_url": "https://c"}
    assert host_change([other, PLACE], old, new) is None


@pytest.mark.parametrize(
    ("config", "change", "places"),
    [
        ({}, {"place": "https://own.example"}, (CLOUD, "https://own.example")),
        ({"place": "https://own.example"}, {"place": None}, ("https://own.example", CLOUD)),
    ],
)
def test_place_that_is_not_given_is_the_default(
    config: dict[str, Any], change: dict[str, Any], places: tuple[str, str]
) -> None:
    assert host_change([HOSTED], config, change) == places
