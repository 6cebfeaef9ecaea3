"""The rows of the store in memory, and how they look from outside."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from weft.domain.access.acting import current_actor
from weft.domain.access.audit import AuditEntry
from weft.domain.attention import DeletionHold
from weft.domain.base import Json, Page
from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import (
    AuthDetails,
    Connection,
    ConnectionStatus,
    EntitySummary,
    EntityTypeSummary,
    SyncSummary,
)
from weft.domain.entities import Entity
from weft.domain.jobs import Finding, FindingKind, Job, JobStatus, LogLine, RunOptions
from weft.domain.reading.browsing import ChangeKind
from weft.local.store.authorizations import AuthProviderRow, AuthSession, OAuthClientRow
from weft.local.store.browse import Scope
from weft.local.store.notes import NoteRow
from weft.local.store.records import Claim, ConnectionRow
from weft.local.store.vault import SecretRow, WrappedKey
from weft.local.store.vectors import Vector

T = TypeVar("T")
NameRow = tuple[str | None, str | None, str | None]


@dataclass
class ConnectionState:
    """A connection, and what jobs made of it."""

    row: ConnectionRow
    collection_id: str
    created_at: datetime
    modified_at: datetime
    version: int = 1
    cursor: Json | None = None
    list_again: bool = False
    runs: Counter[JobStatus] = field(default_factory=Counter[JobStatus])
    hold: DeletionHold | None = None
    held: set[str] = field(default_factory=set[str])
    settled: frozenset[str] = frozenset()
    slots: set[datetime] = field(default_factory=set[datetime])
    repeated_slot: datetime | None = None
    types_at: dict[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass
class JobState:
    """A job, and what only its runner needs."""

    job: Job
    organization_id: str
    options: RunOptions
    owner: str | None = None
    fence: int = 0
    claimed_at: datetime | None = None
    ran: timedelta = timedelta()
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    attempts: int = 0
    renewed: bool = False
    checkpoint: Json | None = None
    counted: dict[str, int] = field(default_factory=dict[str, int])
    listing: int = 0
    seen: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    gone: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    hold: DeletionHold | None = None
    seen_before: frozenset[str] = frozenset()
    log: list[LogLine] = field(default_factory=list[LogLine])
    names: dict[tuple[ChangeKind, str], NameRow] = field(
        default_factory=dict[tuple[ChangeKind, str], NameRow]
    )
    reasons: Counter[tuple[ChangeKind, str]] = field(
        default_factory=Counter[tuple[ChangeKind, str]]
    )
    reasons_before: Counter[tuple[ChangeKind, str]] = field(
        default_factory=Counter[tuple[ChangeKind, str]]
    )
    empty: int = 0
    omitted: dict[tuple[FindingKind, str], int | None] = field(
        default_factory=dict[tuple[FindingKind, str], int | None]
    )
    omitted_before: dict[tuple[FindingKind, str], int | None] = field(
        default_factory=dict[tuple[FindingKind, str], int | None]
    )

    def show_findings(self) -> None:
        """Show in the job what it left out, as far as it has counted."""
        found = [
            Finding(kind=FindingKind(kind.value), reason=reason, count=count)
            for (kind, reason), count in self.reasons.items()
            if count > 0
        ]
        found += [Finding(kind=k, reason=r, count=n) for (k, r), n in self.omitted.items()]
        found += [Finding(kind=FindingKind.EMPTY, count=self.empty)] if self.empty else []
        found.sort(key=lambda each: (-(each.count or -1), each.kind, each.reason))
        self.set(findings=tuple(found))

    def set(self, **fields: Any) -> None:
        """Change fields of the job."""
        self.job = self.job.model_copy(update=fields)

    def add(self, **counts: int) -> None:
        """Add to the job's counts."""
        self.set(
            **{f"entities_{k}": getattr(self.job, f"entities_{k}") + n for k, n in counts.items()}
        )


@dataclass
class EntityState:
    """A stored entity, and its vector by a model; the ticket is that of its content."""

    number: int
    entity: Entity
    hash: str
    ticket: int
    vector: Vector | None = None
    model: str | None = None


