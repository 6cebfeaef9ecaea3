"""One guarded HTTP exchange: checked address, credentials for one origin only, bounded body.

`client.py` puts redirects, retries and the mapping of errors around it.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from ssl import SSLContext
from typing import Any

import anyio
import httpcore
import httpx

from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.addresses import Address, AddressRefused, AllowList, check_address
from weft.net.errors import map_error
from weft.net.unpack import PACKED, too_large, unpack_body

# Request extensions: when the attempt must be over (on anyio's clock), whether the caller reads
# the body itself, other limits for body and time than `Limits.max_body_bytes`, `total_s`, and that
# a request changes nothing whatever its method, so that it may be repeated.
DEADLINE = "weft_deadline"
STREAMED = "weft_streamed"
MAX_BYTES = "weft_max_bytes"
TOTAL_S = "weft_total_s"
REPEATABLE = "weft_repeatable"

Origin = tuple[str, str, int | None]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
ANONYMOUS_HEADERS = frozenset(
    {"accept", "accept-encoding", "accept-language", "connection", "content-length", "git-protocol"}
    | {"content-type", "host", "if-modified-since", "if-none-match", "range"}
    | {"transfer-encoding", "user-agent"}
)
"""Headers, in lower case, that go to every origin."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of every request; times in seconds. ``total_s`` is one attempt with its body."""

    connect_s: float = 10
    read_s: float = 30
    total_s: float = 120
    max_body_bytes: int = 10 * 1024 * 1024
    redirects: int = 5
    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 60


def origin_of(url: httpx.URL) -> Origin:
    """Return scheme, host and effective port."""
    # `URL.host` would decode an international name, and raise for a broken one.
    port = _DEFAULT_PORTS.get(url.scheme) if url.port is None else url.port
    return url.scheme, host_of(url), port


def host_of(url: httpx.URL) -> str:
    """Return the host in its ASCII form, for comparisons and messages."""
    return url.raw_host.decode("ascii", errors="replace").lower()


