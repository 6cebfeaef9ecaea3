"""Arguments that tools accept in several spellings, and the texts of empty lists."""

from typing import Any

import pytest

from tests.support.server.fakes import Connect, FakeBackend, text_of
from tests.support.server.records import make_connection, make_job
from tests.support.server.tool_calls import NEW, bad, good, items
from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus
from weft.server.tools.validation import clamp_numbers

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("auth", "method"),
    [
        ({"credentials": {"token": "x"}}, "direct"),
        ({"access_token": "x", "expires_at": "2026-12-31T23:59:59Z"}, "oauth_token"),
        ({"oauth_browser": {"redirect_uri": "https://a.example"}}, "oauth_browser"),
        ({"provider_readable_id": "p", "provider_config": {"a": 1}}, "auth_provider"),
        ('{"direct": {"credentials": {"token": "x"}}}', "direct"),
    ],
)
async def test_auth_is_understood_in_its_documented_forms(
    connect: Connect, backend: FakeBackend, auth: object, method: str
) -> None:
    await good(connect, "create_connection", **NEW, auth=auth)
    given = backend.connections.created[0].auth
    assert given is not None
    assert given.method.value == method


async def test_connections_are_paged_and_filtered(connect: Connect, backend: FakeBackend) -> None:
    for number in range(2, 6):
        backend.connections.rows[f"c{number}"] = make_connection(
            f"c{number}", status=ConnectionStatus.NEEDS_REAUTH
        )
    text, data = await good(connect, "list_connections", limit=2, status="needs_reauth")
    assert data["next_cursor"] == "2"
    assert "cursor='2'" in text
    _, rest = await good(connect, "list_connections", limit=2, cursor="2", status="needs_reauth")
    assert [item["id"] for item in items(rest)] == ["c4", "c5"]
    assert "next_cursor" not in rest


@pytest.mark.parametrize("status", ["NEEDS_REAUTH", "Needs_Reauth"])
async def test_connection_status_is_read_in_any_case(
    connect: Connect, backend: FakeBackend, status: str
) -> None:
    backend.connections.rows["c2"] = make_connection("c2", status=ConnectionStatus.NEEDS_REAUTH)
    _, data = await good(connect, "list_connections", status=status)
    assert [item["id"] for item in items(data)] == ["c2"]


async def test_empty_list_behind_a_filter_does_not_say_that_there_is_nothing(
    connect: Connect, backend: FakeBackend
) -> None:
    text, data = await good(connect, "list_connections", status="error")
    assert text.splitlines() == [
        "No connection fits this status. Without it list_connections shows all.",
        "In all: 1 connection with 12 entities, 0 syncing, 0 need attention.",
    ]
    assert data["totals"]["connections"] == 1
    text, _ = await good(connect, "list_connections", needs_attention=True)
    assert "No connection fits this needs_attention." in text
    backend.connections.rows.clear()
    text, _ = await good(connect, "list_connections", short_name="github")
    assert "fits this short_name" in text
    text, _ = await good(connect, "list_connections")
    assert "create_connection" in text


async def test_list_of_a_source_that_there_is_not_says_so(connect: Connect) -> None:
    assert "short_name" in await bad(connect, "list_connections", short_name="notion")


async def test_empty_list_of_jobs_says_what_it_was_asked_for(connect: Connect) -> None:
    text, _ = await good(connect, "list_jobs", status="FAILED")
    assert "this status" in text
    text, _ = await good(connect, "list_jobs", connection_id="c1")
    assert "run_sync" in text


@pytest.mark.parametrize("written", [" c1 ", '"c1"', "'Docs Repo'", "`c1`", '" c1 "'])
async def test_quotes_and_blanks_around_a_name_are_not_part_of_it(
    connect: Connect, written: str
) -> None:
    _, data = await good(connect, "get_connection", connection_id=written)
    assert data["id"] == "c1"


