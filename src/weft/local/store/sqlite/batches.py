"""Compares a batch of events with what is stored and writes the difference.

Everything here runs on the writer's thread. `prepare` hashes outside the transaction; `apply` runs
inside it. Statements go over whole batches: one prepared statement, many rows.
"""

import json
from array import array
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus
from weft.errors import Fenced
from weft.local.store.base import Batch, Claim
from weft.local.store.sqlite.jobs import write_log
from weft.local.store.sqlite.marks import Marks
from weft.local.store.sqlite.queries import queries
from weft.local.store.sqlite.rows import dumps, micros_or_none
from weft.local.store.sqlite.session import Session, carray
from weft.sources.base import Checkpoint, Deleted, Expect, Failed, Skipped, Unchanged

HASH_BYTES = 16

_BodyRow = tuple[str, str, str | None, int | None, str, str]


class Prepared(NamedTuple):
    """An entity with its hash and the columns of its body."""

    entity: Entity
    hash: bytes
    body: _BodyRow


class Stored(NamedTuple):
    """What the slim record says."""

    no: int
    type: str
    hash: bytes
    version: str | None


@dataclass(slots=True)
class PreparedBatch:
    """A batch in the form in which it is applied; the last event of an id counts."""

    entities: dict[str, Prepared] = field(default_factory=dict[str, Prepared])
    unchanged: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    deleted: set[str] = field(default_factory=set[str])
    skipped: set[str] = field(default_factory=set[str])
    checkpoint: Checkpoint | None = None
    after_checkpoint: set[str] = field(default_factory=set[str])
    expected: int | None = None


@dataclass(slots=True)
class Difference:
    """What a batch changes, by the columns that the statements need."""

    insert: list[Prepared] = field(default_factory=list[Prepared])
    update: list[tuple[Stored, Prepared]] = field(default_factory=list[tuple[Stored, Prepared]])
    version_only: list[tuple[Stored, Prepared]] = field(
        default_factory=list[tuple[Stored, Prepared]]
    )
    delete: list[Stored] = field(default_factory=list[Stored])
    seen: "array[int]" = field(default_factory=lambda: array("q"))
    updated: int = 0
    unchanged: int = 0
    lost: int = 0


def prepare(batch: Batch) -> PreparedBatch:
    """Sort the events by what they ask for, and hash the entities."""
    out = PreparedBatch()
    for event in batch.events:
        match event:
            case Entity():
                _forget(out, event.id)
                out.entities[event.id] = _prepared(event)
            case Unchanged(id=source_id):
                _forget(out, source_id)
                out.unchanged.add(source_id)
            case Failed(id=source_id):
                _forget(out, source_id)
                out.failed.add(source_id)
                out.after_checkpoint.add(source_id)
            case Deleted(id=source_id):
                _forget(out, source_id)
                out.deleted.add(source_id)
            case Skipped(id=source_id):
                _forget(out, source_id)
                out.skipped.add(source_id)
                out.after_checkpoint.add(source_id)
            case Checkpoint():
                out.checkpoint = event
                out.after_checkpoint.clear()
            case Expect(total=total):
                out.expected = total
    return out


def apply(
    db: Session,
    claim: Claim,
    batch: Batch,
    prepared: PreparedBatch,
    counted: Marks | None,
    now: int,
    lease_until: int,
) -> None:
    """Write everything that follows from the batch. Raises Fenced before the first write.

    ``counted`` are the entities that the job dealt with before it was interrupted.
    """
    check_fence(db, claim)
    difference = _compare(db, claim.connection_no, prepared, counted or ())
    inserted = write_inserts(db, claim.connection_no, difference.insert)
    difference.seen.extend(inserted)
    _write_updates(db, difference)
    write_deletes(db, [stored.no for stored in difference.delete])
    _write_types(db, claim.connection_no, difference, now)
    if difference.seen:
        marks = (claim.job_no, claim.listing, difference.seen.tobytes())
        db.execute(queries()["seen_insert"], marks)
    _write_progress(db, claim, prepared, difference, lease_until)
    if prepared.checkpoint is not None:
        _write_checkpoint(db, claim, prepared, dumps(prepared.checkpoint.cursor))
    write_log(db, claim.job_no, batch.log)


def check_fence(db: Session, claim: Claim) -> None:
    """Raise Fenced unless the claim still holds and nobody asked the job to stop."""
    values = {"no": claim.job_no, "fence": claim.fence, "owner": claim.owner}
    if db.execute(queries()["job_fence"], values).get != JobStatus.RUNNING:
        raise Fenced("The job was cancelled, deleted or taken over.")


def write_inserts(db: Session, connection_no: int, new: Sequence[Prepared]) -> range:
    """Insert entities with their bodies and index rows; returns their numbers."""
    if not new:
        return range(0)
    last = db.execute(queries()["entity_reserve"], {"count": len(new)}).get
    numbers = range(last - len(new) + 1, last + 1)
    db.executemany(
        queries()["entity_insert"],
        (
            (no, connection_no, p.entity.id, p.entity.type, p.hash, p.entity.version)
            for no, p in zip(numbers, new, strict=True)
        ),
    )
    db.executemany(
        queries()["body_insert"], ((no, *p.body) for no, p in zip(numbers, new, strict=True))
    )
    db.executemany(
        queries()["index_insert"],
        ((no, p.body[0], p.body[1]) for no, p in zip(numbers, new, strict=True)),
    )
    return numbers


