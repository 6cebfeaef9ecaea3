"""The MCP Inspector over streamable HTTP and SSE, in both eras."""

import json
from functools import partial
from typing import Any

import anyio
import pytest

from tests.acceptance.clients.test_inspector import CALL_SECONDS
from tests.acceptance.clients.test_inspector import command as command
from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import TOOLS, Place

pytestmark = pytest.mark.anyio


async def inspect(
    command: list[str], server: HttpServer, transport: str, era: str, *options: str
) -> dict[str, Any]:
    """Run one method in the Inspector, which must succeed, and return what it prints."""
    path = "sse" if transport == "sse" else "mcp"
    where = ("--cli", f"{server.url}/{path}", "--transport", transport, "--protocol-era", era)
    header = ("--header", f"Authorization: Bearer {server.token}")
    environment = server.place.environment(MCP_CATALOG_PATH=str(server.place.folder / "mcp.json"))
    run = partial(anyio.run_process, env=environment, check=False)
    with anyio.fail_after(CALL_SECONDS):
        done = await run([*command, *where, *header, "--method", *options])
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_tools_are_listed_and_called(
    command: list[str], place: Place, transport: str, era: str
) -> None:
    async with http_server(place) as server:
        listed = await inspect(command, server, transport, era, "tools/list", "--strict")
        assert [tool["name"] for tool in listed["tools"]] == list(TOOLS)
        arguments = (
            "--tool-name",
            "create_collection",
            "--tool-args-json",
            '{"name": "Over HTTP"}',
        )
        called = await inspect(
            command, server, transport, era, "tools/call", *arguments, "--format", "json"
        )
        assert called["result"]["structuredContent"]["readable_id"].startswith("over-http")
