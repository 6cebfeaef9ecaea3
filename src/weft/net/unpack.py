"""Unpack gzip and zlib, with limits on output, members, layers and work."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

import anyio.lowlevel
import httpx

from weft.errors import SourceUnavailable
from weft.net.errors import ResponseTooLarge

_CHUNK_BYTES = 64 * 1024
# zlib copies all data after the end of a gzip member, so feed small slices in case the members
# are tiny. Limit their number too, since empty members never reach the limit on output.
_PACKED_SLICE_BYTES = 4 * 1024
GZIP_MEMBERS_MAX = 1_000


PACKED = frozenset({"gzip", "x-gzip", "deflate"})
"""The values of Content-Encoding that are unpacked."""


async def unpack_body(
    raw: AsyncIterable[bytes], encoding: str, limit: int
) -> AsyncGenerator[bytes]:
    """Yield the body of an answer, whose Content-Encoding is ``encoding``, in pieces.

    httpx would unpack each piece as a whole, and as often as the header asks: ten kilobytes become
    gigabytes. Raises ResponseTooLarge beyond ``limit`` bytes, and errors of httpx.
    """
    encoding = encoding.strip().lower()
    if encoding not in PACKED | {"", "identity"}:
        raise httpx.DecodingError("an encoding that was not asked for")
    total = 0
    unpacker = Unpacker() if encoding in PACKED else None
    async for packed in raw:
        for piece in unpacker.feed(packed) if unpacker else (packed,):
            total += len(piece)
            if total > limit:
                raise too_large(limit)
            yield piece
            # Thousands of pieces, tiny or packed, come without any waiting.
            await anyio.lowlevel.checkpoint()
    if unpacker:
        unpacker.finish()


class Unpacker:
    """Unpacks gzip and zlib in small pieces, so that a bomb is noticed before it bursts."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)
        self._fed = False
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _PACKED_SLICE_BYTES):
            yield from self._feed_slice(data[start : start + _PACKED_SLICE_BYTES])

    def _feed_slice(self, data: bytes) -> Iterator[bytes]:
        if self._inner.eof:
            self._begin_member()
        self._fed = True
        while data:
            try:
                chunk = self._inner.decompress(data, _CHUNK_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError("the body is not what its encoding says") from error
            data = self._inner.unconsumed_tail
            if self._inner.eof:
                # A gzip file may have several members; each needs an unpacker of its own.
                data = self._inner.unused_data
                if data:
                    self._begin_member()
            yield chunk

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > GZIP_MEMBERS_MAX:
            raise httpx.DecodingError("the body has too many members")
        self._inner = zlib.decompressobj(wbits=47)

    def finish(self) -> None:
        if self._fed and not self._inner.eof:
            raise httpx.RemoteProtocolError("the packed body ends early")


def too_large(limit: int) -> ResponseTooLarge:
    """Return the error for a body of more than ``limit`` bytes."""
    return ResponseTooLarge(
        f"The answer is larger than {limit:,} bytes.",
        hint="The same call fails again until the other side sends less.",
    )


def unpack_gzip(data: bytes, limit: int) -> bytes:
    """Unpack a gzip file.

    Raises ResponseTooLarge beyond ``limit`` bytes, SourceUnavailable if the file is broken.
    """
    unpacker, found = Unpacker(), bytearray()
    try:
        for chunk in unpacker.feed(data):
            found += chunk
            if len(found) > limit:
                raise too_large(limit)
        unpacker.finish()
    except httpx.HTTPError:
        raise SourceUnavailable("A packed file is broken.") from None
    return bytes(found)
