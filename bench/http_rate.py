"""Requests per second over streamable HTTP, against the echo of a bare SDK server."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from mcp.client.stdio import get_default_environment

from bench.table import Row
from weft.testing.stub import write_stub_plugin

CALLERS = 4
CALLS_A_ROUND = 200
ROUNDS = 25
# The first rounds warm both up.
WARM_UP_ROUNDS = 2
START_SECONDS = 15
END_SECONDS = 15
TARGET = 0.8

_TOKEN = "a token for the benchmark"
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}


class Caller:
    """A client with one connection, which it keeps open."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool that must succeed; returns its structured result."""
        params = {"name": tool, "arguments": arguments, "_meta": _META}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "authorization": f"Bearer {_TOKEN}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": tool,
        }
        self._http.request("POST", "/mcp", json.dumps(message), headers)
        answer = self._http.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, body
        data = body[body.index("{") :]
        result = json.loads(data[: data.rindex("}") + 1])["result"]
        assert not result.get("isError"), body
        return result.get("structuredContent", {})

    def repeat(self, count: int, tool: str, arguments: dict[str, str]) -> None:
        """Make the same call again and again."""
        for _ in range(count):
            self.call(tool, **arguments)


def rows() -> list[Row]:
    """Measure both servers in turn, so that other load on the machine slows both alike.

    The ratio is the median over pairs of neighbouring rounds.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        _serve_weft(Path(folder)) as weft,
        _serve_bare() as bare,
    ):
        with closing(Caller(weft)) as caller:
            connection = _create_synced_connection(caller)
        rounds = [
            (
                _measure_rate(weft, "get_connection", {"connection_id": connection}),
                _measure_rate(bare, "echo", {"text": connection}),
            )
            for _ in range(ROUNDS)
        ][WARM_UP_ROUNDS:]
    ours, floor = (median(rates) for rates in zip(*rounds, strict=True))
    return [
        Row(
            "get_connection over HTTP, requests per second",
            median(rate / rate_floor for rate, rate_floor in rounds),
            TARGET,
            at_most=False,
            detail=f"get_connection {ours:.0f}/s, bare echo {floor:.0f}/s",
        )
    ]


def _measure_rate(port: int, tool: str, arguments: dict[str, str]) -> float:
    with ThreadPoolExecutor(CALLERS) as pool, ExitStack() as stack:
        callers = [stack.enter_context(closing(Caller(port))) for _ in range(CALLERS)]
        started = time.perf_counter()
        done = [pool.submit(c.repeat, CALLS_A_ROUND // CALLERS, tool, arguments) for c in callers]
        for each in done:
            each.result()
        return CALLS_A_ROUND / (time.perf_counter() - started)


def _create_synced_connection(weft: Caller) -> str:
    weft.call("create_collection", name="Bench", readable_id="bench")
    new = {"short_name": "stub", "readable_collection_id": "bench", "sync_immediately": False}
    made = weft.call("create_connection", **new, config={"entities": 100})
    weft.call("run_sync", connection_id=made["id"], wait_seconds=45)
    return made["id"]


@contextmanager
def _serve_weft(home: Path) -> Generator[int]:
    extra = {
        "WEFT_HOME": str(home),
        "WEFT_TOKEN": _TOKEN,
        "WEFT_HTTP_REQUESTS_PER_MINUTE": "10000000",
        "PYTHONPATH": str(write_stub_plugin(home / "plugins")),
    }
    port = _free_port()
    with _serve((sys.executable, "-m", "weft", "serve", "--http"), port, extra):
        yield port


@contextmanager
def _serve_bare() -> Generator[int]:
    port = _free_port()
    bare = (sys.executable, str(Path(__file__).with_name("bare_server.py")))
    with _serve(bare, port, {}):
        yield port


@contextmanager
def _serve(command: tuple[str, ...], port: int, extra: dict[str, str]) -> Generator[None]:
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=get_default_environment() | extra,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
