"""What was deleted and can be restored, and what was restored."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from weft.domain.base import Frozen
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.errors import NotFound

T = TypeVar("T")

RESTORABLE_SHOWN_MAX: Final = 20
"""How many deleted connections, and how many collections, a list shows."""


class Restorable(Frozen):
    """Deleted connections and collections, the last deleted first; ``more``: not all are here.

    The counts of a collection are of what would come back with it.
    """

    connections: tuple[Connection, ...]
    collections: tuple[Collection, ...]
    more: bool = False


class Restored(Frozen):
    """What came back: some of the connections, how many they are, and the collection if it did too.

    ``former_readable_id`` is what the collection was called, if another one has that now.
    """

    connections: tuple[Connection, ...]
    connection_count: int
    collection: Collection | None = None
    former_readable_id: str | None = None


async def find_to_delete(
    get: Callable[[str], Awaitable[T]],
    get_deleted: Callable[[str], Awaitable[T]],
    name: str,
    *,
    permanently: bool,
) -> T:
    """Get what is to be deleted: for good, also what was deleted before. Raises as ``get`` does."""
    try:
        return await get(name)
    except NotFound:
        with suppress(NotFound):
            if permanently:
                return await get_deleted(name)
        raise
