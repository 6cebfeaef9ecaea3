"""Entities of the store in memory."""

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.support.store.memory.browse import (
    forget_unread,
    note_checkpoint,
    note_name,
    note_unread,
)
from tests.support.store.memory.state import EntityState, JobState, State
from weft.domain.attention import DeletionHold
from weft.domain.entities import StoredEntity
from weft.domain.jobs import JobStatus
from weft.domain.reading.browsing import ChangeKind
from weft.errors import Fenced
from weft.local.store.base import Batch, Claim, EntityStore
from weft.local.store.brake import (
    NAME_MAX_CHARS,
    NAMES_MAX,
    DeletionBrake,
    Part,
    Sweep,
    SweepExtent,
)
from weft.local.store.prepared import PreparedBatch, prepare
from weft.local.store.values import dumps, loads


class MemoryEntities(EntityStore):
    """See EntityStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _hold(self, claim: Claim) -> JobState:
        held = self._state.find_held(claim)
        if held is None or held.job.status is not JobStatus.RUNNING:
            raise Fenced("The claim is lost.")
        held.lease_until = self._state.clock() + claim.lease
        return held

    async def versions(self, connection_id: str, ids: Ids[str]) -> Mapping[str, str]:
        found = {i: self._state.entities.get((connection_id, i)) for i in ids}
        return {i: e.entity.version for i, e in found.items() if e and e.entity.version}

    async def list_ids(self, connection_id: str, limit: int) -> Sequence[str]:
        return sorted(name for key, name in self._state.entities if key == connection_id)[:limit]

    async def list_unseen(self, job_id: str, limit: int) -> Sequence[str]:
        held = self._state.jobs[job_id]
        ids = await self.list_ids(held.job.source_connection_id, len(self._state.entities))
        return [name for name in ids if (held.listing, name) not in held.seen][:limit]

    async def begin_listing(self, claim: Claim) -> Claim:
        held = self._hold(claim)
        held.listing += 1
        held.checkpoint, held.counted, held.hold = None, {}, None
        held.set(full_sync=True, incomplete=False)
        held.set(entities_skipped=0, entities_failed=0, deletions_held=0)
        forget_unread(held)
        held.seen_before = frozenset(key for _, key in held.seen)
        return replace(claim, full_sync=True, listing=held.listing, resumed=bool(held.seen))

    async def commit(self, claim: Claim, batch: Batch) -> None:
        held = self._hold(claim)
        self._state.changes += 1
        prepared = prepare(batch)
        counted: Ids[str] = held.seen_before if claim.resumed else ()
        for source_id in prepared.entities:
            self._put(claim, held, prepared, source_id, source_id not in counted)
        lost: list[str] = []
        for source_id in prepared.unchanged:
            if (claim.connection_id, source_id) in self._state.entities:
                held.add(unchanged=source_id not in counted)
            else:
                held.add(failed=1)
                lost.append(source_id)
        names = {*prepared.entities, *prepared.unchanged, *prepared.failed}
        seen = {(claim.listing, source_id) for source_id in names}
        held.seen |= seen
        held.gone = [mark for mark in held.gone if mark not in seen]
        held.gone += [(claim.listing, source_id) for source_id in prepared.deleted]
        failed = len(prepared.failed) + len(prepared.unnameable)
        held.add(skipped=len(prepared.skipped), failed=failed)
        if prepared.expected is not None:
            held.set(entities_total=prepared.expected)
        held.set(incomplete=held.job.incomplete or prepared.incomplete)
        held.log += batch.log
        note_unread(self._state, claim, held, prepared, lost)
        if prepared.checkpoint is not None:
            self._set_checkpoint(claim, held, prepared)

    def _put(
        self, claim: Claim, held: JobState, batch: PreparedBatch, source_id: str, is_new: bool
    ) -> None:
        key, entity = (claim.connection_id, source_id), batch.entities[source_id]
        old, digest = self._state.entities.get(key), batch.hashes[source_id]
        is_changed = old is None or old.hash != digest
        if old is None:
            held.add(inserted=1)
            number, ticket = next(self._state.numbers), next(self._state.tickets)
            self._state.entities[key] = EntityState(number, entity, digest, ticket)
        else:
            held.add(**{"unchanged" if old.hash == digest else "updated": int(is_new)})
            if (old.entity.title, old.entity.text) != (entity.title, entity.text):
                old.ticket, old.vector = next(self._state.tickets), None
            old.entity, old.hash = entity, digest
        if is_changed:
            kind = ChangeKind.INSERTED if old is None else ChangeKind.UPDATED
            note_name(self._state, claim, held, kind, entity.id, (entity.type, entity.title, None))
            types_at = self._state.connections[claim.connection_id].types_at
            types_at[entity.type] = self._state.clock()
            held.empty += not entity.text.strip()

    def _set_checkpoint(self, claim: Claim, held: JobState, batch: PreparedBatch) -> None:
        connection = self._state.connections[claim.connection_id]
        if connection.row.config != claim.config or batch.checkpoint is None:
            return
        after, job = batch.after_checkpoint, held.job
        held.checkpoint, held.attempts, held.renewed = batch.checkpoint.cursor, 0, False
        held.counted = {
            "skipped": job.entities_skipped - len(batch.skipped & after),
            "failed": job.entities_failed - len(batch.failed & after),
        }
        note_checkpoint(held, batch)
        if not claim.full_sync or connection.runs[JobStatus.COMPLETED] == 0:
            connection.cursor = batch.checkpoint.cursor
            connection.list_again |= job.incomplete

    async def sweep(self, claim: Claim, brake: DeletionBrake) -> Sweep:
        held = self._hold(claim)
        job, owner = held.job, claim.connection_id
        stored = [source_id for key, source_id in self._state.entities if key == owner]
        whole = claim.full_sync and not job.incomplete
        doomed = [
            name
            for name in stored
            if (claim.listing, name) in held.gone
            or (whole and (claim.listing, name) not in held.seen)
        ]
        total, left = len(doomed), len(stored) - len(doomed)
        connection = self._state.connections[owner]
        shown = connection.held if len(connection.held) == brake.agreed else set[str]()
        old = sum(name in connection.settled for name in doomed)
        extent = SweepExtent(
            stored=Part(
                job.entities_deleted + total,
                len(stored) + job.entities_deleted - job.entities_inserted,
            ),
            settled=Part(old, len(connection.settled)),
            left=left,
            unagreed=sum(name not in shown for name in doomed),
        )
        if doomed and brake.holds(extent):
            connection.held = set(doomed)
            held.options = held.options.model_copy(update={"agreed_deletions": 0})
            held.hold = DeletionHold(
                count=total,
                everything=left == 0,
                job_id=job.id,
                held_at=self._state.clock(),
                names=tuple(name[:NAME_MAX_CHARS] for name in sorted(doomed)[:NAMES_MAX]),
            )
            held.set(deletions_held=total)
            return Sweep(held=total, had_gaps=job.incomplete)
        for name in sorted(doomed):
            gone = self._state.entities[claim.connection_id, name].entity
            row = (gone.type, gone.title, None)
            note_name(self._state, claim, held, ChangeKind.DELETED, name, row)
            del self._state.entities[claim.connection_id, name]
        held.add(deleted=total)
        held.set(deletions_held=0)
        held.hold = None
        held.gone = [mark for mark in held.gone if not (whole or mark[0] == claim.listing)]
        return Sweep(deleted=total, had_gaps=job.incomplete)

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        for (key, source_id), each in self._state.entities.items():
            connection = self._state.connections[key]
            if str(each.number) == entity_id and connection.row.organization_id == organization_id:
                entity = each.entity
                return StoredEntity(
                    id=entity_id,
                    source_entity_id=source_id,
                    connection_id=key,
                    connection_name=connection.row.name,
                    readable_collection_id=connection.row.readable_collection_id,
                    type=entity.type,
                    title=entity.title,
                    text=entity.text[offset : offset + max_chars],
                    offset=offset,
                    total_chars=len(entity.text),
                    url=entity.url,
                    updated_at=entity.updated_at,
                    metadata=loads(dumps(entity.metadata)),
                    breadcrumbs=entity.breadcrumbs,
                )
        return None
