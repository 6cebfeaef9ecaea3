"""The proxy for programs of others: whom it serves, where it leads, and that it ends."""

import base64
import ssl
from collections.abc import Sequence

import anyio
import httpx
import pytest

from tests.support.patience import PATIENCE_SECONDS, wait_until
from weft.net.egress_proxy import HEAD_BYTES_MAX, EgressProxy, open_egress_proxy
from weft.net.transport import tls_context
from weft.testing.scripted_http import HttpReply, HttpRequest, serve

pytestmark = pytest.mark.anyio

LOCAL = "127.0.0.1"
NAMES = {"tls.example": [LOCAL], "inner.example": [LOCAL], "meta.example": ["169.254.169.254"]}


async def resolve(host: str, _port: int) -> Sequence[str]:
    return NAMES[host]


def echo(asked: HttpRequest) -> HttpReply:
    return HttpReply(200, f"{asked.method} {asked.target} {sorted(asked.headers)}".encode())


async def fetch(proxy: EgressProxy, url: str) -> httpx.Response:
    context = tls_context()
    async with httpx.AsyncClient(proxy=proxy.url, trust_env=False, verify=context) as client:
        return await client.get(url)


def request_to(proxy: EgressProxy, target: str) -> bytes:
    url = httpx.URL(proxy.url)
    word = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    lines = [f"GET {target} HTTP/1.1", "Host: a", f"Proxy-Authorization: Basic {word}", "", ""]
    return "\r\n".join(lines).encode()


async def ask(proxy: EgressProxy, request: bytes) -> bytes:
    """Send bytes as they are; return all that comes."""
    port = httpx.URL(proxy.url).port
    assert port is not None
    got = b""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with await anyio.connect_tcp(LOCAL, port) as stream:
            await stream.send(request)
            async for data in stream:
                got += data
    return got


async def test_plain_requests_are_passed_on_without_what_is_for_the_proxy() -> None:
    async with serve(echo) as site, open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        response = await fetch(proxy, f"{site.url}/a?b=c")
    assert response.text.startswith("GET /a?b=c ")
    assert "proxy" not in response.text
    assert proxy.refused == set()


async def test_encrypted_requests_pass_through(tls_server: ssl.SSLContext) -> None:
    async with (
        serve(echo, tls_server) as site,
        open_egress_proxy(["*.example"], [LOCAL], resolve) as proxy,
    ):
        response = await fetch(proxy, f"https://tls.example:{site.port}/a")
    assert response.text.startswith("GET /a ")


@pytest.mark.parametrize(
    ("hosts", "allowed", "host"),
    [
        ([LOCAL], [], LOCAL),
        (["169.254.169.254"], ["169.254.0.0/16"], "169.254.169.254"),
        (["inner.example"], [], "inner.example"),
        (["meta.example"], ["meta.example"], "meta.example"),
        (["other.example"], [LOCAL], "inner.example"),
        (["*.inner.example"], [LOCAL], "inner.example"),
        ([], [LOCAL], LOCAL),
    ],
)
async def test_nothing_else_is_reached(hosts: list[str], allowed: list[str], host: str) -> None:
    async with serve(echo) as site, open_egress_proxy(hosts, allowed, resolve) as proxy:
        assert (await fetch(proxy, f"http://{host}:{site.port}/")).status_code == 403
        with pytest.raises(httpx.ProxyError, match="403"):
            await fetch(proxy, f"https://{host}:{site.port}/")
    assert site.requests == []
    assert proxy.refused == {host}


async def test_second_request_cannot_follow_the_first_elsewhere() -> None:
    async with serve(echo) as site, open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        got = await ask(proxy, request_to(proxy, f"{site.url}/1") * 2)
    assert got.count(b"HTTP/1.1 200") == 1
    assert len(site.requests) == 1


async def test_strangers_are_not_served() -> None:
    async with serve(echo) as site, open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        other = EgressProxy(str(httpx.URL(proxy.url).copy_with(username="weft", password="guess")))
        assert (await fetch(other, site.url)).status_code == 407
        for request in (f"CONNECT {LOCAL}:{site.port} HTTP/1.1", f"GET {site.url}/ HTTP/1.1"):
            assert (await ask(proxy, f"{request}\r\n\r\n".encode())).startswith(b"HTTP/1.1 407 ")
    assert site.requests == []


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"x" * (HEAD_BYTES_MAX + 2),
    ],
)
async def test_what_is_no_request_is_refused_and_harms_nobody(request_: bytes) -> None:
    async with serve(echo) as site, open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        assert (await ask(proxy, request_)).startswith(b"HTTP/1.1 4")
        assert (await fetch(proxy, site.url)).status_code == 200


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "/a", "http://[/"])
async def test_what_leads_nowhere_is_refused(target: str) -> None:
    async with open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        assert (await ask(proxy, request_to(proxy, target))).startswith(b"HTTP/1.1 400 ")


async def test_server_that_is_not_there_is_told() -> None:
    async with open_egress_proxy([LOCAL], [LOCAL]) as proxy:
        assert (await fetch(proxy, "http://127.0.0.1:9/")).status_code == 502


async def test_end_closes_what_is_open() -> None:
    def hang(_: HttpRequest) -> HttpReply:
        return HttpReply(200, b"part of it", hang=True)

    async def read(proxy: EgressProxy, url: str) -> None:
        with pytest.raises(httpx.HTTPError):
            await fetch(proxy, url)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with serve(hang) as site, anyio.create_task_group() as group:
            async with open_egress_proxy([LOCAL], [LOCAL]) as proxy:
                group.start_soon(read, proxy, site.url)
                await wait_until(lambda: bool(site.requests))
            # Nobody is there any more either.
            await read(proxy, site.url)
