"""Syncs as tasks of real server processes, over each transport, and after a restart."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY

from tests.acceptance.weft_http import HttpServer, create_key, http_server
from tests.acceptance.weft_process import COMMAND, Agent, Place
from tests.support.server.task_client import (
    TASKS,
    ClientTasks,
    cancel_task,
    get_task,
    wait_for_task,
)

pytestmark = pytest.mark.anyio

VERSION = "2026-07-28"
TRANSPORTS = ("stdio", "http", "sse")


@asynccontextmanager
async def over_stdio(place: Place, tasks: ClientTasks) -> AsyncGenerator[Agent]:
    """Connect a client with the extension to a new server process."""
    parameters = StdioServerParameters(
        command=COMMAND[0], args=list(COMMAND[1:]), env=place.environment()
    )
    with place.stderr.open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode="auto", extensions=[tasks]) as client:
            yield Agent(client, place)


@asynccontextmanager
async def over_http(
    server: HttpServer, tasks: ClientTasks, token: str | None = None
) -> AsyncGenerator[Agent]:
    """Connect a client with the extension to that server."""
    headers = {"authorization": f"Bearer {token or server.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(
            streamable_http_client(f"{server.url}/mcp", http_client=http),
            mode="auto",
            extensions=[tasks],
        ) as client,
    ):
        yield Agent(client, server.place)


@asynccontextmanager
async def over_sse(server: HttpServer, tasks: ClientTasks) -> AsyncGenerator[Agent]:
    """Connect a client with the extension to that server's SSE."""
    streams = sse_client(f"{server.url}/sse", headers=server.headers)
    async with Client(streams, mode="auto", extensions=[tasks]) as client:
        yield Agent(client, server.place)


@asynccontextmanager
async def client_of(place: Place, transport: str, tasks: ClientTasks) -> AsyncGenerator[Agent]:
    """Connect a client with the extension to a new server process over a transport."""
    if transport == "stdio":
        async with over_stdio(place, tasks) as agent:
            yield agent
        return
    over = over_sse if transport == "sse" else over_http
    async with http_server(place) as server, over(server, tasks) as agent:
        yield agent


async def make_slow_connection(agent: Agent) -> str:
    """Make a connection whose sync takes longer than a test; return its id."""
    collection = await agent.collection("tasks")
    made = await agent.connection(
        collection, config={"entities": 1_000, "seconds_per_entity": 0.05}
    )
    return made["id"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_task_lives_through_restarts(place: Place, transport: str) -> None:
    tasks = ClientTasks(follow=False)
    async with client_of(place, transport, tasks) as agent:
        made = await agent.connection(await agent.collection("quick"))
        await agent.call("run_sync", connection_id=made["id"])
        (quick,) = tasks.handles
        first = await wait_for_task(agent.client, quick.task_id)
        stays = await make_slow_connection(agent)
        await agent.call("run_sync", connection_id=stays)
        running = tasks.handles[-1].task_id
        assert (await get_task(agent.client, running)).status == "working"
    async with client_of(place, transport, ClientTasks()) as agent:
        again = await get_task(agent.client, quick.task_id)
        assert (again.status, again.result) == (first.status, first.result)
        assert again.result is not None
        assert again.result["structuredContent"]["status"] == "COMPLETED"
        assert (await get_task(agent.client, running)).status == "working"
        await cancel_task(agent.client, running)
        assert (await wait_for_task(agent.client, running)).status == "cancelled"


async def test_client_that_follows_tasks_gets_the_result_of_the_call(server: HttpServer) -> None:
    tasks = ClientTasks()
    async with over_http(server, tasks) as agent:
        made = await agent.connection(await agent.collection("followed"))
        done = await agent.ok("run_sync", connection_id=made["id"])
        job = await agent.ok("get_job", job_id=tasks.handles[0].task_id)
    assert done.data["status"] == "COMPLETED"
    assert done.data["id"] == job.data["id"] == tasks.handles[0].task_id


async def test_organisations_have_their_own_tasks(server: HttpServer) -> None:
    keys = [create_key(server.place, name, "admin", name) for name in ("one", "two")]
    reader = create_key(server.place, "reader", "read", "one")
    tasks = ClientTasks(follow=False)
    async with (
        over_http(server, tasks, keys[0]) as one,
        over_http(server, ClientTasks(), keys[1]) as two,
        over_http(server, ClientTasks(), reader) as reads,
    ):
        await one.call("run_sync", connection_id=await make_slow_connection(one))
        task_id = tasks.handles[0].task_id
        foreign = await call_refused(two.client, task_id)
        assert foreign == await call_refused(two.client, task_id[::-1])
        assert foreign[0] == INVALID_PARAMS
        assert (await get_task(reads.client, task_id)).status == "working"
        with pytest.raises(MCPError, match="role 'read'"):
            await cancel_task(reads.client, task_id)
        assert (await get_task(one.client, task_id)).status == "working"
        await cancel_task(one.client, task_id)


async def call_refused(client: Client, task_id: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as caught:
        await get_task(client, task_id)
    return caught.value.error.code, caught.value.error.message


@pytest.mark.parametrize(
    ("header", "extensions", "code"),
    [
        ("other", {TASKS: {}}, HEADER_MISMATCH),
        (None, {TASKS: {}}, HEADER_MISMATCH),
        ("some-id", {}, MISSING_REQUIRED_CLIENT_CAPABILITY),
        ("some-id", {TASKS: {}}, INVALID_PARAMS),
        ("=?base64?c29tZS1pZA==?=", {TASKS: {}}, INVALID_PARAMS),
    ],
)
async def test_routing_header_must_name_the_task(
    server: HttpServer, header: str | None, extensions: dict[str, Any], code: int
) -> None:
    body: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tasks/get",
        "params": {
            "taskId": "some-id",
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientCapabilities": {"extensions": extensions},
            },
        },
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": "tasks/get",
        **({"mcp-name": header} if header else {}),
    }
    async with server.client() as client:
        response = await client.post("/mcp", json=body, headers=headers)
    assert f'"code":{code}' in response.text.replace(" ", "")
