"""The listener for people on a machine without an HTTP server: there when needed, then gone."""

import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest

from tests.support.patience import wait_until
from weft.backend import AuthSessions
from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json
from weft.errors import InvalidInput, NotFound
from weft.web.pages.loopback import HOST, LoopbackPages

pytestmark = pytest.mark.anyio
WAIT_SECONDS = 10


class OneForm(AuthSessions):
    """Knows one link, to a form without fields."""

    async def form(self, token: str) -> CredentialForm:
        if token != "known":
            raise NotFound("No link has that token.")
        return CredentialForm(
            connection_id="c1", connection_name="Name", source_name="S", endpoint=None, fields=()
        )

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        raise NotImplementedError

    async def start(self, token: str) -> ConsentStart:
        raise NotImplementedError

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        raise NotImplementedError


@asynccontextmanager
async def running(pages: LoopbackPages) -> AsyncGenerator[LoopbackPages]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pages.run, OneForm())
        yield pages
        tasks.cancel_scope.cancel()


async def get(url: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        return await client.get(url, headers=headers)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        return bound.getsockname()[1]


def is_open(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, int(url.rpartition(":")[2]))) == 0


async def wait_until_closed(url: str) -> None:
    await wait_until(lambda: not is_open(url))


async def test_it_opens_when_it_is_asked_for_and_closes_at_the_end() -> None:
    async with running(LoopbackPages()) as pages:
        url = await pages.open()
        assert url.startswith(f"http://{HOST}:")
        assert await pages.open() == url
        assert (await get(f"{url}/authorize/known")).status_code == 200
        assert (await get(f"{url}/authorize/other")).status_code == 410
    assert not is_open(url)


async def test_it_closes_when_it_was_asked_for_just_before_the_end() -> None:
    async with running(LoopbackPages()) as pages:
        url = await pages.open()
    assert not is_open(url)


async def test_it_serves_nothing_but_the_pages() -> None:
    async with running(LoopbackPages()) as pages:
        url = await pages.open()
        for path in ("/", "/mcp", "/sse", "/health", "/metrics", "/source-connections"):
            assert (await get(url + path)).status_code == 401


async def test_it_answers_to_its_exact_address_only() -> None:
    async with running(LoopbackPages()) as pages:
        url = await pages.open()
        port = url.rpartition(":")[2]
        for host in ("evil.example", "localhost", HOST, f"localhost:{port}", f"{HOST}:1"):
            answer = await get(f"{url}/authorize/known", host=host)
            assert answer.status_code == 421, host


async def test_it_closes_when_nobody_needs_it_and_opens_again() -> None:
    async with running(LoopbackPages(idle_seconds=0.01)) as pages:
        first = await pages.open()
        await wait_until_closed(first)
        second = await pages.open()
        assert (await get(f"{second}/authorize/known")).status_code == 200


async def test_a_fixed_port_is_free_again_when_it_is_wanted_again() -> None:
    port = free_port()
    async with running(LoopbackPages(port, idle_seconds=0.01)) as pages:
        for _ in range(2):
            with anyio.fail_after(WAIT_SECONDS):
                assert await pages.open() == f"http://{HOST}:{port}"
            await wait_until_closed(f"http://{HOST}:{port}")


async def test_a_fixed_port_that_is_taken_is_told_with_the_setting() -> None:
    async with running(LoopbackPages()) as other, anyio.create_task_group() as tasks:
        port = int((await other.open()).rpartition(":")[2])
        pages = LoopbackPages(port)
        tasks.start_soon(pages.run, OneForm())
        with pytest.raises(InvalidInput, match=str(port)) as refused:
            await pages.open()
        assert refused.value.field == "WEFT_CALLBACK_PORT"
        tasks.cancel_scope.cancel()
