"""Resources, prompts and completions, in both protocol eras."""

import json
from typing import Any

import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import (
    INVALID_PARAMS,
    SERVER_INFO_META_KEY,
    Completion,
    EmptyResult,
    PromptReference,
    ResourceTemplateReference,
    SubscribeRequest,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
)

from tests.support.server.fakes import Connect, FakeBackend, FakeUsage
from tests.support.server.records import make_change, make_connection, make_job, make_listed
from weft.domain.access.permissions import Ceilings
from weft.domain.jobs import JobStatus
from weft.domain.reading.browsing import ChangeKind, ChangeQuery
from weft.errors import StorageFailed
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.server.render.icons import ICONS

pytestmark = pytest.mark.anyio


async def read(connect: Connect, uri: str) -> Any:
    async with connect() as client:
        result = await client.read_resource(uri)
    (content,) = result.contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_every_address_gives_json(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.FAILED)
    assert (await read(connect, "weft://connections"))["items"][0]["id"] == "c1"
    assert (await read(connect, "weft://connections/c1"))["config"] == {"repo_name": "a/b"}
    assert (await read(connect, "weft://connections/c1/jobs"))["items"][0]["id"] == "j1"
    assert (await read(connect, "weft://jobs/j1"))["diagnosis"]["likely_cause"]
    assert (await read(connect, "weft://sources"))["items"][0]["short_name"] == "github"
    assert (await read(connect, "weft://sources/github"))["name"] == "GitHub"
    found = await read(connect, "weft://collections/docs")
    assert found["connections"]["items"][0]["id"] == "c1"


async def test_entities_and_changes_are_resources(connect: Connect, backend: FakeBackend) -> None:
    assert backend.browse is not None
    backend.browse.entities_found = [make_listed("😀" * 300 + str(n)) for n in range(100)]
    backend.browse.by_type = {"file": 100}
    listed = await read(connect, "weft://connections/c1/entities")
    assert 0 < len(listed["items"]) < 100
    assert "list_entities takes next_cursor" in listed["note"]
    assert listed["total"] == 100
    backend.browse.changes_found = [make_change(ChangeKind.SKIPPED, "a.bin", "binary")]
    changes = await read(connect, "weft://jobs/j1/changes")
    assert changes["items"][0]["untrusted"] == {"name": "a.bin", "reason": "binary"}
    asked = backend.browse.asked[-1]
    assert isinstance(asked, ChangeQuery)
    assert asked.job == "j1"


