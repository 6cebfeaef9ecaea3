"""A guarded connection for protocols other than HTTP: checked address, bounded waits, TLS.

It is made as the guarded client makes its own: a name is resolved once, each address is checked,
and the connection goes to a checked one. Its errors are ours.
"""

from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpcore

from weft.net.addresses import AllowList
from weft.net.errors import map_error
from weft.net.transport import (
    HTTPCORE_ERRORS,
    GuardedBackend,
    Resolve,
    as_httpx,
    resolve_name,
    tls_context,
)

CONNECT_SECONDS: Final = 20
READ_SECONDS: Final = 60
_CHUNK_BYTES: Final = 64 * 1024


class GuardedStream:
    """Bytes from and to a server. Raises AddressRefused, and SourceUnavailable for all else."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._place = f"{host}:{port}"
        self._stream = httpcore.AsyncNetworkStream()

    async def connect(self, port: int, backend: GuardedBackend) -> None:
        """Open the connection."""
        with self._map_errors():
            self._stream = await backend.connect_tcp(self._host, port, CONNECT_SECONDS)

    async def start_tls(self) -> None:
        """Encrypt what follows, once the certificate has proved to be that of the host."""
        with self._map_errors():
            self._stream = await self._stream.start_tls(tls_context(), self._host, CONNECT_SECONDS)

    async def read(self) -> bytes:
        """Return what came; nothing at the end."""
        with self._map_errors():
            return await self._stream.read(_CHUNK_BYTES, READ_SECONDS)

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        with self._map_errors():
            await self._stream.write(data, READ_SECONDS)

    async def aclose(self) -> None:
        """Close the connection without waiting for the server."""
        await self._stream.aclose()

    @contextmanager
    def _map_errors(self) -> Generator[None]:
        try:
            yield
        except HTTPCORE_ERRORS as error:
            twin = as_httpx(error)
            twin.__cause__ = error
            raise map_error(twin, self._place) from None


@asynccontextmanager
async def open_stream(
    host: str, port: int, allow_hosts: Collection[str], resolve: Resolve = resolve_name
) -> AsyncGenerator[GuardedStream]:
    """Connect to a public address, or to one of ``allow_hosts``, until the end of the block."""
    stream = GuardedStream(host, port)
    await stream.connect(port, GuardedBackend(AllowList.parse(allow_hosts), resolve))
    try:
        yield stream
    finally:
        await stream.aclose()
