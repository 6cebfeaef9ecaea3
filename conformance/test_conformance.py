"""The public conformance suite against Weft's real server object: both eras, and the tasks set.

Every scenario must pass, but for the checks of the two lists beside this file, each with its
reason. The suite fails on an expected failure that passes, so that the lists cannot rot.
"""

import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.optional import node_program

PACKAGE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
HERE = Path(__file__).parent
EXPECTED = HERE / "expected.yml"
EXPECTED_PLAIN = HERE / "expected_plain.yml"
START_SECONDS = 30
SUITE_SECONDS = 300
ERAS = ("2026-07-28", "2025-11-25")
TASKS = (
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
)
# What holds for a server whatever tools it has.
GENERIC = {
    "2026-07-28": (
        "server-stateless",
        "tools-list",
        "resources-list",
        "prompts-list",
        "server-sse-multiple-streams",
        "sep-2164-resource-not-found",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
    ),
    "2025-11-25": (
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "server-session-lifecycle",
    ),
}


class Suite(NamedTuple):
    """The suite's command, and a folder for what it writes."""

    command: list[str]
    folder: Path

    def run(self, url: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run scenarios against the server at ``url``."""
        return subprocess.run(
            [*self.command, "server", "--url", url, "-o", str(self.folder), *options],
            capture_output=True,
            text=True,
            timeout=SUITE_SECONDS,
            check=False,
        )


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    command = node_program(PACKAGE, VERSION, "dist/index.js")
    return Suite(command, tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="module")
def fixtures_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Run a server with the fixtures; yield its address."""
    yield from run_server([str(HERE / "server.py")], tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def plain_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Run the server as it is; yield its address."""
    yield from run_server([str(HERE / "server.py"), "--plain"], tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("era", ERAS)
def test_every_scored_scenario_passes(suite: Suite, fixtures_url: str, era: str) -> None:
    done = suite.run(fixtures_url, "--requirements", era, "--expected-failures", str(EXPECTED))
    assert done.returncode == 0, summary(done.stdout)


@pytest.mark.parametrize("scenario", TASKS)
def test_tasks_scenario_passes(suite: Suite, fixtures_url: str, scenario: str) -> None:
    done = suite.run(fixtures_url, "--scenario", scenario)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize(
    ("era", "scenario"), [(era, scenario) for era in ERAS for scenario in GENERIC[era]]
)
def test_plain_server_passes_what_holds_for_any(
    suite: Suite, plain_url: str, era: str, scenario: str
) -> None:
    options = ("--scenario", scenario, "--spec-version", era)
    done = suite.run(plain_url, *options, "--expected-failures", str(EXPECTED_PLAIN))
    assert done.returncode == 0, done.stdout[-3000:]


def run_server(program: list[str], home: Path) -> Generator[str]:
    """Run a server process, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    log = home / "stderr.log"
    with log.open("w") as stderr:
        command = [sys.executable, *program, str(home / "weft"), str(port)]
        process = subprocess.Popen(command, stderr=stderr)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/ready", process, log)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers there."""
    transport = httpx.HTTPTransport(retries=0)
    for _ in range(START_SECONDS * 10):
        assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
        with httpx.Client(transport=transport, timeout=1) as client:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    pytest.fail("the server did not start")


def summary(output: str) -> str:
    """Return the output of the suite without the checks that passed."""
    lines = [line for line in output.splitlines() if not line.startswith("✓")]
    return "\n".join(lines)[-3000:]
