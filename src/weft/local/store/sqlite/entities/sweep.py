"""Deletes what a job's source no longer has, or holds it back, at the end of the job.

All deletions of a job are made here. Until then an interrupted job has only marks of them, so
whoever takes it over sees the same extent and comes to the same verdict: what was deleted of it
already still counts.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from weft.domain.attention import DeletionHold
from weft.local.store.base import Claim
from weft.local.store.brake import NAME_MAX_CHARS, NAMES_MAX, DeletionBrake, Part, SweepExtent
from weft.local.store.sqlite.entities.batches import Kind, check_fence, write_type_changes
from weft.local.store.sqlite.entities.changes import write_deleted
from weft.local.store.sqlite.file.queries import queries
from weft.local.store.sqlite.file.session import Session, carray
from weft.local.store.sqlite.tables.claims import Lap, renew
from weft.local.store.sqlite.tables.rows import dump_hold
from weft.local.store.values import moment

_NOBODY = 0  # carray refuses an empty array; no entity has this number.


class Doomed(NamedTuple):
    """The entities that a job is to delete."""

    numbers: "array[int]"
    extent: SweepExtent
    had_gaps: bool
    is_whole: bool
    is_marked: bool

    @property
    def everything(self) -> bool:
        """Return whether nothing of the connection would be left."""
        return self.extent.left == 0


def find_doomed(db: Session, claim: Claim, brake: DeletionBrake) -> Doomed:
    """Find what the source said is gone and, after a whole listing, what it did not name."""
    # Ask the job, not this process: the process that read the part with the gap may be dead.
    had_gaps, inserted, deleted, is_marked = next(_rows(db, "job_extent", claim.job_id))
    is_whole = claim.full_sync and not had_gaps
    seen, gone = read_marks(db, claim.job_id, claim.listing)
    values = {
        "connection_id": claim.connection_id,
        "whole": is_whole,
        "seen": carray(seen),
        "gone": carray(array("q", [_NOBODY, *gone])),
    }
    numbers = array("q", (no for (no,) in db.execute(queries()["entity_doomed"], values)))
    [(stored, settled, settled_no)] = _rows(db, "entity_count", claim.connection_id)
    # The numbers are in order, and are deleted in that order: while any of these is left, what the
    # job has deleted so far is of these too.
    old = bisect_right(numbers, settled_no or 0)
    extent = SweepExtent(
        stored=Part(deleted + len(numbers), stored + deleted - inserted),
        settled=Part(deleted + old, deleted + settled) if old else Part(0, 0),
        left=stored - len(numbers),
        unagreed=len(numbers) - _count_agreed(db, claim, brake, numbers),
    )
    return Doomed(numbers, extent, bool(had_gaps), is_whole, bool(is_marked))


def hold_deletions(db: Session, claim: Claim, doomed: Doomed, now: int) -> None:
    """Store what the job would have deleted, in place of deleting it. Raises Fenced."""
    held = check_fence(db, claim)
    wanted = {"nos": carray(doomed.numbers), "chars": NAME_MAX_CHARS, "limit": NAMES_MAX}
    hold = DeletionHold(
        count=len(doomed.numbers),
        everything=doomed.everything,
        job_id=claim.job_id,
        held_at=moment(now),
        names=tuple(name for (name,) in db.execute(queries()["entity_names"], wanted)),
    )
    db.execute(queries()["job_set_hold"], {"no": held.job_no, "hold": dump_hold(hold)})
    values = {"no": held.connection_no, "numbers": doomed.numbers.tobytes()}
    db.execute(queries()["hold_set_numbers"], values)


def forget_marks(db: Session, claim: Claim, doomed: Doomed) -> None:
    """Forget that the job had something to delete: it has done so. Raises Fenced."""
    held = check_fence(db, claim)
    values = {"no": held.job_no, "whole": doomed.is_whole, "listing": claim.listing}
    db.execute(queries()["seen_forget_gone"], values)
    db.execute(queries()["job_set_hold"], {"no": held.job_no, "hold": None})


def delete_part(db: Session, claim: Claim, part: "array[int]", lap: Lap) -> None:
    """Delete some entities with their bodies and index rows, and count them. Raises Fenced."""
    held = check_fence(db, claim)
    counts = db.execute(queries()["entity_types_of"], {"nos": carray(part)})
    changes: Counter[Kind] = Counter()
    for name, media_type, count in counts:
        changes[str(name), str(media_type)] -= int(str(count))
    write_deleted(db, claim, held, part)
    # They are in order, as the index writes a segment whenever a number is lower than the last.
    for step in ("index_delete", "body_delete", "entity_delete"):
        db.execute(queries()[step], {"nos": carray(part)})
    write_type_changes(db, held.connection_no, changes, lap.now)
    db.execute(queries()["job_add_deleted"], {"no": held.job_no, "deleted": len(part)})
    renew(db, held.job_no, lap)


def read_marks(db: Session, job_id: str, listing: int) -> "tuple[array[int], set[int]]":
    """Return what a listing of a job has named, and what the source said last is gone."""
    seen, gone = array("q", [_NOBODY]), set[int]()
    for is_gone, blob in _rows(db, "seen_of_listing", job_id, listing):
        numbers = array("q", blob)
        if is_gone:
            gone.update(numbers)
            continue
        seen.extend(numbers)
        gone.difference_update(numbers)
    return seen, gone


def _count_agreed(db: Session, claim: Claim, brake: DeletionBrake, numbers: "array[int]") -> int:
    """Count those that the present hold names, if its number is the one that was agreed to."""
    if not brake.agreed:
        return 0
    shown = set(
        array("q", db.execute(queries()["hold_numbers"], (claim.connection_id,)).get or b"")
    )
    return sum(no in shown for no in numbers) if len(shown) == brake.agreed else 0


def _rows(db: Session, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
    return iter(db.execute(queries()[query], values))