async def test_backend_that_lists_nothing_offers_no_such_resource(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.browse = None
    async with connect() as client:
        templates = await client.list_resource_templates()
        assert len(templates.resource_templates) == 5
        with pytest.raises(MCPError, match="no resource"):
            await client.read_resource("weft://connections/c1/entities")


async def test_name_with_special_characters_is_an_address(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.rows["c2"] = make_connection("c2", name="Ärger / 100 %")
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
        backend.connections.rows[f"c{number}"] = make_connection(f"c{number}")
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
    assert len(templates.resource_templates) == 7


async def test_plan_is_shown_where_the_backend_has_one(
    connect: Connect, backend: FakeBackend
) -> None:
    async with connect() as client:
        without = [str(one.uri) for one in (await client.list_resources()).resources]
        with pytest.raises(MCPError):
            await client.read_resource("weft://usage")
        backend.usage = FakeUsage()
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
    assert [uri for uri in listed if uri not in without] == ["weft://usage"]
    assert (await read(connect, "weft://usage"))["queries"] == "1 used, 500 allowed"


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


async def complete(connect: Connect, reference: Any, name: str, typed: str) -> Completion:
    async with connect() as client:
        return (await client.complete(reference, {"name": name, "value": typed})).completion


def template(uri: str) -> ResourceTemplateReference:
    return ResourceTemplateReference(type="ref/resource", uri=uri)


@pytest.mark.parametrize(
    ("uri", "name", "typed", "expected"),
    [
        ("weft://connections/{id}", "id", "", ["Docs Repo", "c1"]),
        ("weft://connections/{id}", "id", "dOCS r", ["Docs Repo"]),
        ("weft://connections/{id}", "id", "c", ["c1"]),
        ("weft://connections/{id}/jobs", "id", "d", ["Docs Repo"]),
        ("weft://connections/{id}/entities", "id", "d", ["Docs Repo"]),
        ("weft://jobs/{id}", "id", "", ["j1"]),
        ("weft://jobs/{id}/changes", "id", "", ["j1"]),
        ("weft://jobs/{id}", "id", "c", []),
        ("weft://sources/{short_name}", "short_name", "G", ["github"]),
        ("weft://collections/{readable_id}", "readable_id", "doc", ["docs", "Documents"]),
        ("weft://unknown/{x}", "x", "", []),
    ],
)
async def test_arguments_of_templates_are_completed(
    connect: Connect, backend: FakeBackend, uri: str, name: str, typed: str, expected: list[str]
) -> None:
    backend.jobs.rows["j1"] = make_job("j1")
    completion = await complete(connect, template(uri), name, typed)
    assert completion.values == expected
    assert completion.total == len(expected)
    assert not completion.has_more


@pytest.mark.parametrize(
    ("prompt", "argument", "typed", "expected"),
    [
        ("diagnose_connection", "connection_id", "", ["Docs Repo", "c1"]),
        ("diagnose_connection", "connection_id", "zz", []),
        ("connect_source", "short_name", "git", ["github"]),
        ("connect_source", "readable_collection_id", "", ["docs", "Documents"]),
        ("connect_source", "schedule", "", []),
        ("weekly_sync_report", "readable_collection_id", "docs", ["docs"]),
    ],
)
async def test_arguments_of_prompts_are_completed(
    connect: Connect, prompt: str, argument: str, typed: str, expected: list[str]
) -> None:
    reference = PromptReference(type="ref/prompt", name=prompt)
    assert (await complete(connect, reference, argument, typed)).values == expected


async def test_completion_looks_past_the_first_page_and_gives_at_most_a_hundred(
    connect: Connect, backend: FakeBackend
) -> None:
    for number in range(2, 250):
        backend.connections.rows[f"c{number}"] = make_connection(
            f"c{number}", name=f"Number {number}"
        )
    backend.connections.rows["last"] = make_connection("last", name="Zebra")
    found = await complete(connect, template("weft://connections/{id}"), "id", "zeb")
    assert found.values == ["Zebra"]
    many = await complete(connect, template("weft://connections/{id}"), "id", "n")
    assert len(many.values) == 100
    assert many.has_more


async def test_names_that_mean_two_things_or_cannot_be_typed_are_not_suggested(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.rows["c2"] = make_connection("c2")
    backend.connections.rows["c3"] = make_connection("c3", name="Docs\u202eRepo")
    found = await complete(connect, template("weft://connections/{id}"), "id", "")
    assert found.values == ["c1", "c2", "c3"]


async def test_failure_to_complete_is_an_empty_suggestion(
    connect: Connect, backend: FakeBackend
) -> None:
    async def fail(**_: object) -> Any:
        raise StorageFailed("busy")

    backend.connections.list = fail
    found = await complete(connect, template("weft://connections/{id}"), "id", "")
    assert found.values == []


async def test_prompts_and_resources_have_titles_and_the_icon(connect: Connect) -> None:
    async with connect() as client:
        prompts = (await client.list_prompts()).prompts
        templates = (await client.list_resource_templates()).resource_templates
        resources = (await client.list_resources()).resources
    fixed = [one for one in resources if one.uri in ("weft://connections", "weft://sources")]
    for one in (*prompts, *templates, *fixed):
        assert one.title
        assert one.icons == ICONS


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_server_says_who_it_is(server: WeftServer, mode: str) -> None:
    async with Client(server, mode=mode) as client:
        info = client.server_info
    assert info is not None
    assert (info.name, info.title, info.icons) == ("weft", "Weft", ICONS)
    (icon,) = ICONS
    assert icon.src.startswith("data:image/svg+xml;base64,")
    assert len(icon.src) < 500


async def test_answers_name_the_server_without_repeating_its_icon(server: WeftServer) -> None:
    async with Client(server, mode="2026-07-28") as client:
        result = await client.call_tool("list_sources", {})
    assert result.meta == {
        SERVER_INFO_META_KEY: {"name": "weft", "title": "Weft", "version": "9.9"}
    }


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_resources_of_toolsets_that_are_not_offered_stay_closed(
    backend: FakeBackend, mode: str
) -> None:
    backend.jobs.rows["j1"] = make_job("j1")
    server = build_server(
        lambda _: backend.as_backend(), version="9.9", ceilings=Ceilings(toolsets=("jobs",))
    )
    async with server.announcing(), Client(server, mode=mode) as client:
        listed = [one.uri for one in (await client.list_resources()).resources]
        assert [uri for uri in listed if uri.startswith("weft:")] == []
        templates = (await client.list_resource_templates()).resource_templates
        shapes = [one.uri_template for one in templates]
        assert shapes == ["weft://connections/{id}/jobs", "weft://jobs/{id}"]
        for uri in ("weft://connections", "weft://%63onnections/c1", "weft://sources/github"):
            with pytest.raises(MCPError, match="WEFT_TOOLSETS"):
                await client.read_resource(uri)
        for uri in ("weft://connections/c1/jobs", "weft://jobs/j1"):
            assert (await client.read_resource(uri)).contents
        typed = {"name": "id", "value": ""}
        closed = ResourceTemplateReference(uri="weft://connections/{id}")
        assert (await client.complete(closed, typed)).completion.values == []
        open_one = ResourceTemplateReference(uri="weft://jobs/{id}")
        assert (await client.complete(open_one, typed)).completion.values == ["j1"]
        request = SubscribeRequest(params=SubscribeRequestParams(uri="weft://connections/c1"))
        if mode == "legacy":
            with pytest.raises(MCPError, match="WEFT_TOOLSETS"):
                await client.session.send_request(request, EmptyResult)


@pytest.mark.parametrize("uri", ["CANARY://[::", "CANARY", "weft://jobs/CANARY", "weft://CANARY/x"])
async def test_address_that_leads_nowhere_is_only_in_the_data(connect: Connect, uri: str) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.code == INVALID_PARAMS
    assert "CANARY" not in caught.value.error.message
    assert caught.value.error.data == {"uri": uri}
