"""Keeps the notes of a remote backend sealed in the local store, so that they survive restarts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.notes import Note
from weft.errors import AuthenticationFailed
from weft.local.engine import Engine
from weft.local.store.notes import NoteRow

LEASE: Final = timedelta(minutes=1)


class RemoteNotes:
    """The notes for one API, of which ``scope`` names the origin and the organisation.

    A note does not open for another scope, and what cannot be opened any more is not found.
    """

    def __init__(self, engine: Engine, scope: str) -> None:
        self._engine = engine
        self._scope = scope
        self._holder = str(uuid4())

    async def put(self, note: Note) -> None:
        """Store or replace a note."""
        owner = f"remote {note.kind} {note.id} {self._scope}"
        sealed = await self._engine.vault.seal(
            self._engine.store.data_keys,
            LOCAL_ORGANIZATION_ID,
            owner,
            note.content,
            self._binding,
        )
        await self._engine.store.notes.put(
            NoteRow(
                scope=self._scope,
                kind=note.kind,
                id=note.id,
                organization_id=LOCAL_ORGANIZATION_ID,
                owner=owner,
                sealed=sealed,
                link=note.link,
                expires_at=note.expires_at,
            )
        )
        self._engine.changes.announce()

    async def get(self, kind: str, note_id: str) -> Note | None:
        """Get one note."""
        return await self._open(await self._engine.store.notes.get(self._scope, kind, note_id))

    async def by_link(self, link: bytes) -> Note | None:
        """Get the note with that unused link."""
        return await self._open(await self._engine.store.notes.by_link(self._scope, link))

    async def list(self, kind: str) -> Sequence[Note]:
        """List all of a kind, soonest to expire first."""
        found = [
            await self._open(row) for row in await self._engine.store.notes.list(self._scope, kind)
        ]
        return [note for note in found if note is not None]

    async def lease(self, kind: str, note_id: str) -> bool:
        """Keep other processes from working on it for a minute; False if another does."""
        return await self._engine.store.notes.lease(
            self._scope, kind, note_id, holder=self._holder, duration=LEASE
        )

    async def release(self, kind: str, note_id: str) -> None:
        """Let others work on it."""
        await self._engine.store.notes.release(self._scope, kind, note_id, holder=self._holder)

    async def drop(self, kind: str, note_id: str) -> None:
        """Remove it, if it is there."""
        await self._engine.store.notes.drop(self._scope, kind, note_id)
        self._engine.changes.announce()

    @property
    def _binding(self) -> tuple[str, ...]:
        return ("remote note", self._scope)

    async def _open(self, row: NoteRow | None) -> Note | None:
        if row is None:
            return None
        try:
            content = await self._engine.vault.unseal(
                self._engine.store.data_keys,
                row.organization_id,
                row.owner,
                row.sealed,
                self._binding,
            )
        except AuthenticationFailed:
            return None
        return Note(
            kind=row.kind, id=row.id, content=content, expires_at=row.expires_at, link=row.link
        )
