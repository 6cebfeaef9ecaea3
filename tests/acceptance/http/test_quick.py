"""Calls that need no event stream are served without one, and no rule is different for them."""

from typing import Any

import httpx
import pytest

from tests.acceptance.weft_http import ACCEPT, INITIALIZE, HttpServer
from tests.acceptance.weft_process import MODERN_META

pytestmark = pytest.mark.anyio


async def post(
    server: HttpServer, tool: str, arguments: dict[str, Any], **headers: str
) -> httpx.Response:
    """A call of the newer era; the headers name the tool too, unless told otherwise."""
    params = {"name": tool, "arguments": arguments, "_meta": MODERN_META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    named = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": tool}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with server.client() as client:
        return await client.post("/mcp", json=message, headers={**ACCEPT, **named, **given})


async def test_quick_call_gets_its_result(server: HttpServer) -> None:
    answer = await post(server, "get_source", {"short_name": "github"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["structuredContent"]["short_name"] == "github"


async def test_quick_call_that_fails_says_why(server: HttpServer) -> None:
    answer = await post(server, "get_connection", {"connection_id": "nothing"})
    result = answer.json()["result"]
    assert result["isError"]
    assert "list_connections" in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("tool", "named"), [("create_collection", "list_sources"), ("list_sources", "get_job")]
)
async def test_headers_that_name_another_tool_than_the_body_are_refused(
    server: HttpServer, tool: str, named: str
) -> None:
    answer = await post(server, tool, {"name": "Sneaked in"}, mcp_name=named)
    assert answer.status_code == 400
    listed = await post(server, "list_collections", {})
    assert listed.json()["result"]["structuredContent"]["items"] == []


@pytest.mark.parametrize("tool", ["list_sources", "search"])
async def test_client_must_accept_both_forms_of_answer(server: HttpServer, tool: str) -> None:
    answer = await post(server, tool, {}, accept="application/json")
    assert answer.status_code == 406


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
async def test_a_header_that_says_two_things_is_refused(server: HttpServer, name: str) -> None:
    once = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", **ACCEPT}
    params = {"name": "list_sources", "arguments": {}, "_meta": MODERN_META}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    headers = [*once.items(), ("mcp-name", "list_sources"), (name, "list_jobs")]
    async with server.client() as client:
        answer = await client.post("/mcp", json=message, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["id"] == 7


async def test_older_era_with_headers_of_the_newer_keeps_its_sessions(server: HttpServer) -> None:
    answer = await post(
        server, "list_sources", {}, mcp_protocol_version="2025-06-18", mcp_session_id="none"
    )
    assert answer.status_code == 404


async def test_session_is_not_begun_where_calls_are_quick(server: HttpServer) -> None:
    named = {"mcp-method": "tools/call", "mcp-name": "list_sources", **ACCEPT}
    versions = [("mcp-protocol-version", version) for version in ("2025-06-18", "2026-07-28")]
    async with server.client() as client:
        hello = await client.post("/mcp", json=INITIALIZE, headers=[*named.items(), *versions])
    assert hello.headers["mcp-session-id"]
    # Sessions are counted and have streams; where calls are quick there is neither.
    assert hello.headers["content-type"].startswith("text/event-stream")
