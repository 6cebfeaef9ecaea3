"""Entities on SQLite: syncs write them in batches under a claim."""

import asyncio
import json
from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from weft.domain.entities import StoredEntity
from weft.local.store.base import Batch, Claim, EntityStore
from weft.local.store.brake import DeletionBrake, Sweep
from weft.local.store.prepared import prepare
from weft.local.store.sqlite.entities.batches import apply, check_fence
from weft.local.store.sqlite.entities.changes import forget_unread
from weft.local.store.sqlite.entities.marks import Marks
from weft.local.store.sqlite.entities.sweep import (
    delete_part,
    find_doomed,
    forget_marks,
    hold_deletions,
    read_marks,
)
from weft.local.store.sqlite.file.database import Database
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Bindings, Session, carray
from weft.local.store.sqlite.tables.claims import read_lap
from weft.local.store.sqlite.tables.rows import Table, rows
from weft.local.store.values import loads, moment_or_none

DELETE_BATCH = 2_000
COUNTED_JOBS_MAX = 64


class SqliteEntities(Table, EntityStore):
    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._counted: dict[tuple[str, int, int], Marks] = {}

    async def _read_counted(self, claim: Claim) -> Marks | None:
        """Read, once per claim, which entities the job had handled when it was interrupted."""
        if not claim.resumed:
            return None
        key = (claim.job_id, claim.fence, claim.listing)
        if key not in self._counted:
            while len(self._counted) >= COUNTED_JOBS_MAX:
                del self._counted[next(iter(self._counted))]
            self._counted[key] = await self._database.read(_marks_of_job, claim)
        return self._counted[key]

    async def versions(self, connection_id: str, ids: Ids[str]) -> Mapping[str, str]:
        if not ids:
            return {}
        return await self._database.read(_versions, connection_id, tuple(ids))

    async def list_ids(self, connection_id: str, limit: int) -> Sequence[str]:
        values = {"connection_id": connection_id, "limit": limit}
        return await self._database.read(_list_ids, values)

    async def list_unseen(self, job_id: str, limit: int) -> Sequence[str]:
        return await self._database.read(_list_unseen, job_id, limit)

    async def begin_listing(self, claim: Claim) -> Claim:
        return await self._database.write_relaxed(_begin_listing, claim)

    async def commit(self, claim: Claim, batch: Batch) -> None:
        read_on = partial(asyncio.get_running_loop().call_soon_threadsafe, batch.read_on)
        prepared = await self._database.compute(prepare, batch)
        counted = await self._read_counted(claim)
        await self._database.write_relaxed(
            apply, claim, batch, prepared, counted, read_lap(self._database, claim), read_on
        )

    async def sweep(self, claim: Claim, brake: DeletionBrake) -> Sweep:
        doomed = await self._database.read(find_doomed, claim, brake)
        numbers, total = doomed.numbers, len(doomed.numbers)
        if numbers and brake.holds(doomed.extent):
            now = self._database.now()
            await self._database.write_relaxed(hold_deletions, claim, doomed, now)
            return Sweep(held=total, had_gaps=doomed.had_gaps)
        for start in range(0, total, DELETE_BATCH):
            part = numbers[start : start + DELETE_BATCH]
            lap = read_lap(self._database, claim)
            await self._database.write_relaxed(delete_part, claim, part, lap)
        if doomed.is_marked:
            await self._database.write_relaxed(forget_marks, claim, doomed)
        return Sweep(deleted=total, had_gaps=doomed.had_gaps)

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        if not (entity_id.isascii() and entity_id.isdecimal() and len(entity_id) <= 18):
            return None
        values = {
            "organization_id": organization_id,
            "no": int(entity_id),
            "offset": offset,
            "max_chars": max_chars,
        }
        return await self._database.read(_get, values)


def _versions(db: Session, connection_id: str, ids: tuple[str, ...]) -> dict[str, str]:
    number = db.execute(queries()["connection_no"], {"id": connection_id}).get
    values = {"source_ids": carray(ids), "connection_no": number}
    found: Iterator[Any] = iter(db.execute(queries()["entity_versions"], values))
    return dict(found)


def _list_ids(db: Session, values: Bindings) -> list[str]:
    return [source_id for (source_id,) in db.execute(queries()["entity_ids"], values)]


def _list_unseen(db: Session, job_id: str, limit: int) -> list[str]:
    listing = db.execute(queries()["job_listing"], {"id": job_id}).get
    seen, _ = read_marks(db, job_id, int(str(listing)))
    values: Bindings = {"job_id": job_id, "seen": carray(seen), "limit": limit}
    return [source_id for (source_id,) in db.execute(queries()["entity_unseen"], values)]


def _begin_listing(db: Session, claim: Claim) -> Claim:
    held = check_fence(db, claim)
    listing = db.execute(queries()["job_begin_listing"], {"no": held.job_no}).get
    forget_unread(db, held)
    met_before = next(_rows(db, "seen_of_job", claim.job_id), None) is not None
    return replace(claim, full_sync=True, listing=listing, resumed=met_before)


def _marks_of_job(db: Session, claim: Claim) -> Marks:
    first, last = next(_rows(db, "entity_range", claim.connection_id))
    blobs = (blob for (blob,) in _rows(db, "seen_of_job", claim.job_id))
    return Marks.of(blobs, first or 0, last or 0)


def _rows(db: Session, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
    return iter(db.execute(queries()[query], values))


def _get(db: Session, values: dict[str, Any]) -> StoredEntity | None:
    row = next(rows(db, queries()["entity_get"], values), None)
    if row is None:
        return None
    return StoredEntity(
        id=str(row["no"]),
        source_entity_id=row["source_id"],
        connection_id=row["connection_id"],
        connection_name=row["connection_name"],
        readable_collection_id=row["readable_id"],
        type=row["type"],
        title=row["title"],
        text=row["text"],
        offset=values["offset"],
        total_chars=row["total_chars"],
        url=row["url"],
        updated_at=moment_or_none(row["updated_at"]),
        metadata=loads(row["metadata"]),
        breadcrumbs=tuple(json.loads(row["breadcrumbs"])),
    )
