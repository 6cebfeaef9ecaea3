"""Cut off a client that keeps asking but reads no answers, before they fill the memory."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from mcp.shared.message import SessionMessage

UNREAD_MAX: Final = 100
STALLED_SECONDS: Final = 2.0


class MessageStream(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


class BackpressureStream:
    """Passes messages on to a stream that makes senders wait until the client has read.

    Calls ``cut_off`` when a message is sent while UNREAD_MAX others wait and the client has read
    none for STALLED_SECONDS. A client that does read may let many wait for a moment.
    """

    def __init__(
        self,
        stream: MessageStream,
        cut_off: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._cut_off = cut_off
        self._clock = clock
        self._waiting = 0
        self._taken_at = 0.0

    async def send(self, item: SessionMessage, /) -> None:
        """Pass the message on once the client has read those before it."""
        if not self._waiting:
            self._taken_at = self._clock()
        elif self._waiting >= UNREAD_MAX and self._clock() - self._taken_at > STALLED_SECONDS:
            self._cut_off()
        self._waiting += 1
        try:
            await self._stream.send(item)
            self._taken_at = self._clock()
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()
