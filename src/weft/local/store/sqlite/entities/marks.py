"""Sets of entity numbers, small enough for a million of them."""

from array import array
from collections.abc import Iterable


class Marks:
    """A bitmap over a fixed range of numbers: 1 million take 125 kB."""

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._bits = bytearray((last - first) // 8 + 1) if last >= first else bytearray()

    @classmethod
    def of(cls, blobs: Iterable[bytes], first: int, last: int) -> "Marks":
        """Mark the numbers in arrays of 64-bit integers that lie between ``first`` and ``last``."""
        marks = cls(first, last)
        for blob in blobs:
            for number in array("q", blob):
                marks.add(number)
        return marks

    def add(self, number: int) -> None:
        """Mark a number; ignore one outside the range."""
        offset = number - self._first
        if 0 <= offset < len(self._bits) * 8:
            self._bits[offset >> 3] |= 1 << (offset & 7)

    def __contains__(self, number: int) -> bool:
        offset = number - self._first
        if not 0 <= offset < len(self._bits) * 8:
            return False
        return bool(self._bits[offset >> 3] >> (offset & 7) & 1)
