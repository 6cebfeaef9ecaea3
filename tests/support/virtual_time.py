"""An event loop whose time jumps to the next timer, so that waits of minutes take no time.

Use it with a fixture `anyio_backend` that returns VIRTUAL, and where nothing waits for a thread, a
process or the network.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from weft.testing.airweave import Clock


class VirtualLoop(asyncio.SelectorEventLoop):
    """Tells its own time, in which only timers wait."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        inner: Any = self
        waiting = [timer for timer in inner._scheduled if not timer.cancelled()]
        if not inner._ready and waiting:
            self._now = max(self._now, min(timer.when() for timer in waiting))
        base: Any = super()
        base._run_once()


VIRTUAL: Final = ("asyncio", {"loop_factory": VirtualLoop})


class LoopClock(Clock):
    """The stand-in's clock, which goes with the loop's time."""

    def now(self) -> datetime:
        passed = asyncio.get_running_loop().time()
        return datetime(2026, 11, 28, 20, 14, tzinfo=UTC) + timedelta(seconds=passed)
