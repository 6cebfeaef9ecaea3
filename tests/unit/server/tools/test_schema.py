"""Definitions of the tools are portable, truthful and small, and do not change by accident."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import TextContent, Tool

from tests.support.server.fakes import FakeBackend
from weft.server.build import INSTRUCTIONS, build_server
from weft.server.resources import prompts

SNAPSHOTS = Path(__file__).parents[3] / "snapshots" / "tools"
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
    "update_collection",
    "delete_connection",
    "delete_collection",
    "restore_connection",
    "search",
    "get_entity",
    "list_entities",
)
READ_ONLY = {
    name
    for name in NAMES
    if name.startswith(("list_", "get_", "search")) or name == "check_connection"
}
DESTRUCTIVE = {
    "update_connection",
    "update_collection",
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
    """Yield every schema in a schema, but not the mapping from property names to schemas."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    if "items" in schema:
        yield from nodes(schema["items"])


def on_record(path: Path, text: str) -> None:
    """Compare a text with the snapshot, or update that when UPDATE_SNAPSHOTS is set."""
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "if meant: UPDATE_SNAPSHOTS=1 pytest"


def words_with_underscores(text: str) -> set[str]:
    return set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text))


def tokens(data: Any) -> float:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False)) / CHARS_PER_TOKEN


TOOLS = {tool.name: tool for tool in tools()}
ARGUMENTS = {
    name
    for tool in TOOLS.values()
    for node in nodes(tool.input_schema)
    for name in node.get("properties", {})
}
# Values and fields of results that texts may name beside tools and arguments.
STATES = {
    "pending_auth",
    "needs_reauth",
    "next_cursor",
    "secret_ref",
    "oauth_browser",
    "oauth_token",
    "auth_provider",
    "access_token",
    "redirect_uri",
    "client_id",
    "provider_readable_id",
}


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


@pytest.mark.parametrize("name", NAMES)
def test_description_says_when_to_use_the_tool_and_when_another(name: str) -> None:
    """Check only that it is prose of a bearable length, and that it refers to other tools."""
    description = TOOLS[name].description or ""
    others = {other for other in NAMES if re.search(rf"\b{other}\b", description)} - {name}
    assert others, "name the tool that comes before, after or instead of it"
    assert description.endswith(".")
    assert 8 <= len(description.split()) <= 90


@pytest.mark.parametrize("name", NAMES)
def test_descriptions_name_only_tools_that_there_are(name: str) -> None:
    """Every word that looks like a tool or an argument is one."""
    tool = TOOLS[name]
    texts = [tool.description or ""]
    texts += [node.get("description", "") for node in nodes(tool.input_schema)]
    assert words_with_underscores(" ".join(texts)) <= set(NAMES) | ARGUMENTS | STATES


def test_instructions_are_short_and_name_only_tools_that_there_are() -> None:
    assert len(INSTRUCTIONS.split()) <= 150
    assert words_with_underscores(INSTRUCTIONS) <= set(NAMES) | ARGUMENTS


def test_prompts_name_only_tools_that_there_are() -> None:
    for prompt in prompts.prompt_definitions():
        given = {argument.name: "x" for argument in prompt.arguments or ()}
        rendered = prompts.render_prompt(prompt.name, given)
        assert rendered is not None
        content = rendered.messages[0].content
        assert isinstance(content, TextContent)
        assert words_with_underscores(content.text) <= set(NAMES) | ARGUMENTS | STATES


def test_list_is_the_one_on_record() -> None:
    """The list as models read it, in one file, so that a review sees the diff."""
    path = SNAPSHOTS.parent / "tools_list.txt"
    text = "\n\n".join(
        f"{name}({', '.join(TOOLS[name].input_schema.get('properties', {}))})\n"
        f"  {TOOLS[name].description}"
        for name in TOOLS
    )
    weight = f"{tokens({'tools': [wire(tool) for tool in TOOLS.values()]}):.0f} tokens"
    on_record(path, f"{len(TOOLS)} tools, {weight}\n\n{text}\n")


def test_missing_groups_remove_their_tools() -> None:
    backend = FakeBackend()
    backend.search = None
    backend.browse = None
    backend.authorization = None
    missing = set(NAMES) - {tool.name for tool in tools(backend)}
    assert missing == {"search", "get_entity", "list_entities", "authorize_connection"}


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_the_one_on_record(name: str) -> None:
    text = json.dumps(wire(TOOLS[name]), indent=2, ensure_ascii=False) + "\n"
    on_record(SNAPSHOTS / f"{name}.json", text)


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(NAMES)
