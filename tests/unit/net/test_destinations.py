"""Destinations of the guarded client: addresses, redirects and certificates."""

import ssl
from collections.abc import Sequence

import httpcore
import httpx
import pytest

from tests.support.http import QUICK, get, name_server, replies
from weft.errors import SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.addresses import AddressRefused
from weft.net.client import Clock, http_factory
from weft.net.http_factory import HttpFactory
from weft.net.transport import GuardedTransport, HttpLimits
from weft.testing.scripted_http import HttpReply, HttpRequest, html, redirect, serve

pytestmark = pytest.mark.anyio

# Addresses


async def test_private_address_is_refused_without_the_operators_leave() -> None:
    async with serve(replies(html("x"))) as site:
        with pytest.raises(AddressRefused) as caught:
            await get(http_factory(()), site.url)
    assert site.requests == []
    assert "WEFT_ALLOW_HOSTS=127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    async with serve(replies(html("x"))) as site:
        with pytest.raises((AddressRefused, SourceUnavailable)):
            await get(http_factory((), clock=QUICK), f"http://{host}:{site.port}/")
    assert site.requests == []


async def test_metadata_address_is_refused_though_everything_is_allowed() -> None:
    with pytest.raises(AddressRefused):
        await get(http_factory({"0.0.0.0/0", "169.254.169.254"}), "http://169.254.169.254/latest")


async def test_redirect_to_a_private_address_is_refused() -> None:
    async with (
        serve(replies(html("inner"))) as inner,
        serve(replies(redirect(f"http://inner.example:{inner.port}/"))) as outer,
    ):
        http = http_factory(
            {"outer.example"},
            resolve=name_server(outer_example="127.0.0.1", inner_example="127.0.0.1"),
        )
        with pytest.raises(AddressRefused):
            await get(http, f"http://outer.example:{outer.port}/")
    assert inner.requests == []
    assert len(outer.requests) == 1


async def test_rebinding_name_server_changes_nothing_after_the_check() -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"]])
    asked: list[str] = []

    async def rebind(host: str, port: int) -> Sequence[str]:
        del port
        asked.append(host)
        return next(answers)

    async with serve(replies(html("x"))) as site:
        http = http_factory({"127.0.0.1"}, resolve=rebind)
        response = await get(http, f"http://evil.example:{site.port}/")
        assert response.text == "x"
        # One answer was asked for and that one was connected to; the next one is judged anew.
        assert asked == ["evil.example"]
        with pytest.raises(AddressRefused):
            await get(http, f"http://evil.example:{site.port}/")
    assert len(site.requests) == 1


async def test_only_the_permitted_one_of_several_addresses_is_connected_to() -> None:
    async with serve(replies(html("x"))) as site:
        http = http_factory(
            {"127.0.0.1"}, resolve=name_server(two_example="169.254.169.254 10.0.0.1 127.0.0.1")
        )
        assert (await get(http, f"http://two.example:{site.port}/")).text == "x"


async def test_proxy_of_the_environment_is_not_used(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with serve(replies(html("direct"))) as site:
        assert (await get(http, site.url)).text == "direct"


UNUSABLE = [
    "ftp://example.org/",
    "file:///etc/hosts",
    "http://user:pw@example.org/",
    "http://",
    "x://[",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
]


@pytest.mark.parametrize("url", UNUSABLE)
async def test_unusable_address_is_a_misconfiguration(http: HttpFactory, url: str) -> None:
    with pytest.raises(SourceMisconfigured) as caught:
        await get(http, url)
    assert "pw" not in str(caught.value)


async def test_broken_international_name_is_our_error(http: HttpFactory) -> None:
    with pytest.raises(WeftError):
        await get(http, "http://xn--/")
    async with serve(replies(redirect("http://xn--/"))) as site:
        with pytest.raises(WeftError):
            await get(http, site.url)


# Redirects


async def test_five_redirects_are_followed_and_a_loop_is_not(http: HttpFactory) -> None:
    def steps(asked: HttpRequest) -> HttpReply:
        step = int(asked.path[1:])
        return html("there") if step == 5 else redirect(f"/{step + 1}")

    async with serve(steps) as site:
        assert (await get(http, f"{site.url}/0")).text == "there"
    async with serve(replies(redirect("/again"))) as site:
        with pytest.raises(SourceUnavailable, match="redirects too many times"):
            await get(http, site.url)
        assert len(site.requests) == 6


async def follow_redirect(url: str, location: str, method: str = "GET") -> httpx.Response:
    lines = f"HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    backend = httpcore.AsyncMockBackend([lines.encode()])
    async with GuardedTransport(backend, HttpLimits(), None) as transport:
        return await transport.handle_async_request(httpx.Request(method, url))


@pytest.mark.parametrize(
    ("url", "location", "method"),
    [
        ("https://a.example/", "http://a.example/", "GET"),
        ("http://a.example/", "file:///etc/hosts", "GET"),
        ("http://a.example/", "http://user:pw@a.example/", "GET"),
        ("https://a.example/", "https://b.example/", "POST"),
    ],
)
async def test_unsafe_redirect_is_refused(url: str, location: str, method: str) -> None:
    with pytest.raises(SourceUnavailable, match="redirects"):
        await follow_redirect(url, location, method)


async def test_redirect_to_https_is_let_through() -> None:
    assert (await follow_redirect("http://a.example/", "https://a.example/")).status_code == 307


# TLS


async def test_certificate_is_checked_against_the_name_not_the_address(
    tls_server: ssl.SSLContext,
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    http = http_factory(
        {"127.0.0.1"},
        resolve=name_server(tls_example="127.0.0.1", other_example="127.0.0.1"),
        clock=Clock(sleep=sleep),
    )
    async with serve(replies(html("safe")), tls_server) as site:
        assert (await get(http, f"https://tls.example:{site.port}/")).text == "safe"
        with pytest.raises(SourceUnavailable, match="certificate"):
            await get(http, f"https://other.example:{site.port}/")
    assert len(site.requests) == 1
    assert waited == []
