"""Credentials go to the origin they are for, and nowhere else."""

from collections.abc import Generator

import httpx
import pytest

from tests.support.http import SECRET, name_server, replies
from weft.net.client import http_factory
from weft.net.http_factory import HttpFactory
from weft.testing.scripted_http import HttpReply, HttpRequest, html, redirect, serve

pytestmark = pytest.mark.anyio


async def test_credentials_go_to_the_origin_of_base_url_only(http: HttpFactory) -> None:
    async with serve(replies(html("other"))) as other:

        def handler(asked: HttpRequest) -> HttpReply:
            return redirect(f"{other.url}/stolen") if asked.path == "/away" else html("home")

        async with serve(handler) as site:
            headers = {"x-api-key": SECRET, "accept": "text/x-special"}
            auth = httpx.BasicAuth("me", SECRET)
            async with http(base_url=site.url, headers=headers, auth=auth) as client:
                await client.get("/home")
                await client.get("/away")
                await client.get(f"{other.url}/absolute")
                await client.get(
                    f"{other.url}/by-hand", headers={"authorization": SECRET}, auth=auth
                )
    assert site.requests[0].headers["x-api-key"] == SECRET
    assert site.requests[0].headers["authorization"].startswith("Basic ")
    assert [asked.path for asked in other.requests] == ["/stolen", "/absolute", "/by-hand"]
    for asked in other.requests:
        assert "authorization" not in asked.headers
        assert SECRET not in str(asked.headers)
        assert asked.headers["accept"] == "text/x-special"


class Signed(httpx.Auth):
    """Authentication by a header of its own name."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["x-signature"] = SECRET
        yield request


async def test_header_that_an_auth_adds_stays_at_home_too(http: HttpFactory) -> None:
    async with (
        serve(replies(html("other"))) as other,
        serve(replies(redirect(other.url))) as site,
        http(base_url=site.url, auth=Signed()) as client,
    ):
        await client.get("/")
        await client.get(other.url)
        await client.get(other.url, auth=Signed())
    assert site.requests[0].headers["x-signature"] == SECRET
    assert len(other.requests) == 3
    assert all(SECRET not in str(asked.headers) for asked in other.requests)


async def test_another_name_of_the_same_server_is_another_origin() -> None:
    async with serve(replies(html("x"))) as site:
        http = http_factory({"127.0.0.1"}, resolve=name_server(evil_example="127.0.0.1"))
        async with http(base_url=site.url, headers={"x-api-key": SECRET}) as client:
            await client.get(f"http://evil.example:{site.port}/")
    assert SECRET not in str(site.requests[0].headers)


async def test_cookies_are_neither_kept_nor_sent(http: HttpFactory) -> None:
    async with (
        serve(replies(html("x", set_cookie="session=1; Path=/"))) as site,
        http() as client,
    ):
        await client.get(site.url)
        await client.get(site.url)
    assert all("cookie" not in asked.headers for asked in site.requests)


async def test_credentials_without_an_origin_are_a_programming_error(http: HttpFactory) -> None:
    with pytest.raises(ValueError, match="base_url"):
        async with http(headers={"x-api-key": SECRET}):
            pass
