"""A measurement, and the table that prints it."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number with its target.

    ``at_most``: the target is an upper bound; otherwise a lower one. ``detail`` has the numbers of
    which the ratio was made. A row without a target only informs.
    """

    what: str
    measured: float
    target: float | None = None
    at_most: bool = True
    unit: str = "×"
    detail: str = ""

    @property
    def is_met(self) -> bool:
        """Return whether the target is met, or there is none."""
        if self.target is None:
            return True
        return self.measured <= self.target if self.at_most else self.measured >= self.target


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the value below which ``percent`` (1 to 99) of the values lie."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def table(rows: Iterable[Row]) -> str:
    """Format rows in columns: what, measured, target, verdict, detail."""
    lines = [("what", "measured", "target", "verdict", "detail")]
    lines += [(row.what, _number(row), _target(row), _verdict(row), row.detail) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    printed = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([printed[0], "  ".join("-" * width for width in widths), *printed[1:]])


def _number(row: Row) -> str:
    return f"{row.measured:.2f} {row.unit}"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    return f"{'≤' if row.at_most else '≥'} {row.target:g} {row.unit}"


def _verdict(row: Row) -> str:
    if row.target is None:
        return ""
    return "met" if row.is_met else "MISSED"
