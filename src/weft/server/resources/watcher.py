"""Watch the resources that clients subscribed to, and tell them which have changed.

Each organisation that watches something has followers. A follower waits for changes of the backend
and then reads all watched resources. It tells nobody outside the organisation.
"""

import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

import anyio
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.domain.access.principals import Principal
from weft.errors import CallError, TryLater, WeftError
from weft.server.render.errors import log_crash
from weft.server.resources.read import read_resource

# Subscribers hear of a resource at most this often, and always of its last change.
LOOK_SECONDS: Final = 0.3
# Followers rest this many times as long as they took to read everything that is watched.
_REST_FACTOR: Final = 3
RETRY_SECONDS: Final = 2.0
# Each watched resource is read again after every change.
WATCHED_MAX: Final = 1000

_LISTING: Final = "listing"

_logger = logging.getLogger(__name__)

Tell = Callable[[ServerEvent], None]
Release = Callable[[], None]
Look = Callable[[Backend, str], Awaitable[bytes]]
Work = Callable[[], Coroutine[object, object, None]]


class ResourceWatcher:
    """The listeners and the watched resources of each organisation."""

    def __init__(self, backend_for: Callable[[Principal], Backend]) -> None:
        self._backend_for = backend_for
        self._start_soon: Callable[[Work], None] | None = None
        self._listeners: dict[str, dict[object, Tell]] = {}
        self._resources: dict[str, _Follower] = {}
        self._listings: dict[str, _Follower] = {}

    @property
    def is_running(self) -> bool:
        """Return whether followers can run, which is only within `running`."""
        return self._start_soon is not None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run followers and other tasks of subscriptions within this context."""
        context = copy_context()
        async with anyio.create_task_group() as tasks:

            def start_soon(work: Work) -> None:
                # Do not run it in the first request's context: a follower acts for no
                # principal and belongs to no request's trace.
                context.copy().run(tasks.start_soon, work)

            self._start_soon = start_soon
            try:
                yield
            finally:
                self._start_soon = None
                self._resources.clear()
                self._listings.clear()
                tasks.cancel_scope.cancel()

    def start_soon(self, work: Work) -> None:
        """Run ``work`` in the background. Raises TryLater outside `running`."""
        if self._start_soon is None:
            raise TryLater("This server announces no changes now.")
        self._start_soon(work)

    def listen(self, organization_id: str, tell: Tell) -> Release:
        """Call ``tell`` with every event of the organisation, until released."""
        listeners = self._listeners.setdefault(organization_id, {})
        token = object()
        listeners[token] = tell

        def release() -> None:
            listeners.pop(token, None)
            if not listeners and self._listeners.get(organization_id) is listeners:
                del self._listeners[organization_id]

        return release

    def tell(self, organization_id: str, event: ServerEvent) -> None:
        """Send an event to all listeners of the organisation."""
        for tell in list(self._listeners.get(organization_id, {}).values()):
            tell(event)

    async def watch_resource(self, principal: Principal, uri: str) -> Release:
        """Announce changes of a resource from now on. Raises WeftError as reading it would."""

        def announce(uri: str) -> None:
            self.tell(principal.organization_id, ResourceUpdated(uri))

        return await self._watch(self._resources, principal, uri, _digest_resource, announce)

    async def watch_listing(self, principal: Principal) -> Release:
        """Announce connections that appear, disappear or are renamed from now on."""

        def announce(_: str) -> None:
            self.tell(principal.organization_id, ResourcesListChanged())

        return await self._watch(self._listings, principal, _LISTING, _digest_listing, announce)

    async def _watch(
        self,
        followers: "dict[str, _Follower]",
        principal: Principal,
        key: str,
        look: Look,
        changed: Callable[[str], None],
    ) -> Release:
        organization_id = principal.organization_id
        backend = self._backend_for(principal)
        digest = await look(backend, key)
        follower = followers.get(organization_id)
        if follower is None:
            follower = _Follower(backend, look, changed)
            self.start_soon(follower.run)
            followers[organization_id] = follower
        if key not in follower.watched and len(follower.watched) >= WATCHED_MAX:
            raise TryLater(
                f"The organisation subscribes to {WATCHED_MAX} resources already.",
                hint="Unsubscribe from some; weft://connections covers all connections at once.",
            )
        watched = follower.watched.setdefault(key, _WatchState(digest))
        watched.holders += 1
        held = True

        def release() -> None:
            nonlocal held
            if not held:
                return
            held = False
            watched.holders -= 1
            if not watched.holders:
                del follower.watched[key]
            if not follower.watched:
                follower.scope.cancel()
                if followers.get(organization_id) is follower:
                    del followers[organization_id]

        return release


@dataclass
class _WatchState:
    """The digest of a resource as last seen, None if it is gone, and its number of watchers."""

    digest: bytes | None
    holders: int = 0


class _Follower:
    def __init__(self, backend: Backend, look: Look, changed: Callable[[str], None]) -> None:
        self.watched: dict[str, _WatchState] = {}
        self.scope = anyio.CancelScope()
        self._backend = backend
        self._look = look
        self._changed = changed

    async def run(self) -> None:
        with self.scope:
            while True:
                try:
                    await self._follow()
                except WeftError as error:
                    _logger.warning("cannot follow changes: %s", error)
                except Exception as error:  # noqa: BLE001 (the edge: it must not end the server)
                    log_crash(error, "Following changes")
                await anyio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        async with aclosing(self._backend.changes.follow()) as news:
            async for _ in news:
                started = time.monotonic()
                for key, watched in list(self.watched.items()):
                    digest = await self._digest(key)
                    if digest != watched.digest:
                        watched.digest = digest
                        self._changed(key)
                took = time.monotonic() - started
                await anyio.sleep(max(LOOK_SECONDS, _REST_FACTOR * took))

    async def _digest(self, key: str) -> bytes | None:
        try:
            return await self._look(self._backend, key)
        except CallError:
            return None


async def _digest_resource(backend: Backend, uri: str) -> bytes:
    return _hash(await read_resource(backend, uri))


async def _digest_listing(backend: Backend, _: str) -> bytes:
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = await backend.connections.list(cursor=cursor, limit=LIST_LIMIT_MAX)
        names += [part for item in page.items for part in (item.id, item.name)]
        cursor = page.next_cursor
        if cursor is None:
            return _hash("\0".join(names))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
