"""The brake on mass deletion: how much one sync may delete without somebody's word."""

from dataclasses import dataclass
from typing import Final

SHARE = 0.5
FLOOR = 20
AGREED_GROWTH_FACTOR = 1.1
NAMES_MAX = 20
NAME_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class SweepExtent:
    """What a job would delete in all, of how many entities stored before it, and what is left."""

    doomed: int
    before: int
    left: int


@dataclass(frozen=True, slots=True)
class DeletionBrake:
    """Holds deletions that are too many.

    A sync may delete ``share`` of what was stored before it, or fewer than ``floor`` entities, but
    never leave nothing. ``agreed`` is how many deletions somebody has agreed to; the source
    may have lost a few more since.
    """

    share: float = SHARE
    floor: int = FLOOR
    agreed: int = 0

    def holds(self, extent: SweepExtent) -> bool:
        """Return whether nothing may be deleted until somebody agrees."""
        if extent.doomed <= self.agreed:
            return False
        if extent.left == 0:
            return True
        if self.agreed and extent.doomed <= self.agreed * AGREED_GROWTH_FACTOR:
            return False
        return extent.doomed >= self.floor and extent.doomed > self.share * extent.before


BRAKE_DEFAULTS: Final = DeletionBrake()


@dataclass(frozen=True, slots=True)
class Sweep:
    """The end of a job's deletions: made, or held, or not asked for as the listing had gaps."""

    deleted: int = 0
    held: int = 0
    had_gaps: bool = False
