"""The store's protocol for what is kept for a remote API; see `base`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NoteRow:
    """A sealed note about a connection of a remote API, until ``expires_at``.

    ``scope`` names the API and the organisation there. The data key of ``owner`` seals it, and is
    dropped with it. ``link`` is the digest of an unused link to a page.
    """

    scope: str
    kind: str
    id: str
    organization_id: str
    owner: str
    sealed: str
    link: bytes | None
    expires_at: datetime


class NoteStore(Protocol):
    """Notes; expired ones are not found, and are removed at the next `put`."""

    async def put(self, row: NoteRow) -> None:
        """Store or replace it; a lease on it stays."""
        ...

    async def get(self, scope: str, kind: str, note_id: str) -> NoteRow | None:
        """Get one."""
        ...

    async def by_link(self, scope: str, link: bytes) -> NoteRow | None:
        """Get the one with that unused link."""
        ...

    async def list(self, scope: str, kind: str) -> Sequence[NoteRow]:
        """List all of a kind, soonest to expire first."""
        ...

    async def lease(
        self, scope: str, kind: str, note_id: str, *, holder: str, duration: timedelta
    ) -> bool:
        """Take or extend the lease; False if another holds it, or the note is gone."""
        ...

    async def release(self, scope: str, kind: str, note_id: str, *, holder: str) -> None:
        """Give the lease back."""
        ...

    async def drop(self, scope: str, kind: str, note_id: str) -> bool:
        """Remove it with the data key of its owner; False if it was gone."""
        ...
