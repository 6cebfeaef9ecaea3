"""Bounds that every list keeps."""

from weft.backend import LIST_LIMIT_MAX
from weft.errors import InvalidInput


def checked_limit(limit: int, *, maximum: int = LIST_LIMIT_MAX) -> int:
    """Return ``limit``. Raises InvalidInput unless it is from 1 to ``maximum``."""
    if not 1 <= limit <= maximum:
        raise InvalidInput(f"limit must be from 1 to {maximum}.", field="limit")
    return limit
