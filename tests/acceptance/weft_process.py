"""Real `weft serve` processes: through the SDK's client, and frame by frame."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import apsw
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, get_default_environment, stdio_client
from mcp_types import CallToolResult, TextContent, TextResourceContents

from tests.acceptance.built_wheel import install_wheel
from tests.support.patience import PATIENCE_SECONDS
from weft.testing.stub import write_stub_plugin

Structured = dict[str, Any]

# "auto" asks server/discover first, which is how a client of the modern era begins.
MODES = {"legacy": "legacy", "2026-07-28": "auto"}
TOOLS = (
    "list_sources",
    "get_source",
    "create_connection",
    "list_connections",
    "get_connection",
    "update_connection",
    "check_connection",
    "authorize_connection",
    "run_sync",
    "list_jobs",
    "get_job",
    "cancel_job",
    "list_collections",
    "create_collection",
    "update_collection",
    "delete_connection",
    "delete_collection",
    "restore_connection",
    "search",
    "get_entity",
    "list_entities",
)
WAIT_SECONDS = 45
ANSWER_SECONDS = 45
EXIT_SECONDS = PATIENCE_SECONDS
LINE_MAX_BYTES = 1024 * 1024
COMMAND = (sys.executable, "-m", "weft", "serve")

MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """The home of one Weft: its state, the folder it may read, its plugins and its stderr."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Place":
        """A new place with the stub sources installed."""
        place = cls(folder)
        place.files.mkdir(parents=True)
        write_stub_plugin(place.plugins)
        return place

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def plugins(self) -> Path:
        return self.folder / "plugins"

    @property
    def stderr(self) -> Path:
        return self.folder / "stderr.log"

    @property
    def database(self) -> Path:
        return self.home / "weft.db"

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment of a server process here: only what it needs, and ``extra``."""
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        path = [install_wheel(), str(self.plugins), *inherited]
        # `make coverage` measures servers too.
        measured = {n: v for n, v in os.environ.items() if n.startswith("COVERAGE_")}
        return get_default_environment() | {
            **measured,
            "WEFT_HOME": str(self.home),
            "WEFT_FILES_ROOTS": str(self.files),
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONWARNINGS": "default",
            "WEFT_EMBEDDINGS": "false",
            **extra,
        }

    def run_server(self, *options: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Run a server that refuses to start, or ends with its input, to its end."""
        return subprocess.run(
            [*COMMAND, *options],
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A tool's text and structured result."""

    text: str
    data: Structured

    @property
    def items(self) -> list[Structured]:
        """The items of a list."""
        return self.data["items"]


@dataclass(frozen=True, slots=True)
class Agent:
    """A connected client, with the calls that tests make over and over."""

    client: Client
    place: Place

    async def call(self, tool: str, **arguments: object) -> CallToolResult:
        """The raw result."""
        with anyio.fail_after(WAIT_SECONDS + ANSWER_SECONDS):
            return await self.client.call_tool(tool, arguments)

    async def ok(self, tool: str, **arguments: object) -> Answer:
        """The answer of a call that must succeed."""
        result = await self.call(tool, **arguments)
        text = text_of(result)
        assert not result.is_error, f"{tool}: {text}"
        assert result.structured_content is not None
        return Answer(text, result.structured_content)

    async def expect_refusal(self, tool: str, **arguments: object) -> str:
        """The text of a call that must be refused."""
        result = await self.call(tool, **arguments)
        assert result.is_error, f"{tool} was not refused: {text_of(result)}"
        assert result.structured_content is None
        return text_of(result)

    async def read(self, uri: str) -> Structured:
        """A resource as JSON."""
        (content,) = (await self.client.read_resource(uri, cache_mode="bypass")).contents
        assert isinstance(content, TextResourceContents)
        assert content.mime_type == "application/json"
        return cast("Structured", json.loads(content.text))

    async def collection(self, readable_id: str) -> str:
        """A new collection."""
        made = await self.ok("create_collection", name="Team documents", readable_id=readable_id)
        return cast("str", made.data["readable_id"])

    async def connection(self, collection: str, **given: object) -> Structured:
        """A new stub connection that has not synced, unless ``given`` says otherwise."""
        arguments: Structured = {
            "short_name": "stub",
            "readable_collection_id": collection,
            "sync_immediately": False,
        }
        return (await self.ok("create_connection", **arguments | given)).data

    async def sync_new(self, collection: str, **given: object) -> Structured:
        """A new stub connection after a complete first sync."""
        made = await self.connection(collection, **given)
        await self.sync(made["id"])
        return (await self.ok("get_connection", connection_id=made["id"])).data

    async def sync(self, connection_id: str, **given: object) -> Structured:
        """The job of a sync that has ended."""
        job = await self.ok(
            "run_sync", connection_id=connection_id, wait_seconds=WAIT_SECONDS, **given
        )
        assert job.data["status"] in {"COMPLETED", "FAILED", "CANCELLED"}
        return job.data

    async def job(self, job_id: str) -> Structured:
        """A job once it has ended."""
        return (await self.ok("get_job", job_id=job_id, wait_seconds=WAIT_SECONDS)).data


@asynccontextmanager
async def connect_client(
    place: Place, mode: str, *options: str, **extra: str
) -> AsyncGenerator[Agent]:
    """A client of a new server process in this place."""
    parameters = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *options], env=place.environment(**extra)
    )
    with place.stderr.open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode=mode, read_timeout_seconds=WAIT_SECONDS * 2) as client:
            yield Agent(client, place)


