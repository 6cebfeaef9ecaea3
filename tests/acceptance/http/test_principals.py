"""Data of one organisation does not exist for another, whichever way it is asked for."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from tests.acceptance.weft_http import ACCEPT, OVER, TwoOrganizations, create_key, http_server
from tests.acceptance.weft_process import MODES, TOOLS, Agent, Place, Structured
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

HANDSHAKE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
UNKNOWN = {
    "id": str(uuid4()),
    "prefix": "0f0f0f0f",
    "name": "No such connection",
    "job": str(uuid4()),
    "collection": "no-such-collection",
    "entity": "9".zfill(12),
}


@pytest.fixture(scope="module")
async def two(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[TwoOrganizations]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place) as server:
        owner = create_key(place, "owner", "admin", "first")
        stranger = create_key(place, "stranger", "admin", "second")
        async with server.agent(token=owner) as agent:
            owned = await _furnish(agent)
        yield TwoOrganizations(server, owner, stranger, owned)


@pytest.fixture(params=[over for over in OVER if not over.startswith("stdio")])
async def over(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A transport, and the mode of a client in one of the eras."""
    transport, era = request.param.split(" ", 1)
    return transport, MODES[era]


def calls(known: Structured) -> list[tuple[str, Structured]]:
    """Every tool that takes an id, once for each way of naming the thing."""
    auth = {"direct": {"credentials": {"token": "any"}}}
    named = [
        (tool, {"connection_id": known[way], **more})
        for way in ("id", "prefix", "name")
        for tool, more in (
            ("get_connection", {}),
            ("update_connection", {"description": "taken over"}),
            ("check_connection", {}),
            ("authorize_connection", {"auth": auth}),
            ("run_sync", {}),
            ("list_jobs", {}),
            ("delete_connection", {}),
            ("restore_connection", {}),
        )
    ]
    jobs = [
        (tool, {"job_id": job})
        for job in (known["job"], known["job"][:8])
        for tool in ("get_job", "cancel_job")
    ]
    collection = {"readable_collection_id": known["collection"]}
    return [
        *named,
        *jobs,
        ("list_connections", collection),
        ("create_connection", {"short_name": "stub", **collection}),
        ("update_collection", {**collection, "name": "Another name"}),
        ("delete_collection", collection),
        ("search", {**collection, "query": "entity1"}),
        ("get_entity", {"entity_id": known["entity"]}),
        ("list_entities", collection),
    ]


def test_every_tool_with_an_id_is_tried() -> None:
    tried = {tool for tool, _ in calls(UNKNOWN)}
    assert tried == set(TOOLS) - {
        "list_sources",
        "get_source",
        "list_collections",
        "create_collection",
    }


async def test_ids_of_another_organisation_answer_as_unknown_ones_do(
    two: TwoOrganizations, over: tuple[str, str]
) -> None:
    async with two.server.agent(*over, token=two.stranger) as agent:
        pairs = zip(calls(two.owned), calls(UNKNOWN), strict=True)
        for (tool, given), (_, unknown) in pairs:
            foreign = await agent.call(tool, **given)
            nothing = await agent.call(tool, **unknown)
            assert foreign.model_dump() == nothing.model_dump(), tool
            assert foreign.is_error or tool == "list_connections", tool
    async with two.server.agent(token=two.owner) as agent:
        after = await agent.ok("get_connection", connection_id=two.owned["id"])
        assert after.data == two.owned["connection"]
        jobs = await agent.ok("list_jobs", connection_id=two.owned["id"])
        assert [job["id"] for job in jobs.items] == [two.owned["job"]]


async def test_resources_of_another_organisation_answer_as_unknown_ones_do(
    two: TwoOrganizations, over: tuple[str, str]
) -> None:
    def addresses(known: Mapping[str, Any]) -> list[str]:
        return [
            f"weft://connections/{known['id']}",
            f"weft://connections/{known['id']}/jobs",
            f"weft://jobs/{known['job']}",
            f"weft://collections/{known['collection']}",
        ]

    async with two.server.agent(*over, token=two.stranger) as agent:
        pairs = zip(addresses(two.owned), addresses(UNKNOWN), strict=True)
        for foreign, unknown in pairs:
            told: list[tuple[int, str]] = []
            for uri in (foreign, unknown):
                with pytest.raises(MCPError) as refused:
                    await agent.client.read_resource(uri, cache_mode="bypass")
                told.append((refused.value.error.code, refused.value.error.message))
            assert told[0] == told[1]
        listed = (await agent.client.list_resources(cache_mode="bypass")).resources
        assert two.owned["id"] not in str(listed)
        assert (await agent.read("weft://connections"))["items"] == []


async def test_lists_show_only_what_is_owned_and_take_no_cursor_of_another(
    two: TwoOrganizations,
) -> None:
    async with two.server.agent(token=two.owner) as agent:
        page = await agent.ok("list_connections", limit=1)
        cursor = page.data["next_cursor"]
    async with two.server.agent(token=two.stranger) as agent:
        for tool in ("list_connections", "list_jobs", "list_collections"):
            assert (await agent.ok(tool)).items == []
            assert "cursor is not one" in await agent.expect_refusal(tool, cursor=cursor)


