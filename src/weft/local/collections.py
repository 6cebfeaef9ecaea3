"""Collections of the local backend."""

import re
import secrets
import uuid

from weft.backend import LIST_LIMIT_DEFAULT, Collections, Connections
from weft.domain.base import Page
from weft.domain.collections import Collection, CollectionStatus, NewCollection
from weft.errors import InvalidInput, NotFound
from weft.local.engine import Engine
from weft.local.limits import checked_limit
from weft.local.resolve import find_collection

NAME_MIN_CHARS = 4
NAME_MAX_CHARS = 64
READABLE_ID_MAX_CHARS = 80
_READABLE_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SUFFIX_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_SUFFIX_CHARS = 5


class LocalCollections(Collections):
    """See Collections."""

    def __init__(self, engine: Engine, organization_id: str, connections: Connections) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._connections = connections

    async def list(
        self, *, cursor: str | None = None, limit: int = LIST_LIMIT_DEFAULT
    ) -> Page[Collection]:
        return await self._engine.store.collections.list(
            self._organization_id, cursor=cursor, limit=checked_limit(limit)
        )

    async def get(self, collection: str) -> Collection:
        return await find_collection(self._engine.store, self._organization_id, collection)

    async def create(self, new: NewCollection) -> Collection:
        name = _name(new.name)
        now = self._engine.clock()
        collection = Collection(
            id=str(uuid.uuid4()),
            organization_id=self._organization_id,
            name=name,
            readable_id=_readable_id(new.readable_id, name),
            status=CollectionStatus.NEEDS_SOURCE,
            created_at=now,
            modified_at=now,
        )
        await self._engine.store.collections.insert(collection)
        self._engine.changes.announce()
        return collection

    async def update(self, collection: str, *, name: str) -> Collection:
        text = _name(name)
        found = await self.get(collection)
        store = self._engine.store.collections
        if not await store.rename(found, text, self._engine.clock()):
            raise NotFound("The collection was deleted meanwhile.", field="readable_collection_id")
        self._engine.changes.announce()
        return await self.get(found.id)

    async def delete(self, collection: str) -> Collection:
        store = self._engine.store.collections
        found = await self.get(collection)
        for connection_id in await store.connection_ids(found):
            try:
                await self._connections.delete(connection_id)
            except NotFound:
                continue  # Someone else deleted it meanwhile, which is what was wanted.
        await store.delete(found)
        self._engine.changes.announce()
        return found


def _name(wanted: str) -> str:
    name = wanted.strip()
    if not NAME_MIN_CHARS <= len(name) <= NAME_MAX_CHARS:
        raise InvalidInput(
            f"name must have {NAME_MIN_CHARS} to {NAME_MAX_CHARS} characters.", field="name"
        )
    return name


def _readable_id(wanted: str | None, name: str) -> str:
    if wanted is None:
        slug = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "collection"
        suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_CHARS))
        return f"{slug}-{suffix}"
    if not _READABLE_ID.fullmatch(wanted) or len(wanted) > READABLE_ID_MAX_CHARS:
        raise InvalidInput(
            "readable_id may only have lower-case letters and digits, joined by single hyphens, "
            f"and at most {READABLE_ID_MAX_CHARS} characters.",
            field="readable_id",
            hint="For example 'team-docs'. Leave it out to have one made from the name.",
        )
    return wanted
