"""Errors help the caller on, and never repeat a value that was given."""

import logging
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from tests.support.server.fakes import Connect, FakeBackend, text_of
from weft.errors import InvalidInput, RateLimited, SourceMisconfigured, SourceUnavailable
from weft.net.unpack import too_large

pytestmark = pytest.mark.anyio

CANARY = "Zq7-xKv93Lm_Tw5"
PIECE_CHARS = 6


async def failure(connect: Connect, tool: str, **arguments: Any) -> str:
    async with connect() as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)


async def test_unknown_argument_is_named_with_the_nearest_right_one(connect: Connect) -> None:
    text = await failure(connect, "get_connection", conection_id="c1")
    assert "'conection_id'" in text
    assert "Did you mean connection_id?" in text
    assert "Accepted: connection_id." in text


@pytest.mark.parametrize(
    ("tool", "given", "meant"),
    [
        ("get_connection", "id", "connection_id"),
        ("get_connection", "connectionId", "connection_id"),
        ("get_connection", "source_connection_id", "connection_id"),
        ("get_job", "id", "job_id"),
        ("search", "collection_id", "readable_collection_id"),
        ("create_connection", "source", "short_name"),
        ("create_connection", "credentials", "auth"),
        ("create_connection", "authentication", "auth"),
        ("create_connection", "cron", "schedule"),
    ],
)
async def test_other_name_of_an_argument_leads_to_it(
    connect: Connect, tool: str, given: str, meant: str
) -> None:
    assert f"Did you mean {meant}?" in await failure(connect, tool, **{given: "x"})


@pytest.mark.parametrize("given", ["path", "repo_name", "url"])
async def test_field_of_a_source_that_is_no_argument_leads_to_config(
    connect: Connect, given: str
) -> None:
    text = await failure(connect, "create_connection", **{given: "x"})
    assert "Did you mean" not in text
    assert text.startswith("There is no argument")
    assert "source's own fields go into config" in text


@pytest.mark.parametrize("given", ["folder_of_notes", "enabled"])
async def test_argument_that_is_like_none_suggests_none(connect: Connect, given: str) -> None:
    text = await failure(connect, "update_connection", connection_id="c1", **{given: "x"})
    assert text.startswith(f"There is no argument '{given}'.")
    assert "Did you mean" not in text


async def test_text_where_an_object_belongs_is_told_its_fields(connect: Connect) -> None:
    text = await failure(
        connect, "update_connection", connection_id="c1", schedule="0 2 * * *", config="docs"
    )
    assert "schedule: should be an object with cron, timezone, continuous, cursor_field" in text
    assert "config: should be an object" in text
    assert "ScheduleSpec" not in text


@pytest.mark.parametrize("tool", ["create_connection", "update_connection"])
async def test_credential_in_config_is_sent_where_it_belongs(
    connect: Connect, backend: FakeBackend, tool: str
) -> None:
    backend.connections.refusal = InvalidInput("config has an unknown field.", field="config")
    text = await failure(
        connect,
        tool,
        **(REQUIRED[tool] | {"config": {"repo_name": "a/b", "personal_access_token": CANARY}}),
    )
    assert "config.personal_access_token is a credential" in text
    assert "link" in text
    assert CANARY not in text


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ({"schedule": {"cron": "0 2 * * *"}}, "schedule is an argument of its own"),
        ({"config": {"repo_name": "a/b"}}, "config takes its fields directly"),
    ],
)
async def test_argument_inside_config_is_sent_where_it_belongs(
    connect: Connect, backend: FakeBackend, nested: dict[str, Any], said: str
) -> None:
    backend.connections.refusal = InvalidInput("config has an unknown field.", field="config")
    text = await failure(
        connect, "create_connection", **REQUIRED["create_connection"], config=nested
    )
    assert said in text


