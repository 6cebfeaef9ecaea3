"""What clients are told about the tools: portable, truthful, small, and unchanged by accident."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import Tool
from server_fakes import FakeBackend

from weft.server.build import INSTRUCTIONS, build_server

SNAPSHOTS = Path(__file__).parents[2] / "snapshots" / "tools"
# The last would have arguments repeated in headers, which the server does not compare.
FORBIDDEN = {"anyOf", "oneOf", "allOf", "$ref", "$defs", "title", "const", "x-mcp-header"}
LIST_TOKENS_MAX = 6000
INPUT_TOKENS_MAX = 4000
CHARS_PER_TOKEN = 4
NAMES = (
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
    "delete_connection",
    "delete_collection",
    "search",
    "get_entity",
)
READ_ONLY = {name for name in NAMES if name.startswith(("list_", "get_", "check_", "search"))}
DESTRUCTIVE = {
    "update_connection",
    "authorize_connection",
    "cancel_job",
    "delete_connection",
    "delete_collection",
}


def tools(backend: FakeBackend | None = None) -> list[Tool]:
    served = (backend or FakeBackend()).as_backend()
    server = build_server(lambda _: served, version="1")
    return anyio.run(server.list_tools)


def wire(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(by_alias=True, exclude_none=True, mode="json")


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema in a schema, but not the mapping from property names to schemas."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


def tokens(data: Any) -> float:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False)) / CHARS_PER_TOKEN


TOOLS = {tool.name: tool for tool in tools()}


def test_tools_are_the_documented_ones() -> None:
    assert tuple(TOOLS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_portable(name: str) -> None:
    tool = TOOLS[name]
    assert tool.output_schema is not None
    assert tool.input_schema["additionalProperties"] is False
    for schema in (tool.input_schema, tool.output_schema):
        for node in nodes(schema):
            assert not FORBIDDEN & node.keys()
            assert isinstance(node.get("type", "object"), str)
            assert node.get("default", 0) is not None


@pytest.mark.parametrize("name", NAMES)
def test_tool_is_described_and_annotated(name: str) -> None:
    tool = TOOLS[name]
    assert tool.title
    assert tool.description
    assert tool.annotations is not None
    hints = tool.annotations
    assert hints.read_only_hint is (name in READ_ONLY)
    assert hints.destructive_hint is (name in DESTRUCTIVE)
    assert isinstance(hints.idempotent_hint, bool)
    assert isinstance(hints.open_world_hint, bool)


def test_limits_of_the_documentation_are_in_the_schema() -> None:
    properties = TOOLS["create_connection"].input_schema["properties"]
    assert properties["name"] == {"type": "string", "minLength": 4, "maxLength": 42}
    assert properties["description"]["maxLength"] == 255
    assert TOOLS["run_sync"].input_schema["properties"]["wait_seconds"]["maximum"] == 45


def test_list_stays_within_its_budget() -> None:
    whole = [wire(tool) for tool in TOOLS.values()]
    inputs = [
        {key: value for key, value in tool.items() if key != "outputSchema"} for tool in whole
    ]
    print(  # noqa: T201 (the number is wanted in the report)
        f"tools/list: {tokens({'tools': whole}):.0f} tokens, input side {tokens(inputs):.0f}"
    )
    assert tokens({"tools": whole}) <= LIST_TOKENS_MAX
    assert tokens(inputs) <= INPUT_TOKENS_MAX


def test_instructions_are_short() -> None:
    assert len(INSTRUCTIONS.split()) <= 150


def test_missing_groups_remove_their_tools() -> None:
    backend = FakeBackend()
    backend.search = None
    backend.authorization = None
    missing = set(NAMES) - {tool.name for tool in tools(backend)}
    assert missing == {"search", "get_entity", "authorize_connection"}


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_the_one_on_record(name: str) -> None:
    path = SNAPSHOTS / f"{name}.json"
    text = json.dumps(wire(TOOLS[name]), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "if meant: UPDATE_SNAPSHOTS=1 pytest"


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(NAMES)
