"""Notes for a remote API, on SQLite."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from weft.local.store.notes import NoteRow, NoteStore
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session
from weft.local.store.sqlite.tables.rows import Row, Table, find_first, has_row, rows, select
from weft.local.store.sqlite.tables.vault import drop_data_key
from weft.local.store.values import micros, moment


class SqliteNotes(Table, NoteStore):
    async def put(self, row: NoteRow) -> None:
        values = asdict(row) | {"expires_at": micros(row.expires_at)}
        await self._database.write(_put, values, self._database.now())

    async def get(self, scope: str, kind: str, note_id: str) -> NoteRow | None:
        values = self._values(scope=scope, kind=kind, id=note_id)
        return await self._database.peek(find_first, _to_note, values, "note_columns", "note_get")

    async def by_link(self, scope: str, link: bytes) -> NoteRow | None:
        values = self._values(scope=scope, link=link)
        return await self._database.peek(
            find_first, _to_note, values, "note_columns", "note_by_link"
        )

    async def list(self, scope: str, kind: str) -> Sequence[NoteRow]:
        values = self._values(scope=scope, kind=kind)
        return await self._database.peek(select, _to_note, values, "note_columns", "note_list")

    async def lease(
        self, scope: str, kind: str, note_id: str, *, holder: str, duration: timedelta
    ) -> bool:
        until = micros(self._database.clock() + duration)
        values = self._values(scope=scope, kind=kind, id=note_id, holder=holder, until=until)
        return await self._database.write(has_row, "note_lease", values)

    async def release(self, scope: str, kind: str, note_id: str, *, holder: str) -> None:
        values = {"scope": scope, "kind": kind, "id": note_id, "holder": holder}
        await self._database.write(has_row, "note_release", values)

    async def drop(self, scope: str, kind: str, note_id: str) -> bool:
        return await self._database.write(
            _drop, "note_drop", {"scope": scope, "kind": kind, "id": note_id}
        )

    def _values(self, **given: Any) -> dict[str, Any]:
        return {**given, "now": self._database.now()}


def _put(db: Session, values: dict[str, Any], now: int) -> None:
    _drop(db, "note_drop_expired", {"now": now, "owner": values["owner"]})
    db.execute(queries()["note_put"], values)


def _drop(db: Session, query: str, values: dict[str, Any]) -> bool:
    gone = list(rows(db, queries()[query], values))
    for row in gone:
        drop_data_key(db, row["organization_id"], row["owner"])
    return bool(gone)


def _to_note(row: Row) -> NoteRow:
    return NoteRow(
        scope=row["scope"],
        kind=row["kind"],
        id=row["id"],
        organization_id=row["organization_id"],
        owner=row["owner"],
        sealed=row["sealed"],
        link=row["link"],
        expires_at=moment(row["expires_at"]),
    )
