"""Values that a store takes and returns and that are not domain objects; see `base`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from weft.domain.base import Json
from weft.domain.connections import AuthMethod, ConnectionStatus
from weft.domain.jobs import JobStatus, LogLine, RunOptions
from weft.domain.schedules import Schedule
from weft.errors import ErrorCategory
from weft.sources.base import StoredEvent

KEPT_NAMES: Final = 5_000
BatchEvent = StoredEvent
"""An event in a batch, as the source yielded it."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """The stored columns of a connection that create and update write."""

    id: str
    organization_id: str
    sync_id: str
    short_name: str
    readable_collection_id: str
    name: str
    description: str | None
    config: Json
    auth_method: AuthMethod
    authenticated_at: datetime | None
    auth_expires_at: datetime | None
    redirect_url: str | None
    credentials: str | None
    state: ConnectionStatus
    error_category: ErrorCategory | None
    error_message: str | None
    schedule: Schedule | None
    host: str
    auth_provider: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A job that is due, with what its connection needs; ``error`` says why it waits, if stored.

    ``mark`` changes with the connection and with each claim: then a job that was passed over is
    looked at again, and says again why it waits.
    """

    job_id: str
    mark: str
    error: str | None
    connection_id: str
    organization_id: str
    short_name: str
    config: Json
    auth_method: AuthMethod
    auth_expires_at: datetime | None
    credentials: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one job, until another claim has a higher fence.

    ``lease`` is how long it stays valid without a heartbeat or a commit. ``running_since``
    is when the job would have begun, had it run without a break, in seconds of the store's
    monotonic clock. ``cursor`` is what the source remembers, also for a ``full_sync``.
    ``mark`` is that of the job if it waits again.
    ``kept_names`` bounds the names of changed entities that its connection keeps.
    """

    job_id: str
    owner: str
    fence: int
    lease: timedelta
    connection_id: str
    organization_id: str
    short_name: str
    config: Json
    auth_method: AuthMethod
    authenticated_at: datetime | None
    auth_expires_at: datetime | None
    credentials: str | None
    cursor: Json | None
    checkpoint: Json | None
    options: RunOptions
    full_sync: bool
    listing: int
    attempts: int
    resumed: bool
    renewed: bool = False
    running_since: float = 0.0
    mark: str = ""
    kept_names: int = KEPT_NAMES


@dataclass(slots=True)
class Batch:
    """Events to commit together, and the log lines that belong to them.

    ``hashes`` maps ids to the content hashes, as far as known, of each id's last entity. A store
    may call ``read_on``, once and on the event loop, when it has little left to do in Python.
    """

    events: list[BatchEvent] = field(default_factory=list["BatchEvent"])
    log: list[LogLine] = field(default_factory=list[LogLine])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    read_on: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule whose time, ``slot``, has come."""

    connection_id: str
    slot: datetime
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a job; PENDING means that it will continue, after ``retry_after`` if given.

    A PENDING one with a category waits for a process that has what this one lacks. ``renewed`` says
    that the job got a new token because the source refused the old one.
    """

    status: JobStatus
    retry_after: timedelta | None = None
    error: str | None = None
    error_category: ErrorCategory | None = None
    error_details: str | None = None
    connection_state: ConnectionStatus | None = None
    renewed: bool = False
