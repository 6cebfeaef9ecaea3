"""The MCP Inspector, the reference client of the field, against the installed `weft` command."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.weft_process import TOOLS, Place
from tests.support.optional import node_program

PACKAGE = "@modelcontextprotocol/inspector"
VERSION = "2.12.0"
CALL_SECONDS = 120
# A busy machine starts a server slowly; the Inspector itself waits 15 s.
CONNECT = ("--connect-timeout", "60000")
CALLS_AT_ONCE = 3
WEFT = Path(sys.executable).with_name("weft")

Structured = dict[str, Any]


class Inspector:
    """The Inspector's command line, one process a call, each with a server process of its own."""

    def __init__(self, command: list[str], place: Place) -> None:
        self._command = command
        self._place = place

    def run(self, method: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run one method."""
        environment = self._place.environment(MCP_CATALOG_PATH=str(self._place.folder / "mcp.json"))
        # The Inspector passes on to the server only what it is told to.
        passed = [
            part
            for name in ("WEFT_HOME", "WEFT_FILES_ROOTS", "PYTHONPATH")
            for part in ("-e", f"{name}={environment[name]}")
        ]
        return subprocess.run(
            [
                *self._command,
                "--cli",
                *passed,
                str(WEFT),
                "serve",
                "--method",
                method,
                *CONNECT,
                *options,
            ],
            env=environment,
            cwd=self._place.folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=CALL_SECONDS,
            check=False,
        )

    def call(self, tool: str, **arguments: object) -> Structured:
        """Call a tool that must succeed; return its structured result."""
        options = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        done = self.run("tools/call", *options, "--format", "json")
        assert done.returncode == 0, f"{tool}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)["result"]["structuredContent"]


@pytest.fixture(scope="module")
def command() -> list[str]:
    """Install the Inspector once for this virtual environment; return its command."""
    program = node_program(PACKAGE, VERSION)
    commands: dict[str, str] = json.loads((Path(program[1]) / "package.json").read_text())["bin"]
    return node_program(PACKAGE, VERSION, commands["mcp-inspector"])


@pytest.fixture
def inspector(command: list[str], place: Place) -> Inspector:
    return Inspector(command, place)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_schemas_of_all_tools_are_portable(inspector: Inspector, era: str) -> None:
    done = inspector.run("tools/list", "--strict", "--protocol-era", era)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [tool["name"] for tool in json.loads(done.stdout)["tools"]] == list(TOOLS)


def test_tools_of_every_shape_can_be_called(inspector: Inspector, place: Place) -> None:
    """Those that take nothing, texts, nested objects; each call is a process of its own.

    The frameworks' clients call every tool.
    """
    (place.files / "a.md").write_text("# Harvest\n\nThe walnut harvest begins in September.\n")
    inspector.call("create_collection", name="Inspected", readable_id="inspected")
    made = inspector.call(
        "create_connection",
        short_name="files",
        config={"path": str(place.files)},
        readable_collection_id="inspected",
        sync_immediately=False,
    )
    connection = {"connection_id": made["id"]}
    job = inspector.call("run_sync", **connection, wait_seconds=45)
    assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 1)
    words = {"readable_collection_id": "inspected", "query": "walnut"}
    (hit,) = inspector.call("search", **words)["hits"]

    rest: dict[str, Structured] = {
        "list_connections": {},
        "delete_connection": connection,
        "get_entity": {"entity_id": hit["entity_id"]},
    }
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        asked = {tool: pool.submit(inspector.call, tool, **given) for tool, given in rest.items()}
        results = {tool: answer.result() for tool, answer in asked.items()}
    (listed,) = results["list_connections"]["items"]
    assert listed["id"] == made["id"]
    assert results["delete_connection"]["deleted"] is False
    assert "September" in results["get_entity"]["untrusted"]["text"]


def test_refused_call_is_told_to_the_inspector(inspector: Inspector) -> None:
    options = ("--tool-name", "get_job", "--tool-args-json", '{"job_id": "no such job"}')
    done = inspector.run("tools/call", *options, "--format", "json")
    assert done.returncode != 0
    assert "list_jobs" in done.stdout
