"""A client that reads slowly is served, and one that reads nothing is cut off in the end."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification

from tests.support.patience import PATIENCE_SECONDS
from weft.server.transport.backpressure import STALLED_SECONDS, UNREAD_MAX, BackpressureStream

pytestmark = pytest.mark.anyio
NEWS = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="news"))


@dataclass
class Client:
    """Reads when it is told to; ``cuts`` counts how often it was cut off."""

    reading: MemoryObjectReceiveStream[SessionMessage]
    unread: BackpressureStream
    tasks: TaskGroup
    cuts: list[float]
    pass_time: Callable[[float], None]

    async def is_sent(self, count: int) -> None:
        wanted = self.reading.statistics().tasks_waiting_send + count
        for _ in range(count):
            self.tasks.start_soon(self.unread.send, NEWS)
        while self.reading.statistics().tasks_waiting_send < wanted:
            await anyio.lowlevel.checkpoint()

    async def read(self) -> None:
        waiting = self.reading.statistics().tasks_waiting_send
        await self.reading.receive()
        while self.reading.statistics().tasks_waiting_send >= waiting:
            await anyio.lowlevel.checkpoint()
        # The sender that was waited for goes on with the next turn.
        await anyio.lowlevel.checkpoint()


async def test_many_answers_may_wait_for_a_moment() -> None:
    async with _client() as client:
        await client.is_sent(UNREAD_MAX * 2)
        assert client.cuts == []


async def test_few_answers_may_wait_for_long() -> None:
    async with _client() as client:
        await client.is_sent(UNREAD_MAX)
        client.pass_time(3600)
        assert client.cuts == []


async def test_slow_reader_is_not_cut_off() -> None:
    async with _client() as client:
        await client.is_sent(UNREAD_MAX * 2)
        client.pass_time(STALLED_SECONDS * 2)
        await client.read()
        await client.is_sent(1)
        assert client.cuts == []


async def test_who_reads_nothing_and_asks_on_is_cut_off() -> None:
    async with _client() as client:
        await client.is_sent(UNREAD_MAX)
        client.pass_time(STALLED_SECONDS * 2)
        await client.is_sent(1)
        assert client.cuts == [STALLED_SECONDS * 2]


@asynccontextmanager
async def _client() -> AsyncGenerator[Client]:
    now = 0.0
    cuts: list[float] = []

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds

    sending, reading = anyio.create_memory_object_stream[SessionMessage](0)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with sending, reading, anyio.create_task_group() as tasks:
            unread = BackpressureStream(sending, lambda: cuts.append(now), lambda: now)
            yield Client(reading, unread, tasks, cuts, pass_time)
            tasks.cancel_scope.cancel()
