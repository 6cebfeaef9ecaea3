"""Change notifications of the local backend."""

from collections.abc import AsyncGenerator

import anyio

from weft.backend import Changes
from weft.local.engine import Engine

BURST_SECONDS = 0.1
# Should the watcher break and miss a change, followers also look by themselves now and then.
LOOK_SECONDS = 30.0


class LocalChanges(Changes):
    """See Changes. One watcher per process notices what other processes change."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def follow(self) -> AsyncGenerator[None]:
        while True:
            mark = self._engine.changes.mark()
            yield
            await self._engine.changes.wait(mark, LOOK_SECONDS)
            await anyio.sleep(BURST_SECONDS)
