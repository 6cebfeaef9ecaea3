"""A mail server that answers as a test says, for what a real one does not do when it is asked."""

import asyncio
import re
import ssl
from asyncio import StreamReader, StreamWriter
from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_SET = re.compile(r"(\d+)(?::(\d+|\*))?")
RECEIVED = " 2-Jan-2026 03:04:05 +0000"


@dataclass
class ScriptedFolder:
    """A folder: messages by UID, and its flags as the server lists them."""

    messages: dict[int, bytes] = field(default_factory=dict[int, bytes])
    flags: str = ""
    validity: int = 7
    dates: dict[int, str] = field(default_factory=dict[int, str])
    sizes: dict[int, int] = field(default_factory=dict[int, int])


@dataclass
class ScriptedMail:
    """The script. ``replies`` replace the answer to commands that begin so; None never answers."""

    folders: dict[str, ScriptedFolder]
    offers: str = "IMAP4rev1 AUTH=PLAIN"
    greeting: bytes = b"* OK ready\r\n"
    replies: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    tls: ssl.SSLContext | None = None
    commands: list[str] = field(default_factory=list[str])
    proofs: list[str] = field(default_factory=list[str])
    port: int = 0
    opened: str = ""

    def answer(self, command: str) -> bytes:
        """Return the untagged responses to a command that goes well."""
        kind, _, rest = command.partition(" ")
        if kind == "CAPABILITY":
            return f"* CAPABILITY {self.offers}\r\n".encode()
        if kind == "LIST":
            lines = [f'* LIST ({f.flags}) "." "{name}"' for name, f in self.folders.items()]
            return "".join(f"{line}\r\n" for line in lines).encode()
        if kind == "EXAMINE":
            self.opened = rest.strip('"')
            folder = self.folders[self.opened]
            following = max(folder.messages, default=0) + 1
            return (
                f"* {len(folder.messages)} EXISTS\r\n* OK [UIDVALIDITY {folder.validity}]\r\n"
                f"* OK [UIDNEXT {following}]\r\n"
            ).encode()
        if kind == "UID" and rest.startswith("SEARCH"):
            return b"* SEARCH\r\n"
        return self._fetch(command) if "FETCH" in command else b""

    def _fetch(self, command: str) -> bytes:
        folder = self.folders[self.opened]
        lines: list[bytes] = []
        wanted = command.split("FETCH ")[1].split(" ")[0]
        for number, (uid, content) in enumerate(sorted(folder.messages.items()), 1):
            if not _is_in(wanted, uid if command.startswith("UID") else number):
                continue
            date = folder.dates.get(uid, RECEIVED)
            size = folder.sizes.get(uid, len(content))
            facts = f'UID {uid} INTERNALDATE "{date}" RFC822.SIZE {size}'.encode()
            if "BODY" in command:
                most = int(command.split("<0.")[1].split(">")[0])
                part = content[:most]
                facts += b" BODY[]<0> {%d}\r\n%b" % (len(part), part)
            lines.append(b"* %d FETCH (%b)\r\n" % (number, facts))
        return b"".join(lines)


@asynccontextmanager
async def play(script: ScriptedMail, tls: ssl.SSLContext | None = None) -> AsyncGenerator[None]:
    """Run the script until the end of the block; ``tls``: from the start."""
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _converse(script, reader, writer)
        running.discard(task)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _converse(script: ScriptedMail, reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(script.greeting)
    while line := await reader.readline():
        tag, _, command = line.decode().strip().partition(" ")
        script.commands.append(command)
        if command == "LOGOUT":
            return
        reply = next((r for k, r in script.replies.items() if command.startswith(k)), b"")
        if reply is None:
            await asyncio.Event().wait()
        if command.startswith("AUTHENTICATE") and not reply:
            writer.write(b"+ \r\n")
            script.proofs.append(b64decode(await reader.readline()).decode())
        done = reply or script.answer(command) + b"TAG OK done\r\n"
        writer.write(done.replace(b"TAG ", tag.encode() + b" "))
        await writer.drain()
        if command == "STARTTLS" and script.tls:
            await writer.start_tls(script.tls)


def _is_in(wanted: str, number: int) -> bool:
    spans = (_SET.fullmatch(span) for span in wanted.split(","))
    return any(
        int(found[1]) <= number and (found[2] == "*" or number <= int(found[2] or found[1]))
        for found in spans
        if found
    )
