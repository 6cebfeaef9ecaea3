"""The rules for repeating a failed request: which statuses, and how long to wait."""

from random import SystemRandom
from typing import TYPE_CHECKING

from weft.net.dates import parse_http_date

if TYPE_CHECKING:
    import httpx

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed a moment later; 529 is "overloaded"."""

_RANDOM = SystemRandom()


def back_off_seconds(attempt: int, first_s: float, longest_s: float = 60) -> float:
    """Return how long to wait after failed attempt number ``attempt``, counted from 1.

    The wait doubles with each attempt, from ``first_s`` to ``longest_s``. Up to half of it is
    taken off at random, which keeps clients that failed together from coming back together.
    """
    wait = min(longest_s, first_s * 2 ** (attempt - 1))
    return _RANDOM.uniform(wait / 2, wait)


def retry_after_seconds(response: "httpx.Response", now: float | None) -> float | None:
    """Return the seconds that Retry-After asks for, or None.

    ``now`` is a POSIX time; without it, the date form of the header is not read.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    if not value or now is None:
        return None
    moment = parse_http_date(value)
    return None if moment is None else max(0.0, moment.timestamp() - now)
