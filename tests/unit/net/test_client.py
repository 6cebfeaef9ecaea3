"""The guarded client against a real server: what it tries again, pages and JSON."""

import socket
from collections.abc import Sequence
from email.utils import formatdate

import httpx
import pytest

from tests.support.http import NOW, QUICK, get, replies
from weft.errors import RateLimited, SourceUnavailable, WeftError
from weft.net.addresses import AllowList
from weft.net.client import get_json, http_factory, next_page_url
from weft.net.http_factory import HttpFactory
from weft.net.transport import origin_of
from weft.testing.scripted_http import HttpReply, as_json, html, serve

pytestmark = pytest.mark.anyio

# Retries


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_transient_status_is_retried(
    http: HttpFactory, waits: list[float], status: int
) -> None:
    async with serve(replies(HttpReply(status), HttpReply(status), html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert len(waits) == 2
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


@pytest.mark.parametrize("value", ["7", formatdate(NOW + 7, usegmt=True)])
async def test_retry_after_is_obeyed(http: HttpFactory, waits: list[float], value: str) -> None:
    busy = HttpReply(503, headers={"retry-after": value})
    async with serve(replies(busy, html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert waits == [7.0]


@pytest.mark.parametrize("value", ["soon", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
async def test_unreadable_retry_after_is_passed_over(
    http: HttpFactory, waits: list[float], value: str
) -> None:
    busy = HttpReply(503, headers={"retry-after": value})
    async with serve(replies(busy, html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert len(waits) == 1


@pytest.mark.parametrize("each", ["61", "40"])
async def test_long_retry_after_is_reported_not_slept(
    http: HttpFactory, waits: list[float], each: str
) -> None:
    async with serve(replies(HttpReply(429, headers={"retry-after": each}))) as site:
        with pytest.raises(RateLimited) as caught:
            await get(http, site.url)
    assert caught.value.retry_after == float(each)
    assert sum(waits) <= 60


async def test_attempts_are_bounded(http: HttpFactory) -> None:
    async with serve(replies(HttpReply(500))) as site:
        response = await get(http, site.url)
        assert response.status_code == 500
        assert len(site.requests) == 4
    async with serve(replies(HttpReply(drop=True))) as site:
        with pytest.raises(SourceUnavailable):
            await get(http, site.url)
        assert len(site.requests) == 4


@pytest.mark.parametrize("first", [HttpReply(drop=True), HttpReply(body=b"12345", cut=True)])
async def test_broken_connection_is_retried(http: HttpFactory, first: HttpReply) -> None:
    async with serve(replies(first, html("whole"))) as site:
        assert (await get(http, site.url)).text == "whole"


async def test_post_is_never_retried(http: HttpFactory) -> None:
    async with serve(replies(HttpReply(503), html("x"))) as site, http() as client:
        assert (await client.post(site.url)).status_code == 503
    async with serve(replies(HttpReply(drop=True), html("x"))) as site, http() as client:
        with pytest.raises(SourceUnavailable):
            await client.post(site.url)
        assert len(site.requests) == 1


async def test_used_up_quota_is_left_to_the_source(http: HttpFactory, waits: list[float]) -> None:
    async with serve(replies(HttpReply(429, headers={"x-ratelimit-remaining": "0"}))) as site:
        assert (await get(http, site.url)).status_code == 429
    assert waits == []


async def test_unreachable_port_and_unknown_name_are_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(SourceUnavailable, match=r"No connection to 127\.0\.0\.1"):
            await get(http_factory({"127.0.0.1"}, clock=QUICK), f"http://127.0.0.1:{port}/")

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    with pytest.raises(SourceUnavailable, match=r"nowhere\.example cannot be resolved"):
        await get(http_factory((), resolve=unknown), "http://nowhere.example/")


# Helpers


async def test_json_that_is_none_is_a_source_failure(http: HttpFactory) -> None:
    deep = HttpReply(body=b"[" * 200_000)
    async with (
        serve(replies(as_json({"a": 1}), HttpReply(body=b"<html>"), deep)) as site,
        http(base_url=site.url) as client,
    ):
        assert await get_json(client, "/", what="it") == {"a": 1}
        for _ in range(2):
            with pytest.raises(SourceUnavailable, match="not valid JSON"):
                await get_json(client, "/", what="it")


def test_next_page_never_leaves_the_origin() -> None:
    def answer(link: str) -> httpx.Response:
        request = httpx.Request("GET", "https://api.example/x")
        return httpx.Response(200, headers={"link": link}, request=request)

    assert next_page_url(answer("")) is None
    assert next_page_url(answer('</x?page=2>; rel="next"')) == "https://api.example/x?page=2"
    with pytest.raises(SourceUnavailable, match="another host"):
        next_page_url(answer('<https://evil.example/x>; rel="next"'))


def test_origins_know_default_ports() -> None:
    assert origin_of(httpx.URL("https://A.example")) == origin_of(
        httpx.URL("https://a.example:443")
    )
    assert origin_of(httpx.URL("http://a.example")) != origin_of(httpx.URL("https://a.example"))


def test_unreadable_allow_list_is_noticed_when_the_factory_is_made() -> None:
    assert AllowList.parse(()) == AllowList()
    with pytest.raises(WeftError, match="WEFT_ALLOW_HOSTS"):
        http_factory({"http://wiki"})
