"""The frame of every call: its principal, its time limit, its log line and its metrics."""

import logging
from collections.abc import Sequence

import anyio
import pytest
from mcp.client import Client
from mcp_types import CallToolResult

from tests.support.patience import PATIENCE_SECONDS
from tests.support.server.fakes import Connect, FakeBackend, FakeSources, text_of
from tests.support.server.records import make_connection
from weft.domain.access.permissions import Ceilings
from weft.domain.access.principals import Principal, Role
from weft.domain.sources import SourceInfo
from weft.errors import NotPermitted
from weft.server import app
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.server.transport.http import http_caller

pytestmark = pytest.mark.anyio

READER = Principal("a", "reader", Role.READ)
ADMIN = Principal("b", "admin", Role.ADMIN)


class StuckSources(FakeSources):
    async def list(self) -> Sequence[SourceInfo]:
        await anyio.sleep_forever()
        return []


async def test_a_call_that_takes_too_long_is_stopped_and_says_so(
    backend: FakeBackend, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CALL_SECONDS_MAX", 0.05)
    backend.sources = StuckSources()
    async with connect() as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            result = await client.call_tool("list_sources", {})
        assert result.is_error
        assert "stopped after" in text_of(result)
        assert not (await client.call_tool("list_connections", {})).is_error


@pytest.mark.parametrize("tool", ["run_sync", "get_job"])
async def test_waits_are_answered_with_the_present_state_when_the_server_is_to_end(
    backend: FakeBackend, server: WeftServer, connect: Connect, tool: str
) -> None:
    given = {"connection_id": "c1"}
    if tool == "get_job":
        given = {"job_id": (await backend.jobs.run("c1")).id}
    answers: list[CallToolResult] = []

    async def wait() -> None:
        answers.append(await client.call_tool(tool, {**given, "wait_seconds": 45}))

    async with connect() as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await backend.jobs.watching.wait()
                server.waits.end()
            later = await client.call_tool("get_job", {"job_id": "j1", "wait_seconds": 45})
    for answer in (*answers, later):
        assert answer.structured_content
        assert answer.structured_content["status"] == "PENDING"


async def test_each_call_sees_the_backend_and_the_tools_of_its_principal() -> None:
    ones, others = FakeBackend(), FakeBackend()
    ones.connections.rows["c1"] = make_connection("c1")
    served = {"a": ones.as_backend(), "b": others.as_backend()}
    calling = READER
    server = build_server(
        lambda principal: served[principal.organization_id],
        version="1",
        who_calls=lambda: calling,
    )
    async with Client(server) as client:
        assert not (await client.call_tool("get_connection", {"connection_id": "c1"})).is_error
        refused = await client.call_tool("run_sync", {"connection_id": "c1"})
        assert "role 'read'" in text_of(refused)
        few = {tool.name for tool in await server.list_tools()}
        calling = ADMIN
        gone = await client.call_tool("get_connection", {"connection_id": "c1"})
        assert gone.is_error
        assert few < {tool.name for tool in await server.list_tools()}


async def test_a_refused_call_does_not_reach_the_backend(backend: FakeBackend) -> None:
    server = build_server(
        lambda _: backend.as_backend(), version="1", ceilings=Ceilings(read_only=True)
    )
    async with Client(server) as client:
        refused = await client.call_tool("create_collection", {"name": "Not to be made"})
    assert "WEFT_READ_ONLY" in text_of(refused)
    assert list(backend.collections.rows) == ["docs"]


async def test_calls_are_logged_and_counted_without_what_was_given(
    backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[tuple[str, str]] = []

    def observe(tool: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        seen.append((tool, outcome))

    server = build_server(lambda _: backend.as_backend(), version="1", observe=observe)
    with caplog.at_level(logging.INFO, "weft"):
        async with Client(server) as client:
            await client.call_tool("list_sources", {})
            await client.call_tool("get_job", {"job_id": "c4n4ry and more"})
            await client.call_tool("get_job", {"job_id": "00000000-0000"})
    assert seen == [("list_sources", "ok"), ("get_job", "error"), ("get_job", "error")]
    facts = [getattr(record, "facts", {}) for record in caplog.records]
    assert [fact.get("job_id") for fact in facts] == [None, None, "00000000-0000"]
    assert all(fact["principal"] == "local" for fact in facts)
    assert "c4n4ry" not in str(facts)


def test_over_http_nobody_is_let_in_by_default() -> None:
    with pytest.raises(NotPermitted):
        http_caller()
