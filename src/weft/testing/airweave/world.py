"""The stand-in's state and settings, and the worker that moves its jobs on."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import resources
from typing import Literal

import anyio.lowlevel
from pydantic import BaseModel

from weft.testing.airweave.state import (
    Clock,
    Collection,
    Connection,
    Job,
    Json,
    Outcome,
    Provider,
    Refused,
    Session,
    Sync,
)
from weft.testing.airweave.validation import CONFIGS, CREDENTIALS

CLEANUP_SECONDS = 180
CLEANUP_TEXT = "Cancelled by cleanup job (stuck in transitional state)"
FAILING_SEED, REAUTH_SEED, STUCK_SEED = 13, 14, 15

Run = Callable[[Connection, Sync, bool], Outcome]


def run_recorded(connection: Connection, sync: Sync, full: bool) -> Outcome:
    """Run a sync as the worker of the recordings did: the stub's seed says how it ends."""
    config = connection.config
    count = int(config.get("entity_count", 10))
    seed = config.get("seed") if connection.short_name == "stub" else None
    entities = [
        {
            "id": f"ent-{number}",
            "name": f"Doc {number}",
            "type": "SmallStubEntity",
            "text": f"# Doc {number}\nmove house, document {number} of {connection.short_name}",
            "url": f"https://stub.example/{number}",
        }
        for number in range(count)
    ]
    if seed == FAILING_SEED:
        return Outcome(sync.entities, inserted=3, error="Upstream exploded while listing")
    if seed == REAUTH_SEED:
        category = "oauth_credentials_expired"
        return Outcome(sync.entities, inserted=0, error="401 from provider", category=category)
    return Outcome(
        entities,
        inserted=max(0, count - len(sync.entities)),
        skipped=1,
        seconds=count * config.get("generation_delay_ms", 0) / 1000,
        stuck=seed == STUCK_SEED,
    )


async def pass_no_time(seconds: float) -> None:
    """Take no time for what is slow at Airweave."""
    del seconds
    await anyio.lowlevel.checkpoint()


def _load_catalogue(kind: str) -> dict[str, Json]:
    text = (
        resources.files("weft.testing.airweave")
        .joinpath("catalogue.json")
        .read_text(encoding="utf-8")
    )
    return {item["short_name"]: item for item in json.loads(text)[kind]}


