"""Imports many modules without collecting garbage among them."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def pause_collection() -> Generator[None]:
    """Collect no garbage within the block, nor ever among what was made there.

    Modules live as long as the process; looking for garbage among them takes a tenth of the time
    that importing the MCP SDK and the engine takes.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
