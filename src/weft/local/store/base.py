"""The protocol of a store: what the local backend needs from a database, in the domain's words.

Every method is one transaction, unless it says otherwise. Errors: NotFound and Conflict where a
method says so; StorageFailed for a full disk, an I/O error or a database that stays locked.

All callers of a store share its clock, `Store.now`, which stamps rows and decides what is due and
which lease has run out. A job's duration is measured by a clock that is never set, and is kept
when the job is interrupted. Callers give durations. `weft.testing.store_contract` tests a store.
"""

from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from weft.domain.base import Page
from weft.domain.collections import Collection
from weft.domain.connections import Connection, ConnectionStatus, ConnectionTotals
from weft.domain.entities import StoredEntity
from weft.errors import ErrorCategory
from weft.local.store.audit import AuditStore
from weft.local.store.authorizations import (
    AuthProviderStore,
    AuthSessionStore,
    OAuthClientStore,
    TokenStore,
)
from weft.local.store.brake import DeletionBrake, Sweep
from weft.local.store.browse import BrowseStore
from weft.local.store.jobs import JobStore, ScheduleStore
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
from weft.local.store.search import SearchStore
from weft.local.store.trash import TrashStore
from weft.local.store.vault import DataKeyStore, SecretStore
from weft.local.store.vectors import VectorStore

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
    "WaitingJob",
]


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

    async def totals(
        self, organization_id: str, *, readable_collection_id: str | None, short_name: str | None
    ) -> ConnectionTotals:
        """Count them, what they hold, and those that need somebody, at a cost of one list."""
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

        Its collection may be another than before. Raises NotFound when that was deleted.
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


class EntityStore(Protocol):
    """Entities, written by syncs."""

    async def versions(self, connection_id: str, ids: Ids[str]) -> Mapping[str, str]:
        """Look up stored versions by the source's entity id."""
        ...

    async def list_ids(self, connection_id: str, limit: int) -> Sequence[str]:
        """List the source's ids of up to ``limit`` stored entities, in their order."""
        ...

    async def list_unseen(self, job_id: str, limit: int) -> Sequence[str]:
        """List those of them that the present listing of a job has not named yet."""
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

    async def get(
        self, organization_id: str, entity_id: str, *, offset: int, max_chars: int
    ) -> StoredEntity | None:
        """Get one entity with a window of its text."""
        ...


class Store(Protocol):
    """A database, opened. If it is ``read_only``, whatever writes raises StorageFailed."""

    read_only: bool

    collections: CollectionStore
    connections: ConnectionStore
    jobs: JobStore
    schedules: ScheduleStore
    entities: EntityStore
    search: SearchStore
    vectors: VectorStore
    browse: BrowseStore
    trash: TrashStore
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
