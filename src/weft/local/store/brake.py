"""The brake on mass deletion: how much one sync may delete without somebody's word."""

from dataclasses import dataclass
from typing import Final, NamedTuple

SHARE = 0.5
FLOOR = 20
AGREED_GROWTH_SHARE = 0.1
NAMES_MAX = 20
NAME_MAX_CHARS = 200


class Part(NamedTuple):
    """The entities that a job would delete in all, and those that there were before."""

    doomed: int
    before: int


@dataclass(frozen=True, slots=True)
class SweepExtent:
    """The deletions that a job would make.

    ``stored`` counts of what was stored before the job, ``settled`` of what the last sync left that
    had no gaps and held nothing. ``left`` is what would remain in all; ``unagreed`` are deletions
    that nobody has agreed to.
    """

    stored: Part
    settled: Part
    left: int
    unagreed: int


@dataclass(frozen=True, slots=True)
class DeletionBrake:
    """Holds deletions that are too many.

    A sync may delete ``share`` of what was stored before it, or fewer than ``floor`` entities, but
    never leave nothing. ``agreed`` is how many held deletions somebody has agreed to: these are
    made, and the source may have lost a few more since. ``named``: somebody has named each one, so
    none is held.
    """

    share: float = SHARE
    floor: int = FLOOR
    agreed: int = 0
    named: bool = False

    def holds(self, extent: SweepExtent) -> bool:
        """Return whether nothing may be deleted until somebody agrees."""
        if self.named or extent.unagreed == 0:
            return False
        if extent.left == 0:
            return True
        # Little beside what was agreed to may yet be most of what that leaves.
        is_growth_much = self._is_much(Part(extent.unagreed, extent.left + extent.unagreed))
        if extent.unagreed <= self.agreed * AGREED_GROWTH_SHARE and not is_growth_much:
            return False
        return self._is_much(extent.stored) or self._is_much(extent.settled)

    def _is_much(self, part: Part) -> bool:
        return part.doomed >= self.floor and part.doomed > self.share * part.before


BRAKE_DEFAULTS: Final = DeletionBrake()


@dataclass(frozen=True, slots=True)
class Sweep:
    """The end of a job's deletions: made, or held, or not asked for as the listing had gaps."""

    deleted: int = 0
    held: int = 0
    had_gaps: bool = False
