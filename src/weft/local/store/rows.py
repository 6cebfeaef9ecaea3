"""What a store takes and gives that is not a domain object; see `base`."""

from dataclasses import dataclass, field
from datetime import datetime

from weft.domain.base import Json
from weft.domain.connections import AuthMethod, ConnectionStatus
from weft.domain.jobs import JobStatus, LogLine, RunOptions
from weft.domain.schedules import Schedule
from weft.errors import ErrorCategory
from weft.sources.base import Event

BatchEvent = Event
"""What a batch holds: the events of a source as they came."""


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
class Claim:
    """The right to run one job, until another claim has a higher fence."""

    job_no: int
    job_id: str
    owner: str
    fence: int
    connection_no: int
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


@dataclass(slots=True)
class Batch:
    """Events to commit together, and the log lines that belong to them.

    ``hashes`` are content hashes by id, of each id's last entity, as far as they are known already.
    """

    events: list[BatchEvent] = field(default_factory=list["BatchEvent"])
    log: list[LogLine] = field(default_factory=list[LogLine])
    hashes: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class DueSchedule:
    """A schedule whose time, ``slot``, has come."""

    connection_no: int
    slot: datetime
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended; PENDING means that it is to be continued, after ``retry_at`` if given.

    ``renewed`` says that it got a new token, because the source refused the one it had.
    """

    status: JobStatus
    retry_at: datetime | None = None
    error: str | None = None
    error_category: ErrorCategory | None = None
    error_details: str | None = None
    connection_state: ConnectionStatus | None = None
    renewed: bool = False
