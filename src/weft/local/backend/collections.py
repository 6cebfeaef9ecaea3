"""Collections of the local backend."""

from contextlib import suppress
from functools import partial
from typing import Final

from weft.backend import LIST_LIMIT_DEFAULT, Collections, validate_limit
from weft.backend.deletions import find_to_delete
from weft.domain.base import Page
from weft.domain.collections import (
    Collection,
    NewCollection,
    derive_readable_id,
    validate_name,
    validate_readable_id,
)
from weft.errors import Conflict, NotFound
from weft.local.backend.connections import LocalConnections
from weft.local.backend.coverage import add_coverages
from weft.local.engine import Engine
from weft.local.resolve import find_collection, find_deleted_collection
from weft.local.store.trash import FOR_GOOD

RANDOM_CHARS: Final = 5


class LocalCollections(Collections):
    def __init__(self, engine: Engine, organization_id: str, connections: LocalConnections) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._connections = connections

    async def list(
        self, *, cursor: str | None = None, limit: int = LIST_LIMIT_DEFAULT
    ) -> Page[Collection]:
        page = await self._engine.store.collections.list(
            self._organization_id, cursor=cursor, limit=validate_limit(limit)
        )
        return page.model_copy(update={"items": await add_coverages(self._engine, page.items)})

    async def get(self, collection: str) -> Collection:
        found = await find_collection(self._engine.store, self._organization_id, collection)
        return (await add_coverages(self._engine, (found,)))[0]

    async def create(self, new: NewCollection) -> Collection:
        name = validate_name(new.name)
        if new.readable_id is not None:
            return await self._insert(validate_readable_id(new.readable_id), name)
        with suppress(Conflict):
            return await self._insert(derive_readable_id(name), name)
        return await self._insert(derive_readable_id(name, random_chars=RANDOM_CHARS), name)

    async def update(self, collection: str, *, name: str) -> Collection:
        text = validate_name(name)
        found = await self.get(collection)
        store = self._engine.store.collections
        if not await store.rename(found, text):
            raise NotFound("The collection was deleted meanwhile.", field="readable_collection_id")
        self._engine.changes.announce()
        return await self.get(found.id)

    async def _insert(self, readable_id: str, name: str) -> Collection:
        collection = await self._engine.store.collections.insert(
            self._organization_id, readable_id=readable_id, name=name
        )
        self._engine.changes.announce()
        return collection

    async def delete(self, collection: str, *, permanently: bool = False) -> Collection:
        get_deleted = partial(find_deleted_collection, self._engine.store, self._organization_id)
        found = await find_to_delete(self.get, get_deleted, collection, permanently=permanently)
        held: list[str] = []
        if found.restorable_until is None:
            held += await self._engine.store.collections.connection_ids(found)
        for connection_id in held:
            # Somebody may have deleted or moved one meanwhile, which is fine.
            with suppress(NotFound):
                now = await self._connections.get(connection_id)
                if now.readable_collection_id == found.readable_id:
                    await self._connections.stop_job(now)
        gone = await self._engine.store.trash.delete_collection(
            found, held, keep_for=FOR_GOOD if permanently else self._engine.limits.undo
        )
        if gone is None:
            raise NotFound("The collection was deleted meanwhile.", field="readable_collection_id")
        self._engine.changes.announce()
        self._engine.work.announce()
        return gone

    async def discard(self, collection: str) -> None:
        found = await self.get(collection)
        with suppress(Conflict):
            await self._engine.store.trash.delete_collection(found, (), keep_for=FOR_GOOD)
        self._engine.changes.announce()
