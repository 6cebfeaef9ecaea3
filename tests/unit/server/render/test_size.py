"""No result is over 64 KiB on the wire, whatever it holds, and none is refused for its size."""

import json
from functools import lru_cache
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CallToolResult, TextResourceContents

from tests.support.server.fakes import Connect, FakeBackend, text_of
from tests.support.server.records import NOW, make_connection, make_job
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus, LogLine
from weft.server.render.size import RESULT_MAX_BYTES
from weft.server.render.structured import connection_out

pytestmark = pytest.mark.anyio

# Characters that take more bytes on the wire than in memory.
HOSTILE = {
    "plain": "x",
    "equals signs": "=",
    "nulls": "\0",
    "quotes": '"',
    "backslashes": "\\",
    "umlauts": "ä",
    "ideographs": "语",
    "emoji": "\U0001f389",
    "combining": "e\u0301",
}


def size_on_wire(result: CallToolResult) -> int:
    """Return the size in the longest form, which is pure ASCII."""
    return len(json.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True)))


# One at a time, because each takes up to 50 MB; those of a character come after one another.
@lru_cache(maxsize=1)
def make_large(char: str, kinds: int = 20_000) -> Connection:
    """Make a connection that is large wherever a source or a remote API decides the size."""
    types = {f"{number}{char * 600}": {"count": number + 1} for number in range(kinds)}
    failed = make_job("j1", status=JobStatus.FAILED, error=char * 9000, error_details=char * 9000)
    return make_connection(
        "c1",
        name=char * 9000,
        description=char * 9000,
        config={"note": char * 8000, char * 3000: [char * 3000] * 5},
        entities={"total_entities": 5, "by_type": types},
        error_message=char * 9000,
        provider_settings_url=f"https://{char * 9000}",
        sync={"total_runs": 1, "last_job": failed},
    )


@pytest.fixture(params=HOSTILE)
def char(request: pytest.FixtureRequest, backend: FakeBackend) -> str:
    char = HOSTILE[request.param]
    backend.connections.rows["c1"] = make_large(char)
    lines = [LogLine(at=NOW, level="error", message=char * 12_000) for _ in range(300)]
    backend.jobs.lines = lines
    jobs = {f"j{n}": make_job(f"j{n}", error=char * 41) for n in range(100)}
    jobs["j1"] = make_job("j1", status=JobStatus.FAILED, error=char * 9000)
    backend.jobs.rows = jobs
    return char


CALLS: dict[str, dict[str, Any]] = {
    "get_connection": {"connection_id": "c1"},
    "list_connections": {"limit": 100},
    "list_jobs": {"limit": 100},
    "get_job": {"job_id": "j1", "log_lines": 100},
    "get_entity": {"entity_id": "e1", "max_chars": 20_000},
}
ADDRESSES = (
    "weft://connections",
    "weft://connections/c1",
    "weft://connections/c1/jobs",
    "weft://jobs/j1",
    "weft://collections/docs",
    "weft://sources",
)


@pytest.mark.parametrize("tool", CALLS)
async def test_large_objects_are_shown_in_part(
    connect: Connect, backend: FakeBackend, char: str, tool: str
) -> None:
    assert backend.search is not None
    backend.search.text = char * 30_000
    async with connect() as client:
        result = await client.call_tool(tool, CALLS[tool])
    assert not result.is_error, text_of(result)
    assert size_on_wire(result) <= RESULT_MAX_BYTES


async def test_change_that_was_applied_is_never_answered_as_an_error(
    connect: Connect, backend: FakeBackend, char: str
) -> None:
    async with connect() as client:
        change = {"connection_id": "c1", "config": {"note": char * 9000}}
        result = await client.call_tool("update_connection", change)
    assert backend.connections.rows["c1"].version == 4
    assert not result.is_error, text_of(result)
    assert (result.structured_content or {})["version"] == 4
    assert (result.structured_content or {})["id"] == "c1"
    assert size_on_wire(result) <= RESULT_MAX_BYTES


@pytest.mark.parametrize("uri", ADDRESSES)
async def test_resources_are_bounded_with_their_escapes(
    connect: Connect, char: str, uri: str
) -> None:
    async with connect() as client:
        read = await client.read_resource(uri)
    (content,) = read.contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text)
    whole = json.dumps(read.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert len(whole) <= RESULT_MAX_BYTES


async def test_error_is_bounded_too(connect: Connect, backend: FakeBackend) -> None:
    backend.connections.crash = None
    async with connect() as client:
        result = await failing_call(client, backend)
    assert result.is_error
    assert size_on_wire(result) <= RESULT_MAX_BYTES


async def failing_call(client: Client, backend: FakeBackend) -> CallToolResult:
    from weft.errors import InvalidInput

    backend.connections.refusal = InvalidInput("语" * 100_000, hint="Say less.")
    change = {"connection_id": "c1", "description": "x"}
    return await client.call_tool("update_connection", change)


def test_small_objects_are_shown_whole() -> None:
    shown = connection_out(make_connection("c1", entities={"by_type": {"a": {"count": 1}}}))
    assert "types_omitted" not in shown["entities"]
    assert "shortened" not in shown


def test_rare_types_are_left_out_and_counted() -> None:
    shown = connection_out(make_large("x", kinds=60))["entities"]
    assert shown["types_omitted"] == 10
    assert len(shown["by_type"]) == 50
    assert min(each["count"] for each in shown["by_type"].values()) == 11
