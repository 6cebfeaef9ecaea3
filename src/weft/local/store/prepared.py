"""Sorts a batch's events by what the store has to do, and hashes its entities."""

from dataclasses import dataclass, field

from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.local.store.base import Batch
from weft.local.store.browse import UNSTORABLE
from weft.local.store.content import content_hash
from weft.sources.base import (
    Checkpoint,
    Deleted,
    Expect,
    Failed,
    Incomplete,
    Note,
    Omitted,
    Skipped,
    Unchanged,
)


@dataclass(slots=True)
class PreparedBatch:
    """A batch, ready to be applied; of several events of one id the last counts."""

    entities: dict[str, Entity] = field(default_factory=dict[str, Entity])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    unchanged: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    deleted: set[str] = field(default_factory=set[str])
    skipped: set[str] = field(default_factory=set[str])
    checkpoint: Checkpoint | None = None
    after_checkpoint: set[str] = field(default_factory=set[str])
    expected: int | None = None
    incomplete: bool = False
    omitted: dict[tuple[FindingKind, str], int | None] = field(
        default_factory=dict[tuple[FindingKind, str], int | None]
    )
    unstorable: list[str] = field(default_factory=list[str])
    unnameable: list[str] = field(default_factory=list[str])
    reasons: dict[str, str] = field(default_factory=dict[str, str])


def prepare(batch: Batch) -> PreparedBatch:
    """Sort the events by what the store has to do, and hash entities that are not hashed yet."""
    out = PreparedBatch()
    only_entities = True
    for event in batch.events:
        if isinstance(event, Entity) and _is_text(event.id):
            if not only_entities:
                _forget(out, event.id)
            out.entities[event.id] = event
        elif isinstance(event, Note):
            _note(out, event)
        elif isinstance(event, Entity) or not _is_text(event.id):
            out.unnameable.append(event.id)
        else:
            only_entities = False
            _sort_in(out, event)
    out.hashes = batch.hashes
    for name, entity in out.entities.items():
        if name in out.hashes:
            continue
        try:
            out.hashes[name] = content_hash(entity)
        except (TypeError, ValueError):
            # Lone surrogates, or fields of the wrong type: this entity fails, the others do not.
            out.unstorable.append(name)
            out.failed.add(name)
            out.reasons[name] = UNSTORABLE
    for name in out.unstorable:
        out.entities.pop(name, None)
    return out


def _is_text(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _note(out: PreparedBatch, event: Note) -> None:
    match event:
        case Checkpoint():
            out.checkpoint = event
            out.after_checkpoint.clear()
        case Expect(total=total):
            out.expected = total
        case Incomplete():
            out.incomplete = True
        case Omitted(kind=kind, count=count, setting=setting):
            out.omitted[kind, setting] = count


def _sort_in(out: PreparedBatch, event: Unchanged | Failed | Deleted | Skipped) -> None:
    _forget(out, event.id)
    match event:
        case Unchanged():
            out.unchanged.add(event.id)
        case Deleted():
            out.deleted.add(event.id)
        case Failed():
            out.failed.add(event.id)
        case Skipped():
            out.skipped.add(event.id)
    if isinstance(event, Failed | Skipped):
        out.reasons[event.id] = event.reason
        out.after_checkpoint.add(event.id)


def _forget(out: PreparedBatch, source_id: str) -> None:
    out.entities.pop(source_id, None)
    for group in (out.unchanged, out.failed, out.deleted, out.skipped):
        group.discard(source_id)
