"""The guarded client against a real server: where it goes, what it sends, what it survives."""

import gzip
import inspect
import socket
import ssl
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.sources.addresses import AddressRefused, AllowList
from weft.sources.base import HttpFactory
from weft.sources.http import Clock, get_json, http_factory, next_page
from weft.sources.http_errors import ResponseTooLarge, map_error, raise_for_status
from weft.sources.http_transport import (
    MAX_BYTES,
    GuardedTransport,
    Limits,
    Resolve,
    origin_of,
    tls_context,
    unpack_gzip,
)
from weft.testing.scripted_http import Asked, Reply, as_json, html, redirect, serve

pytestmark = pytest.mark.anyio

SECRET = "sEcr3t-t0ken-9f8e7d"
NOW = 1_000_000.0


def replies(*scripted: Reply) -> Callable[[Asked], Reply]:
    """Answers in this order, the last one for ever."""
    left: Iterator[Reply] = iter(scripted[:-1])
    return lambda _asked: next(left, scripted[-1])


def names(**addresses: str) -> Resolve:
    """A name server that knows these hosts; several addresses are separated by spaces."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        return addresses[host.replace(".", "_")].split()

    return resolve


async def no_sleep(seconds: float) -> None:
    del seconds


QUICK = Clock(sleep=no_sleep, now=lambda: NOW)


async def get(http: HttpFactory, url: str) -> httpx.Response:
    async with http() as client:
        return await client.get(url)


# Addresses


async def test_private_address_is_refused_without_the_operators_leave() -> None:
    async with serve(replies(html("x"))) as site:
        with pytest.raises(AddressRefused) as caught:
            await get(http_factory(()), site.url)
    assert site.asked == []
    assert "WEFT_ALLOW_HOSTS=127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
async def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    async with serve(replies(html("x"))) as site:
        with pytest.raises((AddressRefused, SourceUnavailable)):
            await get(http_factory((), clock=QUICK), f"http://{host}:{site.port}/")
    assert site.asked == []


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
            resolve=names(outer_example="127.0.0.1", inner_example="127.0.0.1"),
        )
        with pytest.raises(AddressRefused):
            await get(http, f"http://outer.example:{outer.port}/")
    assert inner.asked == []
    assert len(outer.asked) == 1


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
    assert len(site.asked) == 1


async def test_only_the_permitted_one_of_several_addresses_is_connected_to() -> None:
    async with serve(replies(html("x"))) as site:
        http = http_factory(
            {"127.0.0.1"}, resolve=names(two_example="169.254.169.254 10.0.0.1 127.0.0.1")
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
    def steps(asked: Asked) -> Reply:
        step = int(asked.path[1:])
        return html("there") if step == 5 else redirect(f"/{step + 1}")

    async with serve(steps) as site:
        assert (await get(http, f"{site.url}/0")).text == "there"
    async with serve(replies(redirect("/again"))) as site:
        with pytest.raises(SourceUnavailable, match="redirects too many times"):
            await get(http, site.url)
        assert len(site.asked) == 6


async def redirected(url: str, location: str, method: str = "GET") -> httpx.Response:
    lines = f"HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
    backend = httpcore.AsyncMockBackend([lines.encode()])
    async with GuardedTransport(backend, Limits(), None) as transport:
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
        await redirected(url, location, method)


async def test_redirect_to_https_is_let_through() -> None:
    assert (await redirected("http://a.example/", "https://a.example/")).status_code == 307


# TLS


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's context for the name tls.example, whose root this machine trusts meanwhile."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tls.example")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("tls.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    root, own = tmp_path / "root.pem", tmp_path / "own.pem"
    root.write_bytes(certificate.public_bytes(Encoding.PEM))
    own.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + root.read_bytes()
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    yield context
    tls_context.cache_clear()


async def test_certificate_is_checked_against_the_name_not_the_address(
    tls_server: ssl.SSLContext,
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    http = http_factory(
        {"127.0.0.1"},
        resolve=names(tls_example="127.0.0.1", other_example="127.0.0.1"),
        clock=Clock(sleep=sleep),
    )
    async with serve(replies(html("safe")), tls_server) as site:
        assert (await get(http, f"https://tls.example:{site.port}/")).text == "safe"
        with pytest.raises(SourceUnavailable, match="certificate"):
            await get(http, f"https://other.example:{site.port}/")
    assert len(site.asked) == 1
    assert waited == []


# Credentials


async def test_credentials_go_to_the_origin_of_base_url_only(http: HttpFactory) -> None:
    async with serve(replies(html("other"))) as other:

        def handler(asked: Asked) -> Reply:
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
    assert site.asked[0].headers["x-api-key"] == SECRET
    assert site.asked[0].headers["authorization"].startswith("Basic ")
    assert [asked.path for asked in other.asked] == ["/stolen", "/absolute", "/by-hand"]
    for asked in other.asked:
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
    assert site.asked[0].headers["x-signature"] == SECRET
    assert len(other.asked) == 3
    assert all(SECRET not in str(asked.headers) for asked in other.asked)


async def test_another_name_of_the_same_server_is_another_origin() -> None:
    async with serve(replies(html("x"))) as site:
        http = http_factory({"127.0.0.1"}, resolve=names(evil_example="127.0.0.1"))
        async with http(base_url=site.url, headers={"x-api-key": SECRET}) as client:
            await client.get(f"http://evil.example:{site.port}/")
    assert SECRET not in str(site.asked[0].headers)


async def test_cookies_are_neither_kept_nor_sent(http: HttpFactory) -> None:
    async with (
        serve(replies(html("x", set_cookie="session=1; Path=/"))) as site,
        http() as client,
    ):
        await client.get(site.url)
        await client.get(site.url)
    assert all("cookie" not in asked.headers for asked in site.asked)


async def test_credentials_without_an_origin_are_a_programming_error(http: HttpFactory) -> None:
    with pytest.raises(ValueError, match="base_url"):
        async with http(headers={"x-api-key": SECRET}):
            pass


# Retries


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_transient_status_is_retried(
    http: HttpFactory, waits: list[float], status: int
) -> None:
    async with serve(replies(Reply(status), Reply(status), html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert len(waits) == 2
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1.0


@pytest.mark.parametrize("value", ["7", formatdate(NOW + 7, usegmt=True)])
async def test_retry_after_is_obeyed(http: HttpFactory, waits: list[float], value: str) -> None:
    busy = Reply(503, headers={"retry-after": value})
    async with serve(replies(busy, html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert waits == [7.0]


@pytest.mark.parametrize("value", ["soon", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
async def test_unreadable_retry_after_is_passed_over(
    http: HttpFactory, waits: list[float], value: str
) -> None:
    busy = Reply(503, headers={"retry-after": value})
    async with serve(replies(busy, html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
    assert len(waits) == 1


@pytest.mark.parametrize("each", ["61", "40"])
async def test_long_retry_after_is_reported_not_slept(
    http: HttpFactory, waits: list[float], each: str
) -> None:
    async with serve(replies(Reply(429, headers={"retry-after": each}))) as site:
        with pytest.raises(RateLimited) as caught:
            await get(http, site.url)
    assert caught.value.retry_after == float(each)
    assert sum(waits) <= 60


async def test_attempts_are_bounded(http: HttpFactory) -> None:
    async with serve(replies(Reply(500))) as site:
        response = await get(http, site.url)
        assert response.status_code == 500
        assert len(site.asked) == 4
    async with serve(replies(Reply(drop=True))) as site:
        with pytest.raises(SourceUnavailable):
            await get(http, site.url)
        assert len(site.asked) == 4


@pytest.mark.parametrize("first", [Reply(drop=True), Reply(body=b"12345", cut=True)])
async def test_broken_connection_is_retried(http: HttpFactory, first: Reply) -> None:
    async with serve(replies(first, html("whole"))) as site:
        assert (await get(http, site.url)).text == "whole"


async def test_post_is_never_retried(http: HttpFactory) -> None:
    async with serve(replies(Reply(503), html("x"))) as site, http() as client:
        assert (await client.post(site.url)).status_code == 503
    async with serve(replies(Reply(drop=True), html("x"))) as site, http() as client:
        with pytest.raises(SourceUnavailable):
            await client.post(site.url)
        assert len(site.asked) == 1


async def test_used_up_quota_is_left_to_the_source(http: HttpFactory, waits: list[float]) -> None:
    async with serve(replies(Reply(429, headers={"x-ratelimit-remaining": "0"}))) as site:
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


# Limits


async def test_slow_body_ends_at_the_total_time_and_is_not_retried() -> None:
    http = http_factory({"127.0.0.1"}, limits=Limits(total_s=0.2), clock=QUICK)
    async with serve(replies(Reply(body=b"123", hang=True))) as site:
        with pytest.raises(SourceUnavailable, match="took too long"):
            await get(http, site.url)
        assert len(site.asked) == 1


async def test_silence_is_a_read_timeout_and_is_retried() -> None:
    http = http_factory({"127.0.0.1"}, limits=Limits(read_s=0.1), clock=QUICK)
    async with serve(replies(Reply(body=b"123", hang=True), html("x"))) as site:
        assert (await get(http, site.url)).text == "x"
        assert len(site.asked) == 2


SMALL = http_factory({"127.0.0.1"}, limits=Limits(max_body_bytes=10_000), clock=QUICK)


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    data = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    return Reply(body=data, headers={"content-encoding": encoding})


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"x" * 10_001),
        Reply(body=b"x" * 10_001, headers={"content-length": "", "connection": "close"}),
        packed(b"0" * 50_000_000),
        packed(b"0" * 10_001, "deflate"),
    ],
    ids=["announced", "unannounced", "bomb", "deflate"],
)
async def test_oversize_body_is_refused_while_it_is_read(reply: Reply) -> None:
    if not reply.headers.get("content-length", "x"):
        reply.headers = {"transfer-encoding": "chunked"}
        reply.body = b"2711\r\n" + reply.body + b"\r\n0\r\n\r\n"
    async with serve(replies(reply)) as site:
        with pytest.raises(ResponseTooLarge):
            await get(SMALL, site.url)


async def test_packed_bodies_are_unpacked(http: HttpFactory) -> None:
    async with serve(replies(packed(b"a" * 200_000), packed(b"zz", "deflate"))) as site:
        assert (await get(http, site.url)).text == "a" * 200_000
        assert (await get(http, site.url)).text == "zz"
    two = Reply(
        body=gzip.compress(b"one ") + gzip.compress(b"two"), headers={"content-encoding": "gzip"}
    )
    async with serve(replies(two)) as site:
        assert (await get(http, site.url)).text == "one two"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"not gzip", headers={"content-encoding": "gzip"}),
        Reply(body=gzip.compress(b"x" * 999)[:-4], headers={"content-encoding": "gzip"}),
        Reply(body=b"x", headers={"content-encoding": "gzip, gzip"}),
        Reply(body=b"x", headers={"content-encoding": "br"}),
    ],
)
async def test_broken_or_unasked_encoding_is_a_broken_answer(
    http: HttpFactory, reply: Reply
) -> None:
    async with serve(replies(reply)) as site:
        with pytest.raises(SourceUnavailable, match="sent a broken answer"):
            await get(http, site.url)


async def test_one_request_may_have_a_limit_of_its_own() -> None:
    async with serve(replies(Reply(body=b"x" * 20_000))) as site, SMALL() as client:
        response = await client.get(site.url, extensions={MAX_BYTES: 30_000})
        assert len(response.content) == 20_000


async def test_streamed_body_fails_with_our_errors(http: HttpFactory) -> None:
    async with serve(replies(Reply(body=b"12345", cut=True))) as site, http() as client:
        with pytest.raises(SourceUnavailable):
            async with client.stream("GET", site.url) as response:
                await response.aread()


def test_gzip_file_is_bounded() -> None:
    assert unpack_gzip(gzip.compress(b"abc"), 3) == b"abc"
    with pytest.raises(ResponseTooLarge):
        unpack_gzip(gzip.compress(b"0" * 50_000_000), 1_000_000)
    with pytest.raises(SourceUnavailable):
        unpack_gzip(b"nonsense", 10)


# Errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, SourceMisconfigured),
        (401, AuthenticationFailed),
        (403, AccessDenied),
        (404, SourceMisconfigured),
        (410, SourceMisconfigured),
        (429, RateLimited),
        (500, SourceUnavailable),
        (304, SourceUnavailable),
    ],
)
def test_status_becomes_our_error_without_body_or_url(status: int, kind: type[WeftError]) -> None:
    request = httpx.Request("GET", f"https://api.example/x?token={SECRET}")
    response = httpx.Response(status, text=f"body {SECRET}", request=request)
    with pytest.raises(kind) as caught:
        raise_for_status(response, "the thing")
    assert "the thing" in str(caught.value)
    assert SECRET not in str(caught.value)


EXPECTED: dict[type[Exception], type[WeftError]] = {
    httpx.HTTPError: SourceUnavailable,
    httpx.RequestError: SourceUnavailable,
    httpx.TransportError: SourceUnavailable,
    httpx.TimeoutException: SourceUnavailable,
    httpx.ConnectTimeout: SourceUnavailable,
    httpx.ReadTimeout: SourceUnavailable,
    httpx.WriteTimeout: SourceUnavailable,
    httpx.PoolTimeout: SourceUnavailable,
    httpx.NetworkError: SourceUnavailable,
    httpx.ConnectError: SourceUnavailable,
    httpx.ReadError: SourceUnavailable,
    httpx.WriteError: SourceUnavailable,
    httpx.CloseError: SourceUnavailable,
    httpx.ProxyError: SourceUnavailable,
    httpx.ProtocolError: SourceUnavailable,
    httpx.LocalProtocolError: SourceMisconfigured,
    httpx.RemoteProtocolError: SourceUnavailable,
    httpx.UnsupportedProtocol: SourceMisconfigured,
    httpx.DecodingError: SourceUnavailable,
    httpx.TooManyRedirects: SourceUnavailable,
    httpx.InvalidURL: SourceMisconfigured,
    httpx.CookieConflict: SourceUnavailable,
    httpx.StreamError: SourceUnavailable,
    httpx.StreamConsumed: SourceUnavailable,
    httpx.StreamClosed: SourceUnavailable,
    httpx.ResponseNotRead: SourceUnavailable,
    httpx.RequestNotRead: SourceUnavailable,
    ssl.SSLCertVerificationError: SourceUnavailable,
    socket.gaierror: SourceUnavailable,
    ConnectionResetError: SourceUnavailable,
    TimeoutError: SourceUnavailable,
}

TEXTLESS = (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead)


def test_every_exception_of_httpx_is_mapped_and_its_text_is_dropped() -> None:
    public = {
        value
        for _, value in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(value, Exception) and value is not httpx.HTTPStatusError
    }
    assert public <= set(EXPECTED)
    for kind, ours in EXPECTED.items():
        mapped = map_error(kind() if kind in TEXTLESS else kind(SECRET), "host.example")
        assert type(mapped) is ours, kind
        assert SECRET not in str(mapped)
        assert "host.example" in str(mapped)


def test_every_exception_of_httpcore_has_a_twin() -> None:
    names_of_core = {
        name
        for name, value in inspect.getmembers(httpcore, inspect.isclass)
        if issubclass(value, Exception) and name != "ConnectionNotAvailable"
    }
    assert names_of_core <= {kind.__name__ for kind in EXPECTED}


async def test_errors_carry_no_chained_exception_with_the_url(http: HttpFactory) -> None:
    async with serve(replies(Reply(drop=True))) as site:
        with pytest.raises(SourceUnavailable) as caught:
            await get(http, f"{site.url}/?token={SECRET}")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in str(caught.value)


# Helpers


async def test_json_that_is_none_is_a_source_failure(http: HttpFactory) -> None:
    deep = Reply(body=b"[" * 200_000)
    async with (
        serve(replies(as_json({"a": 1}), Reply(body=b"<html>"), deep)) as site,
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

    assert next_page(answer("")) is None
    assert next_page(answer('</x?page=2>; rel="next"')) == "https://api.example/x?page=2"
    with pytest.raises(SourceUnavailable, match="another host"):
        next_page(answer('<https://evil.example/x>; rel="next"'))


def test_origins_know_default_ports() -> None:
    assert origin_of(httpx.URL("https://A.example")) == origin_of(
        httpx.URL("https://a.example:443")
    )
    assert origin_of(httpx.URL("http://a.example")) != origin_of(httpx.URL("https://a.example"))


def test_unreadable_allow_list_is_noticed_when_the_factory_is_made() -> None:
    assert AllowList.parse(()) == AllowList()
    with pytest.raises(WeftError, match="WEFT_ALLOW_HOSTS"):
        http_factory({"http://wiki"})
