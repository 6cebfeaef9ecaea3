"""The trash of a remote API, which deletes for good and so keeps nothing."""

from datetime import datetime

from weft.backend import Trash
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.restoring import Restorable, Restored
from weft.errors import NotFound, Unsupported


class RemoteTrash(Trash):
    """See Trash; it is always empty."""

    async def end(self) -> datetime | None:
        return None

    async def list(self) -> Restorable:
        return Restorable(connections=(), collections=())

    async def get_connection(self, connection: str) -> Connection:
        raise _unknown_error(connection, "connection_id")

    async def get_collection(self, collection: str) -> Collection:
        raise _unknown_error(collection, "readable_collection_id")

    async def restore(
        self, *, connection: str | None = None, collection: str | None = None
    ) -> Restored:
        del connection, collection
        raise Unsupported(
            "The Airweave API deletes for good, so nothing can be restored.",
            hint="Make it again with create_connection; its content is synced anew.",
        )


def _unknown_error(name: str, field: str) -> NotFound:
    return NotFound(f"Nothing that was deleted is kept, so not '{name}' either.", field=field)
