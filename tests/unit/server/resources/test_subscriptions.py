"""Subscribers hear of the changes that concern them, in both protocol eras."""

import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import Subscription
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp_types import (
    INVALID_PARAMS,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
)

from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.server.fakes import FakeBackend
from tests.support.server.records import make_connection, make_job
from weft.backend import Backend
from weft.domain.access.principals import Principal, Role
from weft.domain.jobs import JobStatus
from weft.errors import StorageFailed
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.server.resources import watcher
from weft.server.resources.subscriptions import SUBSCRIPTIONS_MAX

pytestmark = pytest.mark.anyio

ERAS = ("legacy", "2026-07-28")
LOOK_SECONDS = 0.01
C1 = "weft://connections/c1"
ALICE = Principal("org-a", "alice", Role.READ)
BOB = Principal("org-b", "bob", Role.ADMIN)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers look again at once, because these tests are not about how often."""
    monkeypatch.setattr(watcher, "LOOK_SECONDS", LOOK_SECONDS)


@dataclass
class Ear:
    """The events that a client has heard, in either era."""

    client: Client
    era: str
    heard: list[ServerEvent] = field(default_factory=list[ServerEvent])
    woken: anyio.Event = field(default_factory=anyio.Event)

    def note(self, event: ServerEvent) -> None:
        self.heard.append(event)
        self.woken.set()
        self.woken = anyio.Event()

    async def wait_to_hear(self, event: ServerEvent, times: int = 1) -> None:
        """Wait until the client has heard the event that often."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while self.heard.count(event) < times:
                await self.woken.wait()

    async def on_message(self, message: IncomingMessage) -> None:
        # In the newer era the client hands on here what its streams say.
        if self.era != "legacy":
            return
        if isinstance(message, ResourceUpdatedNotification):
            self.note(ResourceUpdated(message.params.uri))
        elif isinstance(message, ResourceListChangedNotification):
            self.note(ResourcesListChanged())

    @asynccontextmanager
    async def subscribe(self, *uris: str, lists: bool = False) -> AsyncGenerator[None]:
        """Subscribe in the way of the client's era."""
        if self.era != "legacy":
            async with (
                self.client.listen(
                    resource_subscriptions=uris, resources_list_changed=lists
                ) as stream,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self._collect, stream)
                yield
                tasks.cancel_scope.cancel()
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            for uri in uris:
                await self.client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
            if lists:
                await self.client.list_resources()
            yield
            for uri in uris:
                await self.client.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated]

    async def _collect(self, stream: Subscription) -> None:
        async for event in stream:
            self.note(event)


Listen = Callable[[], AsyncIterator[Ear]]


@asynccontextmanager
async def ear_of(server: WeftServer, era: str) -> AsyncGenerator[Ear]:
    """Connect a client of that era that listens."""
    ears: list[Ear] = []

    async def on_message(message: IncomingMessage) -> None:
        await ears[0].on_message(message)

    async with Client(server, mode=era, message_handler=on_message) as client:
        ears.append(Ear(client, era))
        yield ears[0]


@pytest.fixture(params=ERAS)
async def ear(request: pytest.FixtureRequest, server: WeftServer) -> AsyncIterator[Ear]:
    async with server.announcing(), ear_of(server, request.param) as ear:
        yield ear


def rename(backend: FakeBackend, connection_id: str, name: str) -> None:
    """Rename a connection as another process does: the backend only says that something changed."""
    row = backend.connections.rows[connection_id]
    backend.connections.rows[connection_id] = row.model_copy(update={"name": name})
    backend.changes.announce()


async def test_subscriber_hears_of_each_kind_of_resource(ear: Ear, backend: FakeBackend) -> None:
    backend.jobs.rows["j1"] = make_job("j1")
    uris = [
        C1,
        f"{C1}/jobs",
        "weft://connections",
        "weft://jobs/j1",
        "weft://collections/docs",
    ]
    async with ear.subscribe(*uris, "weft://sources"):
        backend.jobs.rows["j1"] = make_job("j1", status=JobStatus.RUNNING)
        rename(backend, "c1", "Renamed")
        for uri in uris:
            await ear.wait_to_hear(ResourceUpdated(uri))
    assert ResourceUpdated("weft://sources") not in ear.heard


