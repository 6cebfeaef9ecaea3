"""The client of fastmcp, which many agents are built on, over streamable HTTP and SSE."""

from dataclasses import dataclass
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import MODES, TOOLS, WAIT_SECONDS, Place

pytestmark = pytest.mark.anyio

AnyClient = Client[StreamableHttpTransport] | Client[SSETransport]


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls of tools with this client."""

    client: AnyClient

    async def ok(self, tool: str, **arguments: object) -> dict[str, Any]:
        """The structured result; an error of the tool is raised as ToolError."""
        result = await self.client.call_tool(tool, arguments)
        assert result.structured_content is not None
        return result.structured_content


@pytest.mark.parametrize("mode", MODES.values())
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_the_life_of_a_connection(place: Place, transport: str, mode: Any) -> None:
    async with http_server(place) as server, client_of(server, transport, mode) as client:
        assert [tool.name for tool in await client.list_tools()] == list(TOOLS)
        weft = Caller(client)
        collection = await connect_and_search(weft)
        await cancel(weft, collection)
        await delete(weft, collection)


def client_of(server: HttpServer, transport: str, mode: Any) -> AnyClient:
    """A client with the operator's token."""
    if transport == "sse":
        over_sse = SSETransport(f"{server.url}/sse", headers=server.headers)
        return Client(over_sse, mode=mode, timeout=WAIT_SECONDS * 2)
    over_http = StreamableHttpTransport(f"{server.url}/mcp", headers=server.headers)
    return Client(over_http, mode=mode, timeout=WAIT_SECONDS * 2)


async def connect_and_search(weft: Caller) -> str:
    """A collection with a connection that has synced and whose entities are found."""
    listed = await weft.ok("list_sources", limit=100)
    assert {"files", "stub"} <= {item["short_name"] for item in listed["items"]}
    collection = (await weft.ok("create_collection", name="With fastmcp"))["readable_id"]
    made = await weft.ok(
        "create_connection",
        short_name="stub",
        readable_collection_id=collection,
        name="Quick",
        config={"entities": 25},
        sync_immediately=False,
    )
    job = await weft.ok("run_sync", connection_id=made["id"], wait_seconds=WAIT_SECONDS)
    assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 25)
    jobs = await weft.ok("list_jobs", connection_id=made["id"])
    assert [item["id"] for item in jobs["items"]] == [job["id"]]
    shown = await weft.ok("get_connection", connection_id="Quick")
    assert (shown["id"], shown["status"]) == (made["id"], "active")
    found = await weft.ok("search", readable_collection_id=collection, query="entity7")
    assert [hit["untrusted"]["title"] for hit in found["hits"]] == ["Note 7"]
    return collection


async def cancel(weft: Caller, collection: str) -> None:
    """A slow sync is stopped while it runs."""
    made = await weft.ok(
        "create_connection",
        short_name="stub",
        readable_collection_id=collection,
        name="Slow",
        config={"entities": 1000, "seconds_per_entity": 60},
        sync_immediately=False,
    )
    job = await weft.ok("run_sync", connection_id=made["id"])
    await weft.ok("cancel_job", job_id=job["id"])
    ended = await weft.ok("get_job", job_id=job["id"], wait_seconds=WAIT_SECONDS)
    assert ended["status"] == "CANCELLED"


async def delete(weft: Caller, collection: str) -> None:
    """A deletion is previewed first, and confirmed with the token of the preview."""
    preview = await weft.ok("delete_connection", connection_id="Quick")
    assert (await weft.ok("get_connection", connection_id="Quick"))["status"] == "active"
    deleted = await weft.ok(
        "delete_connection",
        connection_id="Quick",
        confirmation_token=preview["confirmation_token"],
    )
    assert deleted["entities"] == 25
    with pytest.raises(ToolError, match="restore_connection"):
        await weft.ok("get_connection", connection_id="Quick")
    empty = await weft.ok("search", readable_collection_id=collection, query="entity7")
    assert empty["hits"] == []
