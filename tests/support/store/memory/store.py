"""A store of plain objects, as small as it can be: proof that the protocol holds no SQLite.

Nothing awaits within a method, so that each is one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from tests.support.store.memory.browse import MemoryBrowse
from tests.support.store.memory.entities import MemoryEntities
from tests.support.store.memory.jobs import LIVE, UNAUTHORIZED, MemoryJobs
from tests.support.store.memory.records import (
    MemoryAudit,
    MemoryAuthProviders,
    MemoryAuthSessions,
    MemoryDataKeys,
    MemoryKeys,
    MemoryNotes,
    MemoryOAuthClients,
    MemorySecrets,
    MemoryTokens,
)
from tests.support.store.memory.search import MemorySearch
from tests.support.store.memory.state import ConnectionState, State, make_page
from tests.support.store.memory.trash import MemoryTrash
from tests.support.store.memory.vectors import MemoryVectors
from weft.domain import collections as domain
from weft.domain.base import Page
from weft.domain.connections import Connection, ConnectionStatus, ConnectionTotals
from weft.domain.jobs import JobTrigger, RunOptions
from weft.errors import Conflict, ErrorCategory, NotFound
from weft.local.store.base import (
    CollectionStore,
    ConnectionRow,
    ConnectionStore,
    DueSchedule,
    ScheduleStore,
    Store,
)


class MemoryCollections(CollectionStore):
    """See CollectionStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def insert(
        self, organization_id: str, *, readable_id: str, name: str
    ) -> domain.Collection:
        for each in self._state.collections.values():
            if (each.organization_id, each.readable_id) == (organization_id, readable_id):
                raise Conflict("Taken.", field="readable_id")
        now = self._state.clock()
        made = domain.Collection(
            id=str(uuid4()),
            organization_id=organization_id,
            name=name,
            readable_id=readable_id,
            status=domain.CollectionStatus.NEEDS_SOURCE,
            created_at=now,
            modified_at=now,
        )
        self._state.collections[made.id] = made
        self._state.record("create", "collection", made.id, organization_id)
        return made

    def _of(self, organization_id: str) -> list[domain.Collection]:
        own = (e for e in self._state.collections.values() if e.organization_id == organization_id)
        return [self._state.show_collection(each) for each in own]

    async def find(self, organization_id: str, text: str) -> Sequence[domain.Collection]:
        own = self._of(organization_id)
        exact = [e for e in own if text == e.readable_id or text.lower() == e.id]
        named = [e for e in own if text.casefold() == e.name.casefold()]
        prefixed = [e for e in own if len(text) >= 4 and e.id.startswith(text.lower())]
        return list({e.id: e for e in (*exact, *named, *prefixed)}.values())[:5]

    async def list(
        self, organization_id: str, *, cursor: str | None, limit: int
    ) -> Page[domain.Collection]:
        return make_page(self._of(organization_id)[::-1], cursor, limit)

    async def rename(self, collection: domain.Collection, name: str) -> bool:
        found = self._state.collections.get(collection.id)
        if found is None:
            return False
        changes = {"name": name, "modified_at": self._state.clock()}
        self._state.collections[found.id] = found.model_copy(update=changes)
        return True

    async def connection_ids(self, collection: domain.Collection) -> Sequence[str]:
        every = self._state.connections.items()
        return [key for key, each in every if each.collection_id == collection.id][::-1]


