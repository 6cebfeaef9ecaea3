"""Serves MCP over the process's stdin and stdout, and ends when it should.

stdin is read and stdout written by daemon threads on private descriptors: a blocked read cannot
keep the process alive, and stray output of a library or a child process goes to stderr instead of
between the frames.
"""

import asyncio
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, cast

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest
from mcp_types.jsonrpc import JSONRPCResponse
from pydantic_core import PydanticSerializationError, to_json

from weft.server.frames import (
    FRAME_MAX_BYTES,
    KEPT_HEAD_BYTES,
    KEPT_TAIL_BYTES,
    Refusal,
    oversize,
    read_frame,
)
from weft.server.sdk import WeftServer

# After the end of stdin, requests that were already read still get this long to be answered, so
# that piping a few lines into the server works.
DRAIN_SECONDS: Final = 0.8
# A clean-up that hangs must not keep the process: it is ended this long after the wish to end.
BACKSTOP_SECONDS: Final = 1.8
_CHUNK_BYTES = 64 * 1024
_FRAMES_IN_FLIGHT_MAX = 16
_WRITES_IN_FLIGHT_MAX = 64
_BOM = b"\xef\xbb\xbf"

Frame = JSONRPCMessage | JSONRPCError


async def serve_stdio(server: WeftServer) -> None:
    """Serve until stdin ends, or SIGTERM or SIGINT comes; then return, for the callers to clean up.

    Two seconds after that the process is gone in any case, with exit code 0. Use it only as the
    last thing that a process does.
    """
    with _private_descriptors() as (wire_in, wire_out):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, tasks)
            await _serve(server, wire_in, wire_out)
            _arm_backstop()
            tasks.cancel_scope.cancel()


def split_frames(chunks: Iterator[bytes]) -> Iterator[bytes | Refusal]:
    """Lines of a byte stream; one that is too long is dropped as it comes, and refused at its end.

    A last line without a newline counts.
    """
    line = _Line()
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line.add(chunk[start:end])
            yield line.finish()
            start = end + 1
        line.add(chunk[start:])
    if not line.is_empty:
        yield line.finish()


def encode(message: Frame) -> bytes:
    """One line of JSON. Characters that UTF-8 cannot carry are replaced."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
    except (PydanticSerializationError, UnicodeEncodeError):
        data = message.model_dump(by_alias=True, exclude_unset=True)
        text = to_json(_encodable(data))
    return text + b"\n"


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

    def finish(self) -> bytes | Refusal:
        done = b"".join(self.parts)
        too_long = self.size > FRAME_MAX_BYTES
        head, tail = self.head, self.tail
        self.parts, self.size, self.head, self.tail = [], 0, b"", b""
        return oversize(head, tail) if too_long else done


class _Unanswered:
    """Counts requests that were read and not answered yet, so that the end can wait for them."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._changed = anyio.Event()

    def read(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest):
            self._ids.add(repr(message.id))
        elif (
            isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled"
        ):
            # A cancelled request is never answered.
            self._settle((message.params or {}).get("requestId"))

    def written(self, message: Frame) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._settle(message.id)

    async def none_left(self) -> None:
        while self._ids:
            await self._changed.wait()

    def _settle(self, request_id: object) -> None:
        self._ids.discard(repr(request_id))
        self._changed.set()
        self._changed = anyio.Event()


async def _serve(server: WeftServer, wire_in: int, wire_out: int) -> None:
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    writer = _Writer(wire_out)
    unanswered = _Unanswered()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pump_out, from_server, writer, unanswered)
        tasks.start_soon(_pump_in, wire_in, to_server, writer, unanswered)
        await server.run_streams(from_client, to_client)
        # The server has closed its side; what it wrote last is still on its way.
        await writer.drained()
        tasks.cancel_scope.cancel()
    await to_server.aclose()
    await from_server.aclose()


async def _pump_in(
    wire_in: int,
    to_server: MemoryObjectSendStream[SessionMessage | Exception],
    writer: "_Writer",
    unanswered: _Unanswered,
) -> None:
    async with to_server:
        frames = _Reader(wire_in)
        while (frame := await frames.next()) is not None:
            message = frame if isinstance(frame, Refusal) else read_frame(frame)
            if isinstance(message, Refusal):
                await writer.write(encode(message))
            elif message is not None:
                unanswered.read(message)
                await to_server.send(SessionMessage(message))
        with anyio.move_on_after(DRAIN_SECONDS):
            await unanswered.none_left()


async def _pump_out(
    from_server: MemoryObjectReceiveStream[SessionMessage],
    writer: "_Writer",
    unanswered: _Unanswered,
) -> None:
    async with from_server:
        async for item in from_server:
            await writer.write(encode(item.message))
            unanswered.written(item.message)


class _Reader:
    """Frames of a descriptor, read ahead a little by a daemon thread."""

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[bytes | Refusal | None] = asyncio.Queue()
        self._room = threading.Semaphore(_FRAMES_IN_FLIGHT_MAX)
        self._descriptor = descriptor
        threading.Thread(target=self._run, name="weft stdin", daemon=True).start()

    async def next(self) -> bytes | Refusal | None:
        """The next frame, or None at the end."""
        frame = await self._frames.get()
        self._room.release()
        return frame

    def _run(self) -> None:
        # The loop may be closed already when a last frame comes: nobody wants it then.
        with suppress(RuntimeError):
            # A descriptor that cannot be read any more is at its end.
            with suppress(OSError):
                for frame in split_frames(_chunks(self._descriptor)):
                    self._room.acquire()
                    self._loop.call_soon_threadsafe(self._frames.put_nowait, frame)
            self._loop.call_soon_threadsafe(self._frames.put_nowait, None)


class _Writer:
    """Writes frames in order from a daemon thread, so that a client that stops reading blocks
    nobody but itself.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, Callable[[], None]]] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(_WRITES_IN_FLIGHT_MAX)
        self._pending = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._descriptor = descriptor
        threading.Thread(target=self._run, name="weft stdout", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Queue one frame; waits while too many are queued."""
        await self._room.acquire()
        self._pending += 1
        self._idle.clear()
        self._queue.put((data, self._done))

    async def drained(self) -> None:
        """Wait until everything is written, but no longer than a client may take to read it."""
        with anyio.move_on_after(DRAIN_SECONDS):
            await self._idle.wait()

    def _done(self) -> None:
        self._pending -= 1
        self._room.release()
        if not self._pending:
            self._idle.set()

    def _run(self) -> None:
        with suppress(RuntimeError):
            while True:
                data, done = self._queue.get()
                # A client that is gone ends the process through the end of stdin.
                with suppress(OSError):
                    _write_all(self._descriptor, data)
                self._loop.call_soon_threadsafe(done)


async def _end_on_signal(tasks: TaskGroup) -> None:
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            _arm_backstop()
            tasks.cancel_scope.cancel()
            return


def _arm_backstop() -> None:
    timer = threading.Timer(BACKSTOP_SECONDS, os._exit, [0])
    timer.daemon = True
    timer.start()


@contextmanager
def _private_descriptors() -> Generator[tuple[int, int]]:
    """Move the wire off descriptors 0 and 1, which then are the null device and stderr."""
    wire_in, wire_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    # Not closed again, and not put back: the reading thread may still be blocked on its descriptor,
    # and whatever is printed until the process ends must not reach the client.
    yield wire_in, wire_out


def _chunks(descriptor: int) -> Iterator[bytes]:
    first = True
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        yield chunk.removeprefix(_BOM) if first else chunk
        first = False


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
