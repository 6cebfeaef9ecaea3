"""The times that the remote backend waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All waits, in seconds. A whole call stays below the 50 s that clients give a tool."""

    connect: float = 5.0
    silence: float = 15.0
    """Between two pieces of an answer."""

    attempt: float = 20.0
    """One request with its whole answer."""

    slow_attempt: float = 35.0
    """The same for a create, which checks credentials, and a delete, which waits for a sync."""

    total: float = 40.0
    """One request with all its repetitions."""

    attempts: int = 4
    pause: float = 0.3
    """Before the first repetition; it doubles with each, and is jittered."""

    looks: int = 4
    look_pause: float = 0.5
    """Between two looks for what a request with a lost answer did; it doubles as well."""

    watch: float = 0.5
    watch_longest: float = 5.0
    """Between two looks at a job that is followed: from the first to the longest."""

    follow: float = 5.0
    """Between two looks for changes while somebody follows them."""

    consent: float = 5.0
    consent_longest: float = 30.0
    """Between two looks at a connection that a person authorises: at first, and at the longest."""

    reports: int = 5
    """Failed looks in a row after which following a job fails."""