async def test_only_what_changed_is_told_and_only_to_subscribers(
    ear: Ear, backend: FakeBackend
) -> None:
    backend.connections.rows["c2"] = make_connection("c2")
    backend.connections.rows["c3"] = make_connection("c3")
    async with ear.subscribe(C1, "weft://connections/c2"):
        rename(backend, "c3", "not subscribed")
        rename(backend, "c2", "subscribed")
        await ear.wait_to_hear(ResourceUpdated("weft://connections/c2"))
        # False alarms say nothing, and what follows them is heard.
        for number in range(3):
            backend.changes.announce()
            rename(backend, "c1", f"name {number}")
            await ear.wait_to_hear(ResourceUpdated(C1), number + 1)
    assert set(ear.heard) == {ResourceUpdated(C1), ResourceUpdated("weft://connections/c2")}
    assert ear.heard.count(ResourceUpdated("weft://connections/c2")) == 1


async def test_change_before_the_first_look_is_told(backend: FakeBackend) -> None:
    told: list[ServerEvent] = []
    hub = watcher.ResourceWatcher(lambda _: backend.as_backend())
    async with hub.running():
        hub.listen(ALICE.organization_id, told.append)
        await hub.watch_resource(ALICE, C1)
        row = backend.connections.rows["c1"]
        backend.connections.rows["c1"] = row.model_copy(update={"name": "at once"})
        await wait_until(lambda: told == [ResourceUpdated(C1)])


async def test_deleted_connection_is_told_once(ear: Ear, backend: FakeBackend) -> None:
    async with ear.subscribe(C1, "weft://connections"):
        del backend.connections.rows["c1"]
        backend.changes.announce()
        await ear.wait_to_hear(ResourceUpdated(C1))
        await ear.wait_to_hear(ResourceUpdated("weft://connections"))
        backend.connections.rows["c2"] = make_connection("c2")
        backend.changes.announce()
        await ear.wait_to_hear(ResourceUpdated("weft://connections"), 2)
    assert ear.heard.count(ResourceUpdated(C1)) == 1


@pytest.mark.parametrize("change", ["appears", "disappears", "is renamed"])
async def test_list_change_is_told(ear: Ear, backend: FakeBackend, change: str) -> None:
    async with ear.subscribe(lists=True):
        if change == "appears":
            backend.connections.rows["c2"] = make_connection("c2")
        elif change == "disappears":
            del backend.connections.rows["c1"]
        else:
            rename(backend, "c1", "other")
        backend.changes.announce()
        await ear.wait_to_hear(ResourcesListChanged())


async def test_list_is_not_told_of_when_only_a_status_changes(
    ear: Ear, backend: FakeBackend
) -> None:
    async with ear.subscribe(C1, lists=True):
        row = backend.connections.rows["c1"]
        backend.connections.rows["c1"] = row.model_copy(update={"version": 99})
        backend.changes.announce()
        await ear.wait_to_hear(ResourceUpdated(C1))
    assert ResourcesListChanged() not in ear.heard


@pytest.mark.parametrize("uri", ["weft://nowhere", "weft://connections/zzz", "other://x"])
async def test_unknown_resource_is_refused_as_reading_it(ear: Ear, uri: str) -> None:
    with pytest.raises(MCPError) as read:
        await ear.client.read_resource(uri)
    with pytest.raises(MCPError) as caught:
        async with ear.subscribe(uri):
            pass
    assert caught.value.error.code == read.value.error.code == INVALID_PARAMS
    assert caught.value.error.message == read.value.error.message


async def test_too_many_subscriptions_are_refused(ear: Ear, backend: FakeBackend) -> None:
    uris = [f"weft://connections/n{number}" for number in range(SUBSCRIPTIONS_MAX + 1)]
    for number in range(len(uris)):
        backend.connections.rows[f"n{number}"] = make_connection(f"n{number}")
    async with ear.subscribe(*uris[1:]):
        pass
    with pytest.raises(MCPError, match=f"{SUBSCRIPTIONS_MAX} resources at most"):
        async with ear.subscribe(*uris):
            pass