async def test_the_operator_sees_nothing_of_other_organisations(two: TwoOrganizations) -> None:
    async with two.server.agent() as agent:
        assert (await agent.ok("list_connections")).items == []
        await agent.expect_refusal("get_connection", connection_id=two.owned["id"])


async def test_a_confirmation_of_one_organisation_is_worth_nothing_to_another(
    two: TwoOrganizations,
) -> None:
    async with two.server.agent(token=two.owner) as agent:
        preview = await agent.ok("delete_connection", connection_id=two.owned["id"])
    token = preview.data["confirmation_token"]
    async with two.server.agent(token=two.stranger) as agent:
        await agent.expect_refusal(
            "delete_connection", connection_id=two.owned["id"], confirmation_token=token
        )
        collection = await agent.collection("strangers-own")
        own = await agent.connection(collection)
        text = await agent.expect_refusal(
            "delete_connection", connection_id=own["id"], confirmation_token=token
        )
        assert "does not belong to this deletion" in text
        # Leave no trace for the other tests, which expect the stranger to have nothing.
        preview = await agent.ok("delete_collection", readable_collection_id=collection)
        await agent.ok(
            "delete_collection",
            readable_collection_id=collection,
            confirmation_token=preview.data["confirmation_token"],
        )
    async with two.server.agent(token=two.owner) as agent:
        await agent.ok("get_connection", connection_id=two.owned["id"])


async def test_a_confirmation_of_one_key_is_worth_nothing_to_a_colleagues(
    two: TwoOrganizations, over: tuple[str, str]
) -> None:
    colleague = create_key(two.server.place, f"colleague-{uuid4()}", "admin", "first")
    async with two.server.agent(*over, token=two.owner) as agent:
        collection = await agent.collection("to-be-deleted")
        preview = await agent.ok("delete_collection", readable_collection_id=collection)
    given = {
        "readable_collection_id": collection,
        "confirmation_token": preview.data["confirmation_token"],
    }
    async with two.server.agent(*over, token=colleague) as agent:
        text = await agent.expect_refusal("delete_collection", **given)
        assert "does not belong to this deletion" in text
    async with two.server.agent(*over, token=two.owner) as agent:
        await agent.ok("delete_collection", **given)


async def test_sessions_at_the_same_time_are_not_mixed_up(
    two: TwoOrganizations, over: tuple[str, str]
) -> None:
    async with (
        two.server.agent(*over, token=two.owner) as owner,
        two.server.agent(*over, token=two.stranger) as stranger,
        anyio.create_task_group() as tasks,
    ):

        async def look(agent: Agent, count: int) -> None:
            for _ in range(20):
                assert len((await agent.ok("list_connections")).items) == count

        tasks.start_soon(look, owner, 2)
        tasks.start_soon(look, stranger, 0)


async def test_a_session_of_another_principal_does_not_exist(two: TwoOrganizations) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
    async with two.server.client(token=two.owner, **ACCEPT) as client:
        begun = await client.post("/mcp", json=message)
        session = begun.headers["mcp-session-id"]
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    for token, status in ((two.stranger, 404), (two.server.token, 404), (two.owner, 200)):
        async with two.server.client(token=token, **ACCEPT) as client:
            used = await client.post("/mcp", json=ping, headers={"mcp-session-id": session})
            unknown = await client.post("/mcp", json=ping, headers={"mcp-session-id": "f" * 32})
            assert used.status_code == status
            assert unknown.status_code == 404
            if status == 404:
                assert used.text == unknown.text
                ended = await client.delete("/mcp", headers={"mcp-session-id": session})
                assert ended.status_code == 404


async def test_an_sse_session_of_another_principal_does_not_exist(two: TwoOrganizations) -> None:
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    async with two.server.client(token=two.owner) as client, client.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()
        address = await _read_endpoint(lines)
        for token, status in ((two.stranger, 404), (two.server.token, 404), (two.owner, 202)):
            async with two.server.client(token=token) as other:
                assert (await other.post(address, json=ping)).status_code == status


async def _read_endpoint(lines: AsyncIterator[str]) -> str:
    """Read the address for messages of an SSE session, which lasts as long as ``lines``."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for line in lines:
            if line.startswith("data: /messages"):
                return line.removeprefix("data: ")
    raise AssertionError("no endpoint was named")


async def _furnish(agent: Agent) -> Structured:
    collection = await agent.collection("owned-by-first")
    await agent.connection(collection, name="Another")
    made = await agent.sync_new(collection, name="Secret plans", config={"entities": 3})
    hits = await agent.ok("search", readable_collection_id=collection, query="entity1")
    return {
        "id": made["id"],
        "prefix": made["id"][:8],
        "name": "Secret plans",
        "job": made["sync"]["last_job"]["id"],
        "collection": collection,
        "entity": hits.data["hits"][0]["entity_id"],
        "connection": made,
    }
