"""Serve MCP over the process's stdin and stdout, and end in time.

Frames use private descriptors, so that stray output of a library or a child process goes to stderr
instead. Only daemon threads ever block on them, and those cannot keep the process alive.
"""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCRequest
from mcp_types.jsonrpc import JSONRPCResponse

from weft.server.app import WeftServer
from weft.server.transport.frames import FrameError, read_frame
from weft.server.transport.pipe import Frame, FrameReader, FrameWriter, encode

# After the end of stdin, there is this much time to answer the requests already read, so that
# people can pipe a few lines into the server.
DRAIN_SECONDS: Final = 0.8
# A hanging clean-up must not keep the process alive: it is killed this long after it should end.
BACKSTOP_SECONDS: Final = 1.8
# These requests are answered only when the client goes, so do not wait for their answers.
_ENDLESS: Final = frozenset({"subscriptions/listen"})


async def serve_stdio(server: WeftServer) -> None:
    """Serve until stdin ends, or SIGTERM or SIGINT comes; then return, for the callers to clean up.

    The process then exits with 0 within two seconds, clean or not, so this must be the last thing
    that it does.
    """
    with _private_descriptors() as (wire_in, wire_out):
        async with server.announcing(), anyio.create_task_group() as tasks:
            tasks.start_soon(_end_on_signal, tasks)
            await _serve(server, wire_in, wire_out)
            _arm_backstop()
            tasks.cancel_scope.cancel()


class _Unanswered:
    """The requests that were read but not answered yet; shutting down waits for them."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._changed = anyio.Event()

    def note_read(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest) and message.method not in _ENDLESS:
            self._ids.add(repr(message.id))
        elif (
            isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled"
        ):
            # A cancelled request is never answered.
            self._settle((message.params or {}).get("requestId"))

    def note_written(self, message: Frame) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self._settle(message.id)

    async def wait_until_empty(self) -> None:
        while self._ids:
            await self._changed.wait()

    def _settle(self, request_id: object) -> None:
        self._ids.discard(repr(request_id))
        self._changed.set()
        self._changed = anyio.Event()


async def _serve(server: WeftServer, wire_in: int, wire_out: int) -> None:
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage](0)
    writer = FrameWriter(wire_out)
    unanswered = _Unanswered()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pump_out, from_server, writer, unanswered)
        tasks.start_soon(_pump_in, wire_in, to_server, writer, unanswered)
        await server.run_streams(from_client, to_client)
        # The server has closed its side, but its last frames may still be in the queue.
        await writer.drain(DRAIN_SECONDS)
        tasks.cancel_scope.cancel()
    await to_server.aclose()
    await from_server.aclose()


async def _pump_in(
    wire_in: int,
    to_server: MemoryObjectSendStream[SessionMessage | Exception],
    writer: FrameWriter,
    unanswered: _Unanswered,
) -> None:
    async with to_server:
        frames = FrameReader(wire_in)
        while (frame := await frames.next()) is not None:
            message = frame if isinstance(frame, FrameError) else read_frame(frame)
            if isinstance(message, FrameError):
                await writer.write(encode(message))
            elif message is not None:
                unanswered.note_read(message)
                await to_server.send(SessionMessage(message))
        with anyio.move_on_after(DRAIN_SECONDS):
            await unanswered.wait_until_empty()


async def _pump_out(
    from_server: MemoryObjectReceiveStream[SessionMessage],
    writer: FrameWriter,
    unanswered: _Unanswered,
) -> None:
    async with from_server:
        async for item in from_server:
            await writer.write(encode(item.message))
            unanswered.note_written(item.message)


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
    """Move the wire off descriptors 0 and 1, which become the null device and stderr."""
    wire_in, wire_out = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    sys.stdout.flush()
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    # Do not close or restore them: the reading thread may still be blocked on its descriptor, and
    # nothing printed before the process ends may reach the client.
    yield wire_in, wire_out
