"""Compares a batch of events with the stored entities and writes the difference.

Everything here runs on the writer's thread, in one transaction per batch. SQLite works on whole
batches, in a few long statements that run without Python's global lock; meanwhile the event loop
answers tools and hashes the next batch. An unchanged entity costs a hash and a place in one key
array; Python never looks at its stored row.
"""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus, LogLine
from weft.domain.text.media_types import media_type_of
from weft.errors import Fenced
from weft.local.store.authors import author_of
from weft.local.store.base import Batch, Claim
from weft.local.store.browse import address_of
from weft.local.store.prepared import PreparedBatch
from weft.local.store.spelling import find_names, find_parts
from weft.local.store.sqlite.entities.changes import set_checkpoint, write_changes, write_findings
from weft.local.store.sqlite.entities.marks import Marks
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.claims import Held, Lap, find_held, renew
from weft.local.store.sqlite.tables.jobs import write_log
from weft.local.store.sqlite.tables.rows import insert_rows
from weft.local.store.values import dumps, micros_or_none, moment

LOGGED_UNSTORABLE = 20

# Type and media type, which is empty where none is known.
Kind = tuple[str, str]
# Title, text, URL, time, metadata, breadcrumbs, names and parts, as they are stored.
Body = tuple[str, str, str | None, int | None, str, str, str, str]


class Prepared(NamedTuple):
    """An entity with its content hash, which does not cover the version, and its media type."""

    entity: Entity
    hash: str
    media_type: str | None

    @property
    def kind(self) -> Kind:
        """Return what it is counted under."""
        return self.entity.type, self.media_type or ""


class Stored(NamedTuple):
    """The slim record of an entity."""

    no: int
    type: str
    hash: bytes
    version: str | None


@dataclass(slots=True)
class Difference:
    """The changes that a batch makes, arranged for the statements."""

    insert: list[Prepared] = field(default_factory=list[Prepared])
    update: list[tuple[Stored, Prepared]] = field(default_factory=list[tuple[Stored, Prepared]])
    version_only: list[tuple[Stored, Prepared]] = field(
        default_factory=list[tuple[Stored, Prepared]]
    )
    gone: "array[int]" = field(default_factory=lambda: array("q"))
    seen: "array[int]" = field(default_factory=lambda: array("q"))
    updated: int = 0
    unchanged: int = 0
    lost: int = 0


def apply(
    db: Session,
    claim: Claim,
    batch: Batch,
    prepared: PreparedBatch,
    counted: Marks | None,
    lap: Lap,
    read_on: Callable[[], object],
) -> None:
    """Write the changes that the batch makes. Raises Fenced before the first write.

    ``counted`` are the entities that the job has handled before it was interrupted. ``read_on`` is
    called on this thread.
    """
    held = check_fence(db, claim)
    difference = _compare(db, held.connection_no, prepared, counted)
    inserted = write_inserts(db, held.connection_no, difference.insert)
    difference.seen.extend(inserted)
    read_on()
    if inserted:
        # Full text is most of the work; one statement for all of it leaves Python free meanwhile.
        db.execute(queries()["index_insert"], (inserted[0], inserted[-1]))
        db.execute(queries()["embedding_insert"], (inserted[0], inserted[-1]))
    _write_updates(db, difference)
    _write_types(db, held.connection_no, difference, lap.now)
    for gone, numbers in ((False, difference.seen), (True, difference.gone)):
        if numbers:
            marks = (held.job_no, claim.listing, gone, numbers.tobytes())
            db.execute(queries()["seen_insert"], marks)
    _write_progress(db, held, prepared, difference)
    _write_changes(db, claim, held, prepared, difference)
    renew(db, held.job_no, lap)
    if prepared.checkpoint is not None:
        _write_checkpoint(db, claim, held, prepared, dumps(prepared.checkpoint.cursor))
        set_checkpoint(db, claim, held, prepared)
    write_log(db, held.job_no, [*batch.log, *_unstorable_lines(prepared, lap.now)])


