"""The stdio loop in a real process: it answers every frame, and ends in time."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import IO, Any

import pytest

from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.programs import ROOT, program_command

END_SECONDS_MAX = 2.0
# The machine may be slow to start or to schedule a process; the promise is about the process.
SLACK_SECONDS = 1.0
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}

Process = subprocess.Popen[bytes]


@contextmanager
def run_server(mode: str = "plain") -> Generator[Process]:
    process = subprocess.Popen(
        [*program_command("stdio_server"), mode],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        with suppress(BrokenPipeError), process:
            pass


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def send(process: Process, *messages: dict[str, Any] | bytes) -> None:
    for message in messages:
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        pipe(process.stdin).write(raw + b"\n")
    pipe(process.stdin).flush()


def receive(process: Process) -> dict[str, Any]:
    return json.loads(pipe(process.stdout).readline())


def initialize(process: Process) -> None:
    send(process, INITIALIZE, INITIALIZED)
    assert receive(process)["result"]["serverInfo"]["name"] == "weft"


def call(request_id: int, tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def wait_for_end(process: Process) -> str:
    """Wait until the process has ended in time; return what it wrote to stderr."""
    process.wait(PATIENCE_SECONDS)
    assert process.returncode == 0
    return pipe(process.stderr).read().decode()


def test_bad_frames_are_answered_and_good_ones_after_them_served() -> None:
    with run_server() as process:
        send(process, b"{", b"[1]", b'{"jsonrpc":"2.0","id":null,"method":"ping"}', b"")
        assert [receive(process)["error"]["code"] for _ in range(3)] == [-32700, -32600, -32600]
        initialize(process)
        send(process, b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"x":"\\ud83d"}}')
        assert receive(process)["id"] == 5
        send(process, b'{"jsonrpc":"2.0","id":6,"x":"' + b"x" * (5 * 1024 * 1024) + b'"}')
        assert receive(process)["id"] == 6
        send(process, call(7, "list_sources"))
        assert receive(process)["result"]["structuredContent"]["items"]


def test_lone_surrogate_in_a_result_does_not_end_the_server() -> None:
    with run_server() as process:
        initialize(process)
        send(process, call(1, "get_connection", connection_id="c1"))
        assert "id: c1" in receive(process)["result"]["content"][0]["text"]
        send(process, call(2, "list_sources"))
        assert receive(process)["id"] == 2


def test_requests_piped_in_are_answered_before_the_end() -> None:
    lines = [INITIALIZE, INITIALIZED, call(1, "list_sources"), call(2, "list_connections")]
    # In this mode list_sources starts a child process, so that its answer comes after the end.
    with run_server("noise") as process:
        out, err = process.communicate(
            b"\n".join(json.dumps(line).encode() for line in lines), timeout=20
        )
    answers = [json.loads(line) for line in out.splitlines()]
    assert sorted(answer["id"] for answer in answers) == [0, 1, 2]
    assert all("result" in answer for answer in answers)
    assert "closed" in err.decode()
    assert process.returncode == 0


def test_end_of_stdin_ends_the_process_with_clean_up() -> None:
    with run_server() as process:
        initialize(process)
        pipe(process.stdin).close()
        assert "closed" in wait_for_end(process)


def test_end_of_stdin_interrupts_a_waiting_call() -> None:
    with run_server() as process:
        initialize(process)
        send(process, call(1, "run_sync", connection_id="c1", wait_seconds=45))
        pipe(process.stdin).close()
        assert "closed" in wait_for_end(process)


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_with_clean_up(number: signal.Signals) -> None:
    with run_server() as process:
        initialize(process)
        send(process, call(1, "run_sync", connection_id="c1", wait_seconds=45))
        process.send_signal(number)
        assert "closed" in wait_for_end(process)


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_clean_up_that_hangs_does_not_keep_the_process() -> None:
    with run_server("hang") as process:
        initialize(process)
        process.send_signal(signal.SIGTERM)
        assert "closed" not in wait_for_end(process)


def test_stray_output_goes_to_stderr() -> None:
    with run_server("noise") as process:
        initialize(process)
        send(process, call(1, "list_sources"))
        assert receive(process)["id"] == 1
        pipe(process.stdin).close()
        assert pipe(process.stdout).read() == b""
        said = wait_for_end(process).splitlines()
    assert {"noise", "child noise", "late noise"} <= set(said)
