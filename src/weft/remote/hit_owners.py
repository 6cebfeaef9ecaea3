"""Finds the connections of search results, as Airweave names only the sync of each."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import anyio

from weft.domain.connections import Connection
from weft.domain.reading.search import SearchHit
from weft.errors import NotFound, TryLater
from weft.remote.api.paging import walk
from weft.remote.api.paths import CONNECTIONS_PATH
from weft.remote.state.remote_state import RemoteState
from weft.wire.connections import read_connections
from weft.wire.search import FoundEntity

READ_MAX: Final = 20
"""The most connections that are read for one search; the next search goes on with others."""

READ_SECONDS: Final = 5.0
"""No search waits longer for the names of its connections."""

_UNKNOWN_NOTE: Final = (
    "The connections of some hits are not known yet, as the API names only their syncs: search"
    " again, which reads more of its connections, or name one with connection_id."
)


class HitOwners:
    """The connections of results; those that were found once are remembered."""

    def __init__(self, state: RemoteState) -> None:
        self._state = state
        self._client = state.client

    async def name_hits(
        self, found: Sequence[FoundEntity], collection: str | None
    ) -> tuple[Sequence[SearchHit], str]:
        """Return the hits with their connections, and a note if some are not known yet.

        ``collection`` has the results; None stands for several.
        """
        known = self._state.connection_of
        asked = [item for item in found if not item.hit.connection_id and item.sync_id]
        unknown = [item for item in asked if item.sync_id not in known]
        if unknown:
            await self._learn(unknown, collection)
        note = "" if all(item.sync_id in known for item in unknown) else _UNKNOWN_NOTE
        return [self._with_connection(item) for item in found], note

    def _with_connection(self, found: FoundEntity) -> SearchHit:
        hit, sync_id = found.hit, found.sync_id
        if hit.connection_id or sync_id is None:
            return hit
        connection_id = self._state.connection_of.get(sync_id, "")
        name = self._state.name_of.get(connection_id, hit.connection_name)
        return hit.model_copy(update={"connection_id": connection_id, "connection_name": name})

    async def _learn(self, unknown: Sequence[FoundEntity], collection: str | None) -> None:
        """Read connections until the unknown syncs are known, or enough were read.

        The hits are good without, so nothing that fails here is an error.
        """
        known = self._state.connection_of
        wanted = {item.sync_id for item in unknown if item.sync_id}
        with anyio.move_on_after(READ_SECONDS):
            try:
                unread = await self._list_unread({item.source_name for item in unknown}, collection)
                most = self._client.limit_burst(READ_MAX)
                for one in unread[:most]:
                    if wanted <= known.keys():
                        return
                    await self._read(one.id)
            except TryLater:
                return
            if len(unread) <= most:
                for sync_id in wanted - known.keys():
                    known.remember(sync_id, "")  # Its connection was deleted.

    async def _list_unread(self, sources: set[str], collection: str | None) -> list[Connection]:
        """List the connections whose sync is not known, those with the most entities first.

        A source without a name may be any.
        """
        read = set(self._state.connection_of.values())
        params = {"collection": collection} if collection else {}
        items = walk(self._client, CONNECTIONS_PATH, read_connections, params=params)
        async with aclosing(items):
            unread = [
                item
                async for item in items
                if item.id not in read and sources & {item.short_name, ""}
            ]
        return sorted(unread, key=lambda one: -one.entities.total_entities)

    async def _read(self, connection_id: str) -> None:
        try:
            await self._state.fetch_connection(connection_id)
        except NotFound:
            return  # It was deleted meanwhile.
