"""Requests over HTTP are answered at once where that is possible, and passed on where not."""

from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from mcp_types import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from weft.server.transport.http_frames import Answer, serve_frames

pytestmark = pytest.mark.anyio

PASSED_ON = PlainTextResponse("passed on")


async def post(answer: Answer | None, message: dict[str, object]) -> httpx.Response:
    async def answer_at_once(request: JSONRPCRequest, scope: Scope) -> Answer | None:
        assert request.id == message["id"]
        assert scope["path"] == "/mcp"
        return answer

    transport = httpx.ASGITransport(serve_frames(PASSED_ON, answer_at_once))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.post("/mcp", json={"jsonrpc": "2.0", **message})


def respond(text: str) -> JSONRPCResponse:
    return JSONRPCResponse(jsonrpc="2.0", id=1, result={"text": text})


@pytest.mark.parametrize("text", ["é", "\ud800"])
async def test_any_text_comes_through_at_once(text: str) -> None:
    answer = await post(respond(text), {"id": 1, "method": "tools/call"})
    assert answer.status_code == 200
    assert answer.json()["result"] == {"text": text}


@pytest.mark.parametrize(("code", "status"), [(METHOD_NOT_FOUND, 404), (INTERNAL_ERROR, 200)])
async def test_error_has_the_status_of_its_code(code: int, status: int) -> None:
    error = JSONRPCError(jsonrpc="2.0", id=1, error=ErrorData(code=code, message="Not so."))
    answer = await post(error, {"id": 1, "method": "tools/call"})
    assert answer.status_code == status
    assert answer.json()["error"] == {"code": code, "message": "Not so."}


async def test_request_that_cannot_be_answered_at_once_is_passed_on() -> None:
    answer = await post(None, {"id": 1, "method": "tools/call"})
    assert answer.text == "passed on"


async def answer_none(request: JSONRPCRequest, scope: Scope) -> None:
    del request, scope


@pytest.mark.parametrize(
    ("second", "together_max"),
    [({"id": 1}, 1), ({"id": "1"}, 1), ({"id": 2}, 2), ({"id": 1, "session": "other"}, 2)],
)
async def test_requests_of_one_session_with_one_id_take_turns(
    second: dict[str, Any], together_max: int
) -> None:
    together: list[int] = []
    running = 0

    async def answer_slowly(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running
        running += 1
        together.append(running)
        await anyio.wait_all_tasks_blocked()
        running -= 1
        await PASSED_ON(scope, receive, send)

    async def call(request_id: object, session: str = "mine") -> None:
        message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call"}
        answer = await client.post("/mcp", json=message, headers={"mcp-session-id": session})
        assert answer.text == "passed on"

    transport = httpx.ASGITransport(serve_frames(answer_slowly, answer_none))
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        anyio.create_task_group() as calls,
    ):
        calls.start_soon(call, 1)
        calls.start_soon(partial(call, second["id"], second.get("session", "mine")))
    assert max(together) == together_max
