"""People asked by real servers over stdio: their yes counts, and nothing else does."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import ElicitRequestFormParams, ElicitRequestURLParams

from tests.acceptance.weft_http import http_server
from tests.acceptance.weft_process import (
    COMMAND,
    MODES,
    WAIT_SECONDS,
    Agent,
    Place,
    RawServer,
    raw_server,
    rows,
)
from tests.support.server.person import YES, Person
from weft.web.pages.html import ENTRY_PREFIX

pytestmark = pytest.mark.anyio

ASKABLE: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}}
MODERN: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": ASKABLE,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
SECRET = "Tq7xW2mZr9Lk4VbN"
CONNECTIONS = "SELECT name FROM connection"


@asynccontextmanager
async def attend(place: Place, mode: str, person: Person) -> AsyncGenerator[Agent]:
    """Connect a client to a new server process, with a person in front of it."""
    parameters = StdioServerParameters(
        command=COMMAND[0], args=list(COMMAND[1:]), env=place.environment()
    )
    with place.stderr.open("a") as log:
        async with Client(
            stdio_client(parameters, errlog=log),
            mode=mode,
            elicitation_callback=person,
            read_timeout_seconds=WAIT_SECONDS * 2,
        ) as client:
            yield Agent(client, place)


@pytest.mark.parametrize("mode", MODES.values())
async def test_people_decide_over_stdio(place: Place, mode: str) -> None:
    person = Person()
    async with attend(place, mode, person) as agent:
        collection = await agent.collection("asked")
        made = await agent.sync_new(collection, name="To be asked about", config={"entities": 3})

        person.answers += ["decline", {"confirm": False}, {}, YES]
        for _ in range(2):
            kept = await agent.ok("delete_connection", connection_id=made["id"])
            assert kept.data["deleted"] is False
            assert "the user said no" in kept.text
        text = await agent.expect_refusal("delete_connection", connection_id=made["id"])
        assert "nothing was deleted" in text
        assert rows(place.database, CONNECTIONS) == [("To be asked about",)]
        gone = await agent.ok("delete_connection", connection_id=made["id"])
        assert (gone.data["deleted"], gone.data["entities"]) == (True, 3)
        assert rows(place.database, CONNECTIONS) == []
        for asked in person.asked:
            assert isinstance(asked, ElicitRequestFormParams)
            assert "To be asked about" in asked.message
            assert "3 entities" in asked.message


@pytest.mark.parametrize("mode", MODES.values())
async def test_missing_config_is_asked_and_secrets_are_not(place: Place, mode: str) -> None:
    person = Person({"repo_name": "octocat/hello-world"}, "decline")
    async with attend(place, mode, person) as agent:
        collection = await agent.collection("asked")
        made = await agent.ok(
            "create_connection", short_name="github", readable_collection_id=collection
        )
        assert made.data["status"] == "pending_auth"
        assert made.data["config"] == {"repo_name": "octocat/hello-world"}
        assert "authorise it" in made.text or "authorize_connection" in made.text
        form, *links = person.asked
        assert isinstance(form, ElicitRequestFormParams)
        assert list(form.requested_schema["properties"]) == ["repo_name"]
        assert all(isinstance(link, ElicitRequestURLParams) for link in links)
        assert len((await agent.ok("list_connections")).items) == 1


@pytest.mark.parametrize(
    ("transport", "mode"),
    [("stdio", "auto"), ("http", "legacy"), ("http", "auto"), ("sse", "legacy")],
)
async def test_credentials_go_through_the_page_and_not_through_the_model(
    place: Place, transport: str, mode: str
) -> None:
    person = Person("accept")
    arguments = {"short_name": "secret_stub", "readable_collection_id": "asked"}
    async with somebody(place, transport, mode, person) as agent:
        await agent.collection("asked")

        async def visit() -> None:
            await fill_page(person.link.url, {"token": SECRET})

        person.act = visit
        made = await agent.ok("create_connection", **arguments)
        assert "The user authorised it." in made.text
        assert made.data["auth"]["authenticated"] is True
        assert made.data["status"] in ("active", "syncing")
        shown = json.dumps([made.data, made.text, [asked.model_dump() for asked in person.asked]])
        assert SECRET not in shown
        assert "claim" not in shown
        assert len((await agent.ok("list_connections")).items) == 1


async def test_http_takes_no_secrets_from_the_model(place: Place) -> None:
    async with http_server(place) as server, server.agent() as agent:
        await agent.collection("asked")
        arguments = {"short_name": "secret_stub", "readable_collection_id": "asked"}
        auth = {"direct": {"credentials": {"token": SECRET}}}
        text = await agent.expect_refusal("create_connection", **arguments, auth=auth)
        assert "authorize_connection" in text
        assert SECRET not in text
        waiting = await agent.ok("create_connection", **arguments)
        await fill_page(waiting.data["auth"]["auth_url"], {"token": SECRET})
        found = await agent.ok("get_connection", connection_id=waiting.data["id"])
        assert found.data["auth"]["authenticated"] is True


async def test_end_of_input_while_a_question_is_open_deletes_nothing(place: Place) -> None:
    async with raw_server(place) as server:
        await server.initialize(ASKABLE)
        made = await make_connection(server)
        arguments = {"name": "delete_connection", "arguments": {"connection_id": made["id"]}}
        await server.start("tools/call", arguments)
        while (await server.receive()).get("method") != "elicitation/create":
            pass
        await server.close_stdin()
        assert await server.wait_for_exit() == 0
    assert len(rows(place.database, CONNECTIONS)) == 1


async def test_answer_to_the_question_of_another_process_is_refused(place: Place) -> None:
    async with raw_server(place) as one:
        made = await make_connection(one)
        call: dict[str, Any] = {
            "_meta": MODERN,
            "name": "delete_connection",
            "arguments": {"connection_id": made["id"]},
        }
        asked = (await one.ask("tools/call", call))["result"]
        assert asked["resultType"] == "input_required"
        assert made["id"] not in asked["requestState"]
    answer = {
        "inputResponses": {"confirm": {"action": "accept", "content": YES}},
        "requestState": asked["requestState"],
    }
    async with raw_server(place) as other:
        refused = (await other.ask("tools/call", call | answer))["error"]
        assert refused["code"] == -32602
        assert "call again without requestState" in refused["message"]
        unasked = {"inputResponses": answer["inputResponses"]}
        again = (await other.ask("tools/call", call | unasked))["result"]
        assert again["resultType"] == "input_required"
        assert len(rows(place.database, CONNECTIONS)) == 1
        answer["requestState"] = again["requestState"]
        done = (await other.ask("tools/call", call | answer))["result"]
        assert done["structuredContent"]["deleted"] is True
        repeated = (await other.ask("tools/call", call | answer))["result"]
        assert repeated["isError"] is True
    assert rows(place.database, CONNECTIONS) == []


@asynccontextmanager
async def somebody(
    place: Place, transport: str, mode: str, person: Person
) -> AsyncGenerator[Agent]:
    """Connect a client over a transport, with a person in front of it."""
    if transport == "stdio":
        async with attend(place, mode, person) as agent:
            yield agent
        return
    async with (
        http_server(place) as server,
        server.agent(transport, mode, person=person) as agent,
    ):
        yield agent


async def fill_page(url: str, values: dict[str, str]) -> None:
    """Fill in and send the page of a link, as a browser does."""
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as browser:
        page = (await browser.get(url)).raise_for_status().text
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
        entries = {f"{ENTRY_PREFIX}{name}": value for name, value in values.items()}
        answer = await browser.post(url, data=dict(hidden) | entries)
        assert answer.is_success, answer.text


async def make_connection(server: RawServer) -> dict[str, Any]:
    """Make a connection that has not synced."""
    await server.call("create_collection", name="Team documents", readable_id="asked")
    return await server.data(
        "create_connection",
        short_name="stub",
        readable_collection_id="asked",
        sync_immediately=False,
    )
