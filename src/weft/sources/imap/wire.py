"""One conversation with a mail server: commands, and answers of bounded size and time.

The standard library's imaplib and what builds on it read whatever a server announces into memory,
in a thread that nobody can stop, over connections that they open by themselves.
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import anyio

from weft.errors import SourceUnavailable, WeftError
from weft.net.streams import GuardedStream
from weft.sources.imap.tokens import broken_answer

LINE_BYTES_MAX: Final = 64 * 1024
LINES_MAX: Final = 250_000
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
PARTS_MAX: Final = 100
COMMAND_SECONDS: Final = 600
_LITERAL: Final = re.compile(rb"~?\{(\d{1,10})\+?\}\Z")
_CODE: Final = re.compile(rb"\[([A-Za-z0-9.-]{1,40})[ \]]")

# With these codes a server says that it fails only now (RFC 5530).
_FOR_NOW: Final = frozenset({"UNAVAILABLE", "SERVERBUG", "INUSE", "LIMIT", "CONTACTADMIN"})

Parts = list[bytes]
"""The lines of one response, without their ends; between two of them, a literal."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: OK, NO or BAD, and the code that says more of it, in upper case."""

    status: str
    code: str = ""

    @property
    def says_no(self) -> bool:
        """Return whether the server refused, and not for now only."""
        return self.status == "NO" and self.code not in _FOR_NOW


class Conversation:
    """Sends one command after another. Its errors are ours."""

    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._number = 0
        self._room = ANSWER_BYTES_MAX

    async def read_greeting(self) -> bytes:
        """Return the line that the server begins with."""
        with _limit_time():
            return (await self._read_response(0))[0]

    async def run(
        self,
        command: bytes,
        take: Callable[[Parts], None] | None = None,
        *,
        literal_max: int = LINE_BYTES_MAX,
        answer: bytes | None = None,
    ) -> Done:
        """Run a command; ``take`` gets each untagged response but those that say goodbye.

        The literals of a response may have ``literal_max`` bytes, and all others of the answer
        `ANSWER_BYTES_MAX`. ``answer`` is sent when the server asks on.
        """
        self._number += 1
        self._room = ANSWER_BYTES_MAX + literal_max
        tag = b"w%d" % self._number
        with _limit_time():
            await self._stream.write(b"%b %b\r\n" % (tag, command))
            for _ in range(LINES_MAX):
                parts = await self._read_response(literal_max)
                line = parts[0]
                if line.startswith(b"* "):
                    _refuse_goodbye(line)
                    if take is not None:
                        take(parts)
                elif line.startswith(b"+"):
                    # A second question is about an error, and an empty line ends it.
                    await self._stream.write((answer or b"") + b"\r\n")
                    answer = None
                else:
                    return _read_end(line, tag)
        raise SourceUnavailable("The mail server's answer does not end.")

    async def start_tls(self) -> None:
        """Encrypt the connection. What came unencrypted before is not taken for an answer."""
        done = await self.run(b"STARTTLS")
        if done.status != "OK" or self._buffer:
            raise SourceUnavailable("The mail server did not begin TLS.")
        await self._stream.start_tls()

    async def say_goodbye(self) -> None:
        """Tell the server that nothing follows, without waiting for it."""
        try:
            await self._stream.write(b"w0 LOGOUT\r\n")
        except WeftError:
            return

    async def _read_response(self, literal_max: int) -> Parts:
        parts = [await self._read_line()]
        total = 0
        while found := _LITERAL.search(parts[-1]):
            size = int(found[1])
            total += size
            if total > literal_max or len(parts) > PARTS_MAX:
                raise SourceUnavailable("The mail server sends more than it was asked for.")
            parts[-1] = parts[-1][: found.start()]
            parts += [await self._read_exactly(size), await self._read_line()]
        return parts

    async def _read_line(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > LINE_BYTES_MAX:
                raise SourceUnavailable("The mail server sent a line that is too long.")
            await self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    async def _read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._receive()
        with memoryview(self._buffer) as view:
            content = bytes(view[:size])
        del self._buffer[:size]
        return content

    async def _receive(self) -> None:
        chunk = await self._stream.read()
        if not chunk:
            raise SourceUnavailable("The mail server closed the connection.")
        self._room -= len(chunk)
        if self._room < 0:
            raise SourceUnavailable("The mail server sends more than it was asked for.")
        self._buffer += chunk


@contextmanager
def _limit_time() -> Generator[None]:
    try:
        with anyio.fail_after(COMMAND_SECONDS):
            yield
    except TimeoutError:
        raise SourceUnavailable("The mail server took too long to answer.") from None


def _read_end(line: bytes, tag: bytes) -> Done:
    given, _, rest = line.partition(b" ")
    status, _, text = rest.partition(b" ")
    if given != tag or status.upper() not in (b"OK", b"NO", b"BAD"):
        raise broken_answer()
    code = _CODE.match(text)
    return Done(status.upper().decode(), code[1].decode().upper() if code else "")


def _refuse_goodbye(line: bytes) -> None:
    if line[2:6].upper().rstrip() == b"BYE":
        raise SourceUnavailable("The mail server ended the session.")
