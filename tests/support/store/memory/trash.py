"""What was deleted from the store in memory: taken out whole, so that nothing else finds it."""

from collections.abc import Collection as Ids
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from tests.support.store.memory.state import ConnectionState, EntityState, JobState, State
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import JobStatus
from weft.errors import Conflict
from weft.local.store.trash import FOR_GOOD, TakenBack, TrashStore

T = TypeVar("T", Connection, Collection)


@dataclass
class Kept:
    """A deleted connection with all that it had, and how it looked."""

    state: ConnectionState
    jobs: dict[str, JobState]
    entities: dict[tuple[str, str], EntityState]
    shown: Connection
    deletion: object


@dataclass
class KeptCollection:
    """A deleted collection, and the deletion that it shares with what went with it."""

    shown: Collection
    deletion: object


class MemoryTrash(TrashStore):
    """See TrashStore."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._connections: dict[str, Kept] = {}
        self._collections: dict[str, KeptCollection] = {}

    async def delete_connection(
        self, organization_id: str, connection_id: str, *, keep_for: timedelta = FOR_GOOD
    ) -> Connection | None:
        state = self._state
        if not keep_for and (kept := self._connections.get(connection_id)):
            self._forget(kept)
            return kept.shown.model_copy(update={"restorable_until": None})
        found = state.connections.get(connection_id)
        if found is None or found.row.organization_id != organization_id:
            return None
        return self._put(found, keep_for, object())

    def _put(self, found: ConnectionState, keep_for: timedelta, deletion: object) -> Connection:
        state, row = self._state, found.row
        until = state.clock() + keep_for if keep_for else None
        shown = state.show_connection(found).model_copy(update={"restorable_until": until})
        for each in state.jobs.values():
            if each.job.source_connection_id == row.id and not each.job.status.is_terminal:
                state.end_job(each, JobStatus.CANCELLED)
        del state.connections[row.id]
        jobs = {k: e for k, e in state.jobs.items() if e.job.source_connection_id == row.id}
        entities = {k: e for k, e in state.entities.items() if k[0] == row.id}
        state.jobs = {k: e for k, e in state.jobs.items() if k not in jobs}
        state.entities = {k: e for k, e in state.entities.items() if k not in entities}
        state.sessions.pop(row.id, None)
        found.version += 1
        kept = Kept(found, jobs, entities, shown, deletion)
        self._connections[row.id] = kept
        state.deleted[row.id] = found
        state.record("delete", "connection", row.id, row.organization_id, row.id)
        if until is None:
            self._forget(kept)
        return shown

    def _forget(self, kept: Kept) -> None:
        row = kept.state.row
        del self._connections[row.id], self._state.deleted[row.id]
        self._state.leases.pop(row.id, None)
        self._state.data_keys.pop((row.organization_id, row.id), None)

    async def delete_collection(
        self, collection: Collection, connection_ids: Ids[str], *, keep_for: timedelta = FOR_GOOD
    ) -> Collection | None:
        state, deletion = self._state, object()
        own = [e for e in state.connections.values() if e.collection_id == collection.id]
        if any(each.row.id not in connection_ids for each in own):
            raise Conflict("It has another connection.")
        is_live = collection.id in state.collections
        if not is_live and (keep_for or self._collections.pop(collection.id, None) is None):
            return None
        # The collection goes last, as it is shown with each of its connections.
        gone = [self._put(each, keep_for, deletion) for each in own]
        state.collections.pop(collection.id, None)
        before = [e for e in self._connections.values() if e.state.collection_id == collection.id]
        for kept in () if keep_for else before:
            gone.append(kept.shown)
            self._forget(kept)
        state.record("delete", "collection", collection.id, collection.organization_id)
        shown = collection.model_copy(
            update={
                "connection_count": len(gone),
                "entity_count": sum(each.entities.total_entities for each in gone),
                "restorable_until": state.clock() + keep_for if keep_for else None,
            }
        )
        if keep_for:
            self._collections[collection.id] = KeptCollection(shown, deletion)
        return shown

    def _is_kept(self, until: datetime | None) -> bool:
        return until is not None and until > self._state.clock()

    async def find_connections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Connection]:
        every = [kept.shown for kept in reversed(self._connections.values())]
        return self._choose(every, organization_id, text, limit)

    async def find_collections(
        self, organization_id: str, text: str | None = None, *, limit: int
    ) -> Sequence[Collection]:
        every = [kept.shown for kept in reversed(self._collections.values())]
        return self._choose(every, organization_id, text, limit)

    def _choose(
        self, every: Sequence[T], organization_id: str, text: str | None, limit: int
    ) -> Sequence[T]:
        return [
            each
            for each in every
            if each.organization_id == organization_id
            and self._is_kept(each.restorable_until)
            and (text is None or _is_named(each, text))
        ][:limit]

    async def restore(self, found: Connection | Collection, readable_id: str) -> TakenBack | None:
        if isinstance(found, Collection):
            kept = self._collections.get(found.id)
            if kept is None or not self._is_kept(kept.shown.restorable_until):
                return None
            return self._take_collection(found.id, readable_id)
        kept_connection = self._connections.get(found.id)
        if kept_connection is None or not self._is_kept(kept_connection.shown.restorable_until):
            return None
        with_it = TakenBack(())
        if kept_connection.state.collection_id in self._collections:
            with_it = self._take_collection(kept_connection.state.collection_id, readable_id)
        if found.id not in with_it.connection_ids:
            self._take(found.id)
            return replace(with_it, connection_ids=(found.id, *with_it.connection_ids))
        return with_it

    def _take_collection(self, collection_id: str, readable_id: str) -> TakenBack:
        kept = self._collections[collection_id]
        for each in self._state.collections.values():
            if (each.organization_id, each.readable_id) == (
                kept.shown.organization_id,
                readable_id,
            ):
                raise Conflict("Taken.", field="readable_id")
        del self._collections[collection_id]
        back = kept.shown.model_copy(update={"readable_id": readable_id, "restorable_until": None})
        self._state.collections[collection_id] = back
        self._state.record("restore", "collection", collection_id, back.organization_id)
        own = [e for e in self._connections.values() if e.deletion is kept.deletion]
        with_it = [e.state.row.id for e in own if self._is_kept(e.shown.restorable_until)]
        for connection_id in with_it:
            self._take(connection_id)
        return TakenBack(with_it, collection_id)

    def _take(self, connection_id: str) -> None:
        state = self._state
        kept, _ = self._connections.pop(connection_id), state.deleted.pop(connection_id)
        kept.state.version += 1
        state.connections[connection_id] = kept.state
        state.jobs |= kept.jobs
        state.entities |= kept.entities
        organization_id = kept.state.row.organization_id
        state.record("restore", "connection", connection_id, organization_id, connection_id)

    async def purge(self, limit: int) -> int:
        due = [e for e in self._connections.values() if not self._is_kept(e.shown.restorable_until)]
        for kept in due[:limit]:
            self._forget(kept)
            row = kept.state.row
            self._state.record("purge", "connection", row.id, row.organization_id, row.id)
        held = {e.state.collection_id for e in self._connections.values()}
        over = [
            key
            for key, each in self._collections.items()
            if not self._is_kept(each.shown.restorable_until) and key not in held
        ]
        for key in () if due else over:
            del self._collections[key]
        return len(due[:limit]) or len(over)


def _is_named(each: Connection | Collection, text: str) -> bool:
    ids = (each.id, each.readable_id) if isinstance(each, Collection) else (each.id,)
    begins = len(text) >= 3 and any(known.startswith(text.lower()) for known in ids)
    return begins or each.name.casefold() == text.casefold()
