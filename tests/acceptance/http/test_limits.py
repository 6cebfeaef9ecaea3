"""Too much of anything gets a clear answer, and disturbs nobody else; and how a server ends."""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.acceptance.weft_http import ACCEPT, INITIALIZE, HttpServer, create_key, http_server
from tests.acceptance.weft_process import MODERN_META, Place, rows
from tests.support.patience import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
IDLE_STREAMS = 200
CALLERS = 100
HALF_OPEN = 700
MEMORY_GROWTH_MAX_MIB = 150
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_sources", "arguments": {}, "_meta": MODERN_META},
}
SLOW_POST = (
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
    "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
)
MODERN = {
    **ACCEPT,
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "list_sources",
}


def resident_mib(server: HttpServer) -> float:
    """Return the resident memory of the server process."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // MIB):
        yield b"x" * MIB


@pytest.mark.parametrize("path", ["/mcp", "/messages?session_id=" + "0" * 32])
async def test_a_body_of_50_mib_is_refused_and_not_kept(server: HttpServer, path: str) -> None:
    before = resident_mib(server)
    headers = {**ACCEPT, "content-type": "application/json"}
    async with server.client(**headers) as client:
        declared = await client.post(path, content=b"x" * (50 * MIB))
        assert declared.status_code == 413
        assert "4 MiB" in declared.json()["error_description"]
    async with server.client(**headers) as client:
        assert (await client.post(path, content=chunks(50 * MIB))).status_code == 413
    assert resident_mib(server) - before < 40


async def test_a_body_is_not_read_without_a_token(server: HttpServer) -> None:
    async with server.client(token="", **ACCEPT) as client:
        assert (await client.post("/mcp", content=chunks(50 * MIB))).status_code == 401


async def test_idle_streams_and_many_callers_do_not_disturb_a_sync(server: HttpServer) -> None:
    before = resident_mib(server)
    async with server.agent() as agent, AsyncExitStack() as idle:
        collection = await agent.collection("undisturbed")
        made = await agent.connection(collection, config={"entities": 300, "rate": 100})
        job = (await agent.ok("run_sync", connection_id=made["id"])).data
        client = await idle.enter_async_context(
            httpx.AsyncClient(
                base_url=server.url,
                headers=server.headers,
                timeout=30,
                limits=httpx.Limits(max_connections=None),
            )
        )
        for _ in range(IDLE_STREAMS):
            stream = await idle.enter_async_context(client.stream("GET", "/sse"))
            assert stream.status_code == 200

        answers: list[int] = []

        async def call() -> None:
            answer = await client.post("/mcp", json=CALL, headers=MODERN)
            answers.append(answer.status_code)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as callers:
                for _ in range(CALLERS):
                    callers.start_soon(call)
        assert answers == [200] * CALLERS
        metrics = (await client.get("/metrics")).text
        assert f"weft_http_streams_active {IDLE_STREAMS}" in metrics
        assert resident_mib(server) - before < MEMORY_GROWTH_MAX_MIB
        ended = await agent.job(job["id"])
        assert (ended["status"], ended["entities_inserted"]) == ("COMPLETED", 300)
    assert "Traceback" not in server.place.stderr.read_text()
    async with server.client() as client:
        await wait_for_metric(client, "weft_http_streams_active 0")


async def test_what_is_too_much_at_once_is_told_with_the_time_to_wait(place: Place) -> None:
    few = {"WEFT_HTTP_MAX_STREAMS": "2", "WEFT_HTTP_MAX_REQUESTS": "1"}
    async with http_server(place, **few) as server, AsyncExitStack() as stack:
        client = await stack.enter_async_context(server.client())
        for _ in range(2):
            stream = await stack.enter_async_context(client.stream("GET", "/sse"))
            assert stream.status_code == 200
        third = await client.get("/sse")
        assert (third.status_code, third.headers["retry-after"]) == (503, "2")

        port = int(server.url.rpartition(":")[2])
        slow = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
        with anyio.fail_after(PATIENCE_SECONDS):
            await slow.send(SLOW_POST.format(token=server.token).encode())
            # The server asks for the body when the request has its place, and not before.
            assert (await slow.receive()).startswith(b"HTTP/1.1 100 ")
            busy = await client.get("/metrics")
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
            await slow.send(b"2\r\n{}\r\n0\r\n\r\n")
            assert (await slow.receive()).startswith(b"HTTP/1.1 400 ")


async def test_half_open_connections_keep_no_caller_out(place: Place) -> None:
    few = {"WEFT_HTTP_MAX_STREAMS": "2", "WEFT_HTTP_MAX_REQUESTS": "2"}
    async with (
        http_server(place, **few) as server,
        server.client() as client,
        client.stream("GET", "/sse") as stream,
        AsyncExitStack() as stack,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines)
        port = int(server.url.rpartition(":")[2])
        for _ in range(HALF_OPEN):
            half = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await half.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for _ in range(4):
            async with server.client() as other:
                assert (await other.get("/metrics")).status_code == 200
            assert "weft_http_streams_active 1" in (await client.get("/metrics")).text


async def test_what_is_too_much_a_minute_is_told_with_the_time_to_wait(place: Place) -> None:
    async with (
        http_server(place, WEFT_HTTP_REQUESTS_PER_MINUTE="20") as server,
        server.client() as client,
    ):
        limited = await wait_for_refusal(client)
        assert limited.status_code == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 3
        assert (await client.get("/health")).status_code == 200


async def test_one_principal_leaves_sessions_for_others(place: Place) -> None:
    key = create_key(place, "other", "admin")
    async with http_server(place, WEFT_HTTP_MAX_STREAMS="8") as server:
        async with server.client(**ACCEPT) as client:
            for _ in range(4):
                assert await _begin_session(client) == 200
            assert await _begin_session(client) == 503
        async with server.client(token=key, **ACCEPT) as client:
            for _ in range(2):
                assert await _begin_session(client) == 200
            assert await _begin_session(client) == 503


async def wait_for_metric(client: httpx.AsyncClient, sample: str) -> None:
    """Wait until the metrics contain a sample."""

    async def is_measured() -> bool:
        return sample in (await client.get("/metrics")).text

    await wait_until(is_measured)


async def wait_for_refusal(client: httpx.AsyncClient) -> httpx.Response:
    """Ask until an answer is a refusal, and return that."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            answer = await client.get("/metrics")
            if answer.status_code != 200:
                return answer


