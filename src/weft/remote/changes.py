"""Notices changes by polling, because a remote API does not announce them."""

import time
from collections.abc import AsyncGenerator
from typing import Final

import anyio

from weft.backend import Changes
from weft.domain.connections import Connection, ConnectionStatus
from weft.errors import RateLimited, WeftError
from weft.remote.api.paths import CONNECTIONS_PATH
from weft.remote.state.remote_state import RemoteState
from weft.wire.connections import read_connections

POLLED_MAX: Final = 200
FAILED_PAUSE_MAX: Final = 60.0


class RemoteChanges(Changes):
    """See Changes. What others change is noticed some seconds later, at the next poll. All
    followers share one poll, and without followers there is none.
    """

    def __init__(self, state: RemoteState) -> None:
        self._state = state
        self._lock = anyio.Lock()
        self._seen: object = None
        self._count = 0
        self._polled_at = 0.0
        self._pause = state.client.timeouts.follow

    async def follow(self) -> AsyncGenerator[None]:
        own = self._state.own_changes
        # What is announced during a poll counts as unseen: the poll may have come too early.
        known = own.count, await self._poll()
        yield
        while True:
            await own.wait(known[0], self._pause)
            now = own.count, await self._poll()
            if now != known:
                known = now
                yield

    async def _poll(self) -> int:
        """Poll if the last poll is old, and return the number of changes so far."""
        async with self._lock:
            if time.monotonic() - self._polled_at < self._pause / 2:
                return self._count
            follow = self._state.client.timeouts.follow
            try:
                seen = await self._fetch_facts()
            except RateLimited as error:
                self._pause = min(max(error.retry_after or 0, self._pause), FAILED_PAUSE_MAX)
            except WeftError:
                # Followers see the fault at their own next read; here it only slows polling down.
                self._pause = min(self._pause * 2, FAILED_PAUSE_MAX)
            else:
                self._pause = follow
                if seen != self._seen:
                    self._seen = seen
                    self._count += 1
            self._polled_at = time.monotonic()
            return self._count

    async def _fetch_facts(self) -> object:
        listed = await self._state.client.get(
            CONNECTIONS_PATH, read_connections, params={"limit": POLLED_MAX}
        )
        # A list shows no progress, so while something syncs each poll counts as a change.
        busy = any(item.status is ConnectionStatus.SYNCING for item in listed)
        return (time.monotonic() if busy else 0, tuple(map(_facts, listed)))


def _facts(item: Connection) -> tuple[object, ...]:
    return item.id, item.name, item.status, item.modified_at, item.entities.total_entities
