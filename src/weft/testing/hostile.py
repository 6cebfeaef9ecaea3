"""Tests a parser of foreign content with inputs that are made to cost time or memory."""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

INPUTS_MIN: Final = 20
CPU_SECONDS_MAX: Final = 5.0
_STEP: Final = 4
# Four times the input may cost four times the work; a quadratic parser needs sixteen times.
_GROWTH_MAX: Final = 10
# Shorter work cannot be told from the noise of a busy machine.
_NOISE_SECONDS: Final = 0.04
_MEMORY_BASE_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class HostileParser:
    """A parser of foreign content with functions, by name, that make hostile inputs of a size.

    ``parse`` may raise ``refusals``. ``size`` is the largest size to try, in bytes or another unit
    of the inputs. ``memory_factor`` is how many bytes one unit of the size may take at once.
    """

    name: str
    parse: Callable[[bytes], object]
    inputs: Mapping[str, Callable[[int], bytes]]
    refusals: tuple[type[Exception], ...] = ()
    size: int = 128 * 1024
    memory_factor: int = 64


@cache
def find_unbounded(parser: HostileParser) -> list[str]:
    """List the inputs whose work or memory grows too fast with their size."""
    if len(parser.inputs) < INPUTS_MIN:
        return [f"{parser.name}: fewer than {INPUTS_MIN} hostile inputs"]
    return [
        f"{parser.name}, {name}: {fault}"
        for name, make in parser.inputs.items()
        if (fault := _find_fault(parser, make))
    ]


def _find_fault(parser: HostileParser, make: Callable[[int], bytes]) -> str | None:
    seconds = 0.0
    # Try small sizes first: an unbounded parser might never finish the large ones.
    for size in (parser.size // _STEP**2, parser.size // _STEP, parser.size):
        before, content = seconds, make(size)
        seconds = _measure_seconds(parser, content)
        if seconds > CPU_SECONDS_MAX:
            return f"{seconds:.1f} s for size {size:,}"
    if seconds > _NOISE_SECONDS and seconds > _GROWTH_MAX * before:
        return f"{_STEP} times the size costs {seconds / before:.1f} times the work"
    used = _measure_memory(parser, make(parser.size))
    if used > _MEMORY_BASE_BYTES + parser.memory_factor * parser.size:
        return f"{used:,} bytes of memory for size {parser.size:,}"
    return None


def _measure_seconds(parser: HostileParser, content: bytes) -> float:
    started = time.thread_time()
    _parse(parser, content)
    first = time.thread_time() - started
    if first > 1 or first < _NOISE_SECONDS / _GROWTH_MAX:
        return first
    started = time.thread_time()
    _parse(parser, content)
    return min(first, time.thread_time() - started)


def _measure_memory(parser: HostileParser, content: bytes) -> int:
    tracemalloc.start()
    try:
        _parse(parser, content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _parse(parser: HostileParser, content: bytes) -> None:
    try:
        parser.parse(content)
    except parser.refusals:
        return
