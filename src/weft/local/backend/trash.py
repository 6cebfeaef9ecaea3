"""What was deleted from the local backend, and can be restored."""

from datetime import datetime

from weft.backend import Trash
from weft.domain.collections import Collection, derive_readable_id
from weft.domain.connections import Connection
from weft.domain.restoring import RESTORABLE_SHOWN_MAX, Restorable, Restored
from weft.errors import Conflict, InvalidInput, NotFound
from weft.local.backend.collections import RANDOM_CHARS
from weft.local.engine import Engine
from weft.local.resolve import find_deleted_collection, find_deleted_connection
from weft.local.store.trash import TakenBack


class LocalTrash(Trash):
    def __init__(self, engine: Engine, organization_id: str) -> None:
        self._engine = engine
        self._organization_id = organization_id

    async def end(self) -> datetime | None:
        undo = self._engine.limits.undo
        return await self._engine.store.now() + undo if undo else None

    async def list(self) -> Restorable:
        trash, shown = self._engine.store.trash, RESTORABLE_SHOWN_MAX
        connections = await trash.find_connections(self._organization_id, limit=shown + 1)
        collections = await trash.find_collections(self._organization_id, limit=shown + 1)
        return Restorable(
            connections=tuple(connections[:shown]),
            collections=tuple(collections[:shown]),
            more=max(len(connections), len(collections)) > shown,
        )

    async def get_connection(self, connection: str) -> Connection:
        return await find_deleted_connection(self._engine.store, self._organization_id, connection)

    async def get_collection(self, collection: str) -> Collection:
        return await find_deleted_collection(self._engine.store, self._organization_id, collection)

    async def restore(
        self, *, connection: str | None = None, collection: str | None = None
    ) -> Restored:
        if (connection is None) == (collection is None):
            raise InvalidInput(
                "Name either a connection or a collection to restore.", field="connection_id"
            )
        if connection is not None:
            found = await self.get_connection(connection)
            former = found.readable_collection_id
        else:
            found = await self.get_collection(collection or "")
            former = found.readable_id
        taken = await self._take_back(found, former)
        self._engine.changes.announce()
        self._engine.work.announce()
        return await self._describe(taken, former)

    async def _take_back(self, found: Connection | Collection, former: str) -> TakenBack:
        trash = self._engine.store.trash
        try:
            taken = await trash.restore(found, former)
        except Conflict:
            # Another collection has that readable id by now.
            free = derive_readable_id(former, random_chars=RANDOM_CHARS)
            taken = await trash.restore(found, free)
        if taken is None:
            raise NotFound(
                "It cannot be restored any more, or somebody has just restored it.",
                hint="list_connections shows what is there.",
            )
        return taken

    async def _describe(self, taken: TakenBack, former: str) -> Restored:
        store = self._engine.store
        found = [
            await store.connections.get(self._organization_id, each)
            for each in taken.connection_ids[:RESTORABLE_SHOWN_MAX]
        ]
        collection = None
        if taken.collection_id is not None:
            back = await store.collections.find(self._organization_id, taken.collection_id)
            collection = next(iter(back), None)  # Somebody may have deleted it again by now.
        renamed = collection is not None and collection.readable_id != former
        return Restored(
            connections=tuple(each for each in found if each is not None),
            connection_count=len(taken.connection_ids),
            collection=collection,
            former_readable_id=former if renamed else None,
        )
