"""What calls wait for in bounded time, and no longer than the server lives."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio


class BoundedWaits:
    """The waits of all calls; once the server is to end, they end too."""

    def __init__(self) -> None:
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """Leave the block after ``seconds``, or at `end`."""
        with anyio.move_on_after(0 if self._ended else seconds) as scope:
            self._open.add(scope)
            try:
                yield
            finally:
                self._open.discard(scope)

    def end(self) -> None:
        """Let all waits end now, and those to come at once: what they wait for goes on elsewhere.

        So an agent that waits is answered, instead of holding up the end and being cut off.
        """
        self._ended = True
        for scope in self._open:
            scope.cancel()
