"""Runs parsers of foreign content where they can neither block nor empty the server.

One call into C, such as a regular expression or Expat on one huge tag, keeps the interpreter's lock
until it returns, which takes seconds for megabytes, and nobody can stop a thread. So this process
parses only short content. The rest goes to a child process, which serves one call after another
under limits of memory and time, and is killed when its caller is cancelled.
"""

import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

import anyio
from anyio import BrokenWorkerProcess, CapacityLimiter, from_thread, to_process, to_thread
from anyio.lowlevel import RunVar

from weft.errors import SourceUnavailable

# Each parser takes some milliseconds at most for the shorter one, and holds the interpreter's lock
# for some tens of milliseconds at most for the longer one.
INLINE_BYTES_MAX: Final = 16 * 1024
THREAD_BYTES_MAX: Final = 256 * 1024
CHILDREN_MAX: Final = 2
MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
CPU_SECONDS_MAX: Final = 30
# The child is killed after this time, should it not heed its own limit.
WALL_SECONDS_MAX: Final = 300
_ATTEMPTS: Final = 2

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_limiter: RunVar[CapacityLimiter] = RunVar("weft_parser_children")


class TooCostly(SourceUnavailable):
    """The content takes more memory or time than one thing may; a source may skip it."""


async def run_parser(size: int, parse: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call ``parse``, a function of a module, on foreign content of ``size`` bytes.

    Raises what it raises, TooCostly, and SourceUnavailable if its process was ended.
    """
    if size <= INLINE_BYTES_MAX:
        return parse(*args)
    if size <= THREAD_BYTES_MAX:
        return await to_thread.run_sync(parse, *args, abandon_on_cancel=True)
    async with _get_limiter():
        for _ in range(_ATTEMPTS):
            # One that ends after costly content, or was killed by somebody, is no reason to fail.
            with contextlib.suppress(BrokenWorkerProcess):
                return await _run_in_child(parse, *args)
        raise TooCostly("It ends the process that reads it.")


def run_parser_in_thread(size: int, parse: Callable[[*Ts], T], *args: *Ts) -> T:
    """Do the same for a caller that is in a worker thread already."""
    if size <= THREAD_BYTES_MAX:
        return parse(*args)
    return from_thread.run(run_parser, size, parse, *args)


async def _run_in_child(parse: Callable[[*Ts], T], *args: *Ts) -> T:
    # `run_parser` has waited for its turn already, so that no waiting counts as time.
    turn = CapacityLimiter(1)
    try:
        with anyio.fail_after(WALL_SECONDS_MAX):
            return await to_process.run_sync(
                _parse_limited, parse, args, cancellable=True, limiter=turn
            )
    except SystemExit:
        raise TooCostly("It takes too much memory or time to read.") from None
    except TimeoutError:
        raise SourceUnavailable("The process that read it was ended.") from None


def _get_limiter() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(min(CHILDREN_MAX, os.cpu_count() or 1))
        _limiter.set(limiter)
        return limiter


def _parse_limited(parse: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
    """Parse in the child. SystemExit reaches the caller, and ends the child with its leftovers."""
    _set_limits()
    try:
        return parse(*args)
    except MemoryError:
        raise SystemExit from None


def _set_limits() -> None:
    # Ctrl-C reaches the children too, but the server decides how it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    import resource

    signal.signal(signal.SIGXCPU, _give_up)
    used = math.ceil(time.process_time())
    for kind, limit in (
        (resource.RLIMIT_CPU, used + CPU_SECONDS_MAX),
        (resource.RLIMIT_AS, MEMORY_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        # Not every system has every limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _give_up(_signal: int, _frame: object) -> None:
    raise SystemExit