async def _begin_session(client: httpx.AsyncClient) -> int:
    """Begin a session and return the status of the answer."""
    return (await client.post("/mcp", json=INITIALIZE)).status_code


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_answers_what_is_asked_ends_streams_and_hands_jobs_back(
    place: Place, sent: signal.Signals
) -> None:
    async with http_server(place) as server, server.agent() as agent:
        collection = await agent.collection("draining")
        long = await agent.connection(collection, config={"entities": 1000, "rate": 5})
        answers: list[dict[str, Any]] = []

        async def wait_for_it() -> None:
            answers.append(
                (await agent.ok("run_sync", connection_id=long["id"], wait_seconds=45)).data
            )

        async with server.client() as client, client.stream("GET", "/sse") as stream:
            assert stream.status_code == 200
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait_for_it)
                await wait_for_metric(client, "weft_syncs_running 1")
                server.process.send_signal(sent)
            # The stream has an end, and is not torn off.
            async for _ in stream.aiter_bytes():
                pass
        # Who waits is answered at once, and not cut off after a while.
        assert answers[0]["status"] == "RUNNING"
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await server.process.wait() == 0
    sql = f"SELECT status FROM job WHERE id = '{answers[0]['id']}'"
    assert rows(place.database, sql) == [("PENDING",)]
    assert "Traceback" not in place.stderr.read_text()


def test_a_taken_port_is_told_before_anything_starts(server: HttpServer, place: Place) -> None:
    port = server.url.rpartition(":")[2]
    done = place.run_server("--http", "--port", port)
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert not place.database.exists()


async def test_a_secret_in_a_bad_message_is_not_logged(server: HttpServer) -> None:
    bad = {"jsonrpc": "2.0", "id": 1, "method": 7, "params": {"password": "c4n4ry"}}
    async with server.client(**ACCEPT) as client, client.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                address = line.removeprefix("data: ")
                assert (await client.post(address, json=bad)).status_code == 400
                break
        assert (await client.post("/mcp", json=bad)).status_code == 400
    said = server.place.stderr.read_text()
    assert "c4n4ry" not in said
    assert "Traceback" not in said


async def test_bodies_that_are_no_json_rpc_are_answered(server: HttpServer) -> None:
    headers = {**ACCEPT, "content-type": "application/json"}
    async with server.client(**headers) as client:
        for body in (b"", b"{", b"[]", b"null", b'"\\ud800"', b"[" * 100_000, b"\xff\xfe"):
            answer = await client.post("/mcp", content=body)
            assert answer.status_code == 400, body[:20]
            assert json.loads(answer.text)["error"]["code"] in (-32700, -32600, -32602)