def _unstorable_lines(prepared: PreparedBatch, now: int) -> list[LogLine]:
    names = [*prepared.unstorable, *prepared.unnameable][:LOGGED_UNSTORABLE]
    return [
        LogLine(
            at=moment(now),
            level="warning",
            message=f"Failed {name.encode(errors='replace').decode()}: it cannot be stored, because"
            " a field is not text or not valid Unicode.",
        )
        for name in names
    ]


def check_fence(db: Session, claim: Claim) -> Held:
    """Raise Fenced unless the claim still holds and nobody asked the job to stop."""
    held = find_held(db, claim)
    if held is None or held.status != JobStatus.RUNNING:
        raise Fenced("The job was cancelled, deleted or taken over.")
    return held


def write_inserts(db: Session, connection_no: int, new: Sequence[Prepared]) -> range:
    """Insert entities with their bodies, which are not indexed yet; return their numbers."""
    if not new:
        return range(0)
    last = db.execute(queries()["entity_reserve"], {"count": len(new)}).get
    numbers = range(last - len(new) + 1, last + 1)
    bodies = [_body(each.entity) for each in new]
    slim = [
        (
            no,
            connection_no,
            e.id,
            e.type,
            bytes.fromhex(digest),
            e.version,
            body[3],
            address_of(e.url, e.id),
            media_type,
            author_of(e.metadata),
        )
        for no, (e, digest, media_type), body in zip(numbers, new, bodies, strict=True)
    ]
    insert_rows(db, "entity_insert", slim)
    insert_rows(db, "body_insert", [(no, *body) for no, body in zip(numbers, bodies, strict=True)])
    return numbers


def _body(entity: Entity) -> Body:
    # SQLite's own string functions take a NUL as the end.
    title, text = entity.title.replace("\0", " "), entity.text.replace("\0", " ")
    return (
        title,
        text,
        entity.url,
        micros_or_none(entity.updated_at),
        dumps(entity.metadata) if entity.metadata else "{}",
        json.dumps(entity.breadcrumbs) if entity.breadcrumbs else "[]",
        find_names(entity.id, title),
        find_parts(text),
    )


def _compare(
    db: Session, connection_no: int, batch: PreparedBatch, counted: Marks | None
) -> Difference:
    out = Difference()
    rest = _take_same(db, connection_no, batch, counted, out)
    stored = _lookup(db, connection_no, list(rest))
    for source_id in rest:
        entity, digest = batch.entities[source_id], batch.hashes[source_id]
        new = Prepared(entity, digest, media_type_of(source_id))
        old = stored.get(source_id)
        if old is None:
            out.insert.append(new)
            continue
        out.seen.append(old.no)
        is_new_to_job = counted is None or old.no not in counted
        if old.hash.hex() != new.hash:
            out.update.append((old, new))
            out.updated += is_new_to_job
            continue
        out.unchanged += is_new_to_job
        if old.version != new.entity.version:
            out.version_only.append((old, new))
    found = _numbers(db, connection_no, batch.unchanged)
    out.seen.extend(found)
    out.unchanged += _count_new(found, counted)
    # If a source says Unchanged of an entity that is not stored, the entity was lost.
    out.lost = len(batch.unchanged) - len(found)
    out.seen.extend(_numbers(db, connection_no, batch.failed))
    out.gone = _numbers(db, connection_no, batch.deleted)
    return out


def _take_same(
    db: Session,
    connection_no: int,
    batch: PreparedBatch,
    counted: Marks | None,
    out: Difference,
) -> Iterable[str]:
    """Count entities that are stored with equal content; return the ids of the others.

    The others include all entities with a version: their source knows what is unchanged.
    """
    entities, hashes = batch.entities, batch.hashes
    names = [name for name, entity in entities.items() if entity.version is None]
    if not names:
        return entities
    keys = tuple([hashes[name] + name for name in names])
    values = {"keys": carray(keys), "connection_no": connection_no}
    [(numbers, places)] = db.execute(queries()["entity_same"], values)
    same = _integers(numbers)
    if not same:
        return entities
    out.seen.extend(same)
    out.unchanged += _count_new(same, counted)
    if len(same) == len(entities):
        return ()
    done = {names[place - 1] for place in _integers(places)}
    return [name for name in entities if name not in done]


