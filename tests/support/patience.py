"""The time that a test waits for what must happen.

It is long because a busy machine is slow, and it measures nothing: a test that fails by it found
something that does not happen at all. What Weft promises in seconds is measured by the benchmarks.
"""

from collections.abc import Awaitable, Callable

import anyio

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.01


async def wait_until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look again and again until a condition holds that nothing announces."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await anyio.sleep(LOOK_SECONDS)