def write_deletes(db: Session, numbers: Iterable[int]) -> None:
    """Delete entities with their bodies and index rows."""
    rows = [(no,) for no in numbers]
    for step in ("index_delete", "body_delete", "entity_delete"):
        db.executemany(queries()[step], rows)


def _forget(out: PreparedBatch, source_id: str) -> None:
    out.entities.pop(source_id, None)
    for group in (out.unchanged, out.failed, out.deleted, out.skipped):
        group.discard(source_id)


def _prepared(entity: Entity) -> Prepared:
    body = (
        entity.title,
        entity.text,
        entity.url,
        micros_or_none(entity.updated_at),
        dumps(entity.metadata) if entity.metadata else "{}",
        json.dumps(entity.breadcrumbs) if entity.breadcrumbs else "[]",
    )
    digest = blake2b(digest_size=HASH_BYTES)
    for part in (entity.type, *body):
        data = b"" if part is None else str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return Prepared(entity, digest.digest(), body)


def _compare(
    db: Session, connection_no: int, batch: PreparedBatch, counted: Container[int]
) -> Difference:
    out = Difference()
    stored = _lookup(
        db, connection_no, [*batch.entities, *batch.unchanged, *batch.failed, *batch.deleted]
    )
    for source_id, new in batch.entities.items():
        old = stored.get(source_id)
        if old is None:
            out.insert.append(new)
            continue
        out.seen.append(old.no)
        if old.hash != new.hash:
            out.update.append((old, new))
            out.updated += old.no not in counted
            continue
        out.unchanged += old.no not in counted
        if old.version != new.entity.version:
            out.version_only.append((old, new))
    for source_id in batch.unchanged | batch.failed:
        if old := stored.get(source_id):
            out.seen.append(old.no)
            out.unchanged += source_id in batch.unchanged and old.no not in counted
        else:
            # A source may only say Unchanged of what is stored: otherwise the entity was lost.
            out.lost += source_id in batch.unchanged
    out.delete = [stored[source_id] for source_id in batch.deleted if source_id in stored]
    return out


def _lookup(db: Session, connection_no: int, ids: list[str]) -> dict[str, Stored]:
    if not ids:
        return {}
    values = {"source_ids": carray(tuple(ids)), "connection_no": connection_no}
    found = db.execute(queries()["entity_lookup"], values)
    return {source_id: Stored(*rest) for source_id, *rest in found}


def _write_updates(db: Session, difference: Difference) -> None:
    records = [*difference.update, *difference.version_only]
    db.executemany(
        queries()["entity_update"],
        ((old.no, new.entity.type, new.hash, new.entity.version) for old, new in records),
    )
    db.executemany(queries()["index_delete"], ((old.no,) for old, _ in difference.update))
    db.executemany(
        queries()["body_update"], ((old.no, *new.body) for old, new in difference.update)
    )
    db.executemany(
        queries()["index_insert"],
        ((old.no, new.body[0], new.body[1]) for old, new in difference.update),
    )


def _write_types(db: Session, connection_no: int, difference: Difference, now: int) -> None:
    changes = Counter(new.entity.type for new in difference.insert)
    for old, new in difference.update:
        changes[old.type] -= 1
        changes[new.entity.type] += 1
    for old in difference.delete:
        changes[old.type] -= 1
    write_type_changes(db, connection_no, changes, now)


def write_type_changes(db: Session, connection_no: int, changes: Counter[str], now: int) -> None:
    """Add to the counts by type, and forget types that have no entity left."""
    db.executemany(
        queries()["type_add"], ((connection_no, name, n, now) for name, n in changes.items())
    )
    if any(n < 0 for n in changes.values()):
        db.execute(queries()["type_prune"], (connection_no,))


def _write_checkpoint(db: Session, claim: Claim, batch: PreparedBatch, cursor: str) -> None:
    progress = {
        "no": claim.job_no,
        "cursor": cursor,
        "config": dumps(claim.config),
        "skipped_after": len(batch.skipped & batch.after_checkpoint),
        "failed_after": len(batch.failed & batch.after_checkpoint),
    }
    db.execute(queries()["job_checkpoint"], progress)
    values = {
        "no": claim.connection_no,
        "cursor": cursor,
        "config": dumps(claim.config),
        "full_sync": claim.full_sync,
    }
    db.execute(queries()["connection_set_cursor"], values)


def _write_progress(
    db: Session,
    claim: Claim,
    batch: PreparedBatch,
    difference: Difference,
    lease_until: int,
) -> None:
    values = {
        "no": claim.job_no,
        "inserted": len(difference.insert),
        "updated": difference.updated,
        "deleted": len(difference.delete),
        "unchanged": difference.unchanged,
        "skipped": len(batch.skipped),
        "failed": len(batch.failed) + difference.lost,
        "expected": batch.expected,
        "lease_until": lease_until,
    }
    db.execute(queries()["job_progress"], values)