def _numbers(db: Session, connection_no: int, ids: set[str]) -> "array[int]":
    if not ids:
        return array("q")
    values = {"source_ids": carray(tuple(ids)), "connection_no": connection_no}
    return _integers(db.execute(queries()["entity_numbers"], values).get)


def _integers(text: str | None) -> "array[int]":
    return array("q", map(int, text.split(","))) if text else array("q")


def _count_new(numbers: "array[int]", counted: Marks | None) -> int:
    if counted is None:
        return len(numbers)
    return sum(no not in counted for no in numbers)


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
        (
            (
                old.no,
                new.entity.type,
                bytes.fromhex(new.hash),
                new.entity.version,
                micros_or_none(new.entity.updated_at),
                address_of(new.entity.url, new.entity.id),
                author_of(new.entity.metadata),
            )
            for old, new in records
        ),
    )
    # One entity at a time and in order, so that the index writes one segment for all of them.
    for old, new in sorted(difference.update, key=lambda pair: pair[0].no):
        db.execute(queries()["index_delete"], {"nos": carray(array("q", (old.no,)))})
        db.execute(queries()["body_update"], (old.no, *_body(new.entity)))
        db.execute(queries()["index_insert"], (old.no, old.no))


def _write_types(db: Session, connection_no: int, difference: Difference, now: int) -> None:
    changes = Counter(new.kind for new in difference.insert)
    for old, new in difference.update:
        changes[old.type, new.kind[1]] -= 1
        changes[new.kind] += 1
    write_type_changes(db, connection_no, changes, now)


def write_type_changes(db: Session, connection_no: int, changes: Counter[Kind], now: int) -> None:
    """Add to the counts by type and media type, and forget types that have no entity left."""
    if not changes:
        return
    db.executemany(
        queries()["type_add"], ((connection_no, *kind, n, now) for kind, n in changes.items())
    )
    db.execute(queries()["type_prune"], {"no": connection_no})


def _write_checkpoint(
    db: Session, claim: Claim, held: Held, batch: PreparedBatch, cursor: str
) -> None:
    progress = {
        "no": held.job_no,
        "cursor": cursor,
        "config": dumps(claim.config),
        "skipped_after": len(batch.skipped & batch.after_checkpoint),
        "failed_after": len(batch.failed & batch.after_checkpoint),
    }
    db.execute(queries()["job_checkpoint"], progress)
    values = {
        "no": held.connection_no,
        "job_no": held.job_no,
        "cursor": cursor,
        "config": dumps(claim.config),
        "full_sync": claim.full_sync,
    }
    db.execute(queries()["connection_set_cursor"], values)


def _write_changes(
    db: Session, claim: Claim, held: Held, batch: PreparedBatch, difference: Difference
) -> None:
    lost = list[str]()
    if difference.lost:
        stored = _lookup(db, held.connection_no, list(batch.unchanged))
        lost = [name for name in batch.unchanged if name not in stored]
    inserted = [new.entity for new in difference.insert]
    updated = [new.entity for _, new in difference.update]
    if inserted or updated or lost or batch.reasons or batch.unnameable:
        write_changes(db, claim, held, batch, inserted, updated, lost)
    if inserted or updated or batch.omitted:
        write_findings(db, held, batch, chain(inserted, updated))


def _write_progress(db: Session, held: Held, batch: PreparedBatch, difference: Difference) -> None:
    values = {
        "no": held.job_no,
        "inserted": len(difference.insert),
        "updated": difference.updated,
        "unchanged": difference.unchanged,
        "skipped": len(batch.skipped),
        "failed": len(batch.failed) + len(batch.unnameable) + difference.lost,
        "expected": batch.expected,
        "incomplete": batch.incomplete,
    }
    db.execute(queries()["job_progress"], values)
