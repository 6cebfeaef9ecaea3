"""Resources, prompts and completions, in both protocol eras."""

import json
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)
from server_fakes import Connect, FakeBackend, connection, job

from weft.domain.jobs import JobStatus

pytestmark = pytest.mark.anyio


async def read(connect: Connect, uri: str) -> Any:
    async with connect() as client:
        result = await client.read_resource(uri)
    (content,) = result.contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_every_address_gives_json(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = job("j1", status=JobStatus.FAILED)
    assert (await read(connect, "weft://connections"))["items"][0]["id"] == "c1"
    assert (await read(connect, "weft://connections/c1"))["config"] == {"repo_name": "a/b"}
    assert (await read(connect, "weft://connections/c1/jobs"))["items"][0]["id"] == "j1"
    assert (await read(connect, "weft://jobs/j1"))["diagnosis"]["category"] == "internal"
    assert (await read(connect, "weft://sources"))["items"][0]["short_name"] == "github"
    assert (await read(connect, "weft://sources/github"))["name"] == "GitHub"
    found = await read(connect, "weft://collections/docs")
    assert found["connections"]["items"][0]["id"] == "c1"


async def test_name_with_special_characters_is_an_address(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.rows["c2"] = connection("c2", name="Ärger / 100 %")
    assert (await read(connect, "weft://connections/%C3%84rger%20%2F%20100%20%25"))["id"] == "c2"


@pytest.mark.parametrize(
    "uri", ["weft://nowhere", "weft://connections/zzz", "weft://connections/c1/x", "other://x"]
)
async def test_unknown_address_is_a_protocol_error(connect: Connect, uri: str) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == INVALID_PARAMS


async def test_crash_while_reading_tells_only_its_id(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.crash = KeyError("hidden")
    async with connect() as client:
        with pytest.raises(MCPError, match="report") as caught:
            await client.read_resource("weft://connections/c1")
    assert "hidden" not in str(caught.value)


async def test_listing_pages_through_every_connection(
    connect: Connect, backend: FakeBackend
) -> None:
    for number in range(2, 121):
        backend.connections.rows[f"c{number}"] = connection(f"c{number}")
    uris: list[str] = []
    cursor: str | None = None
    async with connect() as client:
        while True:
            page = await client.list_resources(cursor=cursor)
            uris += [str(resource.uri) for resource in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        templates = await client.list_resource_templates()
    assert len(uris) == len(set(uris)) == 123
    assert uris[:3] == ["ui://weft/dashboard", "weft://connections", "weft://sources"]
    assert len(templates.resource_templates) == 5


async def test_prompts_carry_their_arguments(connect: Connect) -> None:
    async with connect() as client:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        result = await client.get_prompt("diagnose_connection", {"connection_id": "c1 {x}"})
        report = await client.get_prompt("weekly_sync_report", {})
    assert names == ["connect_source", "diagnose_connection", "weekly_sync_report"]
    assert isinstance(result.messages[0].content, TextContent)
    assert '"c1 {x}"' in result.messages[0].content.text
    assert isinstance(report.messages[0].content, TextContent)
    assert "all collections" in report.messages[0].content.text


@pytest.mark.parametrize("arguments", [{}, {"connection_id": "c1", "other": "x"}])
async def test_wrong_prompt_arguments_are_protocol_errors(
    connect: Connect, arguments: dict[str, str]
) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt("diagnose_connection", arguments)
    assert caught.value.error.code == INVALID_PARAMS


async def test_arguments_are_completed(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = job("j1")
    by_template = {
        "weft://connections/{id}": ("id", "c", "c1"),
        "weft://jobs/{id}": ("id", "j", "j1"),
        "weft://sources/{short_name}": ("short_name", "g", "github"),
        "weft://collections/{readable_id}": ("readable_id", "", "docs"),
    }
    async with connect() as client:
        for uri, (name, typed, expected) in by_template.items():
            reference = ResourceTemplateReference(type="ref/resource", uri=uri)
            result = await client.complete(reference, {"name": name, "value": typed})
            assert result.completion.values == [expected]
        prompt = PromptReference(type="ref/prompt", name="diagnose_connection")
        result = await client.complete(prompt, {"name": "connection_id", "value": "zz"})
    assert result.completion.values == []
