"""The HTTP server: a connection that asks for nothing does not keep its place."""

from collections.abc import AsyncGenerator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteReceiveStream, SocketStream
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.support.patience import PATIENCE_SECONDS
from weft.errors import InvalidInput
from weft.web import run
from weft.web.gate.gate import VOUCH
from weft.web.run import EVENTS_AT_ONCE, DeadlineH11Protocol, Listening, bind_socket, run_app

pytestmark = pytest.mark.anyio
CONNECTIONS_MAX = 10
VOUCHED = b"GET /known HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"


@pytest.mark.parametrize(
    ("served_before", "sent"), [(False, b""), (False, HELLO[:10]), (True, HELLO[:10])]
)
async def test_connection_without_a_whole_head_is_closed(
    monkeypatch: pytest.MonkeyPatch, served_before: bool, sent: bytes
) -> None:
    _impatient(monkeypatch)
    async with _serve_late() as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        if served_before:
            await client.send(HELLO)
            await _answer(client)
        if sent:
            await client.send(sent)
        with pytest.raises(anyio.EndOfStream):
            await client.receive()


@pytest.mark.parametrize("sent", [SLOW, SLOW + b"some", CHUNKED, HELLO + SLOW + b"some"])
async def test_body_that_stays_away_is_refused(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    _impatient(monkeypatch)
    async with _serve_late() as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(sent)
        received = b"".join([part async for part in client])
    assert b"HTTP/1.1 408 Request Timeout" in received
    assert received.endswith(b'"The body did not arrive in time."}')


async def test_answer_may_take_longer_than_head_and_body(monkeypatch: pytest.MonkeyPatch) -> None:
    _impatient(monkeypatch)
    async with _serve_late() as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        for _ in range(2):
            await client.send(SLOW + b"whole body")
            await _answer(client)


async def test_half_open_connections_take_no_place_of_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "STRANGERS_MAX", 20)
    async with _serve_late() as port, AsyncExitStack() as stack:

        async def connect() -> SocketStream:
            return await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))

        known = await connect()
        await known.send(VOUCHED)
        await _answer(known)
        flood = [await connect() for _ in range(CONNECTIONS_MAX + 200)]
        for stranger in flood:
            with suppress(anyio.BrokenResourceError):
                await stranger.send(HELLO[:10])
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await flood[0].receive()
        for caller in (known, await connect()):
            await caller.send(HELLO)
            assert (await _answer(caller)).startswith(b"HTTP/1.1 200 ")


async def test_tiny_chunks_that_come_at_once_are_taken_a_few_at_a_time() -> None:
    # In one piece they would hold up everybody else for seconds.
    taken: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _late(scope, receive, send)
            return
        more = True
        while more:
            message = await receive()
            taken.append(len(message["body"]))
            more = message["more_body"]
        await PlainTextResponse("late")(scope, receive, send)

    count = 30_000
    async with _serve(app) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(CHUNKED + b"1\r\nx\r\n" * count + b"0\r\n\r\n" + HELLO)
        received = b""
        while received.count(b"late") < 2:
            received += await client.receive()
    assert sum(taken) == count + len("some")
    assert max(taken) <= 10 * EVENTS_AT_ONCE


async def test_server_is_not_announced_with_a_certificate_that_cannot_be_used(
    tmp_path: Path,
) -> None:
    unusable = tmp_path / "unusable.pem"
    unusable.write_text("not PEM")
    listening = Listening("127.0.0.1", 0, unusable, unusable, [], 10)
    told: list[str] = []
    with (
        bind_socket("127.0.0.1", 0) as bound,
        anyio.fail_after(PATIENCE_SECONDS),
        pytest.raises(InvalidInput, match="certificate"),
    ):
        await run_app(_late, bound, listening, _nothing, lambda: told.append("announced"))
    assert told == []


def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for what, seconds in (("head", 0.05), ("body", 0.05), ("check", 0.01)):
        monkeypatch.setattr(DeadlineH11Protocol, f"{what}_seconds", seconds)


async def _answer(client: ByteReceiveStream) -> bytes:
    received = b""
    while not received.endswith(b"late"):
        received += await client.receive()
    return received


async def _late(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    if scope["path"] == "/known":
        scope["state"][VOUCH]()
    # Longer than heads may take.
    await anyio.sleep(0.2)
    await PlainTextResponse("late")(scope, receive, send)


def _nothing() -> None:
    pass


def _serve_late() -> AbstractAsyncContextManager[int]:
    return _serve(_late)


@asynccontextmanager
async def _serve(app: ASGIApp) -> AsyncGenerator[int]:
    listening = Listening("127.0.0.1", 0, None, None, [], CONNECTIONS_MAX)
    with bind_socket("127.0.0.1", 0) as bound, anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_app, app, bound, listening, _nothing, _nothing)
            yield bound.getsockname()[1]
            tasks.cancel_scope.cancel()