class MemoryConnections(ConnectionStore):
    """See ConnectionStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    def _get(self, organization_id: str, connection_id: str) -> ConnectionState | None:
        found = self._state.connections.get(connection_id)
        return found if found and found.row.organization_id == organization_id else None

    def _of(self, organization_id: str) -> list[Connection]:
        every = self._state.connections.values()
        own = [each for each in every if each.row.organization_id == organization_id]
        return [self._state.show_connection(each) for each in reversed(own)]

    async def insert(self, row: ConnectionRow) -> None:
        collection_id, now = self._find_collection(row), self._state.clock()
        self._state.connections[row.id] = ConnectionState(row, collection_id, now, now)
        self._state.record("create", "connection", row.id, row.organization_id, row.id)

    def _find_collection(self, row: ConnectionRow) -> str:
        key = (row.organization_id, row.readable_collection_id)
        for each in self._state.collections.values():
            if (each.organization_id, each.readable_id) == key:
                return each.id
        raise NotFound("The collection is gone.", field="readable_collection_id")

    async def get(self, organization_id: str, connection_id: str) -> Connection | None:
        found = self._get(organization_id, connection_id)
        return self._state.show_connection(found) if found else None

    async def find(self, organization_id: str, text: str) -> Sequence[Connection]:
        own = self._of(organization_id)
        exact = [e for e in own if e.id == text.lower()]
        named = [e for e in own if e.name.casefold() == text.casefold()]
        prefixed = [e for e in own if len(text) >= 4 and e.id.startswith(text.lower())]
        return (exact or named or prefixed)[:5]

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
        found = [
            each
            for each in self._of(organization_id)
            if readable_collection_id in (None, each.readable_collection_id)
            and short_name in (None, each.short_name)
            and status in (None, each.status)
            and (each.attention or not needs_attention)
        ]
        return make_page(found, cursor, limit)

    async def totals(
        self, organization_id: str, *, readable_collection_id: str | None, short_name: str | None
    ) -> ConnectionTotals:
        found = [
            each
            for each in self._of(organization_id)
            if readable_collection_id in (None, each.readable_collection_id)
            and short_name in (None, each.short_name)
        ]
        return ConnectionTotals.of(found)

    async def update(
        self,
        row: ConnectionRow,
        *,
        expected_version: int,
        new_config: bool,
        set_state: bool,
        set_auth: bool,
    ) -> bool:
        found = self._get(row.organization_id, row.id)
        if found is None or found.version != expected_version:
            return False
        found.collection_id = self._find_collection(row)
        kept = () if set_state else ("state", "error_category", "error_message")
        if not set_auth:
            auth = ("auth_method", "authenticated_at", "auth_expires_at", "credentials")
            kept = (*kept, *auth, "auth_provider")
        found.row = replace(row, **{name: getattr(found.row, name) for name in kept})
        found.version += 1
        found.modified_at = self._state.clock()
        if new_config:
            found.list_again, found.hold = True, None
            if not any(key == row.id for key, _ in self._state.entities):
                found.types_at = {}
            for each in self._state.jobs.values():
                if each.job.source_connection_id == row.id and each.job.status in LIVE:
                    each.checkpoint, each.counted = None, {}
                    each.options = each.options.model_copy(update={"agreed_deletions": 0})
        if set_auth:
            self._state.leases.pop(row.id, None)
            session = self._state.sessions.get(row.id)
            if session and row.authenticated_at:
                self._state.sessions[row.id] = replace(
                    session,
                    link=None,
                    state=None,
                    browser=None,
                    completed_at=session.completed_at or self._state.clock(),
                )
        self._state.record("update", "connection", row.id, row.organization_id, row.id)
        return True

    async def credentials(self, organization_id: str, connection_id: str) -> str | None:
        found = self._get(organization_id, connection_id)
        return found.row.credentials if found else None

    async def mark(
        self,
        found: Connection,
        state: ConnectionStatus,
        error_category: ErrorCategory | None,
        error_message: str | None,
    ) -> None:
        stored = self._state.connections.get(found.id)
        if stored is None:
            return
        now = (stored.row.config, stored.row.authenticated_at)
        if now == (found.config, found.auth.authenticated_at):
            stored.row = replace(
                stored.row, state=state, error_category=error_category, error_message=error_message
            )


class MemorySchedules(ScheduleStore):
    """See ScheduleStore."""

    def __init__(self, state: State, jobs: MemoryJobs) -> None:
        self._state = state
        self._jobs = jobs

    def _all(self) -> list[DueSchedule]:
        rows = [each.row for each in self._state.connections.values()]
        return [
            DueSchedule(row.id, row.schedule.next_run, row.schedule)
            for row in rows
            if row.schedule and row.schedule.next_run
        ]

    async def due(self, limit: int) -> Sequence[DueSchedule]:
        now = self._state.clock()
        found = (e for e in self._all() if e.slot <= now and not self._is_live(e))
        return sorted(found, key=lambda e: e.slot)[:limit]

    def _is_live(self, due: DueSchedule) -> bool:
        own = (e.job for e in self._state.jobs.values())
        return any(j.source_connection_id == due.connection_id and j.status in LIVE for j in own)

    async def fire(self, due: DueSchedule, *, next_run: datetime | None) -> bool:
        if self._is_live(due) or not await self.move(due, next_run):
            return False
        connection = self._state.connections[due.connection_id]
        fired, repeated = due.slot in connection.slots, connection.repeated_slot
        connection.repeated_slot = due.slot if fired else None
        if connection.row.state in UNAUTHORIZED or (fired and repeated in (None, due.slot)):
            return False
        await self._jobs.insert(
            connection.row.organization_id,
            due.connection_id,
            trigger=JobTrigger.SCHEDULE,
            options=RunOptions(),
        )
        connection.slots.add(due.slot)
        return True

    async def upcoming(self, *, cursor: str | None, limit: int) -> Page[DueSchedule]:
        return make_page(self._all()[::-1], cursor, limit)

    async def move(self, due: DueSchedule, next_run: datetime | None) -> bool:
        found = self._state.connections.get(due.connection_id)
        schedule = found.row.schedule if found else None
        if found is None or schedule is None or schedule.next_run != due.slot:
            return False
        moved = schedule.model_copy(update={"next_run": next_run})
        found.row = replace(found.row, schedule=moved)
        return True


class MemoryStore(Store):
    """See Store."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._state = state = State(clock)
        self.read_only = False
        self.collections = MemoryCollections(state)
        self.connections = MemoryConnections(state)
        self.jobs = MemoryJobs(state)
        self.schedules = MemorySchedules(state, self.jobs)
        self.entities = MemoryEntities(state)
        self.search = MemorySearch(self._state)
        self.vectors = MemoryVectors(state)
        self.browse = MemoryBrowse(state)
        self.trash = MemoryTrash(state)
        self.keys = MemoryKeys(state)
        self.data_keys = MemoryDataKeys(state)
        self.secrets = MemorySecrets(state)
        self.audit = MemoryAudit(state)
        self.auth_sessions = MemoryAuthSessions(state)
        self.tokens = MemoryTokens(state)
        self.oauth_clients = MemoryOAuthClients(state)
        self.auth_providers = MemoryAuthProviders(state)
        self.notes = MemoryNotes(state)

    async def now(self) -> datetime:
        return self._state.clock()

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        return self._state.changes

    async def verify(self) -> None:
        pass

    async def close(self) -> None:
        pass
