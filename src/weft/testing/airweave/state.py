"""The objects that the stand-in keeps, and its clock."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]


class Clock:
    """Tells the time: the real one or, from ``start`` on, one that stands still but for
    microseconds; and in both cases moved on by as much as a test says.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start
        self._moved = timedelta()

    def now(self) -> datetime:
        """Return the time in UTC."""
        if self._start is None:
            return datetime.now(UTC) + self._moved
        self._moved += timedelta(microseconds=1)
        return self._start + self._moved

    def advance(self, seconds: float) -> None:
        """Let that much time pass at once."""
        self._moved += timedelta(seconds=seconds)


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(
        self, status: int, body: str | Json, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body: Json = {"detail": body} if isinstance(body, str) else body
        self.headers = dict(headers or {})


def new_id() -> str:
    """Make an id."""
    return str(uuid.uuid4())


@dataclass
class Outcome:
    """The result of a run that nobody cancels."""

    entities: list[Json]
    """What the source then holds for the connection: each with a name and a type."""

    inserted: int
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    seconds: float = 0.0
    """How long it takes, beside the worker's own pace."""

    stuck: bool = False
    """No worker ever takes it."""

    error: str | None = None
    category: str | None = None


@dataclass
class Job:
    """A run of a sync. It waits until it is handed to the worker at ``handed_at``."""

    id: str
    queued_at: datetime
    handed_at: datetime | None
    full: bool = False
    status: str = "pending"
    outcome: Outcome | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    cancelled_at: datetime | None = None
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    skipped: int = 0
    error: str | None = None
    category: str | None = None

    @property
    def is_live(self) -> bool:
        return self.status in ("pending", "running", "cancelling")


@dataclass
class Sync:
    """The sync of a connection, with its schedule and its jobs, newest first."""

    id: str
    cron: str | None
    paused: bool = False
    jobs: list[Job] = field(default_factory=list[Job])
    entities: list[Json] = field(default_factory=list[Json])
    stored_at: datetime | None = None


@dataclass
class Session:
    """An authorisation that waits for a person."""

    short_name: str
    caller: str
    redirect_url: str
    link_expires: datetime
    expires: datetime
    link_code: str = field(default_factory=lambda: secrets.token_urlsafe(6))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    claim_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    status: str = "pending"
    opened: bool = False


@dataclass
class Connection:
    """A source connection."""

    id: str
    name: str
    description: str | None
    short_name: str
    collection: str
    config: Json
    created_at: datetime
    modified_at: datetime
    method: str
    authenticated: bool
    credentials: Json = field(default_factory=dict[str, Any])
    given_config: Json = field(default_factory=dict[str, Any])
    given_cron: str | None = None
    provider: str | None = None
    own_client: bool = False
    session: Session | None = None
    sync: Sync | None = None

    @property
    def last_job(self) -> Job | None:
        return self.sync.jobs[0] if self.sync and self.sync.jobs else None

    @property
    def status(self) -> str:
        job = self.last_job
        if not self.authenticated:
            return "pending_auth"
        if job and job.status in ("running", "cancelling"):
            return "syncing"
        if job and job.status == "failed":
            return "needs_reauth" if job.category else "error"
        return "active"


@dataclass
class Collection:
    """A collection."""

    id: str
    name: str
    readable_id: str
    created_at: datetime
    modified_at: datetime


@dataclass
class Provider:
    """A connection to an auth provider."""

    id: str
    name: str
    readable_id: str
    short_name: str
    created_at: datetime
    modified_at: datetime
    masked_client_id: str | None = None
