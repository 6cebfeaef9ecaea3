"""Whichever front moves a connection to another endpoint, no stored secret goes there."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from tests.acceptance.canary.world import World
from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import WAIT_SECONDS, Agent, Place
from tests.support.secrets.canary import Canaries
from tests.support.secrets.echo_upstream import EchoUpstream, serve_echo

pytestmark = pytest.mark.anyio

SETTINGS = {
    "WEFT_ALLOW_HOSTS": "127.0.0.1",
    "WEFT_INLINE_CREDENTIALS": "allow",
    "WEFT_SYNC_RETRIES": "0",
}


@dataclass
class Fronts:
    """A server with its clients, and the endpoints A and B."""

    world: World
    server: HttpServer
    agent: Agent
    client: httpx.AsyncClient
    b: EchoUpstream

    @property
    def a(self) -> EchoUpstream:
        return self.world.upstream

    @property
    def canaries(self) -> Canaries:
        return self.world.canaries


@pytest.fixture(scope="module")
async def fronts(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Fronts]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with (
        serve_echo() as a,
        serve_echo() as b,
        http_server(place, **SETTINGS) as server,
        server.agent() as agent,
        server.client() as client,
    ):
        await agent.collection("docs")
        yield Fronts(World(place, a, settings=SETTINGS), server, agent, client, b)


def config_at(short_name: str, upstream: EchoUpstream) -> dict[str, str]:
    if short_name == "git":
        return {"repo": f"{upstream.at('ok')}/r.git"}
    return {"provider_url": upstream.at("ok")}


async def move_by_tool(fronts: Fronts, connection_id: str, config: dict[str, str]) -> None:
    await fronts.agent.ok("update_connection", connection_id=connection_id, config=config)
    await fronts.agent.call("run_sync", connection_id=connection_id, wait_seconds=WAIT_SECONDS)
    await fronts.agent.ok("check_connection", connection_id=connection_id)


async def move_by_rest(fronts: Fronts, connection_id: str, config: dict[str, str]) -> None:
    one = f"/source-connections/{connection_id}"
    assert (await fronts.client.patch(one, json={"config": config})).status_code == 200
    started = await fronts.client.post(f"{one}/run")
    if started.status_code == 200:
        await fronts.agent.job(started.json()["id"])


async def move_by_command(fronts: Fronts, connection_id: str, config: dict[str, str]) -> None:
    ((name, value),) = config.items()
    update = ("connections", "update", connection_id, "--config", f"{name}={value}")
    assert (await fronts.world.cli(*update))[0] == 0
    await fronts.world.cli("sync", connection_id)
    await fronts.world.cli("connections", "check", connection_id)


FRONTS: dict[str, Callable[[Fronts, str, dict[str, str]], Coroutine[Any, Any, None]]] = {
    "tool": move_by_tool,
    "rest": move_by_rest,
    "command": move_by_command,
}
METHODS = ("git", "direct", "oauth_token", "auth_provider", "secret_ref")


@pytest.mark.parametrize("front", FRONTS)
async def test_no_front_moves_a_secret_to_another_endpoint(fronts: Fronts, front: str) -> None:
    await add_operator_secrets(fronts)
    made = {method: await connect(fronts, method, f"{front} {method}") for method in METHODS}
    assert fronts.canaries.find(fronts.a.list_received()) >= {f"{front} git", f"{front} direct"}
    async with anyio.create_task_group() as group:
        for method, connection_id in made.items():
            config = config_at(source_of(method), fronts.b)
            group.start_soon(FRONTS[front], fronts, connection_id, config)
    assert not fronts.canaries.find(fronts.b.list_received())
    for method, connection_id in made.items():
        found = (await fronts.agent.ok("get_connection", connection_id=connection_id)).data
        assert found["config"] == config_at(source_of(method), fronts.b)
        assert not found["auth"]["authenticated"], method


async def test_a_named_secret_is_not_given_to_another_endpoint(fronts: Fronts) -> None:
    await add_operator_secrets(fronts)
    text = await fronts.agent.expect_refusal(
        "create_connection",
        short_name="git",
        readable_collection_id="docs",
        config=config_at("git", fronts.b),
        auth={"direct": {"credentials": {"access_token": {"secret_ref": "named"}}}},
    )
    assert "not for this source and endpoint" in text
    assert not fronts.canaries.find(fronts.b.list_received())


async def add_operator_secrets(fronts: Fronts) -> None:
    """Store the operator's secrets, unless a test before this one did."""
    world = fronts.world
    if "named" in world.canaries.by_name:
        return
    named, key = world.secret("named"), world.secret("key")
    command = ("secret", "set", "named", "--source", "git", "--host", fronts.a.url)
    assert (await world.cli(*command, given=named))[0] == 0
    command = ("auth-providers", "add", "composio", "--name", "one", "--base-url", fronts.a.url)
    command = (*command, "--host", fronts.a.url)
    assert (await world.cli(*command, given=key))[0] == 0
    fronts.a.issued["provided"] = world.secret("provided")


async def connect(fronts: Fronts, method: str, secret: str) -> str:
    """Make a connection to A; return its id."""
    value = fronts.world.secret(secret)
    auth = {
        "git": {"direct": {"credentials": {"access_token": value}}},
        "direct": {"direct": {"credentials": {"token": value}}},
        "oauth_token": {"oauth_token": {"access_token": value, "refresh_token": value}},
        "secret_ref": {"direct": {"credentials": {"access_token": {"secret_ref": "named"}}}},
        "auth_provider": {
            "auth_provider": {
                "provider_readable_id": "one",
                "provider_config": {"account_id": "m-ok"},
            }
        },
    }[method]
    made = await fronts.agent.ok(
        "create_connection",
        short_name=source_of(method),
        readable_collection_id="docs",
        config=config_at(source_of(method), fronts.a),
        auth=auth,
        sync_immediately=False,
    )
    return made.data["id"]


def source_of(method: str) -> str:
    return "git" if method in ("git", "secret_ref") else "oauth_stub"
