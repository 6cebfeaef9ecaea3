"""What was deleted and can be restored, and what was restored."""

from typing import Final

from weft.domain.base import Frozen
from weft.domain.collections import Collection
from weft.domain.connections import Connection

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
