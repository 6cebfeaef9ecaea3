"""Frames over a pipe: read and written without blocking the event loop."""

import asyncio
import os
import queue
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import anyio
from mcp_types import JSONRPCError, JSONRPCMessage
from pydantic_core import PydanticSerializationError, to_json

from weft.server.transport.frames import (
    FRAME_MAX_BYTES,
    KEPT_HEAD_BYTES,
    KEPT_TAIL_BYTES,
    FrameError,
    oversize_error,
)

_CHUNK_BYTES = 64 * 1024
_FRAMES_IN_FLIGHT_MAX = 16
_WRITES_IN_FLIGHT_MAX = 64
_BOM = b"\xef\xbb\xbf"
# A pipe that poll reports as writable takes this much at once (PIPE_BUF: 4,096 or 512 bytes).
_ATOMIC_WRITE_BYTES = getattr(select, "PIPE_BUF", 512)

Frame = JSONRPCMessage | JSONRPCError


class FrameSplitter:
    """Cuts a byte stream into lines; a last line without a newline counts.

    A line that is too long is dropped as it arrives, and its end yields an error.
    """

    def __init__(self) -> None:
        self._line = _Line()
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[bytes | FrameError]:
        """Yield the lines that this chunk ends."""
        if self._first:
            chunk, self._first = chunk.removeprefix(_BOM), False
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._line.add(chunk[start:end])
            yield self._line.finish()
            start = end + 1
        self._line.add(chunk[start:])

    def finish(self) -> Iterator[bytes | FrameError]:
        """Yield the last line if the stream ended without a newline."""
        if not self._line.is_empty:
            yield self._line.finish()


def encode(message: Frame) -> bytes:
    """Encode a message as one line of JSON; replace characters that UTF-8 cannot encode."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError):
        data = message.model_dump(by_alias=True, exclude_unset=True)
        text = to_json(_encodable(data))
    return text + b"\n"


class FrameReader:
    """Reads frames from a descriptor, a few ahead.

    The event loop reads if it can watch the descriptor, because handing over from a thread would
    cost more than the rest of a call. A daemon thread reads regular files, and on Windows.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[bytes | FrameError | None] = asyncio.Queue()
        self._room = threading.Semaphore(_FRAMES_IN_FLIGHT_MAX)
        self._splitter = FrameSplitter()
        self._descriptor = descriptor
        self._is_paused = False
        try:
            self._loop.add_reader(descriptor, self._read)
            self._is_watched = True
        except (NotImplementedError, OSError):
            self._is_watched = False
            threading.Thread(target=self._run, name="weft stdin", daemon=True).start()

    async def next(self) -> bytes | FrameError | None:
        """Return the next frame, or None at the end."""
        frame = await self._frames.get()
        if not self._is_watched:
            self._room.release()
        elif self._is_paused and self._frames.qsize() < _FRAMES_IN_FLIGHT_MAX:
            self._is_paused = False
            self._loop.add_reader(self._descriptor, self._read)
        return frame

    def _read(self) -> None:
        # The descriptor is readable, so this returns at once.
        try:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        for frame in self._splitter.feed(chunk) if chunk else self._splitter.finish():
            self._frames.put_nowait(frame)
        if not chunk:
            self._frames.put_nowait(None)
        self._is_paused = bool(chunk) and self._frames.qsize() >= _FRAMES_IN_FLIGHT_MAX
        if not chunk or self._is_paused:
            self._loop.remove_reader(self._descriptor)

    def _run(self) -> None:
        # The loop may already be closed when a last frame comes; nobody needs that frame.
        with suppress(RuntimeError):
            # Treat a descriptor that cannot be read any more as ended.
            with suppress(OSError):
                while chunk := os.read(self._descriptor, _CHUNK_BYTES):
                    self._hand_over(self._splitter.feed(chunk))
            self._hand_over(self._splitter.finish())
            self._loop.call_soon_threadsafe(self._frames.put_nowait, None)

    def _hand_over(self, frames: Iterator[bytes | FrameError]) -> None:
        for frame in frames:
            self._room.acquire()
            self._loop.call_soon_threadsafe(self._frames.put_nowait, frame)


class FrameWriter:
    """Writes frames in order; a client that stops reading blocks only itself.

    A short frame that fits into the pipe is written at once, which cannot block. All others go
    through a daemon thread.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, Callable[[], None]]] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_WRITES_IN_FLIGHT_MAX)
        self._pending = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._descriptor = descriptor
        self._has_room = _room_check(descriptor)
        threading.Thread(target=self._run, name="weft stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write one frame, or queue it; wait while too many are queued."""
        if not self._pending and len(data) <= _ATOMIC_WRITE_BYTES and self._has_room():
            with suppress(OSError):  # As in `_run`.
                _write_all(self._descriptor, data)
            return
        await self._room.acquire()
        self._pending += 1
        self._idle.clear()
        self._queue.put((data, self._finish_write))

    async def drain(self, seconds: float) -> None:
        """Wait until everything is written, but at most ``seconds``."""
        with anyio.move_on_after(seconds):
            await self._idle.wait()

    def _finish_write(self) -> None:
        self._pending -= 1
        self._room.release()
        if not self._pending:
            self._idle.set()

    def _run(self) -> None:
        with suppress(RuntimeError):
            while True:
                data, done = self._queue.get()
                # Ignore that the client is gone: the end of stdin ends the process.
                with suppress(OSError):
                    _write_all(self._descriptor, data)
                self._loop.call_soon_threadsafe(done)


def _room_check(descriptor: int) -> Callable[[], bool]:
    """Return a check whether a pipe takes _ATOMIC_WRITE_BYTES now; False if it cannot tell."""
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return lambda: False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return lambda: any(event & select.POLLOUT for _, event in poll.poll(0))


@dataclass
class _Line:
    """A line as it arrives, never holding more than FRAME_MAX_BYTES."""

    parts: list[bytes] = field(default_factory=list[bytes])
    size: int = 0
    head: bytes = b""
    tail: bytes = b""

    @property
    def is_empty(self) -> bool:
        return self.size == 0

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= FRAME_MAX_BYTES:
            self.parts.append(piece)
            return
        if self.parts or not self.head:
            whole = b"".join([*self.parts, piece])
            self.head, self.tail = whole[:KEPT_HEAD_BYTES], whole[-KEPT_TAIL_BYTES:]
            self.parts = []
        else:
            self.tail = (self.tail + piece)[-KEPT_TAIL_BYTES:]

    def finish(self) -> bytes | FrameError:
        done = b"".join(self.parts)
        too_long = self.size > FRAME_MAX_BYTES
        head, tail = self.head, self.tail
        self.parts, self.size, self.head, self.tail = [], 0, b"", b""
        return oversize_error(head, tail) if too_long else done


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {_encodable(key): _encodable(item) for key, item in pairs}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in cast("Sequence[object]", value)]
    return value
