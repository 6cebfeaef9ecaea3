"""A change that sends a connection elsewhere: the person is asked first."""

from collections.abc import Callable
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CallToolResult
from person import YES, Person
from server_fakes import FakeBackend, connection, text_of

from weft.server.moving import moved
from weft.server.sdk import WeftServer

pytestmark = pytest.mark.anyio

OLD = {"url": "https://good.example/a.git", "depth": 1}
EVIL = {"url": "https://me:c4n4ry@evil.example:8443/a.git"}


@pytest.fixture(params=("legacy", "2026-07-28"))
def asked(
    request: pytest.FixtureRequest, server: WeftServer, backend: FakeBackend
) -> Callable[[Person | None], Client]:
    backend.connections.rows["c1"] = connection("c1", config=OLD)
    return lambda person: Client(server, mode=request.param, elicitation_callback=person)


async def updated(client: Client, **arguments: Any) -> CallToolResult:
    async with client:
        return await client.call_tool("update_connection", {"connection_id": "c1"} | arguments)


async def test_person_sees_both_hosts_and_what_becomes_of_the_credentials(
    asked: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    person = Person(YES)
    result = await updated(asked(person), config=EVIL)
    assert not result.is_error
    message = person.form.message
    for shown in ("https://good.example", "https://evil.example:8443", "dropped", "Docs Repo"):
        assert shown in message
    assert "c4n4ry" not in message
    (change,) = backend.connections.changes
    assert change.config == EVIL
    assert change.expected_version == 3


async def test_new_credentials_for_the_new_host_are_asked_about_too(
    asked: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    person = Person("decline")
    auth = {"direct": {"credentials": {"personal_access_token": "x"}}}
    await updated(asked(person), config=EVIL, auth=auth)
    assert "will send the credentials that come with this change" in person.form.message
    assert backend.connections.changes == []


@pytest.mark.parametrize("answer", [{"confirm": False}, "decline", "cancel"])
async def test_nothing_changes_without_a_yes(
    asked: Callable[[Person | None], Client], backend: FakeBackend, answer: Any
) -> None:
    result = await updated(asked(Person(answer)), config=EVIL, name="Not this")
    assert not result.is_error
    assert "Nothing was changed" in text_of(result)
    assert backend.connections.changes == []


async def test_answer_that_does_not_fit_changes_nothing(
    asked: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    result = await updated(asked(Person({"confirm": "yes"})), config=EVIL)
    assert result.is_error
    assert backend.connections.changes == []


async def test_change_by_others_meanwhile_is_not_overwritten(
    asked: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    def change() -> None:
        backend.connections.rows["c1"] = connection("c1", config=OLD, version=4)

    person = Person(YES)
    person.act = change
    result = await updated(asked(person), config=EVIL)
    assert result.is_error
    assert backend.connections.rows["c1"].config == OLD


async def test_same_host_no_credentials_and_no_elicitation_are_not_asked_about(
    asked: Callable[[Person | None], Client], backend: FakeBackend
) -> None:
    await updated(asked(Person()), config={"url": "https://good.example/b.git", "depth": 2})
    await updated(asked(None), config=EVIL)
    row = backend.connections.rows["c1"]
    without = row.auth.model_copy(update={"authenticated": False})
    backend.connections.rows["c1"] = row.model_copy(update={"auth": without})
    await updated(asked(Person()), config=OLD)
    assert len(backend.connections.changes) == 3


@pytest.mark.parametrize(
    ("config", "change", "places"),
    [
        ({"url": "https://a/x"}, {"url": "https://A/y"}, None),
        ({"url": "https://a/x"}, {"url": "http://a/x"}, ("https://a", "http://a")),
        ({"url": "https://a:1/x"}, {"url": "https://a:2/x"}, ("https://a:1", "https://a:2")),
        ({"url": "https://a/x"}, {"url": None}, ("https://a", "none")),
        ({}, {"url": "https://a/x"}, ("none", "https://a")),
        ({"url": "git@a:x.git"}, {"url": "git@b:x.git"}, ("ssh://a", "ssh://b")),
        ({"host": "db1"}, {"host": "db2"}, ("db1", "db2")),
        ({"db_port": 1}, {"db_port": 2}, ("1", "2")),
        ({"instance_url": "a.example"}, {"instance_url": "b.example"}, ("a.example", "b.example")),
        ({"database": "x"}, {"database": "y"}, None),
        ({"url": "https://[broken"}, {"name": "x"}, None),
        ({"url": "https://a"}, {"url": "https://[b"}, ("https://a", "a place that cannot be read")),
    ],
)
def test_move_is_told_from_the_values(
    config: dict[str, Any], change: dict[str, Any], places: tuple[str, str] | None
) -> None:
    assert moved(config, change) == places
