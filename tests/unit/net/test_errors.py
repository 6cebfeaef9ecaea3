"""A failure in the guarded client becomes one of our errors, without the text it quotes."""

import inspect
import socket
import ssl

import httpcore
import httpx
import pytest

from tests.support.http import SECRET, get, replies
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.net.errors import map_error, raise_for_status
from weft.net.http_factory import HttpFactory
from weft.testing.scripted_http import HttpReply, serve

pytestmark = pytest.mark.anyio


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
    async with serve(replies(HttpReply(drop=True))) as site:
        with pytest.raises(SourceUnavailable) as caught:
            await get(http, f"{site.url}/?token={SECRET}")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert SECRET not in str(caught.value)