def place_of(url: httpx.URL) -> str:
    """Return the host for messages, with the port unless that goes without saying."""
    return host_of(url) if url.port is None else f"{host_of(url)}:{url.port}"


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """Ask the operating system for all addresses of a name; OSError if it has none."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that pass `check_address`."""

    def __init__(self, allowed: AllowList, resolve: Resolve = resolve_name) -> None:
        self._allowed = allowed
        self._resolve = resolve
        # httpcore's own name for this class is conditional, which hides it from type checkers.
        self._inner: Any = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        candidates = await self.resolve_permitted(host, port, timeout)
        share = None if timeout is None else timeout / len(candidates)
        for address in candidates[:-1]:
            try:
                return await self._connect(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connect(candidates[-1], port, share, local_address, socket_options)

    async def resolve_permitted(self, host: str, port: int, timeout: float | None) -> list[Address]:
        """Resolve ``host`` to the addresses that may be connected to, at least one.

        Raises AddressRefused, or httpcore's ConnectError or ConnectTimeout.
        """
        permitted: list[Address] = []
        refusal: AddressRefused | None = None
        for address in await self._look_up(host, port, timeout):
            try:
                check_address(host, port, address, self._allowed)
            except AddressRefused as error:
                refusal = error
            else:
                permitted.append(address)
        if permitted:
            return permitted[:_CANDIDATES]
        raise refusal or httpcore.ConnectError("the name has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        del path, timeout, socket_options
        raise AddressRefused("A source cannot reach a local socket.")

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def _look_up(self, host: str, port: int, timeout: float | None) -> list[Address]:
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        try:
            with anyio.fail_after(timeout):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError from error
        return [ip_address(text) for text in dict.fromkeys(found)]

    async def _connect(
        self,
        address: Address,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.AsyncNetworkStream:
        # Pass the checked address, not the name, so that nothing is resolved a second time.
        return await self._inner.connect_tcp(
            str(address), port, timeout, local_address, socket_options
        )


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends one request; origins other than ``home`` get nothing that identifies the caller."""

    def __init__(
        self,
        backend: httpcore.AsyncNetworkBackend,
        limits: HttpLimits,
        home: Origin | None,
    ) -> None:
        self._limits = limits
        self._home = home
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context(),
            max_connections=20,
            max_keepalive_connections=10,
            keepalive_expiry=15,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _check_url(request.url)
        if origin_of(request.url) != self._home:
            # Only the source knows which header holds a credential, so only these may pass.
            for name in request.headers.keys() - ANONYMOUS_HEADERS:
                del request.headers[name]
        deadline = request.extensions.get(DEADLINE) or (anyio.current_time() + self._limits.total_s)
        answer = await self._exchange(request, deadline)
        headers = httpx.Headers(answer.headers)
        limit = int(request.extensions.get(MAX_BYTES, self._limits.max_body_bytes))
        body = _Body(answer, request, deadline, limit, headers.get("content-encoding", ""))
        if body.packed:
            headers.pop("content-encoding")
            headers.pop("content-length", None)
        response = httpx.Response(
            answer.status, headers=headers, stream=body, extensions=answer.extensions
        )
        try:
            _check_redirect(request, response)
            _check_length(request, response, limit)
        except BaseException:
            await response.aclose()
            raise
        return response

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _exchange(self, request: httpx.Request, deadline: float) -> Any:
        """Return httpcore's response, as Any because half of its attributes have no type."""
        # httpx types the stream as sync or async; an async client only makes async ones.
        stream: Any = request.stream
        raw = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=stream,
            extensions=request.extensions,
        )
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                return await self._pool.handle_async_request(raw)
        except TimeoutError:
            raise _too_slow(request) from None
        except HTTPCORE_ERRORS as error:
            raise as_httpx(error) from error


class _Body(httpx.AsyncByteStream):
    """A response body, unpacked, with its size and time bounded while it is read."""

    def __init__(
        self,
        answer: Any,
        request: httpx.Request,
        deadline: float,
        limit: int,
        encoding: str,
    ) -> None:
        self._stream = answer.stream
        self._request = request
        self._deadline = deadline
        self._limit = limit
        self._encoding = encoding
        self.packed = encoding.strip().lower() in PACKED

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in unpack_body(self._read_raw(), self._encoding, self._limit):
                yield chunk
        except httpx.HTTPError as error:
            if self._request.extensions.get(STREAMED):
                raise map_error(error, place_of(self._request.url)) from None
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _read_raw(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        while True:
            try:
                with anyio.fail_after(self._deadline - anyio.current_time()):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _too_slow(self._request) from None
            except HTTPCORE_ERRORS as error:
                raise as_httpx(error) from error
            yield chunk


def _check_url(url: httpx.URL) -> None:
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
        raise SourceMisconfigured("Only http and https addresses can be reached.")
    if url.port is not None and not 0 < url.port < 65_536:
        raise SourceMisconfigured("An address has an impossible port.")
    if url.userinfo:
        raise SourceMisconfigured("An address must not hold a user name or password.")


def _check_redirect(request: httpx.Request, response: httpx.Response) -> None:
    if not response.has_redirect_location:
        return
    try:
        target = request.url.join(response.headers["location"])
    except httpx.InvalidURL:
        raise httpx.RemoteProtocolError("the redirect leads nowhere") from None
    host = host_of(request.url)
    if target.scheme not in _DEFAULT_PORTS or target.userinfo:
        raise SourceUnavailable(f"{host} redirects to something that is not a web address.")
    if request.url.scheme == "https" and target.scheme == "http":
        raise SourceUnavailable(f"{host} redirects from https to unencrypted http.")
    # A 307 would pass the body on, and the body may hold a credential.
    if request.method not in _SAFE_METHODS and origin_of(target) != origin_of(request.url):
        raise SourceUnavailable(f"{host} redirects a {request.method} request to another host.")


def _check_length(request: httpx.Request, response: httpx.Response, limit: int) -> None:
    length = response.headers.get("content-length", "")
    if request.method != "HEAD" and length.isdigit() and int(length[:18]) > limit:
        raise too_large(limit)


def _too_slow(request: httpx.Request) -> SourceUnavailable:
    # Not httpx's timeout error: that would be retried, and this request has used up its time.
    return SourceUnavailable(f"{host_of(request.url)} took too long to answer.")


HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
)


def as_httpx(error: Exception) -> httpx.HTTPError:
    """Return httpx's exception of the same name as httpcore's."""
    twin: object = getattr(httpx, type(error).__name__, None)
    if isinstance(twin, type) and issubclass(twin, httpx.TransportError):
        return twin("")
    return httpx.NetworkError("")


@cache
def tls_context() -> SSLContext:
    """Trust the bundled roots and the machine's own, for companies that sign internal hosts."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