@dataclass
class State:
    """All rows, each table in the order in which its rows were made."""

    clock: Callable[[], datetime]
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])
    connections: dict[str, ConnectionState] = field(default_factory=dict[str, ConnectionState])
    deleted: dict[str, ConnectionState] = field(default_factory=dict[str, ConnectionState])
    jobs: dict[str, JobState] = field(default_factory=dict[str, JobState])
    entities: dict[tuple[str, str], EntityState] = field(
        default_factory=dict[tuple[str, str], EntityState]
    )
    audit: list[AuditEntry] = field(default_factory=list[AuditEntry])
    data_keys: dict[tuple[str, str], WrappedKey] = field(
        default_factory=dict[tuple[str, str], WrappedKey]
    )
    master_kid: str | None = None
    secrets: dict[tuple[str, str], SecretRow] = field(
        default_factory=dict[tuple[str, str], SecretRow]
    )
    sessions: dict[str, AuthSession] = field(default_factory=dict[str, AuthSession])
    leases: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])
    clients: dict[str, OAuthClientRow] = field(default_factory=dict[str, OAuthClientRow])
    providers: dict[tuple[str, str], AuthProviderRow] = field(
        default_factory=dict[tuple[str, str], AuthProviderRow]
    )
    notes: dict[tuple[str, str, str], NoteRow] = field(
        default_factory=dict[tuple[str, str, str], NoteRow]
    )
    note_leases: dict[tuple[str, str, str], tuple[str, datetime]] = field(
        default_factory=dict[tuple[str, str, str], tuple[str, datetime]]
    )
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    tickets: "count[int]" = field(default_factory=lambda: count(1))
    changes: int = 1

    def is_in(self, scope: Scope, connection_id: str) -> bool:
        """Tell whether a connection is there, and in the scope."""
        each = self.connections.get(connection_id)
        return (
            each is not None
            and each.row.organization_id == scope.organization_id
            and scope.connection_id in (None, connection_id)
            and scope.collection_id in (None, each.collection_id)
        )

    def within(self, scope: Scope) -> Iterator[tuple[str, EntityState]]:
        """Yield the entities in the scope, each with its connection's id."""
        for (owner, _), each in self.entities.items():
            if self.is_in(scope, owner):
                yield owner, each

    def record(
        self, action: str, kind: str, target: str, organization: str, connection: str | None = None
    ) -> None:
        """Write an audit row, and tell whoever waits for a change."""
        self.changes += 1
        actor = current_actor()
        entry = AuditEntry(
            at=self.clock(),
            organization_id=organization,
            principal=actor.principal,
            transport=actor.transport,
            operation=actor.operation,
            action=action,
            target_kind=kind,
            target_id=target,
            connection_id=connection,
            arguments_digest=actor.digest(),
        )
        self.audit.append(entry)

    def find_held(self, claim: Claim) -> JobState | None:
        """Find the job that the claim still holds."""
        held = self.jobs.get(claim.job_id)
        if held is None or (held.owner, held.fence) != (claim.owner, claim.fence):
            return None
        return held

    def end_job(self, held: JobState, status: JobStatus) -> None:
        """End the job and count it."""
        held.set(status=status, completed_at=self.clock())
        if held.job.started_at is not None:
            held.set(duration_seconds=held.ran.total_seconds())
        held.owner = held.lease_until = None
        connection = self.connections[held.job.source_connection_id]
        connection.runs[status] += 1
        had_gaps = held.job.full_sync and held.job.incomplete
        if connection.hold or held.hold or held.gone or had_gaps:
            connection.list_again = True

    def show_collection(self, found: Collection) -> Collection:
        """The collection with its counts."""
        own = {key for key, each in self.connections.items() if each.collection_id == found.id}
        return found.model_copy(
            update={
                "connection_count": len(own),
                "status": CollectionStatus.ACTIVE if own else CollectionStatus.NEEDS_SOURCE,
                "entity_count": sum(key in own for key, _ in self.entities),
            }
        )

    def show_connection(self, found: ConnectionState) -> Connection:
        """The connection as others see it."""
        row = found.row
        jobs = [each.job for each in self.jobs.values() if each.job.source_connection_id == row.id]
        running = jobs and jobs[-1].status in (JobStatus.RUNNING, JobStatus.CANCELLING)
        types = Counter(
            each.entity.type for (key, _), each in self.entities.items() if key == row.id
        )
        provider = self.providers.get((row.organization_id, row.auth_provider or ""))
        return Connection(
            id=row.id,
            organization_id=row.organization_id,
            name=row.name,
            description=row.description,
            short_name=row.short_name,
            readable_collection_id=self.collections[found.collection_id].readable_id,
            status=ConnectionStatus.SYNCING if running else row.state,
            auth=AuthDetails(
                method=row.auth_method,
                authenticated=row.authenticated_at is not None,
                has_credentials=row.credentials is not None,
                authenticated_at=row.authenticated_at,
                expires_at=row.auth_expires_at,
                redirect_url=row.redirect_url,
                provider_readable_id=row.auth_provider,
            ),
            config=row.config,
            schedule=row.schedule,
            sync=SyncSummary(
                total_runs=found.runs.total(),
                successful_runs=found.runs[JobStatus.COMPLETED],
                failed_runs=found.runs[JobStatus.FAILED],
                last_job=jobs[-1] if jobs else None,
            ),
            sync_id=row.sync_id,
            entities=EntitySummary(
                total_entities=types.total(),
                by_type={
                    name: EntityTypeSummary(count=n, last_updated=found.types_at.get(name))
                    for name, n in (types or dict.fromkeys(found.types_at, 0)).items()
                },
            ),
            error_category=row.error_category,
            error_message=row.error_message,
            deletions_held=found.hold,
            provider_short_name=provider.kind if provider else None,
            created_at=found.created_at,
            modified_at=found.modified_at,
            version=found.version,
        )


def make_page(newest_first: Sequence[T], cursor: str | None, limit: int) -> Page[T]:
    """Cut a page; the cursor is how many rows are older than it begins."""
    start = 0 if cursor is None else len(newest_first) - int(cursor)
    end = start + limit
    left = len(newest_first) - end
    return Page(items=tuple(newest_first[start:end]), next_cursor=str(left) if left > 0 else None)
