"""Applies Git's deltas, within a budget of work: a few bytes can describe endless copying."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_OBJECT_BYTES = 32 * 1024 * 1024
# Real deltas have tens of operations, and a thousand times as many for a large file. The operations
# of one object take at most some seconds, those of all objects of a pack some minutes.
MAX_OBJECT_STEPS = 1_000_000
MAX_PACK_STEPS = 200_000_000
# Bytes that chains of deltas unpack and build on the way to their results.
MAX_OBJECT_BUILT_BYTES = 8 * 1024 * 1024 * 1024
MAX_PACK_BUILT_BYTES = 256 * 1024 * 1024 * 1024
_STEPS_AT_ONCE = 1_024


class BadObject(Exception):
    """An object is broken, or refers to one that is not there."""


class ObjectTooLarge(BadObject):
    """An object is beyond MAX_OBJECT_BYTES."""


class TooMuchWork(BadObject):
    """Building an object out of deltas is beyond its budget, or that of its pack."""


@dataclass(slots=True)
class Budget:
    """The work that is left for building objects out of deltas."""

    steps: int
    built_bytes: int

    def spend(self, steps: int, built_bytes: int) -> None:
        """Take so much. Raises TooMuchWork."""
        self.steps -= steps
        self.built_bytes -= built_bytes
        if self.steps < 0 or self.built_bytes < 0:
            raise TooMuchWork("an object that takes too much work to build")


def apply_delta(
    base: bytes, delta: bytes, spend: Callable[[int, int], None] = lambda _steps, _bytes: None
) -> bytes:
    """Apply a delta to its base. Raises BadObject, and ObjectTooLarge before building a result.

    ``spend`` is told of operations and of bytes of the result, in advance, and may raise.
    """
    base_size, at = _parse_size(delta, 0)
    size, at = _parse_size(delta, at)
    if size > MAX_OBJECT_BYTES:
        raise ObjectTooLarge("an object beyond the limit")
    if base_size != len(base):
        raise BadObject("a delta for another base")
    spend(0, size)
    result = bytearray()
    end = len(delta)
    steps = 0
    while at < end:
        if not steps % _STEPS_AT_ONCE:
            spend(_STEPS_AT_ONCE if steps else 1, 0)
        steps += 1
        operation = delta[at]
        at += 1
        if operation & 0x80:
            offset, length, at = _parse_copy(delta, at, operation)
            piece = base[offset : offset + length]
        else:
            length, piece = operation, delta[at : at + operation]
            at += operation
        if len(piece) != length or not length or len(result) + length > size:
            raise BadObject("a delta that is broken")
        result += piece
    if len(result) != size:
        raise BadObject("a delta of another size than it says")
    return bytes(result)


def _parse_copy(delta: bytes, at: int, operation: int) -> tuple[int, int, int]:
    number = 0
    for bit in range(7):
        if operation & (1 << bit):
            if at >= len(delta):
                raise BadObject("a delta that ends early")
            number |= delta[at] << (8 * bit)
            at += 1
    return number & 0xFFFF_FFFF, (number >> 32) or 0x10000, at


def _parse_size(delta: bytes, at: int) -> tuple[int, int]:
    size = shift = 0
    while at < len(delta) and shift < 64:
        byte = delta[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, at
    raise BadObject("a delta that ends early")
