"""Frames that no server can serve, over HTTP and SSE: what stdio answers, these answer too."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import anyio
import httpx
import pytest

from tests.acceptance.frame_corpus import CANARY, FRAMES, Frame, check_answer
from tests.acceptance.weft_http import ACCEPT, INITIALIZE, HttpServer, http_server
from tests.acceptance.weft_process import ANSWER_SECONDS, MODES, Place

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
PING = b'{"jsonrpc":"2.0","id":"next","method":"ping"}'


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """Run one process for all frames; it may not log any of them, nor a stack."""
    place = Place.make(tmp_path_factory.mktemp("frames"))
    async with http_server(place, WEFT_HTTP_REQUESTS_PER_MINUTE="100000") as server:
        yield server
    said = place.stderr.read_text()
    assert "Traceback" not in said
    assert "ERROR" not in said
    assert CANARY not in said


@pytest.fixture(scope="module", params=MODES)
async def client(
    request: pytest.FixtureRequest, server: HttpServer
) -> AsyncGenerator[httpx.AsyncClient]:
    """Connect a client; one of the older era has a session."""
    async with server.client(**ACCEPT, **JSON) as client:
        if request.param == "legacy":
            begun = await client.post("/mcp", json=INITIALIZE)
            client.headers["mcp-session-id"] = begun.headers["mcp-session-id"]
        else:
            client.headers["mcp-protocol-version"] = "2026-07-28"
        yield client


@pytest.mark.parametrize("name", FRAMES)
async def test_bad_frame_over_http_is_answered_with_its_id(
    client: httpx.AsyncClient, name: str
) -> None:
    bad = FRAMES[name]
    is_modern = "mcp-protocol-version" in client.headers
    raw = bad.of_era(is_modern=is_modern)
    named = name_in_headers(raw) if is_modern else {}
    answer = await client.post("/mcp", content=raw, headers=named)
    check_answer(message_in(answer), bad)
    assert answer.is_client_error == (answer.headers["content-type"] == "application/json")


@pytest.mark.parametrize(
    ("header", "value"),
    [("accept", "text/html"), ("content-type", "text/plain"), ("mcp-session-id", "unknown")],
)
async def test_errors_of_http_itself_have_the_id_too(
    server: HttpServer, header: str, value: str
) -> None:
    async with server.client(**{**ACCEPT, **JSON, header: value}) as client:
        answer = await client.post("/mcp", content=PING)
        assert answer.is_client_error
        assert answer.json()["id"] == "next"
        assert answer.json()["error"]["message"]


async def test_empty_body_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.post("/mcp", content=b" \n")
    assert answer.status_code == 400
    assert answer.json()["id"] is None
    assert "empty" in answer.json()["error"]["message"]


async def test_notification_is_accepted(client: httpx.AsyncClient) -> None:
    note = b'{"jsonrpc":"2.0","method":"notifications/nothing"}'
    assert (await client.post("/mcp", content=note)).status_code == 202


@dataclass(frozen=True, slots=True)
class SseSession:
    """An SSE session: where its messages go, and the lines that come."""

    client: httpx.AsyncClient
    url: str
    lines: AsyncIterator[str]

    async def post(self, raw: bytes) -> httpx.Response:
        return await self.client.post(self.url, content=raw)

    async def receive(self) -> dict[str, Any]:
        """Return the next message of the stream."""
        with anyio.fail_after(ANSWER_SECONDS):
            async for line in self.lines:
                if line.startswith("data: {"):
                    return json.loads(line.removeprefix("data: "))
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def open_sse(server: HttpServer, era: str) -> AsyncGenerator[SseSession]:
    async with server.client(**JSON) as client, client.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()
        while not (line := await anext(lines)).startswith("data: "):
            pass
        session = SseSession(client, line.removeprefix("data: "), lines)
        if era == "legacy":
            await session.post(json.dumps(INITIALIZE).encode())
            await session.receive()
            await session.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        yield session


@pytest.mark.parametrize("era", MODES)
async def test_bad_frames_over_sse_are_answered_on_the_stream(server: HttpServer, era: str) -> None:
    async with open_sse(server, era) as session:
        for name, bad in FRAMES.items():
            posted = await session.post(bad.of_era(is_modern=era != "legacy"))
            assert posted.status_code in (202, 400), name
            answer = await session.receive()
            check_answer(answer, bad)
            if posted.status_code == 400:
                assert posted.json() == answer, name


async def test_bad_frame_reaches_no_session_of_another_principal(server: HttpServer) -> None:
    bad = FRAMES["wrong version"].raw
    async with server.client(**JSON) as client:
        answer = await client.post(f"/messages?session_id={'0' * 32}", content=bad)
    assert answer.status_code == 404


def message_in(answer: httpx.Response) -> dict[str, Any]:
    """Return the one message of an answer, whether that is JSON or a stream."""
    if answer.headers["content-type"] == "application/json":
        return answer.json()
    (data,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return json.loads(data.removeprefix("data: "))


def name_in_headers(raw: bytes) -> dict[str, str]:
    """Return the headers of the newer era that repeat what the body names, if it does."""
    try:
        found: object = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    body = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    params: object = body.get("params")
    named = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
    values = {"mcp-method": body.get("method"), "mcp-name": named.get("name")}
    return {
        name: value
        for name, value in values.items()
        if str(value).isascii() and isinstance(value, str)
    }


def test_corpus_is_large() -> None:
    assert len(FRAMES) > 50
    assert all(isinstance(each, Frame) for each in FRAMES.values())
