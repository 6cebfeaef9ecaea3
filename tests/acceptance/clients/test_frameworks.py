"""Agent frameworks, which bring MCP clients of their own, list and call every tool."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.weft_process import COMMAND, TOOLS, Place
from tests.support.optional import install_python_with

PROGRAM = Path(__file__).parents[2] / "support" / "process" / "foreign_client.py"
# They need an older SDK than Weft, so they live in an environment of their own.
PACKAGES = {
    "langchain": ("langchain-mcp-adapters==0.3.2",),
    "pydantic-ai": ("pydantic-ai-slim[mcp]==2.68.0", "fastmcp-slim==3.4.10"),
}
CALLS_SECONDS = 90

Structured = dict[str, Any]


def calls(place: Place, config: str) -> list[tuple[str, Structured]]:
    """Return a call of every tool, in an order in which each succeeds.

    ``config`` is the framework's name for the argument of that name.
    """
    made = {"readable_collection_id": "framed", "sync_immediately": False}
    files = {"short_name": "files", config: {"path": str(place.files)}, "name": "Notes"}
    slow = {"short_name": "stub", config: {"seconds_per_entity": 60}, "name": "Slow"}
    secret = {"direct": {"credentials": {"token": "any"}}}
    return [
        ("list_sources", {}),
        ("get_source", {"short_name": "files"}),
        ("create_collection", {"name": "Framed", "readable_id": "framed"}),
        ("update_collection", {"readable_collection_id": "framed", "name": "Well framed"}),
        ("list_collections", {}),
        ("create_connection", {**files, **made}),
        ("list_connections", {}),
        ("update_connection", {"connection_id": "Notes", "description": "Seen by a framework"}),
        ("check_connection", {"connection_id": "Notes"}),
        ("run_sync", {"connection_id": "Notes", "wait_seconds": 45}),
        ("get_job", {"job_id": "$run_sync.id"}),
        ("list_jobs", {"connection_id": "Notes"}),
        ("search", {"readable_collection_id": "framed", "query": "walnut"}),
        ("get_entity", {"entity_id": "$search.hits.0.entity_id"}),
        ("list_entities", {"connection_id": "Notes"}),
        ("get_connection", {"connection_id": "Notes"}),
        ("create_connection", {**slow, **made}),
        ("authorize_connection", {"connection_id": "Slow", "auth": secret}),
        ("run_sync", {"connection_id": "Slow"}),
        ("cancel_job", {"job_id": "$run_sync.id"}),
        ("delete_connection", {"connection_id": "Notes"}),
        ("delete_collection", {"readable_collection_id": "framed"}),
        ("restore_connection", {}),
    ]


@pytest.mark.parametrize("framework", list(PACKAGES))
def test_framework_lists_and_calls_every_tool(framework: str, place: Place) -> None:
    python = install_python_with(PACKAGES[framework], framework)
    (place.files / "a.md").write_text("# Harvest\n\nThe walnut harvest begins in September.\n")
    # LangChain keeps the name `config` for itself; the error of the tool tells the other one.
    asked = calls(place, "source_config" if framework == "langchain" else "config")
    assert {tool for tool, _ in asked} == set(TOOLS)
    job: Structured = {
        "framework": framework,
        "command": COMMAND,
        "env": {**os.environ, **place.environment()},
        "calls": asked,
    }
    done = subprocess.run(
        [python, str(PROGRAM)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=CALLS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    assert answer["tools"] == list(TOOLS)
    last = {tool: result for (tool, _), result in zip(asked, answer["results"], strict=True)}
    assert last["get_job"]["entities_inserted"] == 1
    assert "September" in last["get_entity"]["untrusted"]["text"]
    assert last["cancel_job"]["status"] in {"CANCELLING", "CANCELLED"}
    assert last["delete_connection"]["deleted"] is False
