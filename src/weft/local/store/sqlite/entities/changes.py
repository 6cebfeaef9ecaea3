"""Keeps what a job did to which entities: exact counts by reason, and some names."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.domain.reading.browsing import ChangeKind
from weft.local.store.base import Claim
from weft.local.store.browse import (
    LOST,
    NAME_KEPT_CHARS,
    OTHER_REASONS,
    REASON_KEPT_CHARS,
    REASONS_KEPT_MAX,
    UNKNOWN,
    UNSTORABLE,
    names_a_kind,
)
from weft.local.store.prepared import PreparedBatch
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.claims import Held
from weft.local.store.values import dumps

ChangeRow = tuple[str, str | None, str | None, str | None]
Reasons = Counter[tuple[str, str]]


def write_changes(
    db: Session,
    claim: Claim,
    held: Held,
    batch: PreparedBatch,
    inserted: Iterable[Entity],
    updated: Iterable[Entity],
    lost: Sequence[str],
) -> None:
    """Keep names of what the batch did, as far as there is room, and count all reasons."""
    failures = {name: batch.reasons.get(name, "") for name in batch.failed}
    failures |= dict.fromkeys(lost, LOST) | dict.fromkeys(batch.unnameable, UNSTORABLE)
    skips = {name: batch.reasons.get(name, "") for name in batch.skipped}
    groups: dict[ChangeKind, Iterator[ChangeRow]] = {
        ChangeKind.INSERTED: map(_entity_row, inserted),
        ChangeKind.UPDATED: map(_entity_row, updated),
        ChangeKind.FAILED: (_reason_row(*item) for item in failures.items()),
        ChangeKind.SKIPPED: (_reason_row(*item) for item in skips.items()),
    }
    room = _room(db, claim, held)
    found = [
        (held.job_no, kind, *row)
        for kind, group in groups.items()
        for row in islice(group, room[kind])
    ]
    if found:
        db.executemany(queries()["change_insert"], found)
        _trim(db, claim, held)
    if failures or skips:
        _count_reasons(db, held, failures, skips)


def write_findings(db: Session, held: Held, batch: PreparedBatch, stored: Iterable[Entity]) -> None:
    """Note what the source left out, and count entities that have no text."""
    empty = sum(not entity.text or entity.text.isspace() for entity in stored)
    if empty:
        db.execute(queries()["reason_add"], (held.job_no, FindingKind.EMPTY, "", empty))
    for (kind, setting), count in batch.omitted.items():
        reason = _to_text(setting, REASON_KEPT_CHARS)
        values = (held.job_no, kind, reason, UNKNOWN if count is None else count)
        db.execute(queries()["reason_set"], values)


def write_deleted(db: Session, claim: Claim, held: Held, numbers: "array[int]") -> None:
    """Keep names of entities that are about to be deleted, as far as there is room."""
    room = _room(db, claim, held)[ChangeKind.DELETED]
    if room <= 0:
        return
    values = {
        "job_no": held.job_no,
        "nos": carray(numbers),
        "chars": NAME_KEPT_CHARS,
        "limit": room,
    }
    db.execute(queries()["change_insert_deleted"], values)
    _trim(db, claim, held)


def set_checkpoint(db: Session, claim: Claim, held: Held, batch: PreparedBatch) -> None:
    """Note the reasons that were counted up to the batch's checkpoint."""
    if not db.execute(queries()["reason_known"], (held.job_no,)).fetchone():
        return
    values = {"no": held.job_no, "config": dumps(claim.config)}
    db.execute(queries()["reason_checkpoint"], values)
    known = _read_known(db, held)
    after: Reasons = Counter()
    for kind, names in ((ChangeKind.FAILED, batch.failed), (ChangeKind.SKIPPED, batch.skipped)):
        for name in names & batch.after_checkpoint:
            after[_known_reason(known, kind, batch.reasons.get(name, ""))] += 1
    rows = ((count, held.job_no, kind, reason) for (kind, reason), count in after.items())
    db.executemany(queries()["reason_after_checkpoint"], rows)


def forget_unread(db: Session, held: Held) -> None:
    """Forget what was skipped and failed: the listing starts over."""
    for query in ("change_forget_unread", "reason_forget"):
        db.execute(queries()[query], {"no": held.job_no})


def _room(db: Session, claim: Claim, held: Held) -> dict[ChangeKind, int]:
    kept: dict[str, int] = dict(_pairs(db, "browse_count_names", held))
    most = names_a_kind(claim.kept_names)
    return {kind: max(0, most - kept.get(kind, 0)) for kind in ChangeKind}


def _trim(db: Session, claim: Claim, held: Held) -> None:
    values = {"connection_no": held.connection_no, "job_no": held.job_no, "keep": claim.kept_names}
    db.execute(queries()["change_trim"], values)


def _count_reasons(
    db: Session, held: Held, failures: dict[str, str], skips: dict[str, str]
) -> None:
    known = _read_known(db, held)
    counts: Reasons = Counter()
    for kind, group in ((ChangeKind.FAILED, failures), (ChangeKind.SKIPPED, skips)):
        for text, count in Counter(group.values()).items():
            key = _known_reason(known, kind, text)
            known.add(key)
            counts[key] += count
    rows = ((held.job_no, kind, reason, count) for (kind, reason), count in counts.items())
    db.executemany(queries()["reason_add"], rows)


def _known_reason(known: set[tuple[str, str]], kind: ChangeKind, text: str) -> tuple[str, str]:
    """Return the reason to count under: sources may give more of them than are worth keeping."""
    key = (kind, _to_text(text, REASON_KEPT_CHARS))
    return key if key in known or len(known) < REASONS_KEPT_MAX else (kind, OTHER_REASONS)


def _read_known(db: Session, held: Held) -> set[tuple[str, str]]:
    return set(_pairs(db, "reason_known", held))


def _pairs(db: Session, query: str, held: Held) -> list[tuple[Any, Any]]:
    return [(key, value) for key, value in db.execute(queries()[query], (held.job_no,))]


def _entity_row(entity: Entity) -> ChangeRow:
    title = entity.title[:NAME_KEPT_CHARS].replace("\0", " ")
    return entity.id[:NAME_KEPT_CHARS], entity.type, title, None


def _reason_row(name: str, reason: str) -> ChangeRow:
    return _to_text(name, NAME_KEPT_CHARS), None, None, _to_text(reason, REASON_KEPT_CHARS)


def _to_text(text: str, most: int) -> str:
    return text[:most].encode(errors="replace").decode()
