"""A backend in memory that records its calls, with jobs that follow a script."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from tests.support.cli_sources import CRM, NOTES
from tests.support.server.content import FakeTrash
from weft.backend import (
    Authorization,
    Backend,
    Browse,
    Changes,
    Collections,
    Connections,
    Ingest,
    Jobs,
    Search,
    Sources,
)
from weft.domain.base import Page
from weft.domain.collections import Collection, CollectionStatus, NewCollection
from weft.domain.connections import (
    AuthDetails,
    AuthMethod,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    EntitySummary,
    NewConnection,
    SyncSummary,
)
from weft.domain.entities import StoredEntity
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.domain.previews import Preview
from weft.domain.reading.browsing import (
    ChangeList,
    ChangeQuery,
    ChangeTotals,
    EntityList,
    EntityQuery,
    LargestEntities,
)
from weft.domain.reading.search import SearchHit, SearchQuery, SearchResults
from weft.domain.schedules import Schedule
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, ErrorCategory, NotFound, WeftError

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def make_job(status: JobStatus = JobStatus.PENDING, **more: Any) -> Job:
    """Make a job in one state."""
    facts: dict[str, Any] = {
        "id": "job-1",
        "source_connection_id": "con-1",
        "trigger": JobTrigger.MANUAL,
        "created_at": NOW,
        **more,
    }
    return Job(status=status, **facts)


def make_connection(**more: Any) -> Connection:
    """Make a connection of the notes source."""
    facts: dict[str, Any] = {
        "id": "con-1",
        "organization_id": "org",
        "name": "My notes",
        "short_name": "notes",
        "readable_collection_id": "docs",
        "status": ConnectionStatus.ACTIVE,
        "auth": AuthDetails(method=AuthMethod.DIRECT, authenticated=True),
        "config": {"path": "/notes"},
        "sync_id": "sync-1",
        "entities": EntitySummary(total_entities=1234),
        "created_at": NOW,
        "modified_at": NOW,
        **more,
    }
    return Connection(**facts)


def make_collection(readable_id: str = "docs") -> Collection:
    """Make a collection with two connections."""
    return Collection(
        id=f"id-{readable_id}",
        organization_id="org",
        name=readable_id.title(),
        readable_id=readable_id,
        status=CollectionStatus.ACTIVE,
        connection_count=2,
        entity_count=1234,
        created_at=NOW,
        modified_at=NOW,
    )


@dataclass
class FakeBackend(Backend):
    """A backend whose groups share its state."""

    calls: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    options: list[RunOptions] = field(default_factory=list[RunOptions])
    script: list[Job] = field(default_factory=list[Job])
    live_job: Job | None = None
    first_job: Job | None = None
    refusal: WeftError | None = None
    """What creating a connection ends in."""

    preview: Preview | None = None
    known: dict[str, Connection] = field(
        default_factory=lambda: {"con-1": make_connection(), "My notes": make_connection()}
    )
    existing: list[Collection] = field(default_factory=lambda: [make_collection()])
    hits: tuple[SearchHit, ...] = ()
    entity: StoredEntity | None = None
    entities: EntityList = field(default_factory=lambda: EntityList(items=(), by_type={}))
    changed: ChangeList = field(
        default_factory=lambda: ChangeList(
            items=(), totals=ChangeTotals(jobs=0, counts={}, names=0)
        )
    )
    cancelled: anyio.Event | None = None

    def __post_init__(self) -> None:
        self.sources: Sources = FakeSources()
        self.collections: Collections = FakeCollections(self)
        self.connections: Connections = FakeConnections(self)
        self.jobs: Jobs = FakeJobs(self)
        self.trash = FakeTrash()
        self.browse: Browse | None = FakeBrowse(self)
        self.search: Search | None = FakeSearch(self)
        self.authorization: Authorization | None = None
        self.changes: Changes = FakeChanges()
        self.ingest: Ingest | None = None

    def calls_of(self, call: str) -> list[Any]:
        """List the arguments of each call of that name."""
        return [argument for name, argument in self.calls if name == call]


class FakeChanges(Changes):
    async def follow(self) -> AsyncGenerator[None]:
        yield


class FakeSources(Sources):
    other_ways = "Or export to a folder."

    async def list(self) -> Sequence[SourceInfo]:
        return [CRM, NOTES]

    async def get(self, short_name: str) -> SourceInfo:
        for info in (CRM, NOTES):
            if info.short_name == short_name:
                return info
        raise NotFound("No source has that short_name.", field="short_name", hint="See sources.")


class FakeCollections(Collections):
    def __init__(self, state: FakeBackend) -> None:
        self.state = state

    async def list(self, *, cursor: str | None = None, limit: int = 20) -> Page[Collection]:
        start = int(cursor or 0)
        items = tuple(self.state.existing[start : start + limit])
        more = start + limit < len(self.state.existing)
        return Page(items=items, next_cursor=str(start + limit) if more else None)

    async def get(self, collection: str) -> Collection:
        for known in self.state.existing:
            if collection in (known.readable_id, known.id, known.name):
                return known
        raise NotFound("No such collection.", field="collection")

    async def create(self, new: NewCollection) -> Collection:
        self.state.calls.append(("collections.create", new))
        made = make_collection(new.readable_id or "made")
        self.state.existing.append(made)
        return made

    async def update(self, collection: str, *, name: str) -> Collection:
        self.state.calls.append(("collections.update", (collection, name)))
        return (await self.get(collection)).model_copy(update={"name": name})

    async def discard(self, collection: str) -> None:
        self.state.calls.append(("collections.discard", collection))
        self.state.existing.remove(await self.get(collection))

    async def delete(self, collection: str, **_how: bool) -> Collection:
        self.state.calls.append(("collections.delete", collection))
        return await self.get(collection)


class FakeConnections(Connections):
    def __init__(self, state: FakeBackend) -> None:
        self.state = state

    async def list(self, **filters: Any) -> Page[Connection]:
        self.state.calls.append(("connections.list", filters))
        return Page(items=tuple({c.id: c for c in self.state.known.values()}.values()))

    async def totals(
        self, *, collection: str | None = None, short_name: str | None = None
    ) -> ConnectionTotals:
        page = await self.list(collection=collection, short_name=short_name, limit=100)
        return ConnectionTotals.of(page.items)

    async def get(self, connection: str) -> Connection:
        try:
            return self.state.known[connection]
        except KeyError:
            raise NotFound(
                "No connection has that name.", field="connection", hint="List them."
            ) from None

    async def create(self, new: NewConnection) -> Connection:
        self.state.calls.append(("connections.create", new))
        if self.state.refusal is not None:
            raise self.state.refusal
        summary = SyncSummary(last_job=self.state.first_job)
        name = new.name or "Default name"
        return make_connection(name=name, sync=summary, preview=self.state.preview)

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        self.state.calls.append(("connections.update", (connection, change)))
        given = change.schedule and change.schedule.model_dump(exclude_none=True)
        schedule = Schedule(**given) if given else None
        return make_connection(version=2, schedule=schedule, preview=self.state.preview)

    async def delete(
        self, connection: str, *, expected_version: int | None = None, permanently: bool = False
    ) -> Connection:
        del permanently
        self.state.calls.append(("connections.delete", (connection, expected_version)))
        return await self.get(connection)

    async def check(self, connection: str) -> CheckResult:
        found = await self.get(connection)
        told = CheckResult(connection_id=found.id, ok=False, detail="The folder is gone.")
        return told.model_copy(update={"preview": self.state.preview})


class FakeJobs(Jobs):
    def __init__(self, state: FakeBackend) -> None:
        self.state = state

    async def run(self, connection: str, options: RunOptions = RUN_DEFAULTS) -> Job:
        self.state.calls.append(("jobs.run", options.force_full_sync))
        self.state.options.append(options)
        if self.state.live_job is not None:
            raise Conflict("A sync is running.", job_id=self.state.live_job.id)
        return make_job()

    async def list(self, connection: str | None = None, **filters: Any) -> Page[Job]:
        self.state.calls.append(("jobs.list", (connection, filters)))
        return Page(items=tuple(self.state.script))

    async def get(self, job: str) -> Job:
        if self.state.live_job is not None:
            return self.state.live_job
        if not self.state.script:
            raise NotFound("No job has that id.", field="job_id")
        return self.state.script[-1]

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        for state in self.state.script:
            yield state
            if state.status is JobStatus.RUNNING and self.state.cancelled is not None:
                await self.state.cancelled.wait()

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> Sequence[LogLine]:
        return [LogLine(at=NOW, level="INFO", message="Listed\x1b[31m 5 notes")][:limit]

    async def cancel(self, job: str) -> Job:
        self.state.calls.append(("jobs.cancel", job))
        if self.state.cancelled is not None:
            self.state.cancelled.set()
        return make_job(JobStatus.CANCELLING)


class FakeSearch(Search):
    def __init__(self, state: FakeBackend) -> None:
        self.state = state

    async def search(self, query: SearchQuery) -> SearchResults:
        self.state.calls.append(("search", query))
        return SearchResults(hits=self.state.hits, matched="all")

    async def entity(
        self, entity: str, *, connection: str | None = None, offset: int, max_chars: int
    ) -> StoredEntity:
        self.state.calls.append(("entity", (entity, connection, offset)))
        if self.state.entity is None:
            raise NotFound("No entity has that id.")
        whole = self.state.entity
        window = {"text": whole.text[offset : offset + max_chars], "offset": offset}
        return whole.model_copy(update=window)


class FakeBrowse(Browse):
    def __init__(self, state: FakeBackend) -> None:
        self.state = state

    async def entities(self, query: EntityQuery) -> EntityList:
        self.state.calls.append(("entities", query))
        return self.state.entities

    async def changes(self, query: ChangeQuery) -> ChangeList:
        self.state.calls.append(("changes", query))
        return self.state.changed

    async def largest(self, **_scope: str | None) -> LargestEntities:
        return LargestEntities(items=self.state.entities.items, looked_at=50_000)


def make_failed_job() -> Job:
    """Make a job whose credentials were refused."""
    return make_job(
        JobStatus.FAILED,
        entities_inserted=3,
        duration_seconds=1.5,
        error="The source refused the credentials.",
        error_category=ErrorCategory.API_KEY_INVALID,
    )
