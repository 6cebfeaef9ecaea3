"""Manages the collections of a remote API."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

from weft.backend import LIST_LIMIT_DEFAULT, Collections, validate_limit
from weft.domain.base import Page
from weft.domain.collections import (
    Collection,
    NewCollection,
    derive_readable_id,
    is_readable_id,
    validate_name,
    validate_readable_id,
)
from weft.domain.reading.cursors import encode_cursor
from weft.errors import Conflict, NotFound
from weft.remote.api.client import send_or_find
from weft.remote.api.paging import find_named, skip_of, walk
from weft.remote.api.paths import COLLECTIONS_PATH, CONNECTIONS_PATH, collection_path
from weft.remote.state.remote_state import RemoteState
from weft.remote.waiting.drafts import Drafts
from weft.wire import bodies
from weft.wire.collections import read_collection, read_collections
from weft.wire.connections import read_connections

T = TypeVar("T")

# Enough that a collection with our random readable id must be the one that we created.
RANDOM_CHARS: Final = 8


class RemoteCollections(Collections):
    """See Collections. The API counts no entities, and tells a collection's connections in lists
    only, so both are counted from the connections. Drafts count, and go with their collection.
    """

    def __init__(self, state: RemoteState, drafts: Drafts) -> None:
        self._state = state
        self._client = state.client
        self._drafts = drafts

    async def list(
        self, *, cursor: str | None = None, limit: int = LIST_LIMIT_DEFAULT
    ) -> Page[Collection]:
        skip, size = skip_of(cursor, COLLECTIONS_PATH), validate_limit(limit)
        found = await self._client.get(
            COLLECTIONS_PATH, read_collections, params={"skip": skip, "limit": size + 1}
        )
        more = encode_cursor(skip + size, COLLECTIONS_PATH) if len(found) > size else None
        contents = await self._read_contents(None) if found else _Contents()
        items = tuple(contents.describe(item) for item in found[:size])
        return Page(items=items, next_cursor=more)

    async def get(self, collection: str) -> Collection:
        found = await self.find(collection)
        return (await self._read_contents(found.readable_id)).describe(found)

    async def create(self, new: NewCollection) -> Collection:
        """Create a collection. If the answer is lost, the readable id finds it: the id ends in
        random characters, or we checked that no collection had it.
        """
        name = validate_name(new.name)
        if new.readable_id is None:
            readable_id = derive_readable_id(name, random_chars=RANDOM_CHARS)
        else:
            readable_id = validate_readable_id(new.readable_id)
        if new.readable_id is not None and await self._fetch_exact(readable_id) is not None:
            raise Conflict(
                "A collection with that readable_id exists already.",
                field="readable_id",
                hint="Use it, or choose another readable_id.",
            )
        body = bodies.new_collection(NewCollection(name=name), readable_id)
        made = await send_or_find(
            lambda: self._client.send("POST", COLLECTIONS_PATH, read_collection, body),
            lambda: self._fetch_exact(readable_id),
            self._client.timeouts,
            unknown="Whether the collection was created is not known: see list_collections.",
        )
        self._state.own_changes.announce()
        return made

    async def update(self, collection: str, *, name: str) -> Collection:
        """Rename a collection. If the answer is lost, the name shows whether it was changed."""
        name = validate_name(name)
        found = await self.find(collection)

        async def look() -> Collection | None:
            now = await self._fetch_exact(found.readable_id)
            return now if now is not None and now.name == name else None

        renamed = await send_or_find(
            lambda: self._client.send(
                "PATCH",
                collection_path(found.readable_id),
                read_collection,
                {"name": name},
                missing="readable_collection_id",
            ),
            look,
            self._client.timeouts,
            unknown="Whether the collection was renamed is not known: see list_collections.",
        )
        self._state.own_changes.announce()
        return (await self._read_contents(found.readable_id)).describe(renamed)

    async def delete(self, collection: str, *, permanently: bool = False) -> Collection:
        del permanently  # The API deletes for good in any case.
        found = await self.get(collection)
        await self._client.delete(
            collection_path(found.readable_id), missing="readable_collection_id"
        )
        await self._drafts.drop_of(found.readable_id)
        self._state.own_changes.announce()
        return found

    async def discard(self, collection: str) -> None:
        """See Collections; the API itself would delete it with what was put into it just now."""
        found = await self.get(collection)
        if not found.connection_count:
            await self.delete(found.readable_id)

    async def list_readable_ids(self, limit: int) -> Sequence[str]:
        """List the readable ids of the newest collections."""
        found = await self._client.get(COLLECTIONS_PATH, read_collections, params={"limit": limit})
        return [item.readable_id for item in found]

    async def resolve_readable_id(self, collection: str) -> str:
        """Return the readable id of the ``collection`` named. Raises NotFound or Ambiguous."""
        return (await self.find(collection)).readable_id

    async def use_named(self, text: str, use: Callable[[str], Awaitable[T]]) -> T:
        """Call ``use`` with the readable id of the collection that ``text`` names: most callers
        give that id, so it is looked up only if ``use`` does not find it. Raises as `find` does.
        """
        if is_readable_id(text):
            try:
                return await use(text)
            except NotFound as error:
                if error.field != "readable_collection_id":
                    raise
        return await use(await self.resolve_readable_id(text))

    async def find(self, text: str) -> Collection:
        """Return the collection that ``text`` names, uncounted. Raises NotFound or Ambiguous."""
        exact = await self._fetch_exact(text.strip())
        if exact is not None:
            return exact
        return await find_named(
            self._client,
            COLLECTIONS_PATH,
            read_collections,
            text,
            noun="collection",
            field="readable_collection_id",
        )

    async def _fetch_exact(self, readable_id: str) -> Collection | None:
        if not is_readable_id(readable_id):
            return None
        try:
            return await self._client.get(
                collection_path(readable_id),
                read_collection,
                missing="readable_collection_id",
            )
        except NotFound:
            return None

    async def _read_contents(self, readable_id: str | None) -> "_Contents":
        params = {"collection": readable_id} if readable_id else {}
        contents = _Contents()
        items = walk(self._client, CONNECTIONS_PATH, read_connections, params=params)
        async with aclosing(items):
            async for item in items:
                contents.connections[item.readable_collection_id] += 1
                contents.entities[item.readable_collection_id] += item.entities.total_entities
        for draft in await self._drafts.list_open():
            if draft.new is not None:
                contents.connections[draft.new.readable_collection_id] += 1
        return contents


class _Contents:
    """Counts of connections and entities by the readable ids of their collections."""

    def __init__(self) -> None:
        self.connections = Counter[str]()
        self.entities = Counter[str]()

    def describe(self, collection: Collection) -> Collection:
        """Return the collection with its counts."""
        name = collection.readable_id
        counts = {
            "connection_count": max(collection.connection_count, self.connections[name]),
            "entity_count": max(collection.entity_count, self.entities[name]),
        }
        return collection.model_copy(update=counts)