@dataclass
class Airweave:
    """An organisation at Airweave.

    ``requests_per_minute`` is the plan's limit (10 for developers), and ``max_connections`` what
    the plan allows. Without ``worker_alive`` no job moves. ``pause`` waits for what is slow.
    ``streams`` of events tell a job to its end over a real connection, tell nothing, or are cut off
    at once, as a transport without streams needs.
    """

    key: str = "test-api-key"
    user_token: str = "test-user-jwt"  # noqa: S105 (not a secret)
    organization_id: str = "07154366-d0e5-434c-a8fb-d997a6faf05a"
    requests_per_minute: int | None = None
    max_connections: int | None = None
    payment_status: str | None = None
    worker_alive: bool = True
    streams: Literal["cut", "told", "silent"] = "cut"
    queue_seconds: float = 0.05
    run_seconds: float = 0.1
    cancel_seconds: float = 0.1
    clock: Clock = field(default_factory=Clock)
    run: Run = run_recorded
    pause: Callable[[float], Awaitable[None]] = pass_no_time
    sources: dict[str, Json] = field(default_factory=lambda: _load_catalogue("sources"))
    provider_kinds: dict[str, Json] = field(default_factory=lambda: _load_catalogue("providers"))
    config_models: dict[str, type[BaseModel]] = field(default_factory=CONFIGS.copy)
    credential_models: dict[str, type[BaseModel]] = field(default_factory=CREDENTIALS.copy)
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])
    connections: dict[str, Connection] = field(default_factory=dict[str, Connection])
    providers: dict[str, Provider] = field(default_factory=dict[str, Provider])
    widget_sessions: dict[str, Json] = field(default_factory=dict[str, Json])
    ended_sessions: list[Session] = field(default_factory=list[Session])
    asked: list[str] = field(default_factory=list[str])
    """Each request so far: its method and path."""

    searches: list[Json] = field(default_factory=list[Json])
    """What each search asked for, but for defaults."""

    window: tuple[int, int] = (0, 0)
    """The minute that is counted, and its requests."""

    def find_collection(self, readable_id: str, text: str = "Collection not found") -> Collection:
        """Return a collection, or refuse."""
        if readable_id not in self.collections:
            raise Refused(404, text)
        return self.collections[readable_id]

    def find_connection(self, connection_id: str) -> Connection:
        """Return a connection, or refuse."""
        if connection_id not in self.connections:
            raise Refused(404, "SourceConnection not found")
        return self.connections[connection_id]

    def find_sync(self, connection_id: str) -> Sync:
        """Return the sync of a connection, or refuse."""
        sync = self.find_connection(connection_id).sync
        if sync is None:
            raise Refused(404, "No sync found for this source connection")
        return sync

    def find_source(self, short_name: str) -> Json:
        """Return the description of a source, or refuse."""
        if short_name not in self.sources:
            raise Refused(404, f"Source '{short_name}' not found")
        return self.sources[short_name]

    def list_connections(self, collection: str | None = None) -> list[Connection]:
        """Return the connections, newest first."""
        found = [c for c in self.connections.values() if collection in (None, c.collection)]
        return found[::-1]

    def settle(self) -> None:
        """Move every job to where it is by now, and clean up those that are stuck."""
        for connection in self.connections.values():
            job = connection.last_job
            if job is not None and job.is_live and connection.sync is not None:
                self._move(connection, connection.sync, job)

    def _move(self, connection: Connection, sync: Sync, job: Job) -> None:
        now = self.clock.now()
        if job.outcome is None:
            job.outcome = self.run(connection, sync, job.full)
        if job.status == "pending" and self._is_taken(job, job.outcome):
            job.status = "running"
            job.started_at = (job.handed_at or now) + timedelta(seconds=self.queue_seconds)
        if job.status == "running" and self.worker_alive:
            self._advance(sync, job, job.outcome)
        waits_since = job.cancelled_at or job.queued_at
        if job.status == "cancelling" and self.worker_alive:
            end = waits_since + timedelta(seconds=self.cancel_seconds)
            if now >= end:
                _store(sync, job, job.outcome, job.inserted, "cancelled", end)
        stuck = now - waits_since > timedelta(seconds=CLEANUP_SECONDS)
        if stuck and job.status in ("pending", "cancelling"):
            job.status, job.completed_at, job.error = "cancelled", now, CLEANUP_TEXT

    def _is_taken(self, job: Job, outcome: Outcome) -> bool:
        if job.handed_at is None or outcome.stuck or not self.worker_alive:
            return False
        return self.clock.now() >= job.handed_at + timedelta(seconds=self.queue_seconds)

    def _advance(self, sync: Sync, job: Job, outcome: Outcome) -> None:
        started = job.started_at or self.clock.now()
        seconds = self.run_seconds + outcome.seconds
        passed = (self.clock.now() - started).total_seconds()
        if passed < seconds:
            job.inserted = int(outcome.inserted * passed / seconds)
            return
        end = started + timedelta(seconds=seconds)
        job.updated, job.deleted = outcome.updated, outcome.deleted
        job.skipped, job.error, job.category = outcome.skipped, outcome.error, outcome.category
        if outcome.error is None:
            _store(sync, job, outcome, outcome.inserted, "completed", end)
            return
        job.status, job.inserted = "failed", outcome.inserted
        sync.entities = outcome.entities
        sync.paused = outcome.category is not None


def _store(
    sync: Sync, job: Job, outcome: Outcome, inserted: int, status: str, end: datetime
) -> None:
    """End a job, with what it has stored until then."""
    whole = inserted == outcome.inserted
    sync.entities = outcome.entities if whole else outcome.entities[: len(sync.entities) + inserted]
    sync.stored_at = end
    job.inserted, job.status, job.completed_at = inserted, status, end
