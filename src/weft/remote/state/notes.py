"""Notes that a remote backend keeps beyond a call and, with a file, beyond the process."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from weft.domain.notes import Note


class Notes(Protocol):
    """Notes for one API and organisation. All methods but `get` and `list` raise StorageFailed."""

    async def put(self, note: Note) -> None:
        """Store or replace a note."""
        ...

    async def get(self, kind: str, note_id: str) -> Note | None:
        """Get one note, unless it has expired."""
        ...

    async def by_link(self, link: bytes) -> Note | None:
        """Get the note with that unused link."""
        ...

    async def list(self, kind: str) -> Sequence[Note]:
        """List all of a kind."""
        ...

    async def lease(self, kind: str, note_id: str) -> bool:
        """Keep other processes from working on it for a minute; False if another does."""
        ...

    async def release(self, kind: str, note_id: str) -> None:
        """Let others work on it."""
        ...

    async def drop(self, kind: str, note_id: str) -> None:
        """Remove it, if it is there."""
        ...


class MemoryNotes(Notes):
    """Notes that are forgotten with the process."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}

    async def put(self, note: Note) -> None:
        self._notes[note.kind, note.id] = note

    async def get(self, kind: str, note_id: str) -> Note | None:
        found = self._notes.get((kind, note_id))
        return found if found is not None and found.expires_at > datetime.now(UTC) else None

    async def by_link(self, link: bytes) -> Note | None:
        found = (note for note in self._notes.values() if note.link == link)
        return next((note for note in found if note.expires_at > datetime.now(UTC)), None)

    async def list(self, kind: str) -> Sequence[Note]:
        ids = [note_id for other, note_id in self._notes if other == kind]
        return [note for note_id in ids if (note := await self.get(kind, note_id)) is not None]

    async def lease(self, kind: str, note_id: str) -> bool:
        return (kind, note_id) in self._notes

    async def release(self, kind: str, note_id: str) -> None:
        """Do nothing: no other process knows the notes."""

    async def drop(self, kind: str, note_id: str) -> None:
        self._notes.pop((kind, note_id), None)
