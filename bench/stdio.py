"""Server processes on stdio, driven by raw frames so that the client costs next to nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mcp.client.stdio import get_default_environment

from weft.testing.stub import write_stub_plugin

WEFT = (sys.executable, "-m", "weft", "serve")
BARE = (sys.executable, str(Path(__file__).with_name("bare_server.py")))
END_SECONDS = 10

_INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


class Server:
    """A server process that is asked one request at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._last_id = 0

    def initialize(self) -> None:
        """Shake hands."""
        self.ask("initialize", _INITIALIZE)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its result."""
        self._last_id += 1
        self._write(
            {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": dict(params)}
        )
        while True:
            message = json.loads(self._stdout.readline())
            if message.get("id") == self._last_id:
                return message["result"]

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool that must succeed."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert not result.get("isError"), result
        return result

    def call_for_data(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool for its structured result."""
        return self.call(tool, **arguments)["structuredContent"]

    def time_call(self, tool: str, **arguments: object) -> float:
        """Measure the seconds that a call takes."""
        started = time.perf_counter()
        self.call(tool, **arguments)
        return time.perf_counter() - started

    def _write(self, message: Mapping[str, Any]) -> None:
        self._stdin.write(json.dumps(message).encode() + b"\n")
        self._stdin.flush()


@contextmanager
def serve(command: tuple[str, ...], home: Path) -> Generator[Server]:
    """Start a process with its state and the stub source below ``home``."""
    plugins = write_stub_plugin(home / "plugins")
    environment = get_default_environment() | {
        "WEFT_HOME": str(home),
        "PYTHONPATH": str(plugins),
    }
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(END_SECONDS)


def measure_cold_start(command: tuple[str, ...], home: Path) -> float:
    """Measure the seconds from the spawn of a process to its answer to `initialize`."""
    started = time.perf_counter()
    with serve(command, home) as server:
        server.initialize()
        return time.perf_counter() - started
