"""Waits of calls, which end after a bounded time, or when the server shuts down."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio


class BoundedWaits:
    """The waits of all calls, so that they can be ended together."""

    def __init__(self) -> None:
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    @contextmanager
    def within(self, seconds: float) -> Generator[anyio.CancelScope]:
        """Leave the block at the scope's deadline, in ``seconds``, or when `end` is called."""
        with anyio.move_on_after(0 if self._ended else seconds) as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)

    def end(self) -> None:
        """End all waits now, and later ones at once; the jobs they wait for go on elsewhere.

        So a waiting agent gets an answer before the server ends, instead of being cut off.
        """
        self._ended = True
        for scope in self._open:
            scope.cancel()
