"""Finds things that a caller names by an id, a unique name, or a prefix of an id."""

import re
from typing import Final

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import Job
from weft.domain.names import pick_one, suggest_name
from weft.local.store.base import Store

NAMES_LOOKED_AT: Final = 200
"""How many of the newest names a suggestion is sought among."""

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


async def find_connection(store: Store, organization_id: str, text: str) -> Connection:
    """Find by id, unique name or unique prefix of an id. Raises NotFound or Ambiguous."""
    if _ID.fullmatch(text):
        exact = await store.connections.get(organization_id, text.lower())
        found = [exact] if exact else []
    else:
        found = await store.connections.find(organization_id, text.strip())
    near = None
    if not found:
        page = await store.connections.list(
            organization_id,
            readable_collection_id=None,
            short_name=None,
            status=None,
            cursor=None,
            limit=NAMES_LOOKED_AT,
        )
        near = suggest_name(text.strip(), (item.name for item in page.items))
    return pick_one(found, "connection", "connection_id", _label_connection, near=near)


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
    if not found:
        page = await store.collections.list(organization_id, cursor=None, limit=NAMES_LOOKED_AT)
        names = [name for item in page.items for name in (item.readable_id, item.name)]
        near = suggest_name(wanted, names)
    hint = "list_collections shows what there is; create_collection makes one."
    return pick_one(
        exact or named or found,
        "collection",
        "readable_collection_id",
        lambda item: f"{item.readable_id} ({item.name})",
        hint,
        near=near,
    )


def _label_connection(item: Connection) -> str:
    return f"{item.id} ({item.name}: {item.short_name} in {item.readable_collection_id})"
