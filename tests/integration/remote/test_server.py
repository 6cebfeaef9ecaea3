"""The MCP server over a remote API: the same tools and resources, but for what the API lacks."""

import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from mcp_types import CallToolResult, TextResourceContents
from pydantic import SecretStr

from tests.support.patience import PATIENCE_SECONDS
from tests.support.server.fakes import text_of
from weft.assembly.backends import open_any, open_backend
from weft.domain.access.principals import Principal, Role
from weft.errors import NotPermitted
from weft.server.build import build_server
from weft.settings import Settings
from weft.testing.airweave import Airweave, airweave_app
from weft.testing.airweave.world import STUCK_SEED
from weft.testing.serving import serve_app

pytestmark = pytest.mark.anyio

KEY = "server-key-canary-662"


@pytest.fixture
def world() -> Airweave:
    return Airweave(key=KEY)


@pytest.fixture
async def settings(world: Airweave, tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Settings]:
    async with serve_app(airweave_app(world)) as url:
        yield Settings(home=tmp_path / "home", api_url=url, api_key=SecretStr(KEY))


@pytest.fixture
async def client(settings: Settings) -> AsyncGenerator[Client]:
    async with (
        open_any(settings) as opened,
        Client(build_server(opened.backend_for, version="9.9")) as client,
    ):
        yield client


async def test_tools_that_the_api_cannot_serve_are_left_out(client: Client) -> None:
    tools = (await client.list_tools()).tools
    names = {tool.name for tool in tools}
    assert {"create_connection", "run_sync", "search", "authorize_connection"} <= names
    for lacking in ("check_connection", "get_entity"):
        assert lacking not in names
        assert not [tool.name for tool in tools if lacking in (tool.description or "")]


async def test_life_of_a_connection_over_the_api(
    client: Client, world: Airweave, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def call(tool: str, /, **arguments: object) -> CallToolResult:
        result = await client.call_tool(tool, arguments)
        said.append(f"{text_of(result)} {result.structured_content}")
        assert not result.is_error, said[-1]
        return result

    await call("create_collection", name="Docs", readable_id="docs")
    await call(
        "create_connection",
        short_name="stub",
        readable_collection_id="docs",
        name="My stub",
        config={"seed": STUCK_SEED},
        auth={"direct": {"credentials": {"stub_key": "tok-canary-991"}}},
    )
    (connection_id,) = world.connections
    await call("list_connections")
    await call("get_connection", connection_id="My stub")
    listed_jobs = await call("list_jobs", connection_id=connection_id)
    assert listed_jobs.structured_content is not None
    job_id = listed_jobs.structured_content["items"][0]["id"]
    again = await client.call_tool("run_sync", {"connection_id": connection_id})
    await call("get_job", job_id=job_id)
    await call("cancel_job", job_id=job_id)
    await call("run_sync", connection_id=connection_id)
    await call("update_connection", connection_id=connection_id, name="Renamed")
    listed = await client.list_resources()
    assert f"weft://connections/{connection_id}" in {str(item.uri) for item in listed.resources}
    for uri in (f"weft://connections/{connection_id}", f"weft://jobs/{job_id}"):
        (content,) = (await client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        said.append(content.text)
    preview = await call("delete_connection", connection_id=connection_id)
    assert preview.structured_content is not None
    token = preview.structured_content["confirmation_token"]
    await call("delete_connection", connection_id=connection_id, confirmation_token=token)
    assert world.connections == {}
    shown = "".join([*said, text_of(again), caplog.text])
    assert KEY not in shown
    assert "tok-canary-991" not in shown


async def test_nothing_is_synced_or_sealed_here(settings: Settings) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        async with open_backend(settings) as backend:
            assert (await backend.connections.list()).items == ()
    assert {path.name for path in settings.home.iterdir()} == {"weft.db"}


async def test_other_organisations_do_not_act_with_the_operators_key(settings: Settings) -> None:
    async with open_any(settings) as opened:
        with pytest.raises(NotPermitted):
            opened.backend_for(Principal("other", "someone", Role.ADMIN))