class RawServer:
    """A server process spoken to frame by frame; every line of its stdout is kept and checked."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self.process = process
        self.lines: list[bytes] = []
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self._next_id = 0
        self._meta: Structured = {"_meta": MODERN_META}

    @property
    def is_modern(self) -> bool:
        """Return whether requests are of the era without a handshake."""
        return bool(self._meta)

    async def send(self, frame: bytes) -> None:
        """Write one line."""
        assert self.process.stdin is not None
        await self.process.stdin.send(frame + b"\n")

    async def receive(self) -> Structured:
        """The next message, which must be JSON-RPC."""
        with anyio.fail_after(ANSWER_SECONDS):
            line = await self._stdout.receive_until(b"\n", LINE_MAX_BYTES)
        self.lines.append(line)
        message: object = json.loads(line)
        assert isinstance(message, dict), line
        found = cast("Structured", message)
        assert found["jsonrpc"] == "2.0", line
        return found

    async def answer(self, request_id: object) -> Structured:
        """The response with this id; what comes before it is kept in ``lines`` only."""
        while True:
            message = await self.receive()
            if "method" not in message and message.get("id") == request_id:
                return message

    async def ask(self, method: str, params: Mapping[str, Any] | None = None) -> Structured:
        """Send a request and return its response."""
        return await self.answer(await self.start(method, params))

    async def start(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send a request and return its id; the era is modern unless `initialize` was called."""
        self._next_id += 1
        given = {**self._meta, **(params or {})}
        frame = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": given}
        await self.send(json.dumps(frame).encode())
        return self._next_id

    async def call(self, tool: str, **arguments: object) -> Structured:
        """A tool's result."""
        response = await self.ask("tools/call", {"name": tool, "arguments": arguments})
        return response["result"]

    async def data(self, tool: str, **arguments: object) -> Structured:
        """The structured result of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def initialize(self, capabilities: Structured | None = None) -> Structured:
        """The handshake of the legacy era, to which the connection belongs then."""
        self._meta = {}
        frame = {
            "jsonrpc": "2.0",
            "id": "handshake",
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities or {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        }
        await self.send(json.dumps(frame).encode())
        response = await self.answer("handshake")
        await self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        return response["result"]

    async def close_stdin(self) -> None:
        """End of file for the server."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    async def wait_for_exit(self) -> int:
        """The exit code, which must come in time; the rest of stdout must be JSON-RPC too."""
        with anyio.fail_after(EXIT_SECONDS):
            code = await self.process.wait()
        with anyio.fail_after(ANSWER_SECONDS):
            rest = self._stdout.buffer
            assert self.process.stdout is not None
            async for chunk in self.process.stdout:
                rest += chunk
        for line in rest.splitlines():
            self.lines.append(line)
            assert json.loads(line)["jsonrpc"] == "2.0", line
        return code


@asynccontextmanager
async def raw_server(place: Place, **extra: str) -> AsyncGenerator[RawServer]:
    """A server process without a client; it is killed if it is still there at the end."""
    with place.stderr.open("ab") as log:
        process = await anyio.open_process(COMMAND, stderr=log, env=place.environment(**extra))
        async with process:
            try:
                yield RawServer(process)
            finally:
                if process.returncode is None:
                    process.kill()


def text_of(result: CallToolResult) -> str:
    """The result's text."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """Query the database file without changing it."""
    connection: Any = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()
