"""The gate: event streams, which have no end of their own, end with what let them in."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.domain.principals import LOCAL_ORGANIZATION_ID, Principal, Role
from weft.errors import TryLater
from weft.web.access import Access
from weft.web.build import KNOWN_PATHS, OPEN_PATHS, STREAM_PATHS, Parts, build_app
from weft.web.hosts import host_rules
from weft.web.limits import Rates, Slots
from weft.web.metrics import Metrics

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

    async def authenticate(self, token: str) -> Principal | None:
        del token
        self.asked.set()
        self.asked = anyio.Event()
        if self.unavailable:
            raise TryLater("The database is busy.")
        return self.principal

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"open", "more_body": True})
        self.opened.set()
        await anyio.sleep_forever()

    async def asked_again(self, times: int) -> None:
        for _ in range(times):
            await self.asked.wait()


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
        await door.asked_again(2)
        assert answers == []
        await change(door)
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "open")]


async def test_stream_goes_on_while_tokens_cannot_be_checked() -> None:
    door = Door()
    async with _streaming(door) as answers:
        await door.opened.wait()
        door.unavailable = True
        await door.asked_again(3)
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


@asynccontextmanager
async def _streaming(door: Door) -> AsyncGenerator[list[httpx.Response]]:
    """A client that has asked for an event stream; at the end the stream has ended."""
    answers: list[httpx.Response] = []

    async def listen() -> None:
        answers.append(await client.get("/mcp"))

    with anyio.fail_after(10):
        async with _client(door) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            yield answers


def _client(door: Door) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(_app(door))
    headers = {"x-api-key": "any"}
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)


def _app(door: Door) -> ASGIApp:
    parts = Parts(
        mcp=door.stream,
        sse=door.stream,
        messages=door.stream,
        lifespan=_no_lifespan,
        job_counts=_no_counts,
    )
    access = Access(
        hosts=host_rules("127.0.0.1", (), ()),
        authenticators=[door.authenticate],
        open_paths=OPEN_PATHS,
        stream_paths=STREAM_PATHS,
        known_paths=KNOWN_PATHS,
        requests=Slots(10),
        streams=Slots(10),
        rates=Rates(1000),
        metrics=Metrics(),
        readmit_seconds=0.01,
    )
    return build_app(parts, access)


@asynccontextmanager
async def _no_lifespan() -> AsyncGenerator[None]:
    yield


async def _no_counts() -> Mapping[str, int]:
    return {}
