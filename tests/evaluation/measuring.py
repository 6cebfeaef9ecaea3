"""Measures the cost of a task."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Calls made and tokens read, beside the ceiling of the latter."""

    name: str
    calls: int
    tokens: int
    tokens_max: int
