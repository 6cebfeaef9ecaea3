"""The protocol of a store: what the local backend needs from a database, in the domain's words.

Every method is one transaction, unless it says otherwise. Errors: NotFound and Conflict where a
method says so; StorageFailed for a full disk, an I/O error or a database that stays locked.

All callers of a store share its clock, `Store.now`, which stamps rows and decides what is due and
which lease has run out. A job's duration is measured by a clock that is never set, and is kept
when the job is interrupted. Callers give durations. `weft.testing.store_contract` tests a store.
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from weft.domain.base import Page
from weft.domain.collections import Collection
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.entities import StoredEntity
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.search import SearchHit
from weft.errors import ErrorCategory
from weft.local.store.audit import AuditStore
from weft.local.store.authorizations import (
    AuthProviderStore,
    AuthSessionStore,
    OAuthClientStore,
    TokenStore,
)
from weft.local.store.brake import DeletionBrake, Sweep
from weft.local.store.browse import BrowseStore, EntityFilter, Scope
from weft.local.store.keys import KeyStore
from weft.local.store.notes import NoteStore
from weft.local.store.records import (
    Batch,
    BatchEvent,
    Claim,
    ConnectionRow,
    DueSchedule,
    Outcome,
    WaitingJob,
)
from weft.local.store.vault import DataKeyStore, SecretStore

__all__ = [
    "Batch",
    "BatchEvent",
    "Claim",
    "CollectionStore",
    "ConnectionRow",
    "ConnectionStore",
    "DueSchedule",
    "EntityStore",
    "JobStore",
    "Matching",
    "Outcome",
    "ScheduleStore",
    "Store",
    "WaitingJob",
]

Matching = Literal["all", "any"]
"""Which of a search's terms an entity must hold."""


