"""Faults of mail servers, made by a proxy in front of a real one: no source can tell them apart."""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from weft.sources.base import SourceContext
from weft.testing.listing_faults import Fault, ListingFaults

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_EXISTS = re.compile(rb"\* (\d+) EXISTS")
_VALIDITY = re.compile(rb"UIDVALIDITY (\d+)")
_NEXT = re.compile(rb"UIDNEXT \d+")

Spoil = Callable[[list[bytes], bytes], bytes]
"""Makes a bad answer of the responses of a good one, the last of which ends it, and the tag."""

CLOSE = b"\0close\0"
"""At the end of an answer: the connection is closed after it."""


def _keep_data(change: Callable[[list[bytes]], list[bytes]]) -> Spoil:
    return lambda good, tag: b"".join([*change(good[:-1]), good[-1]])


def _replace(pattern: re.Pattern[bytes], text: bytes | Callable[[re.Match[bytes]], bytes]) -> Spoil:
    return lambda good, tag: pattern.sub(text, b"".join(good))


def _count(change: Callable[[int], int]) -> Spoil:
    return _replace(_EXISTS, lambda found: b"* %d EXISTS" % change(int(found[1])))


FAULTS: dict[str, Spoil] = {
    "dropped": lambda good, tag: CLOSE,
    "cut": lambda good, tag: b"".join(good)[: len(b"".join(good)) // 2] + CLOSE,
    "no": lambda good, tag: tag + b" NO it fails\r\n",
    "no, for now": lambda good, tag: tag + b" NO [UNAVAILABLE] it fails\r\n",
    "bad": lambda good, tag: tag + b" BAD what?\r\n",
    "goodbye": lambda good, tag: b"* BYE maintenance\r\n" + CLOSE,
    "no data": _keep_data(lambda data: []),
    "half of the data": _keep_data(lambda data: data[::2]),
    "other half of the data": _keep_data(lambda data: data[1::2]),
    "data twice": _keep_data(lambda data: [each for each in data for _ in range(2)]),
    "data turned around": _keep_data(lambda data: data[::-1]),
    "rubbish": lambda good, tag: b"\x80\0{{((\r\n" + b"".join(good),
    "another tag": lambda good, tag: b"".join(good[:-1]) + b"zz OK done\r\n",
    "one too few": _count(lambda exists: exists - 1),
    "none": _count(lambda exists: 0),
    "too many": _count(lambda exists: exists + 3),
    "made anew": _replace(_VALIDITY, lambda found: b"UIDVALIDITY %d" % (int(found[1]) + 1)),
    "never used": _replace(_NEXT, b"UIDNEXT 1"),
    "huge literal": _replace(re.compile(rb"\{\d+\}\r\n"), b"{4294967295}\r\n"),
    "long line": lambda good, tag: b"* " + b"x" * 200_000 + b"\r\n" + b"".join(good),
}
GREETINGS: dict[str, bytes] = {
    "server of the web": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "server for sending": b"220 mail.example.org ESMTP\r\n",
    "logged in already": b"* PREAUTH welcome\r\n",
    "full": b"* BYE too many connections\r\n" + CLOSE,
    "silent": CLOSE,
}


@dataclass
class MailFaults(ListingFaults):
    """A proxy that spoils one answer: to each command in turn, and the greeting (place 0)."""

    upstream: int
    port: int = 0
    _good: list[list[bytes]] = field(default_factory=list[list[bytes]])
    _records: bool = False
    _fault: Fault | None = None
    _hit: bool = False
    # The loop itself holds no task whose client has gone while the server is still to answer.
    _open: set[asyncio.Task[object] | None] = field(
        default_factory=set[asyncio.Task[object] | None]
    )

    @asynccontextmanager
    async def record(self, context: SourceContext) -> AsyncGenerator[SourceContext]:
        """As in `ListingFaults`."""
        self._good.clear()
        self._records = True
        yield context
        self._records = False

    def plan(self) -> Collection[Fault]:
        """Return those that change something."""
        greetings = [Fault(name, 0) for name in GREETINGS]
        return greetings + [
            Fault(name, place)
            for name, spoil in FAULTS.items()
            for place, good in enumerate(self._good)
            if place and spoil(good, b"x") != b"".join(good)
        ]

    @asynccontextmanager
    async def inject(self, fault: Fault, context: SourceContext) -> AsyncGenerator[SourceContext]:
        """As in `ListingFaults`."""
        self._fault, self._hit = fault, False
        yield context
        self._fault = None

    @property
    def hit(self) -> bool:
        """As in `ListingFaults`."""
        return self._hit

    def spoil(self, place: int, good: list[bytes], tag: bytes) -> bytes:
        """Return what is sent in place of a good answer, or the same."""
        if self._records:
            self._good.append(good)
        fault = self._fault
        if fault is None or fault.place != place:
            return b"".join(good)
        self._hit = True
        return FAULTS[fault.name](good, tag) if place else GREETINGS[fault.name]

    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Stand between a client and the server for one connection."""
        self._open.add(asyncio.current_task())
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            await _pass_on(writer, self.spoil(0, [await inner_reader.readline()], b""))
            place = 0
            while command := await reader.readline():
                place += 1
                inner_writer.write(command)
                good = await _read_answer(inner_reader, reader, inner_writer, writer)
                await _pass_on(writer, self.spoil(place, good, command.split(b" ")[0]))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            inner_writer.close()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._open.discard(asyncio.current_task())

    async def end(self) -> None:
        """End all connections."""
        for task in filter(None, [*self._open]):
            task.cancel()
            await asyncio.wait([task])


@asynccontextmanager
async def stand_before(upstream: int) -> AsyncGenerator[MailFaults]:
    """Run the proxy until the end of the block."""
    faults = MailFaults(upstream)
    server = await asyncio.start_server(faults.handle, "127.0.0.1", 0)
    faults.port = server.sockets[0].getsockname()[1]
    async with server:
        yield faults
        await faults.end()


async def _pass_on(writer: StreamWriter, answer: bytes) -> None:
    writer.write(answer.removesuffix(CLOSE))
    await writer.drain()
    if answer.endswith(CLOSE):
        raise ConnectionAbortedError


async def _read_answer(
    inner: StreamReader, client: StreamReader, to_inner: StreamWriter, to_client: StreamWriter
) -> list[bytes]:
    """Read the responses to one command; what it asks the client meanwhile is passed on."""
    good: list[bytes] = []
    while True:
        response = line = await inner.readline()
        while found := _LITERAL.search(line):
            content = await inner.readexactly(int(found[1]))
            line = await inner.readline()
            response += content + line
        if not response:
            raise ConnectionAbortedError
        if response.startswith(b"+"):
            to_client.write(response)
            to_inner.write(await client.readline())
            continue
        good.append(response)
        if not response.startswith(b"* "):
            return good
