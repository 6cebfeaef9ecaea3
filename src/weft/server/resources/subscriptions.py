"""Subscriptions to resources, in both eras.

A client of the newer era listens on the stream that answers `subscriptions/listen`. A client of the
older era subscribes to single resources within its session, and hears of changed lists once it has
read one.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    SubscriptionBus,
)
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from weft.domain.access.principals import WhoCalls
from weft.errors import InvalidInput
from weft.server.render.errors import log_crash
from weft.server.resources.read import SCHEME
from weft.server.resources.watcher import Release, ResourceWatcher

SUBSCRIPTIONS_MAX: Final = 200

MustExist = Callable[[ServerRequestContext[Any, Any], str], Awaitable[None]]
"""Raises MCPError, as reading would, if the caller has no such resource."""


class Subscriptions(SubscriptionBus):
    """Serves subscriptions for the principal of each call.

    ``must_exist`` checks that the caller may read a resource. Resources that are not Weft's own
    are not watched; their subscribers hear of published events.
    """

    def __init__(self, news: ResourceWatcher, who_calls: WhoCalls, must_exist: MustExist) -> None:
        self._watcher = news
        self._who_calls = who_calls
        self._must_exist = must_exist
        self._listen = ListenHandler(self)
        self._sessions: WeakKeyDictionary[Connection, _Subscriber] = WeakKeyDictionary()

    async def publish(self, event: ServerEvent) -> None:
        """Send an event to all listeners in the caller's organisation."""
        self._watcher.tell(self._who_calls().organization_id, event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Call the listener with every event in the caller's organisation from now on."""
        return self._watcher.listen(self._who_calls().organization_id, listener)

    async def listen(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Answer with a stream until the client goes.

        Raises WeftError and MCPError as reading any of the resources would.
        """
        wanted = params.notifications
        uris = dict.fromkeys(wanted.resource_subscriptions or ())
        if len(uris) > SUBSCRIPTIONS_MAX:
            raise _too_many()
        with ExitStack() as held:
            for uri in uris:
                held.callback(await self._watch(ctx, uri))
            if wanted.resources_list_changed:
                held.callback(await self._watcher.watch_listing(self._who_calls()))
            return await self._listen(ctx, params)

    async def add(
        self, ctx: ServerRequestContext[Any, Any], connection: Connection, uri: str
    ) -> None:
        """Subscribe the session to a resource; a second time changes nothing.

        Raises WeftError and MCPError as reading it would, InvalidInput beyond SUBSCRIPTIONS_MAX.
        """
        session = self._session(connection)
        if uri in session.held:
            return
        release = await self._watch(ctx, uri)
        if len(session.held.keys() - {_LIST}) >= SUBSCRIPTIONS_MAX:
            release()
            raise _too_many()
        session.hold(uri, release)

    def remove(self, connection: Connection, uri: str) -> None:
        """Unsubscribe the session from a resource, if it is subscribed."""
        session = self._sessions.get(connection)
        if session is not None:
            session.drop(uri)

    async def watch_list(self, connection: Connection) -> None:
        """Tell the session, from now on, when the list of resources changes."""
        if not self._watcher.is_running:
            return
        session = self._session(connection)
        if _LIST not in session.held:
            session.hold(_LIST, await self._watcher.watch_listing(self._who_calls()))

    async def _watch(self, ctx: ServerRequestContext[Any, Any], uri: str) -> Release:
        await self._must_exist(ctx, uri)
        if uri.startswith(SCHEME):
            return await self._watcher.watch_resource(self._who_calls(), uri)
        return _nothing

    def _session(self, connection: Connection) -> "_Subscriber":
        session = self._sessions.get(connection)
        if session is None:
            session = _Subscriber(connection)
            self._watcher.start_soon(session.run)
            session.leave = self.subscribe(session.tell)
            self._sessions[connection] = session
            connection.exit_stack.callback(session.end)
        return session


# A key that cannot be an address.
_LIST: Final = ""


class _Subscriber:
    """A session of the older era, with its subscriptions and its unsent notifications.

    It has a sending task of its own, because a client that stops reading blocks that task.
    """

    def __init__(self, connection: Connection) -> None:
        self.held: dict[str, Release] = {}
        self.leave: Release = _nothing
        self._connection = ref(connection)
        self._scope = anyio.CancelScope()
        self._pending: dict[ServerEvent, None] = {}
        self._woken = anyio.Event()

    def hold(self, key: str, release: Release) -> None:
        if key in self.held or self._scope.cancel_called:
            release()
        else:
            self.held[key] = release

    def drop(self, key: str) -> None:
        self.held.pop(key, _nothing)()

    def tell(self, event: ServerEvent) -> None:
        if _key(event) in self.held:
            self._pending[event] = None
            self._woken.set()

    async def run(self) -> None:
        with self._scope:
            while True:
                await self._woken.wait()
                self._woken = anyio.Event()
                pending, self._pending = self._pending, {}
                for event in pending:
                    await self._send(event)

    def end(self) -> None:
        self._scope.cancel()
        self.leave()
        for key in list(self.held):
            self.drop(key)

    async def _send(self, event: ServerEvent) -> None:
        connection = self._connection()
        if connection is None:
            return
        try:
            if isinstance(event, ResourceUpdated):
                await connection.send_resource_updated(event.uri)
            else:
                await connection.send_resource_list_changed()
        except Exception as error:  # noqa: BLE001 (one session's trouble must not end the server)
            log_crash(error, "Announcing a change")


def _key(event: ServerEvent) -> str | None:
    if isinstance(event, ResourceUpdated):
        return event.uri
    return _LIST if isinstance(event, ResourcesListChanged) else None


def _too_many() -> InvalidInput:
    return InvalidInput(
        f"A session subscribes to {SUBSCRIPTIONS_MAX} resources at most.",
        hint="Unsubscribe from some; weft://connections covers all connections at once.",
    )


def _nothing() -> None:
    pass
