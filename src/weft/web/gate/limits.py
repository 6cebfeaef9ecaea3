"""Limits on concurrent requests and connections, and on the rate of each caller."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

SMALL_BODY_BYTES: Final = 64 * 1024
LARGE_BODIES_MAX_BYTES: Final = 64 * 1024 * 1024

_BUCKETS_MAX: Final = 10_000
_SECONDS_PER_MINUTE: Final = 60.0


class Slots:
    """A fixed number of slots without a queue: a request that finds none free is refused."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.taken = 0

    @contextmanager
    def hold(self) -> Generator[bool]:
        """Hold a slot for the block; yield whether one was free."""
        free = self.taken < self._size
        self.taken += free
        try:
            yield free
        finally:
            self.taken -= free


class LargeBodies:
    """The bytes of large bodies that are served at once; small bodies take none.

    Reading and parsing a body takes several times its size. One caller gets half of the room, so
    that some is left for others.
    """

    def __init__(self, max_bytes: int = LARGE_BODIES_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._taken = Counter[Hashable]()

    @property
    def taken(self) -> int:
        """Return the bytes that all callers hold now."""
        return self._taken.total()

    @contextmanager
    def hold(self, caller: Hashable) -> Generator[Callable[[int], bool]]:
        """Yield a function that takes room for a body of so many bytes, for the whole block.

        It may be called again as the body grows. It returns whether there was room.
        """
        held = 0

        def grow(size: int) -> bool:
            nonlocal held
            more = max(0, size - SMALL_BODY_BYTES) - held
            if more <= 0:
                return True
            mine = self._taken[caller] + more
            if self.taken + more > self._max_bytes or mine * 2 > self._max_bytes:
                return False
            self._taken[caller] = mine
            held += more
            return True

        try:
            yield grow
        finally:
            if held:
                # Unlike the subtraction of a number, this drops callers who hold nothing any more.
                self._taken -= Counter({caller: held})


class Connection(Protocol):
    """An open connection."""

    @property
    def is_idle(self) -> bool:
        """Return whether no request of it is being answered."""
        ...

    def cut(self) -> None:
        """Close the connection at once."""
        ...


class Strangers:
    """The open connections on which nobody known has called yet.

    Anyone can open one, so they share a fixed number of places. When one more comes, the one that
    has been idle for longest gives way: a caller sends its token as soon as it is connected.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._open: dict[Connection, None] = {}

    def enter(self, connection: Connection) -> None:
        """Take a place, which may cost an older stranger its own."""
        if len(self._open) >= self._size:
            oldest = next(iter(self._open))
            gone = next((one for one in self._open if one.is_idle), oldest)
            self.leave(gone)
            gone.cut()
        self._open[connection] = None

    def leave(self, connection: Connection) -> None:
        """Give the place back: the connection is closed, or its caller is known."""
        self._open.pop(connection, None)


@dataclass(frozen=True, slots=True)
class RateStatus:
    """Requests per minute, how many remain now, and the time until all are available again."""

    limit: int
    remaining: int
    full_in_seconds: float


class Rates:
    """A token bucket for each caller: it holds a minute's requests and refills evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / _SECONDS_PER_MINUTE
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, caller: Hashable) -> float:
        """Use up one request; return 0, or the seconds to wait if none remains."""
        now = self._clock()
        left = self._remaining(caller, now)
        if left < 1:
            return (1 - left) / self._per_second
        if len(self._buckets) >= _BUCKETS_MAX:
            self._drop_full(now)
        self._buckets[caller] = (left - 1, now)
        return 0.0

    def status(self, caller: Hashable) -> RateStatus:
        """Return how many requests the caller has left, without taking one."""
        left = self._remaining(caller, self._clock())
        return RateStatus(int(self._size), int(left), (self._size - left) / self._per_second)

    def _remaining(self, caller: Hashable, now: float) -> float:
        left, since = self._buckets.get(caller, (self._size, now))
        return min(self._size, left + (now - since) * self._per_second)

    def _drop_full(self, now: float) -> None:
        self._buckets = {
            caller: (left, since)
            for caller, (left, since) in self._buckets.items()
            if left + (now - since) * self._per_second < self._size
        }
