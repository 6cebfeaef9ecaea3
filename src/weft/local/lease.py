"""How long a process may keep a job without a sign of life."""

from datetime import datetime, timedelta

LEASE = timedelta(seconds=30)
RENEW_SECONDS = 5.0


def lease_until(now: datetime) -> datetime:
    """When a lease that is renewed now runs out."""
    return now + LEASE
