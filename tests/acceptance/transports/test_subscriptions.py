"""Subscribers hear of what another process changes, over every transport."""

import signal
import time
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp_types import ResourceListChangedNotification, ResourceUpdatedNotification

from tests.acceptance.weft_http import OVER, HttpServer, create_key, http_server
from tests.acceptance.weft_process import COMMAND, MODES, Agent, Place, connect_client, raw_server
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

LISTEN = "subscriptions/listen"
CONNECTIONS = "weft://connections"


@dataclass
class Ear:
    """The events that a client has heard, with their times."""

    heard: list[tuple[float, ServerEvent]] = field(default_factory=list[tuple[float, ServerEvent]])
    woken: anyio.Event = field(default_factory=anyio.Event)

    def note(self, event: ServerEvent) -> None:
        self.heard.append((time.monotonic(), event))
        self.woken.set()
        self.woken = anyio.Event()

    async def wait_to_hear(self, event: ServerEvent, since: float) -> None:
        """Wait for an event that came after a time."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not any(told == event and at >= since for at, told in self.heard):
                await self.woken.wait()

    async def on_message(self, message: IncomingMessage) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.note(ResourceUpdated(message.params.uri))
        elif isinstance(message, ResourceListChangedNotification):
            self.note(ResourcesListChanged())


@asynccontextmanager
async def subscribe(agent: Agent, ear: Ear, *uris: str) -> AsyncGenerator[None]:
    """Subscribe to resources and to the list of them, in the way of the client's era."""
    client = agent.client
    if client.protocol_version == "2026-07-28":
        # The client hands on what its streams say, so there is nothing to collect.
        async with client.listen(resource_subscriptions=uris, resources_list_changed=True):
            yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        for uri in uris:
            await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        await client.list_resources()
        yield


@asynccontextmanager
async def over_stdio(place: Place, mode: str, ear: Ear) -> AsyncGenerator[Agent]:
    """Connect a client to a new server process."""
    parameters = StdioServerParameters(
        command=COMMAND[0], args=list(COMMAND[1:]), env=place.environment()
    )
    with place.stderr.open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode=mode, message_handler=ear.on_message) as client:
            yield Agent(client, place)


@dataclass(frozen=True, slots=True)
class Shared:
    """One database with a server over HTTP, and another process that changes things."""

    place: Place
    server: HttpServer
    writer: Agent
    collection: str

    @asynccontextmanager
    async def reader(self, over: str, ear: Ear) -> AsyncGenerator[Agent]:
        transport, era = over.split(" ", 1)
        if transport == "stdio":
            client = over_stdio(self.place, MODES[era], ear)
        else:
            client = self.server.agent(transport, MODES[era], on_message=ear.on_message)
        async with client as agent:
            yield agent


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[Shared]:
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place) as server, connect_client(place, "auto") as writer:
        yield Shared(place, server, writer, await writer.collection("watched"))


@pytest.mark.parametrize("over", OVER)
async def test_changes_by_another_process_are_heard(shared: Shared, over: str) -> None:
    writer, ear = shared.writer, Ear()
    made = await writer.connection(shared.collection)
    uri = f"{CONNECTIONS}/{made['id']}"
    async with (
        shared.reader(over, ear) as reader,
        subscribe(reader, ear, uri, f"{uri}/jobs", CONNECTIONS),
    ):
        start = time.monotonic()
        await writer.ok("update_connection", connection_id=made["id"], name=f"Named {over}")
        await ear.wait_to_hear(ResourceUpdated(uri), start)
        await ear.wait_to_hear(ResourcesListChanged(), start)
        assert (await reader.read(uri))["name"] == f"Named {over}"

        start = time.monotonic()
        job = await writer.ok("run_sync", connection_id=made["id"])
        await ear.wait_to_hear(ResourceUpdated(f"{uri}/jobs"), start)
        await writer.job(job.data["id"])
        ended = time.monotonic()
        with anyio.fail_after(PATIENCE_SECONDS):
            while (await reader.read(f"{uri}/jobs"))["items"][0]["status"] != "COMPLETED":
                await ear.wait_to_hear(ResourceUpdated(f"{uri}/jobs"), ended)

        before = time.monotonic()
        await delete_connection(writer, made["id"])
        await ear.wait_to_hear(ResourceUpdated(uri), before)
        # The SDK's client over SSE does not bear to be told something while it leaves.
        for last in (f"{uri}/jobs", CONNECTIONS):
            await ear.wait_to_hear(ResourceUpdated(last), before)
        await ear.wait_to_hear(ResourcesListChanged(), before)


async def delete_connection(agent: Agent, connection_id: str) -> None:
    shown = await agent.ok("delete_connection", connection_id=connection_id)
    token = shown.data["confirmation_token"]
    await agent.ok("delete_connection", connection_id=connection_id, confirmation_token=token)


@pytest.mark.parametrize("mode", MODES.values())
async def test_organisations_hear_nothing_of_one_another(shared: Shared, mode: str) -> None:
    server = shared.server
    keys = [create_key(shared.place, f"{name}-{mode}", "admin", name) for name in ("one", "two")]
    ears = Ear(), Ear()
    async with (
        server.agent("http", mode, keys[0], ears[0].on_message) as one,
        server.agent("http", mode, keys[1], ears[1].on_message) as two,
    ):
        made = await one.connection(await one.collection(f"of-one-{mode}"))
        foreign = f"{CONNECTIONS}/{made['id']}"
        unknown = f"{CONNECTIONS}/{made['id'][::-1]}"
        errors = [await subscribe_refused(two, uri) for uri in (foreign, unknown)]
        assert errors[0] == errors[1]
        async with subscribe(one, ears[0], foreign), subscribe(two, ears[1], CONNECTIONS):
            start = time.monotonic()
            await one.ok("update_connection", connection_id=made["id"], name="Of one")
            await ears[0].wait_to_hear(ResourceUpdated(foreign), start)
            await ears[0].wait_to_hear(ResourcesListChanged(), start)
            # News of the other come after all that could have been told of this.
            start = time.monotonic()
            await two.connection(await two.collection(f"of-two-{mode}"))
            await ears[1].wait_to_hear(ResourceUpdated(CONNECTIONS), start)
            assert [event for at, event in ears[1].heard if at < start] == []
            assert ears[0].heard[-1][0] < start


async def subscribe_refused(agent: Agent, uri: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as caught:
        async with subscribe(agent, Ear(), uri):
            pass
    return caught.value.error.code, caught.value.error.message


async def test_subscription_does_not_hold_up_the_end_of_stdio(place: Place) -> None:
    async with raw_server(place) as server:
        await server.start(LISTEN, {"notifications": {"resourceSubscriptions": [CONNECTIONS]}})
        assert (await server.receive())["method"] == "notifications/subscriptions/acknowledged"
        await server.close_stdin()
        assert await server.wait_for_exit() == 0


async def test_subscription_does_not_hold_up_the_end_over_http(place: Place) -> None:
    async with http_server(place) as server:
        body: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": LISTEN,
            "params": {
                "notifications": {"resourceSubscriptions": [CONNECTIONS]},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": LISTEN,
        }
        async with (
            server.client() as client,
            client.stream("POST", "/mcp", json=body, headers=headers) as response,
        ):
            lines = response.aiter_lines()
            async for line in lines:
                if "acknowledged" in line:
                    break
            metrics = await client.get("/metrics")
            assert "weft_http_streams_active 1" in metrics.text
            server.process.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE_SECONDS):
                assert [line async for line in lines if "error" in line] == []
                assert await server.process.wait() == 0
