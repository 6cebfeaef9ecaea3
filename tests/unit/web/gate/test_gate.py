"""The gate: event streams, which have no end of their own, end with what let them in."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.patience import PATIENCE_SECONDS
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.errors import TryLater
from weft.web.build import KNOWN_PATHS, OPEN_PATHS, STREAM_PATHS, AppParts, build_app
from weft.web.gate.gate import BODY_MAX_BYTES, Gate
from weft.web.gate.hosts import build_host_rules
from weft.web.gate.limits import LargeBodies, Rates, Slots
from weft.web.gate.metrics import Metrics

pytestmark = pytest.mark.anyio
READER = Principal(LOCAL_ORGANIZATION_ID, "key:reader", Role.READ)
WRITER = Principal(LOCAL_ORGANIZATION_ID, "key:reader", Role.WRITE)


@dataclass
class Door:
    """Lets ``principal`` in while there is one, and tells when it is asked."""

    principal: Principal | None = READER
    unavailable: bool = False
    asked: anyio.Event = field(default_factory=anyio.Event)
    opened: anyio.Event = field(default_factory=anyio.Event)
    crash: Exception | None = None
    answers: bool = True
    draining: anyio.Event = field(default_factory=anyio.Event)
    requests: Slots = field(default_factory=lambda: Slots(10))
    bodies: LargeBodies = field(default_factory=lambda: LargeBodies(2 * BODY_MAX_BYTES))
    metrics: Metrics = field(default_factory=Metrics)

    async def authenticate(self, token: str) -> Principal | None:
        del token
        self.asked.set()
        self.asked = anyio.Event()
        if self.unavailable:
            raise TryLater("The database is busy.")
        return self.principal

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        if self.crash:
            raise self.crash
        if not self.answers:
            self.opened.set()
            await anyio.sleep_forever()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"open", "more_body": True})
        self.opened.set()
        await anyio.sleep_forever()

    async def wait_for_checks(self, times: int) -> None:
        for _ in range(times):
            await self.asked.wait()


class Reader(Door):
    """Reads the body first, as endpoints do."""

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await super().stream(scope, receive, send)


async def _revoke(door: Door) -> None:
    door.principal = None


async def _change_role(door: Door) -> None:
    door.principal = WRITER


@pytest.mark.parametrize("change", [_revoke, _change_role])
async def test_stream_ends_when_its_token_lets_in_nobody_or_another(
    change: Callable[[Door], Awaitable[None]],
) -> None:
    door = Door()
    async with _streaming(door) as answers:
        await door.opened.wait()
        await door.wait_for_checks(2)
        assert answers == []
        await change(door)
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "open")]


async def test_stream_goes_on_while_tokens_cannot_be_checked() -> None:
    door = Door()
    async with _streaming(door) as answers:
        await door.opened.wait()
        door.unavailable = True
        await door.wait_for_checks(3)
        assert answers == []
        door.unavailable, door.principal = False, None
    assert len(answers) == 1


async def test_answers_to_programs_leave_out_what_only_browsers_read() -> None:
    async with _client(Door()) as client:
        refused = await client.post("/mcp", headers={"origin": "https://elsewhere.example"})
        page = await client.get("/health")
    for answer in (refused, page):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
    assert "referrer-policy" not in refused.headers
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_first_of_two_headers_of_one_name_decides() -> None:
    door = Door()
    async with _client(door) as client:
        headers = [("origin", "https://elsewhere.example"), ("origin", "http://localhost")]
        refused = await client.post("/mcp", headers=headers)
    assert refused.status_code == 403
    assert not door.opened.is_set()


async def test_body_of_two_lengths_is_refused_and_its_connection_closed() -> None:
    door = Door()
    async with _client(door) as client:
        headers = {"content-length": "2", "transfer-encoding": "chunked"}
        refused = await client.post("/mcp", headers=headers, content=b"{}")
    assert (refused.status_code, refused.headers["connection"]) == (400, "close")
    assert not door.opened.is_set()


async def test_stream_asked_for_in_chunks_ends_with_its_token_too() -> None:
    door = Door()
    async with _streaming(door, _listening_in_chunks) as answers:
        await door.opened.wait()
        await door.wait_for_checks(2)
        assert answers == []
        door.principal = None
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "open")]


async def test_body_that_came_whole_but_too_long_is_refused_at_once() -> None:
    door = Door()
    long = b" " * (BODY_MAX_BYTES + 1)
    with anyio.fail_after(PATIENCE_SECONDS):
        start, *_ = await _send_to(door, {"type": "http.request", "body": long, "more_body": False})
    assert start["status"] == 413
    assert not door.opened.is_set()


async def test_more_large_bodies_than_may_be_held_are_told_to_wait() -> None:
    door = Door()
    part: Message = {
        "type": "http.request",
        "body": b" " * (BODY_MAX_BYTES // 4),
        "more_body": True,
    }
    with door.bodies.hold("one") as grow, door.bodies.hold("two") as grow_too:
        assert grow(BODY_MAX_BYTES)
        assert grow_too(BODY_MAX_BYTES)
        with anyio.fail_after(PATIENCE_SECONDS):
            start, *_ = await _send_to(door, part, part)
    assert (start["status"], (b"retry-after", b"2") in start["headers"]) == (503, True)
    assert not door.opened.is_set()
    assert door.bodies.taken == 0


async def test_client_that_goes_while_it_sends_is_nobodys_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door()
    part: Message = {"type": "http.request", "body": b"{", "more_body": True}
    with caplog.at_level(logging.WARNING):
        sent = await _send_to(door, part, {"type": "http.disconnect"})
    assert (sent, caplog.messages) == ([], [])
    assert not door.opened.is_set()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_client_that_goes_before_the_application_has_its_body_is_nobodys_error(
    caplog: pytest.LogCaptureFixture, method: str
) -> None:
    part: Message = {"type": "http.request", "body": b"{", "more_body": True}
    with caplog.at_level(logging.WARNING):
        gone: Message = {"type": "http.disconnect"}
        sent = await _send_to(
            Reader(), part, gone, method=method, framing=(b"content-length", b"9")
        )
    assert (sent, caplog.messages) == ([], [])


async def test_crash_is_answered_logged_and_counted_but_not_quoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door(crash=RuntimeError("s3cret"))
    async with _client(door) as client:
        answer = await client.post("/mcp")
    assert (answer.status_code, answer.json()["error"]) == (500, "crashed")
    assert answer.headers["x-request-id"]
    assert "s3cret" not in answer.text
    assert caplog.messages == ["a request crashed"]
    counted = door.metrics.render(jobs={}, requests_now=0, streams_now=0)
    assert 'weft_http_requests_total{method="POST",route="/mcp",status="500"} 1' in counted


async def test_request_that_outlasts_the_end_is_told_so() -> None:
    door = Door(answers=False)
    async with _client(door) as client:
        asked = asyncio.ensure_future(client.post("/messages"))
        await door.opened.wait()
        door.draining.set()
        # As the HTTP server does with what still runs when its patience is at its end.
        asked.cancel()
        answer = await asked
    assert (answer.status_code, answer.json()["error"]) == (503, "ending")
    assert answer.headers["retry-after"]


async def _send_to(
    door: Door,
    *received: Message,
    method: str = "POST",
    framing: tuple[bytes, bytes] = (b"transfer-encoding", b"chunked"),
) -> list[Message]:
    """Send these messages as a client and return what the application answers."""
    coming, sent = list(received), list[Message]()

    async def receive() -> Message:
        if not coming:
            await anyio.sleep_forever()
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"x-api-key", b"any"), framing]
    scope = {"type": "http", "method": method, "path": "/mcp", "headers": headers}
    await _app(door)(scope, receive, send)
    return sent


async def _in_chunks() -> AsyncGenerator[bytes]:
    yield b"{"
    yield b"}"


async def _listening(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get("/mcp")


async def _listening_in_chunks(client: httpx.AsyncClient) -> httpx.Response:
    asked = {"mcp-method": "subscriptions/listen"}
    return await client.post("/mcp", content=_in_chunks(), headers=asked)


@asynccontextmanager
async def _streaming(
    door: Door, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]] = _listening
) -> AsyncGenerator[list[httpx.Response]]:
    """A client that has asked for an event stream; at the end the stream has ended."""
    answers: list[httpx.Response] = []

    async def listen() -> None:
        answers.append(await ask(client))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with _client(door) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            yield answers


def _client(door: Door) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_app(door))
    headers = {"x-api-key": "any"}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


def _app(door: Door) -> ASGIApp:
    parts = AppParts(
        mcp=door.stream,
        sse=door.stream,
        messages=door.stream,
        lifespan=_no_lifespan,
        job_counts=_no_counts,
        verify=_accept,
    )
    gate = Gate(
        hosts=build_host_rules("127.0.0.1", (), ()),
        authenticators=[door.authenticate],
        open_paths=OPEN_PATHS,
        stream_paths=STREAM_PATHS,
        known_paths=KNOWN_PATHS,
        requests=door.requests,
        streams=Slots(10),
        bodies=door.bodies,
        rates=Rates(1000),
        metrics=door.metrics,
        readmit_seconds=0.01,
        draining=door.draining,
    )
    return build_app(parts, gate)


@asynccontextmanager
async def _no_lifespan() -> AsyncGenerator[None]:
    yield


async def _accept() -> None:
    pass


async def _no_counts() -> Mapping[str, int]:
    return {}
