"""Collections of the local backend."""

from contextlib import suppress
from typing import Final

from weft.backend import LIST_LIMIT_DEFAULT, Collections, Connections, validate_limit
from weft.domain.base import Page
from weft.domain.collections import (
    Collection,
    NewCollection,
    derive_readable_id,
    validate_name,
    validate_readable_id,
)
from weft.domain.connections import Connection
from weft.errors import Conflict, NotFound
from weft.local.engine import Engine
from weft.local.resolve import find_collection

RANDOM_CHARS: Final = 5


class LocalCollections(Collections):
    def __init__(self, engine: Engine, organization_id: str, connections: Connections) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._connections = connections

    async def list(
        self, *, cursor: str | None = None, limit: int = LIST_LIMIT_DEFAULT
    ) -> Page[Collection]:
        return await self._engine.store.collections.list(
            self._organization_id, cursor=cursor, limit=validate_limit(limit)
        )

    async def get(self, collection: str) -> Collection:
        return await find_collection(self._engine.store, self._organization_id, collection)

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

    async def delete(self, collection: str) -> Collection:
        store = self._engine.store.collections
        found = await self.get(collection)
        gone: list[Connection] = []
        for connection_id in await store.connection_ids(found):
            # Somebody may have deleted or moved one meanwhile, which is fine.
            with suppress(NotFound):
                if not await self._is_still_in(found, connection_id):
                    continue
                gone.append(await self._connections.delete(connection_id))
        await store.delete(found)
        self._engine.changes.announce()
        counts = {
            "connection_count": len(gone),
            "entity_count": sum(item.entities.total_entities for item in gone),
        }
        return found.model_copy(update=counts)

    async def _is_still_in(self, collection: Collection, connection_id: str) -> bool:
        now = await self._connections.get(connection_id)
        return now.readable_collection_id == collection.readable_id