class CollectionStore(Protocol):
    """Collections."""

    async def insert(self, organization_id: str, *, readable_id: str, name: str) -> Collection:
        """Add one. Raises Conflict when the readable id is taken."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Collection]:
        """Find by readable id, id, name or prefix of an id, in this order; at most five."""
        ...

    async def list(
        self, organization_id: str, *, cursor: str | None, limit: int
    ) -> Page[Collection]:
        """List a page, newest first."""
        ...

    async def rename(self, collection: Collection, name: str) -> bool:
        """Rename it; False when it is gone."""
        ...

    async def connection_ids(self, collection: Collection) -> Sequence[str]:
        """List the ids of its connections."""
        ...

    async def delete(self, collection: Collection) -> None:
        """Remove it. Raises Conflict while it still has connections."""
        ...


class ConnectionStore(Protocol):
    """Connections, each with its last job and its counts."""

    async def insert(self, row: ConnectionRow) -> None:
        """Add one. Raises NotFound when the collection is gone."""
        ...

    async def get(self, organization_id: str, connection_id: str) -> Connection | None:
        """Get one by its exact id."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Connection]:
        """Find by id, prefix of an id, or name; at most five."""
        ...

    async def list(
        self,
        organization_id: str,
        *,
        readable_collection_id: str | None,
        short_name: str | None,
        status: ConnectionStatus | None,
        needs_attention: bool = False,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        """List a page, newest first."""
        ...

    async def update(
        self,
        row: ConnectionRow,
        *,
        expected_version: int,
        new_config: bool,
        set_state: bool,
        set_auth: bool,
    ) -> bool:
        """Write the row; False, with nothing changed, if the version is not the expected one.

        With ``new_config`` the next sync lists everything, and held deletions are forgotten.
        Without ``set_state`` the state and error that jobs have stored meanwhile stay; without
        ``set_auth`` the credentials and expiry that refreshing has stored stay.
        """
        ...

    async def credentials(self, organization_id: str, connection_id: str) -> str | None:
        """Get the sealed credentials."""
        ...

    async def mark(
        self,
        found: Connection,
        state: ConnectionStatus,
        error_category: ErrorCategory | None,
        error_message: str | None,
    ) -> None:
        """Record the result of a check of ``found``.

        Nothing is recorded if the connection has a new configuration or authorisation by now.
        """
        ...

    async def delete(self, organization_id: str, connection_id: str) -> Connection | None:
        """Remove connection, jobs and entity records; bodies wait for `EntityStore.purge`.

        From then on no running job can write, and search finds nothing. Returns the connection as
        it was, or None if it was gone.
        """
        ...


class JobStore(Protocol):
    """Jobs. Whoever delivers and runs them, only this table counts."""

    async def insert(
        self,
        organization_id: str,
        connection_id: str,
        *,
        trigger: JobTrigger,
        options: RunOptions,
    ) -> Job:
        """Queue one.

        Raises Conflict, naming the job, while one is live, and NotFound without the connection.
        """
        ...

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        """Get one by its exact id."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Job]:
        """Find by id or a prefix of one; at most five."""
        ...

    async def list(
        self,
        organization_id: str,
        *,
        connection_id: str | None,
        status: JobStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Job]:
        """List a page, newest first."""
        ...

    async def log(
        self, organization_id: str, job_id: str, limit: int, skip: int = 0
    ) -> Sequence[LogLine]:
        """Get the last lines, oldest first, without the ``skip`` newest."""
        ...

    async def request_cancel(self, job: Job) -> bool:
        """Make PENDING CANCELLED and RUNNING CANCELLING; False if the job was neither."""
        ...

    async def find_waiting(
        self, *, host_limit: int, passed_over: Ids[str] = ()
    ) -> WaitingJob | None:
        """Find the oldest waiting job that is due, but none whose mark is in ``passed_over``.

        Jobs of a host with ``host_limit`` running jobs keep waiting.
        """
        ...

    async def explain_wait(self, job_id: str, reason: Outcome) -> bool:
        """Store why a PENDING job waits, until it is claimed; False if it is PENDING no more."""
        ...

    async def claim(
        self, owner: str, *, lease: timedelta, host_limit: int, job_id: str | None = None
    ) -> Claim | None:
        """Take the oldest waiting job that is due, or this one if it is, as in `find_waiting`.

        It is RUNNING under a lease and a new fence.
        """
        ...

    async def heartbeat(self, claim: Claim) -> JobStatus | None:
        """Renew the lease; `EntityStore.commit` does so too.

        Returns the job's status, or None when the claim is lost.
        """
        ...

    async def release_expired(self, *, running: Ids[str] = ()) -> Sequence[str]:
        """Take jobs from owners whose lease has run out; return the jobs' ids.

        RUNNING becomes PENDING, CANCELLING becomes CANCELLED. Jobs in ``running``, which the caller
        runs itself, are left alone. A store may count only the time between calls that follow each
        other closely, so call this several times per lease.
        """
        ...

    async def owners(self) -> Sequence[str]:
        """List the owners that hold jobs now."""
        ...

    async def release_dead(self, owners: Sequence[str]) -> Sequence[str]:
        """Release, as `release_expired`, all jobs of owners that the caller knows are dead."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome, log: Sequence[LogLine]) -> bool:
        """End the job and record it with the connection, or hand it back as PENDING.

        False when the claim is lost. A CANCELLING job ends CANCELLED whatever the outcome says.
        """
        ...

    async def prune(self, *, keep: int, limit: int) -> int:
        """Delete ended jobs beyond the newest ``keep`` of each connection; return how many."""
        ...


class ScheduleStore(Protocol):
    """Schedules that have to be fired."""

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        """List schedules whose time has come and that no live job keeps waiting."""
        ...

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        """Set the next time, and queue a job for the slot; a slot never gets a second job.

        False, without a job, when another process was first, a sync is live (the slot stays due
        then), the connection waits for authorisation, or the slot was fired before the clock was
        set back. Of several such slots in a row, all but the first get a job that is not theirs.
        """
        ...

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        """List schedules with their next time, due or not, each once."""
        ...

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        """Set another next time without firing; False when another process was first."""
        ...


class EntityStore(Protocol):
    """Entities: written by syncs, read by search."""

    async def versions(self, connection_id: str, ids: Ids[str]) -> Mapping[str, str]:
        """Look up stored versions by the source's entity id."""
        ...

    async def list_ids(self, connection_id: str, limit: int) -> Sequence[str]:
        """List the source's ids of up to ``limit`` stored entities, in their order."""
        ...

    async def begin_listing(self, claim: Claim) -> Claim:
        """Start a full listing from its beginning; return the claim for it. Raises Fenced."""
        ...

    async def commit(self, claim: Claim, batch: Batch) -> None:
        """Compare a batch with the store; write the difference, counts, log and cursor together.

        What the source says is gone is only noted, for `sweep`. If the job ends without it, or has
        had a gap, the cursor lies beyond what was not done or read: the next sync lists everything.
        Raises Fenced when the job was cancelled, deleted or taken over: nothing is written then.
        """
        ...

    async def sweep(self, claim: Claim, brake: DeletionBrake) -> Sweep:
        """Delete what the source said is gone and, without gaps, what a full listing did not name.

        When that is more than ``brake`` lets pass, nothing is deleted, and the job holds it; its
        connection does once the job is COMPLETED. Deletes in several transactions. Raises Fenced;
        deletions made before that stay and are counted.
        """
        ...

    async def search(
        self,
        scope: Scope,
        terms: Sequence[str],
        matching: Matching,
        wanted: EntityFilter,
        *,
        limit: int,
        offset: int,
    ) -> Sequence[SearchHit]:
        """Find entities by the words of title and text, best first, whatever ``wanted.order``.

        Each term is a word, or several in a row; case, accents and punctuation do not count.
        """
        ...

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        """Get one entity with a window of its text."""
        ...

    async def purge(self, limit: int) -> int:
        """Clear bodies of deleted connections; return how many, 0 when nothing is left."""
        ...


class Store(Protocol):
    """A database, opened. If it is ``read_only``, whatever writes raises StorageFailed."""

    read_only: bool

    collections: CollectionStore
    connections: ConnectionStore
    jobs: JobStore
    schedules: ScheduleStore
    entities: EntityStore
    browse: BrowseStore
    keys: KeyStore
    data_keys: DataKeyStore
    secrets: SecretStore
    audit: AuditStore
    auth_sessions: AuthSessionStore
    tokens: TokenStore
    oauth_clients: OAuthClientStore
    auth_providers: AuthProviderStore
    notes: NoteStore

    async def now(self) -> datetime:
        """Return the time by the store's clock."""
        ...

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        """Wait until any process has changed anything since ``seen``, or for ``seconds``.

        Returns the number to wait on next. With 0, as in the first call, it returns at once.
        """
        ...

    async def verify(self) -> None:
        """Raise StorageFailed when what is stored now would be lost, or cannot be read."""
        ...

    async def close(self) -> None:
        """Close; no method may be called after that."""
        ...
