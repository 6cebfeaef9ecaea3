"""The protocol of a store: what the local backend needs from a database, in the domain's words.

Every method is one transaction, unless it says otherwise. Errors: NotFound and Conflict where a
method says so; StorageFailed for a full disk, an I/O error or a database that stays locked.

A store has one clock for all its callers, `Store.now`. It stamps rows, and decides what is due and
which lease has run out; callers give durations. `weft.testing.store_contract` tests a store.
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
from weft.local.store.keys import KeyStore
from weft.local.store.records import Batch, BatchEvent, Claim, ConnectionRow, DueSchedule, Outcome
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
]

Matching = Literal["all", "any"]
"""Which of a search's terms an entity must hold."""


class CollectionStore(Protocol):
    """Collections."""

    async def insert(self, organization_id: str, *, readable_id: str, name: str) -> Collection:
        """Make one. Raises Conflict when the readable id is taken."""
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
        """Return False when it is gone."""
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
        """Make one. Raises NotFound when the collection is gone."""
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
        reset_cursor: bool,
        set_state: bool,
        set_auth: bool,
    ) -> bool:
        """Return False, with nothing changed, when the version is no longer the expected one.

        Without ``set_state``, state and error stay what jobs made of them meanwhile; without
        ``set_auth``, credentials and their expiry stay what refreshing made of them.
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

        Nothing is recorded when the connection got another configuration or authorisation since.
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
    ) -> Job:
        """Queue one.

        Raises Conflict, naming the job, while one is live, and NotFound without the connection.
        """
        ...

    async def get(self, organization_id: str, job_id: str) -> Job | None:
        """Get one by its exact id."""
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
        """List a page, newest first."""
        ...

    async def log(self, organization_id: str, job_id: str, limit: int) -> Sequence[LogLine]:
        """Get the last lines, oldest first."""
        ...

    async def request_cancel(self, job: Job) -> bool:
        """Make PENDING CANCELLED and RUNNING CANCELLING; False if the job was neither."""
        ...

    async def claim(self, owner: str, *, lease: timedelta, host_limit: int) -> Claim | None:
        """Take the oldest job that waits and is due: RUNNING under a lease and a new fence.

        Jobs of a host that already has ``host_limit`` running ones wait.
        """
        ...

    async def heartbeat(self, claim: Claim) -> JobStatus | None:
        """Renew the lease, as `EntityStore.commit` does too.

        Returns the job's status, or None when the claim is lost.
        """
        ...

    async def release_expired(self, *, running: Ids[str] = ()) -> Sequence[str]:
        """Take jobs from owners whose lease has run out; returns the jobs' ids.

        RUNNING becomes PENDING, CANCELLING becomes CANCELLED. Jobs in ``running`` are left alone:
        the caller runs them itself. A store may count only time during which it was asked, so ask
        several times a lease.
        """
        ...

    async def owners(self) -> Sequence[str]:
        """List the owners that hold jobs now."""
        ...

    async def release_dead(self, owners: Sequence[str]) -> Sequence[str]:
        """Do as `release_expired` for all jobs of these owners, which the caller knows are dead."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome, log: Sequence[LogLine]) -> bool:
        """End the job and record it with the connection, or hand it back as PENDING.

        False when the claim is lost. A CANCELLING job ends CANCELLED whatever the outcome says.
        """
        ...

    async def prune(self, *, keep: int, limit: int) -> int:
        """Delete ended jobs beyond the newest ``keep`` of each connection; returns how many."""
        ...


class ScheduleStore(Protocol):
    """Schedules, as far as they have to be fired."""

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        """List schedules whose time has come."""
        ...

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        """Set the next time, and queue a job for the slot; at most one ever for each slot.

        False, without a job, when another process was first, the slot was fired before, a sync is
        live, or the connection waits for authorisation.
        """
        ...

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        """List schedules with their next time, due or not, each once."""
        ...

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        """Set another next time without firing; False when another process was first."""
        ...

    async def newest_job_at(self) -> datetime | None:
        """Return when the newest job was made, by the clock of that time."""
        ...


class EntityStore(Protocol):
    """Entities: written by syncs, read by search."""

    async def versions(self, connection_id: str, ids: Ids[str]) -> Mapping[str, str]:
        """Look up stored versions by the source's entity id."""
        ...

    async def begin_listing(self, claim: Claim) -> Claim:
        """Start a full listing from its beginning; returns the claim for it. Raises Fenced."""
        ...

    async def commit(self, claim: Claim, batch: Batch) -> None:
        """Compare with what is stored and write the difference, counts, log and cursor together.

        Raises Fenced when the job was cancelled, deleted or taken over: nothing is written then.
        """
        ...

    async def delete_unseen(self, claim: Claim) -> int | None:
        """After a whole listing: delete what it did not name, in several transactions.

        Returns how many, or None when the listing had gaps, so that nothing may be deleted.
        Raises Fenced; what was deleted before stays deleted and counted.
        """
        ...

    async def search(
        self,
        collection: Collection,
        terms: Sequence[str],
        matching: Matching,
        *,
        connection_id: str | None,
        entity_type: str | None,
        limit: int,
        offset: int,
    ) -> Sequence[SearchHit]:
        """Find entities by the words of title and text, best first.

        Each term is a word, or several in a row; case, accents and punctuation do not count.
        """
        ...

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        """Get one entity with a window of its text."""
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

    async def now(self) -> datetime:
        """Return the time by the store's clock."""
        ...

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        """Wait until anything has changed since ``seen``, in whatever process, or for ``seconds``.

        Returns the number to wait on next; the first call, with 0, returns it at once.
        """
        ...

    async def close(self) -> None:
        """Close; what was written stays, and no method may be called any more."""
        ...
