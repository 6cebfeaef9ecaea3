"""A real HTTP/1.1 server on 127.0.0.1 that answers as a test says, however badly."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class HttpRequest:
    """One request as the server saw it; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class HttpReply:
    """An answer. ``cut`` drops the connection before the announced end of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    drop: bool = False
    hang: bool = False
    """The body's last byte never comes."""


Handler = Callable[[HttpRequest], HttpReply | Awaitable[HttpReply]]


def html(body: str, status: int = 200, **headers: str) -> HttpReply:
    """Return a page; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status, body.encode(), {"content-type": "text/html; charset=utf-8"} | named)


def as_json(value: Any, status: int = 200, **headers: str) -> HttpReply:
    """Return a JSON answer; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(
        status, json.dumps(value).encode(), {"content-type": "application/json"} | named
    )


def redirect(location: str, status: int = 302) -> HttpReply:
    """Return a redirect."""
    return HttpReply(status, headers={"location": location})


@dataclass
class Site:
    """A running server, and the requests that it got."""

    port: int
    requests: list[HttpRequest] = field(default_factory=list[HttpRequest])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [asked.target for asked in self.requests]


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Site, None]:
    """Run a server until the end of the block, then close it with its connections."""
    running: set[asyncio.Task[None]] = set()

    async def handle_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await _answer(reader, writer, site, handler)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            # The server is closing; asyncio would report the cancelled handler as an error.
            pass
        finally:
            running.discard(task)
            await _close(writer)

    server = await asyncio.start_server(handle_connection, "127.0.0.1", 0, ssl=tls)
    site = Site(server.sockets[0].getsockname()[1])
    try:
        yield site
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, site: Site, handler: Handler
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    asked = HttpRequest(method, target, headers, body)
    site.requests.append(asked)
    answer = handler(asked)
    reply = answer if isinstance(answer, HttpReply) else await answer
    if reply.drop:
        return
    lines = [f"HTTP/1.1 {reply.status} Said"]
    fields = {"content-length": str(len(reply.body)), "connection": "close", **reply.headers}
    lines += [f"{name}: {value}" for name, value in fields.items()]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
    whole = not (reply.cut or reply.hang)
    if method != "HEAD" and reply.status != 304:
        writer.write(reply.body if whole else reply.body[:-1])
    await writer.drain()
    if reply.hang:
        await asyncio.Event().wait()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
