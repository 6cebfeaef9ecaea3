"""Times that servers and file systems tell, which may be anything."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_http_date(text: str) -> datetime | None:
    """Return a date of an HTTP header; None for what is none, or beyond the calendar."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is in UTC by the standard's definition of HTTP dates.
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def posix_time(seconds: float) -> datetime | None:
    """Return the moment of so many seconds since 1970; None beyond the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