async def test_other_trouble_with_config_is_told_as_it_is(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.refusal = InvalidInput("config has no field 'x'.", field="config")
    text = await failure(
        connect, "create_connection", **REQUIRED["create_connection"], config={"x": 1}
    )
    assert text == "config has no field 'x'."


async def test_what_the_source_does_not_know_is_corrected_in_the_call_that_named_it(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.refusal = SourceMisconfigured("There is no such branch.", field="branch")
    text = await failure(
        connect, "create_connection", **REQUIRED["create_connection"], config={"branch": "x"}
    )
    assert "Correct it in config and call again" in text


async def test_missing_argument_is_named(connect: Connect) -> None:
    assert "connection_id is missing" in await failure(connect, "get_connection")


async def test_wrong_values_name_the_fields_by_dotted_path(connect: Connect) -> None:
    text = await failure(
        connect,
        "create_connection",
        short_name="github",
        readable_collection_id="docs",
        name="abc",
        schedule={"continuous": "perhaps", "crom": "x"},
        sync_immediately="maybe",
    )
    assert "name: string should have at least 4 characters" in text
    assert "write out an abbreviation" in text
    assert "schedule.continuous: input should be a valid boolean" in text
    assert "schedule has no field 'crom' (accepted: cron, timezone, continuous" in text
    assert "sync_immediately" in text
    assert "Error executing" not in text


@pytest.mark.parametrize(
    "auth",
    [
        {"direct": {}},
        {"direct": {"credentials": "x"}},
        {"direct": {"credentials": {}}, "oauth_browser": {}},
        {"something": 1},
        {"credentials": {}, "access_token": "x"},
    ],
)
async def test_wrong_auth_is_answered_with_the_right_forms(
    connect: Connect, auth: dict[str, Any]
) -> None:
    text = await failure(connect, "authorize_connection", connection_id="c1", auth=auth)
    assert "auth" in text
    assert "{direct: {credentials" in text


async def test_empty_auth_points_to_the_fields(connect: Connect) -> None:
    text = await failure(connect, "authorize_connection", connection_id="c1", auth={})
    assert "get_source" in text


async def test_unknown_id_says_where_to_find_ids(connect: Connect) -> None:
    text = await failure(connect, "get_connection", connection_id="nope")
    assert "connection_id" in text
    assert "list_connections" in text


async def test_backend_error_keeps_its_field_and_hint(connect: Connect) -> None:
    text = await failure(
        connect,
        "create_connection",
        short_name="github",
        readable_collection_id="docs",
        schedule={"cron": "* *"},
    )
    assert "schedule.cron has 2 fields" in text
    assert "five fields" in text


async def test_passing_trouble_says_when_to_try_again(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.crash = RateLimited("The source limits requests.", retry_after=30)
    assert "Wait 30 seconds." in await failure(connect, "get_connection", connection_id="c1")
    backend.connections.crash = SourceUnavailable("The source did not answer.")
    assert "try it again later" in await failure(connect, "get_connection", connection_id="c1")


async def test_crash_is_found_in_the_log_by_its_id_and_without_its_message(
    connect: Connect, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.connections.crash = KeyError(CANARY)
    with caplog.at_level(logging.ERROR):
        text = await failure(connect, "get_connection", connection_id="c1")
    error_id = text.split("(error ")[1].split(")")[0]
    assert CANARY not in text
    assert error_id in caplog.text
    assert "KeyError" in caplog.text
    assert "fakes.py" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("name", ["Zq7XwK2vLpM9tRbN4cJd", "a b", "x" * 200])
async def test_unknown_name_that_looks_like_none_is_not_repeated(
    connect: Connect, name: str
) -> None:
    async with connect() as client:
        for ask in (client.call_tool, client.get_prompt):
            with pytest.raises(MCPError) as failure:
                await ask(name)
            assert name[:6] not in failure.value.error.message
            assert "Known: " in failure.value.error.message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pause_connection", "Call update_connection with schedule={'paused': true}."),
        ("rename_collection", "Call update_collection with name."),
        ("restore_collection", "Call restore_connection with readable_collection_id."),
        ("get_conection", "Did you mean get_connection?"),
    ],
)
async def test_unknown_tool_is_answered_with_the_call_that_does_it(
    connect: Connect, name: str, told: str
) -> None:
    async with connect() as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool(name, {})
    assert f"Unknown tool '{name}'. {told}" in caught.value.error.message


async def test_unknown_tool_and_prompt_are_protocol_errors(connect: Connect) -> None:
    async with connect() as client:
        with pytest.raises(MCPError, match="Did you mean get_connection") as tool:
            await client.call_tool("get_conection", {})
        with pytest.raises(MCPError, match="connect_source") as prompt:
            await client.get_prompt("connect_sourc", {})
    assert tool.value.error.code == INVALID_PARAMS
    assert prompt.value.error.code == INVALID_PARAMS


async def test_invented_cursor_is_a_protocol_error_in_every_list(connect: Connect) -> None:
    async with connect() as client:
        for listing in (
            client.list_tools,
            client.list_prompts,
            client.list_resources,
            client.list_resource_templates,
        ):
            with pytest.raises(MCPError, match="cursor") as caught:
                await listing(cursor="invented")
            assert caught.value.error.code == INVALID_PARAMS


def malformations(argument: str) -> list[dict[str, Any]]:
    """Return shapes that are wrong in different places, with the canary in each."""
    shapes: list[Any] = [
        CANARY,
        [CANARY],
        {CANARY: 1},
        {"direct": CANARY},
        {"direct": {"credentials": CANARY}},
        {"direct": {CANARY: {"credentials": 1}}},
        {"direct": {"credentials": [CANARY], CANARY: 1}},
        {"oauth_token": {"access_token": [CANARY], "expires_at": CANARY}},
        {"oauth_token": {"access_token": 1, CANARY: CANARY}},
        {"access_token": {"a": CANARY}},
        {"access_token": "x", "expires_at": CANARY},
        {"cron": [CANARY], "timezone": {"x": CANARY}, "continuous": CANARY, CANARY: CANARY},
        '{"direct": "' + CANARY + '"',
        '["' + CANARY + '"]',
        CANARY * 200,
    ]
    return [{argument: shape} for shape in shapes] + [{CANARY: 1}, {argument + CANARY: CANARY}]


ARGUMENTS = {
    "create_connection": (
        "short_name readable_collection_id name description config auth schedule "
        "sync_immediately redirect_url"
    ),
    "authorize_connection": "connection_id auth",
    "update_connection": "connection_id name description config schedule auth expected_version",
}
REQUIRED: dict[str, dict[str, Any]] = {
    "create_connection": {"short_name": "github", "readable_collection_id": "docs"},
    "authorize_connection": {"connection_id": "c1", "auth": {"direct": {"credentials": {}}}},
    "update_connection": {"connection_id": "c1"},
}


@pytest.mark.parametrize("tool", list(ARGUMENTS))
async def test_no_error_repeats_a_piece_of_what_was_given(
    connect: Connect, tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = {CANARY[start : start + PIECE_CHARS] for start in range(len(CANARY) - PIECE_CHARS + 1)}
    refused = 0
    with caplog.at_level(logging.DEBUG, logger="weft"):
        async with connect() as client:
            for argument in ARGUMENTS[tool].split():
                for wrong in malformations(argument):
                    result = await client.call_tool(tool, {**REQUIRED[tool], **wrong})
                    if result.is_error:
                        refused += 1
                        leaked = [p for p in pieces if p in result.model_dump_json()]
                        assert not leaked, (argument, text_of(result))
    assert refused > 10
    assert not [piece for piece in pieces if piece in caplog.text]


async def test_trouble_that_does_not_pass_is_not_called_passing(
    connect: Connect, backend: FakeBackend
) -> None:
    backend.connections.crash = too_large(100)
    text = await failure(connect, "get_connection", connection_id="c1")
    assert "larger than 100 bytes" in text
    assert "again later" not in text
