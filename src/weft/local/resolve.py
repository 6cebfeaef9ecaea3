"""Finds things that a caller names by an id, a unique name, or a prefix of an id."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from weft.domain.collections import Collection
from weft.domain.connections import NAME_MAX_CHARS, Connection
from weft.domain.jobs import Job
from weft.domain.text.names import pick_one, suggest_name
from weft.local.store.base import Store

NAMES_LOOKED_AT: Final = 200
"""How many of the newest names a suggestion is sought among."""
NAMES_TRIED: Final = 5
_FOUND_MAX: Final = 5
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


async def find_deleted_connection(store: Store, organization_id: str, text: str) -> Connection:
    """Find one that can be restored. Raises NotFound, naming those that can, or Ambiguous."""
    wanted = text.strip()
    found = await store.trash.find_connections(organization_id, wanted, limit=_FOUND_MAX)
    exact = [item for item in found if wanted.lower() == item.id]
    named = [item for item in found if wanted.casefold() == item.name.casefold()]
    hint = None if found else await _tell_restorable(store, organization_id)
    return pick_one(
        exact or named or found, "deleted connection", "connection_id", _label_deleted, hint
    )


async def find_deleted_collection(store: Store, organization_id: str, text: str) -> Collection:
    """Find one that can be restored. Raises NotFound, naming those that can, or Ambiguous."""
    wanted = text.strip()
    found = await store.trash.find_collections(organization_id, wanted, limit=_FOUND_MAX)
    exact = [item for item in found if wanted in (item.id, item.readable_id)]
    named = [item for item in found if wanted.casefold() == item.name.casefold()]
    hint = None if found else await _tell_restorable(store, organization_id)
    return pick_one(
        exact or named or found,
        "deleted collection",
        "readable_collection_id",
        lambda item: f"{item.id} ({item.readable_id}, {_tell_end(item.restorable_until)})",
        hint,
    )


async def find_connection(store: Store, organization_id: str, text: str) -> Connection:
    """Find by id, unique name or unique prefix of an id. Raises NotFound or Ambiguous."""
    if _ID.fullmatch(text):
        exact = await store.connections.get(organization_id, text.lower())
        found = [exact] if exact else []
    else:
        found = await store.connections.find(organization_id, text.strip())
    near = hint = None
    find_deleted = store.trash.find_connections
    if not found and (kept := await find_deleted(organization_id, text.strip(), limit=1)):
        hint = (
            f"It was deleted; restore_connection(connection_id='{kept[0].id}') brings it back, "
            f"{_tell_end(kept[0].restorable_until)}."
        )
    elif not found:
        page = await store.connections.list(
            organization_id,
            readable_collection_id=None,
            short_name=None,
            status=None,
            cursor=None,
            limit=NAMES_LOOKED_AT,
        )
        near = suggest_name(text.strip(), (item.name for item in page.items))
    return pick_one(found, "connection", "connection_id", _label_connection, hint, near=near)


async def find_free_name(store: Store, organization_id: str, name: str, short_name: str) -> str:
    """Return a source's default name, with a number if there is such a connection already."""
    connections = store.connections
    if not await connections.find(organization_id, name):
        return name
    present = await connections.totals(
        organization_id, readable_collection_id=None, short_name=short_name
    )
    for number in range(present.connections + 1, present.connections + 1 + NAMES_TRIED):
        numbered = f"{name} {number}"
        if len(numbered) > NAME_MAX_CHARS:
            break
        if not await connections.find(organization_id, numbered):
            return numbered
    return name


async def find_job(store: Store, organization_id: str, text: str) -> Job:
    """Find by id or unique prefix of an id. Raises NotFound or Ambiguous."""
    found = await store.jobs.find(organization_id, text.strip())
    return pick_one(found, "job", "job_id", lambda item: item.id)


async def find_collection(store: Store, organization_id: str, text: str) -> Collection:
    """Find by readable id, id, unique name or prefix of an id. Raises NotFound or Ambiguous."""
    wanted = text.strip()
    found = await store.collections.find(organization_id, wanted)
    exact = [item for item in found if wanted == item.readable_id or wanted.lower() == item.id]
    named = [item for item in found if wanted.casefold() == item.name.casefold()]
    near = None
    hint = "list_collections shows what there is; create_collection makes one."
    kept: Sequence[Collection] = ()
    if not exact and not named:
        kept = await store.trash.find_collections(organization_id, wanted, limit=_FOUND_MAX)
    whole = [item for item in kept if wanted.casefold() in (item.readable_id, item.name.casefold())]
    if whole:
        found = []  # Another whose id merely begins so is not what was meant.
    if not found and kept:
        deleted = (whole or kept)[0]
        hint = (
            f"It was deleted; restore_connection(readable_collection_id='{deleted.id}') brings it "
            f"back, {_tell_end(deleted.restorable_until)}."
        )
    elif not found:
        page = await store.collections.list(organization_id, cursor=None, limit=NAMES_LOOKED_AT)
        names = [name for item in page.items for name in (item.readable_id, item.name)]
        near = suggest_name(wanted, names)
    return pick_one(
        exact or named or found,
        "collection",
        "readable_collection_id",
        _label_collection,
        hint,
        near=near,
    )


async def _tell_restorable(store: Store, organization_id: str) -> str:
    connections = await store.trash.find_connections(organization_id, limit=_FOUND_MAX + 1)
    collections = await store.trash.find_collections(organization_id, limit=_FOUND_MAX + 1)
    labels = [_label_connection(item) for item in connections[:_FOUND_MAX]]
    labels += [f"collection {_label_collection(item)}" for item in collections[:_FOUND_MAX]]
    if not labels:
        return "Nothing can be restored: nothing was deleted, or it is too late."
    more = ", …" if max(len(connections), len(collections)) > _FOUND_MAX else ""
    return f"Can be restored: {', '.join(labels)}{more}."


def _tell_end(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%dT%H:%MZ}" if until else "for good"


def _label_deleted(item: Connection) -> str:
    return f"{item.id} ({item.name}, {_tell_end(item.restorable_until)})"


def _label_collection(item: Collection) -> str:
    return f"{item.readable_id} ({item.name})"


def _label_connection(item: Connection) -> str:
    return f"{item.id} ({item.name}: {item.short_name} in {item.readable_collection_id})"
