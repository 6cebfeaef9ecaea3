"""Finds expired leases by the time that this process itself saw pass."""

from collections.abc import Mapping

LOOKS_PER_LEASE = 4


class LeaseWatch:
    """Finds leases that were not renewed in time.

    The wall clock is not used, because it may jump. Time that this process did not see pass counts
    little: a computer that slept stopped the owner too, which goes on when it wakes.
    """

    def __init__(self) -> None:
        self._silence: dict[str, float] = {}
        self._looked = 0.0

    def find_expired(self, leases: Mapping[str, float], now: float) -> list[str]:
        """Return the marks of leases that have run out.

        ``leases`` gives seconds by a mark that every renewal changes; ``now`` is on the monotonic
        clock.
        """
        passed, self._looked = now - self._looked, now
        before = self._silence
        self._silence = {
            mark: before[mark] + min(passed, seconds / LOOKS_PER_LEASE) if mark in before else 0.0
            for mark, seconds in leases.items()
        }
        return [mark for mark, silence in self._silence.items() if silence > leases[mark]]
