"""Times from servers and file systems, which may hold anything."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_http_date(text: str) -> datetime | None:
    """Parse the date in an HTTP header; None if it is not one or lies beyond the calendar."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is in UTC by the standard's definition of HTTP dates.
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def posix_time(seconds: float) -> datetime | None:
    """Convert seconds since 1970; None beyond the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