@pytest.mark.parametrize("written", [" ", "''", '""'])
async def test_name_of_blanks_and_quotes_fits_nothing(connect: Connect, written: str) -> None:
    assert "No connection" in await bad(connect, "get_connection", connection_id=written)


async def test_empty_text_for_an_optional_argument_counts_as_not_given(
    connect: Connect, backend: FakeBackend
) -> None:
    empty = dict.fromkeys(("readable_collection_id", "short_name", "status", "cursor"), "")
    _, data = await good(connect, "list_connections", **empty)
    assert [item["id"] for item in items(data)] == ["c1"]
    made = await good(connect, "create_collection", name="Notes", readable_id="")
    assert made[1]["readable_id"]
    await good(connect, "update_connection", connection_id="c1", description="")
    assert backend.connections.changes[-1].description == ""


@pytest.mark.parametrize("written", ["GitHub", "github ", '"GITHUB"'])
async def test_short_name_is_read_in_any_case(connect: Connect, written: str) -> None:
    _, data = await good(connect, "get_source", short_name=written)
    assert data["short_name"] == "github"
    _, listed = await good(connect, "list_connections", short_name=written)
    assert [item["id"] for item in items(listed)] == ["c1"]


async def test_job_status_is_read_in_any_case(connect: Connect, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.FAILED)
    backend.jobs.rows["j2"] = make_job("j2", status=JobStatus.COMPLETED)
    _, data = await good(connect, "list_jobs", status="failed", limit="5")
    assert [item["id"] for item in items(data)] == ["j1"]


async def test_token_may_come_in_quotes(connect: Connect) -> None:
    async with connect() as client:
        shown = await client.call_tool("delete_connection", {"connection_id": "c1"})
        assert shown.structured_content is not None
        quoted = f"'{shown.structured_content['confirmation_token']}'"
        arguments = {"connection_id": "c1", "confirmation_token": quoted}
        gone = await client.call_tool("delete_connection", arguments)
    assert not gone.is_error, text_of(gone)


async def test_entity_id_may_come_as_a_number(connect: Connect, backend: FakeBackend) -> None:
    text, numbered = await good(connect, "get_entity", entity_id=7)
    assert (text, numbered) != ("", {})
    _, written = await good(connect, "get_entity", entity_id="7")
    assert numbered["entity_id"] == written["entity_id"]


@pytest.mark.parametrize(
    ("tool", "field", "others"),
    [
        ("run_sync", "wait_seconds", {"connection_id": "c1"}),
        ("get_job", "log_lines", {"job_id": "j1"}),
        ("update_connection", "expected_version", {"connection_id": "c1", "name": "x"}),
        ("list_connections", "limit", {}),
    ],
)
@pytest.mark.parametrize("value", [True, False])
async def test_truth_value_is_no_number(
    connect: Connect, tool: str, field: str, others: dict[str, str], value: bool
) -> None:
    text = await bad(connect, tool, **others, **{field: value})
    assert f"{field}: should be a number" in text


@pytest.mark.parametrize(
    ("given", "taken", "note"),
    [
        ({"limit": 1000}, {"limit": 100}, "limit was set to 100, the most that is possible."),
        ({"limit": 0}, {"limit": 1}, "limit was set to 1, the least that is possible."),
        ({"limit": 7, "expected_version": 0}, {"limit": 7, "expected_version": 0}, None),
        ({"limit": True}, {"limit": True}, None),
    ],
)
def test_amount_beyond_its_limit_is_clamped_and_told(
    given: dict[str, Any], taken: dict[str, Any], note: str | None
) -> None:
    schema = {
        "properties": {
            "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "expected_version": {"type": "integer", "minimum": 1},
        }
    }
    assert clamp_numbers(schema, given) == (taken, [note] if note else [])


async def test_result_says_which_amount_was_clamped_in_text_and_in_data(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("list_connections", {"limit": 1000})
    told = "limit was set to 100, the most that is possible."
    assert not result.is_error
    assert f"Note: {told}" in result.model_dump_json()
    assert (result.structured_content or {})["notes"] == [told]
