"""The protocol of a store: what the local backend needs from a database, in the domain's words.

Every method is one transaction, unless it says otherwise. Errors: NotFound and Conflict where a
method says so; StorageFailed for a full disk, an I/O error or a database that stays locked.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Ids
from datetime import datetime
from typing import Protocol

from weft.domain.base import Page
from weft.domain.collections import Collection
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.entities import StoredEntity
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.search import SearchResults
from weft.errors import ErrorCategory
from weft.local.store.audit import AuditStore
from weft.local.store.authorizations import (
    AuthProviderStore,
    AuthSessionStore,
    OAuthClientStore,
    TokenStore,
)
from weft.local.store.keys import KeyStore
from weft.local.store.rows import Batch, BatchEvent, Claim, ConnectionRow, DueSchedule, Outcome
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
    "Outcome",
    "ScheduleStore",
    "Store",
]


class CollectionStore(Protocol):
    """Collections."""

    async def insert(self, collection: Collection) -> None:
        """Raises Conflict when the readable id is taken."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Collection]:
        """What the text names, an exact readable id or id first; at most five."""
        ...

    async def list(
        self, organization_id: str, *, cursor: str | None, limit: int
    ) -> Page[Collection]:
        """Newest first."""
        ...

    async def rename(self, collection: Collection, name: str, now: datetime) -> bool:
        """False when it is gone."""
        ...

    async def connection_ids(self, collection: Collection) -> Sequence[str]:
        """Ids of its connections."""
        ...

    async def delete(self, collection: Collection) -> None:
        """Raises Conflict while it still has connections."""
        ...


class ConnectionStore(Protocol):
    """Connections, each with its last job and its counts."""

    async def insert(self, row: ConnectionRow, now: datetime) -> None:
        """Raises NotFound when the collection is gone."""
        ...

    async def get(self, organization_id: str, connection_id: str) -> Connection | None:
        """By exact id."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Connection]:
        """By id, prefix of an id, or name; at most five."""
        ...

    async def list(
        self,
        organization_id: str,
        *,
        readable_collection_id: str | None,
        short_name: str | None,
        status: ConnectionStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Connection]:
        """Newest first."""
        ...

    async def update(
        self,
        row: ConnectionRow,
        *,
        expected_version: int,
        reset_cursor: bool,
        set_state: bool,
        set_auth: bool,
        now: datetime,
    ) -> bool:
        """False when the version is no longer the expected one: nothing was changed.

        Without ``set_state``, state and error stay what jobs made of them meanwhile; without
        ``set_auth``, credentials and their expiry stay what refreshing made of them.
        """
        ...

    async def credentials(self, organization_id: str, connection_id: str) -> str | None:
        """The encrypted credentials."""
        ...

    async def mark(
        self,
        found: Connection,
        state: ConnectionStatus,
        error_category: ErrorCategory | None,
        error_message: str | None,
    ) -> None:
        """Record what a check of ``found`` brought, unless that was authorised or configured anew
        meanwhile.
        """
        ...

    async def delete(self, organization_id: str, connection_id: str) -> Connection | None:
        """Remove connection, jobs and entity records; bodies wait for `EntityStore.purge`.

        From this moment no running job can write, and nothing is found. Returns it as it was at
        that moment, or None if it was gone.
        """
        ...


class JobStore(Protocol):
    """Jobs: the table is the truth, whoever delivers and runs them."""

    async def insert(
        self,
        organization_id: str,
        connection_id: str,
        *,
        trigger: JobTrigger,
        options: RunOptions,
        now: datetime,
    ) -> Job:
        """Raises Conflict, naming the job, while one is live; NotFound without the connection."""
        ...

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        """By exact id."""
        ...

    async def find(self, organization_id: str, text: str) -> Sequence[Job]:
        """By id or a prefix of one; at most five."""
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
        """Newest first."""
        ...

    async def log(self, organization_id: str, job_id: str, limit: int) -> Sequence[LogLine]:
        """The last lines, oldest first."""
        ...

    async def request_cancel(self, job: Job, now: datetime) -> bool:
        """PENDING becomes CANCELLED, RUNNING becomes CANCELLING; False if it was neither."""
        ...

    async def owners(self) -> Sequence[str]:
        """Who holds jobs now."""
        ...

    async def leases(self) -> Sequence[str]:
        """A mark for each lease on a job, another one whenever the lease is taken or renewed."""
        ...

    async def claim(
        self,
        owner: str,
        *,
        dead_owners: Sequence[str],
        host_limit: int,
        now: datetime,
        lease_until: datetime,
        silent: Sequence[str] | None = None,
    ) -> Claim | None:
        """Take the oldest job that nobody runs any more or yet: RUNNING under a new fence.

        Leases whose marks are in ``silent`` have run out; with None the wall clock decides, for
        callers that have not watched. Jobs of a host that already has ``host_limit`` running ones
        wait.
        """
        ...

    async def reap(
        self, dead_owners: Sequence[str], now: datetime, silent: Sequence[str] | None = None
    ) -> Sequence[str]:
        """End the CANCELLING jobs of dead owners and of leases that ran out; returns their ids."""
        ...

    async def renew(self, claim: Claim, lease_until: datetime) -> JobStatus | None:
        """Keep the claim; returns the job's status, or None when the claim is lost."""
        ...

    async def finish(
        self, claim: Claim, outcome: Outcome, log: Sequence[LogLine], now: datetime
    ) -> bool:
        """End the job and record it with the connection, or hand it back as PENDING.

        False when the claim is lost. A CANCELLING job ends CANCELLED whatever the outcome says.
        """
        ...

    async def prune(self, *, keep: int, limit: int) -> int:
        """Delete ended jobs beyond the newest ``keep`` of each connection; returns how many."""
        ...