async def test_nobody_follows_after_the_last_subscriber_has_gone(
    ear: Ear, backend: FakeBackend
) -> None:
    async with ear.subscribe(C1, C1, "weft://connections"):
        await wait_until(lambda: backend.changes.followers == 1)
        async with ear.subscribe("weft://sources"):
            rename(backend, "c1", "other")
            await ear.wait_to_hear(ResourceUpdated(C1))
            assert backend.changes.followers == 1
    await wait_until(lambda: backend.changes.followers == 0)


async def test_follower_survives_trouble_of_the_backend(
    ear: Ear, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "RETRY_SECONDS", 0.01)
    async with ear.subscribe(C1):
        for trouble in (StorageFailed("The disk is full."), KeyError("a fault of ours")):
            backend.connections.crash = trouble
            backend.connections.looks = 0
            backend.changes.announce()
            await wait_until(lambda: backend.connections.looks > 0)
        assert ear.heard == []
        backend.connections.crash = None
        rename(backend, "c1", "after the trouble")
        await ear.wait_to_hear(ResourceUpdated(C1))


@pytest.mark.parametrize("era", ERAS)
async def test_session_that_ended_leaves_nothing_behind(
    server: WeftServer, backend: FakeBackend, era: str
) -> None:
    async with server.announcing():
        async with ear_of(server, era) as ear:
            context = ear.subscribe(C1, lists=True)
            await context.__aenter__()
            await wait_until(lambda: backend.changes.followers == 2)
            if era != "legacy":
                await context.__aexit__(None, None, None)
        await wait_until(lambda: backend.changes.followers == 0)


@pytest.mark.parametrize("era", ERAS)
async def test_organisations_hear_of_their_own_only(era: str) -> None:
    backends = {ALICE: FakeBackend(), BOB: FakeBackend()}
    for backend in backends.values():
        backend.connections.rows["c1"] = make_connection("c1")
    callers = [ALICE]

    def backend_for(principal: Principal) -> Backend:
        return backends[principal].as_backend()

    server = build_server(backend_for, version="9.9", who_calls=lambda: callers[0])
    async with (
        server.announcing(),
        ear_of(server, era) as alice,
        ear_of(server, era) as bob,
        alice.subscribe(C1, lists=True),
    ):
        callers[0] = BOB
        async with bob.subscribe(C1, lists=True):
            rename(backends[BOB], "c1", "of Bob")
            await bob.wait_to_hear(ResourceUpdated(C1))
            await bob.wait_to_hear(ResourcesListChanged())
            backends[ALICE].changes.announce()
            assert alice.heard == []
            rename(backends[ALICE], "c1", "of Alice")
            await alice.wait_to_hear(ResourceUpdated(C1))
            assert bob.heard.count(ResourceUpdated(C1)) == 1


async def test_subscribing_is_refused_where_nothing_is_announced(server: WeftServer) -> None:
    async with ear_of(server, "2026-07-28") as ear:
        with pytest.raises(MCPError, match="announces no changes"):
            async with ear.subscribe(C1):
                pass


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_capabilities_promise_what_is_kept(server: WeftServer, mode: str) -> None:
    async with Client(server, mode=mode) as client:
        resources = client.server_capabilities.resources
    assert resources is not None
    assert resources.subscribe
    assert resources.list_changed


async def test_bursts_are_told_at_a_bounded_rate_and_to_their_end(
    server: WeftServer, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 0.2)
    async with server.announcing(), ear_of(server, "legacy") as ear, ear.subscribe(C1):
        for number in range(50):
            rename(backend, "c1", f"name {number}")
            await anyio.lowlevel.checkpoint()
        await ear.wait_to_hear(ResourceUpdated(C1))
        rename(backend, "c1", "the last")
        await ear.wait_to_hear(ResourceUpdated(C1), 2)
    assert ear.heard.count(ResourceUpdated(C1)) == 2
