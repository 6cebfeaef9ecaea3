"""Finds things that a caller names by an id, a unique name, or a prefix of an id."""

import re
from collections.abc import Sequence
from typing import TypeVar

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import Job
from weft.errors import Ambiguous, NotFound
from weft.local.store.base import Store

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T", Collection, Connection, Job)


async def find_connection(store: Store, organization_id: str, text: str) -> Connection:
    """Find by id, unique name or unique prefix of an id. Raises NotFound or Ambiguous."""
    if _ID.fullmatch(text):
        exact = await store.connections.get(organization_id, text.lower())
        found = [exact] if exact else []
    else:
        found = await store.connections.find(organization_id, text.strip())
    return _only(found, "connection", "connection_id", "list_connections shows what there is.")


async def find_job(store: Store, organization_id: str, text: str) -> Job:
    """Find by id or unique prefix of an id. Raises NotFound or Ambiguous."""
    found = await store.jobs.find(organization_id, text.strip())
    return _only(found, "job", "job_id", "list_jobs shows what there is.")


async def find_collection(store: Store, organization_id: str, text: str) -> Collection:
    """Find by readable id, id, unique name or id prefix. Raises NotFound or Ambiguous."""
    wanted = text.strip()
    found = await store.collections.find(organization_id, wanted)
    exact = [item for item in found if wanted == item.readable_id or wanted.lower() == item.id]
    hint = "list_collections shows what there is; create_collection makes one."
    return _only(exact or found, "collection", "readable_collection_id", hint)


def _only(found: Sequence[T], noun: str, field: str, hint: str) -> T:
    if not found:
        raise NotFound(f"No {noun} has that id or name.", field=field, hint=hint)
    if len(found) > 1:
        names = ", ".join(_label(item) for item in found)
        raise Ambiguous(
            f"Several {noun}s fit {field}: {names}.", field=field, hint="Use the full id of one."
        )
    return found[0]


def _label(item: Collection | Connection | Job) -> str:
    if isinstance(item, Job):
        return item.id
    if isinstance(item, Collection):
        return f"{item.readable_id} ({item.name})"
    return f"{item.id} ({item.name}: {item.short_name} in {item.readable_collection_id})"
