"""The part of a store that deletes, keeps what was deleted for a time, and purges; see `base`.

What is deleted is found by no other method, at once and whatever becomes of it later.
"""

from collections.abc import Collection as Ids
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from weft.domain.collections import Collection
from weft.domain.connections import Connection

FOR_GOOD: Final = timedelta(0)
"""How long something is kept that nobody can restore."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The ids of what was restored; ``collection_id`` only if it was deleted too."""

    connection_ids: Sequence[str]
    collection_id: str | None = None


class TrashStore(Protocol):
    """Deleted connections and collections: to restore, or to purge."""

    async def delete_connection(
        self, organization_id: str, connection_id: str, *, keep_for: timedelta = FOR_GOOD
    ) -> Connection | None:
        """Put it out of sight, to be restored for that long.

        From then on no job of it can write, and its links are dead. For good means that its
        credentials are gone at once, and takes one that was deleted before. Returns it as it was,
        or None if it was gone.
        """
        ...

    async def delete_collection(
        self, collection: Collection, connection_ids: Ids[str], *, keep_for: timedelta = FOR_GOOD
    ) -> Collection | None:
        """Put it out of sight with its connections; for good also with those deleted before.

        Raises Conflict if it has a connection that is not among ``connection_ids``. Returns it as
        it was, with the counts of what was deleted, or None if it was gone.
        """
        ...

    async def find_connections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Connection]:
        """Find those that can be restored by id, prefix of an id or name, or all for None.

        The last deleted come first.
        """
        ...

    async def find_collections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Collection]:
        """Find those that can be restored, also by the readable id that they had."""
        ...

    async def restore(self, found: Connection | Collection, readable_id: str) -> TakenBack | None:
        """Bring it back with all that it had; None if it is too late or somebody was first.

        A connection whose collection is deleted brings that back as well. With a collection comes
        what was deleted with it. Raises Conflict if another collection has the ``readable_id`` by
        now.
        """
        ...

    async def purge(self, limit: int) -> int:
        """Clear a part of what nobody can restore; return its size, 0 when nothing is left.

        Once it has begun with a connection, that cannot be restored.
        """
        ...
