"""A proxy for programs of others that a source runs: the one way out that they are told of.

It listens on this machine, serves those who know its password, and connects only to the hosts of a
source and to addresses that pass the guard: a name is resolved once, and the connection goes to the
checked address. That binds programs that heed a proxy; it does not confine those that do not.
"""

import base64
import hmac
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketStream

from weft.errors import WeftError
from weft.net.addresses import AddressRefused
from weft.net.streams import CONNECT_SECONDS, GuardedStream, open_stream
from weft.net.transport import Resolve, resolve_name

CONNECTIONS_MAX: Final = 32
HEAD_BYTES_MAX: Final = 16 * 1024
HEAD_SECONDS: Final = 10
_END: Final = b"\r\n\r\n"
_USER: Final = "weft"
_CONNECTED: Final = b"HTTP/1.1 200 Connected" + _END
_WHO: Final = '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="weft"'
_OWN_HEADERS: Final = ("proxy-", "connection:", "keep-alive:")
_BROKEN: Final = (
    TimeoutError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    WeftError,
)


class _Refused(Exception):
    """The request is answered with this status line, and the connection closed."""


@dataclass
class EgressProxy:
    """A running proxy. ``url`` holds its password; ``refused`` are the hosts that it kept from."""

    url: str
    refused: set[str] = field(default_factory=set[str])


@asynccontextmanager
async def open_egress_proxy(
    hosts: Collection[str],
    allow_hosts: Collection[str],
    resolve: Resolve = resolve_name,
) -> AsyncGenerator[EgressProxy]:
    """Serve until the end of the block, which closes all connections.

    ``hosts`` are those that may be reached, in small letters; ``*.example.org`` stands for all
    below that name. Private ones of them must be in ``allow_hosts`` as well.
    """
    password = secrets.token_urlsafe(32)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 (this is no Django)
    proxy = EgressProxy(f"http://{_USER}:{password}@127.0.0.1:{port}")
    gate = _Gate(proxy, password, hosts, allow_hosts, resolve)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, gate.serve)
        try:
            yield proxy
        finally:
            group.cancel_scope.cancel()


class _Gate:
    def __init__(
        self,
        proxy: EgressProxy,
        password: str,
        hosts: Collection[str],
        allow_hosts: Collection[str],
        resolve: Resolve,
    ) -> None:
        self._proxy = proxy
        self._expected = b"Basic " + base64.b64encode(f"{_USER}:{password}".encode())
        self._names = {host for host in hosts if not host.startswith("*.")}
        self._endings = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._allow_hosts = allow_hosts
        self._resolve = resolve
        self._places = anyio.Semaphore(CONNECTIONS_MAX)

    async def serve(self, client: SocketStream) -> None:
        """Serve one connection to its end."""
        with suppress(*_BROKEN):
            async with client, AsyncExitStack() as stack:
                try:
                    with anyio.fail_after(HEAD_SECONDS):
                        head, rest = await _read_head(client)
                    server, first = await self._open(head, stack)
                except _Refused as refused:
                    await client.send(f"HTTP/1.1 {refused}\r\nConnection: close\r\n\r\n".encode())
                    return
                await (client.send if first == _CONNECTED else server.write)(first)
                await _join(client, server, rest)

    async def _open(self, head: bytes, stack: AsyncExitStack) -> tuple[GuardedStream, bytes]:
        """Connect to where a request leads; return the answer to it, or what to send there."""
        line, *headers = head.decode("latin-1").split("\r\n")
        method, _, rest = line.partition(" ")
        target, _, version = rest.rpartition(" ")
        self._check_password(headers)
        is_tunnel = method == "CONNECT"
        host, port, path = _split(target if not is_tunnel else f"http://{target}")
        if not version.startswith("HTTP/1."):
            raise _Refused("400 Bad Request")
        if host not in self._names and not host.endswith(self._endings):
            self._proxy.refused.add(host)
            raise _Refused("403 Forbidden")
        with anyio.fail_after(CONNECT_SECONDS):
            await stack.enter_async_context(self._places)
        try:
            opened = open_stream(host, port, self._allow_hosts, self._resolve)
            server = await stack.enter_async_context(opened)
        except AddressRefused:
            self._proxy.refused.add(host)
            raise _Refused("403 Forbidden") from None
        except WeftError:
            raise _Refused("502 Bad Gateway") from None
        if is_tunnel:
            return server, _CONNECTED
        kept = [h for h in headers if not h.lower().startswith(_OWN_HEADERS)]
        # The next request may be for another host, so it needs a connection of its own.
        lines = [f"{method} {path} {version}", *kept, "Connection: close"]
        return server, "\r\n".join(lines).encode("latin-1") + _END

    def _check_password(self, headers: Collection[str]) -> None:
        for header in headers:
            name, _, value = header.partition(":")
            given = value.strip().encode("latin-1")
            if name.lower() == "proxy-authorization" and hmac.compare_digest(given, self._expected):
                return
        raise _Refused(_WHO)


def _split(target: str) -> tuple[str, int, str]:
    """Return host, port and path of an address. Raises _Refused."""
    try:
        url = urlsplit(target)
        host, port = url.hostname, url.port
    except ValueError:
        host, port, url = None, None, urlsplit("")
    if url.scheme != "http" or not host or url.username is not None:
        raise _Refused("400 Bad Request")
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    return host.rstrip("."), port or 80, path


async def _read_head(client: SocketStream) -> tuple[bytes, bytes]:
    """Return a request without its body, and what came of that."""
    got = b""
    while _END not in got:
        if len(got) > HEAD_BYTES_MAX:
            raise _Refused("431 Request Header Fields Too Large")
        got += await client.receive()
    head, _, rest = got.partition(_END)
    return head, rest


async def _join(client: SocketStream, server: GuardedStream, first: bytes) -> None:
    """Pass bytes both ways until the server has no more, or one of the two breaks."""

    async def ask() -> None:
        if first:
            await server.write(first)
        async for data in client:
            await server.write(data)

    async def answer() -> None:
        while data := await server.read():
            await client.send(data)
        group.cancel_scope.cancel()

    async def run(pass_on: Callable[[], Awaitable[None]]) -> None:
        # Caught here, as each of the two may break, and a group would raise a group of errors.
        try:
            await pass_on()
        except _BROKEN:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run, ask)
        group.start_soon(run, answer)