class ScheduleStore(Protocol):
    """Schedules, as far as they have to be fired."""

    async def due(self, now: datetime, limit: int) -> Sequence[DueSchedule]:
        """Schedules whose time has come."""
        ...

    async def fire(self, due: DueSchedule, *, next_run: datetime | None, now: datetime) -> bool:
        """Set the next time, and queue a job for the slot; at most one ever for each slot.

        False, without a job, when another process was first, the slot was fired before, a sync is
        live, or the connection waits for authorisation.
        """
        ...

    async def upcoming(self, after: int, limit: int) -> Sequence[DueSchedule]:
        """Schedules with their next time, due or not, by number of connection."""
        ...

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        """Set another next time without firing; False when another process was first."""
        ...

    async def newest_job_at(self) -> datetime | None:
        """When the newest job was made, by the clock of that time."""
        ...


class EntityStore(Protocol):
    """Entities: written by syncs, read by search."""

    async def versions(self, connection_no: int, ids: Ids[str]) -> Mapping[str, str]:
        """Stored versions by the source's entity id."""
        ...

    async def begin_listing(self, claim: Claim) -> Claim:
        """Start a full listing from its beginning; returns the claim for it. Raises Fenced."""
        ...

    async def commit(
        self,
        claim: Claim,
        batch: Batch,
        *,
        now: datetime,
        lease_until: datetime,
        read_on: Callable[[], object],
    ) -> None:
        """Compare with what is stored and write the difference, counts, log and cursor together.

        ``read_on`` is called on the event loop when little is left to do in Python, before the end.
        Raises Fenced when the job was cancelled, deleted or taken over: nothing is written then.
        """
        ...

    async def delete_unseen(
        self, claim: Claim, *, now: datetime, lease_until: datetime
    ) -> int | None:
        """After a whole listing: delete what it did not name, in several transactions.

        Returns how many, or None when the listing had gaps, so that nothing may be deleted.
        Raises Fenced; what was deleted before stays deleted and counted.
        """
        ...

    async def search(
        self,
        collection: Collection,
        match: str,
        *,
        connection_id: str | None,
        entity_type: str | None,
        limit: int,
        offset: int,
    ) -> SearchResults:
        """Hits of a full-text expression, best first."""
        ...

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        """One entity with a window of its text."""
        ...

    async def purge(self, limit: int) -> int:
        """Clear bodies of deleted connections; returns how many, 0 when nothing is left."""
        ...


class Store(Protocol):
    """A database, opened."""

    collections: CollectionStore
    connections: ConnectionStore
    jobs: JobStore
    schedules: ScheduleStore
    entities: EntityStore
    keys: KeyStore
    data_keys: DataKeyStore
    secrets: SecretStore
    audit: AuditStore
    auth_sessions: AuthSessionStore
    tokens: TokenStore
    oauth_clients: OAuthClientStore
    auth_providers: AuthProviderStore

    async def data_version(self) -> int:
        """A number that changes whenever any process has changed anything."""
        ...

    async def close(self) -> None:
        """Flush and close; the file is whole afterwards."""
        ...
