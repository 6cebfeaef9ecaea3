"""Real `weft serve --http` processes, and clients of each transport."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
from anyio.abc import Process
from mcp.client import Client
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.acceptance.weft_process import (
    ANSWER_SECONDS,
    COMMAND,
    MODES,
    WAIT_SECONDS,
    Agent,
    Place,
    Structured,
    connect_client,
)

TRANSPORTS = ("stdio", "http", "sse")
OVER = [f"{transport} {era}" for transport in TRANSPORTS for era in MODES]
WEFT = Path(sys.executable).with_name("weft")
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server process, and the operator's token."""

    place: Place
    process: Process
    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the operator's requests."""
        return {"authorization": f"Bearer {self.token}"}

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Make a plain HTTP client, with the operator's token unless told otherwise."""
        given = token if token is not None else self.token
        carried = {"authorization": f"Bearer {given}"} if given else {}
        return httpx.AsyncClient(base_url=self.url, headers={**carried, **headers}, timeout=30)

    @asynccontextmanager
    async def agent(
        self,
        transport: str = "http",
        mode: str = "auto",
        token: str | None = None,
        on_message: MessageHandlerFnT | None = None,
        person: ElicitationFnT | None = None,
    ) -> AsyncGenerator[Agent]:
        """Connect an MCP client to this server."""
        headers = {"authorization": f"Bearer {token or self.token}"}
        async with AsyncExitStack() as stack:
            if transport == "sse":
                streams = sse_client(f"{self.url}/sse", headers=headers)
            else:
                timeout = httpx2.Timeout(WAIT_SECONDS * 2)
                http = httpx2.AsyncClient(headers=headers, timeout=timeout)
                await stack.enter_async_context(http)
                streams = streamable_http_client(f"{self.url}/mcp", http_client=http)
            client = Client(
                streams,
                mode=mode,
                read_timeout_seconds=WAIT_SECONDS * 2,
                message_handler=on_message,
                elicitation_callback=person,
            )
            yield Agent(await stack.enter_async_context(client), self.place)

    async def rpc(
        self, method: str, params: Mapping[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        """Send one request of the legacy era."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        async with self.client() as client:
            return await client.post("/mcp", json=message, headers={**ACCEPT, **headers})


@dataclass(frozen=True, slots=True)
class TwoOrganizations:
    """Two organisations on one server; ``owned`` is what the first one has."""

    server: HttpServer
    owner: str
    stranger: str
    owned: Structured


ACCEPT = {"accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@asynccontextmanager
async def http_server(place: Place, *options: str, **extra: str) -> AsyncGenerator[HttpServer]:
    """Run a server process on a free port; at the end terminate it, or kill it if it hangs."""
    command = (*COMMAND, "--http", "--port", "0", *options)
    said = place.stderr.stat().st_size if place.stderr.exists() else 0
    with place.stderr.open("ab") as log:
        process = await anyio.open_process(
            command, stdin=subprocess.DEVNULL, stderr=log, env=place.environment(**extra)
        )
    async with process:
        try:
            url = await _wait_for_url(place, process, said)
            if url.startswith("http://127.0.0.1"):
                await _wait_until_ready(url)
            token = extra.get("WEFT_TOKEN") or _read_token(place)
            yield HttpServer(place, process, url, token)
        finally:
            if process.returncode is None:
                process.terminate()
                with anyio.move_on_after(END_SECONDS, shield=True):
                    await process.wait()
            if process.returncode is None:
                process.kill()


@asynccontextmanager
async def connect_over(
    place: Place, over: str, *options: str, **extra: str
) -> AsyncGenerator[Agent]:
    """Connect a client over the transport and era that ``over`` names, to a server of its own."""
    transport, era = over.split(" ", 1)
    if transport == "stdio":
        async with connect_client(place, MODES[era], *options, **extra) as agent:
            yield agent
        return
    async with (
        http_server(place, *options, **extra) as server,
        server.agent(transport, MODES[era]) as agent,
    ):
        yield agent


def create_key(place: Place, name: str, role: str, organization: str = "local") -> str:
    """Create a key with the command line, as an operator does."""
    return _run_weft(
        place, "keys", "create", name, "--role", role, "--organization", organization, "--json"
    )["key"]


def revoke_key(place: Place, name: str) -> None:
    """Revoke a key with the command line."""
    _run_weft(place, "keys", "revoke", name, "--json")


def _run_weft(place: Place, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [str(WEFT), *arguments],
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def _wait_for_url(place: Place, process: Process, said: int) -> str:
    with anyio.fail_after(ANSWER_SECONDS):
        while True:
            text = place.stderr.read_bytes()[said:].decode()
            found = re.search(r"serves MCP on (\S+)/mcp", text)
            if found:
                break
            assert process.returncode is None, text
            await anyio.sleep(0.02)
    return found[1]


async def _wait_until_ready(url: str) -> None:
    # The socket is bound already, so this waits for the server to answer.
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        assert (await client.get(f"{url}/ready")).status_code == 200


def _read_token(place: Place) -> str:
    path = place.home / "http-token"
    return path.read_text().strip() if path.exists() else "none"
