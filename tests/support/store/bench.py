"""A store on a real file, with the few steps that most of its tests take."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import get_ident
from typing import Any, cast
from uuid import uuid4

import apsw

from tests.support.store.open import open_store
from weft.domain.collections import Collection
from weft.domain.connections import AuthMethod, Connection, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.local.store.base import Batch, BatchEvent, Claim, ConnectionRow, Outcome, Store
from weft.local.store.browse import EntityFilter, Scope
from weft.testing.store_contract.support import sweep_all

ORGANIZATION = "organization-1"
OWNER = "owner-1"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)
LOOKS_PER_LEASE = 8


def entity(source_id: str, text: str = "", *, kind: str = "note", **fields: Any) -> Entity:
    """An entity whose title is its id."""
    return Entity(id=source_id, type=kind, title=source_id, text=text, **fields)


@dataclass
class HarnessClock:
    """Both of the store's clocks, which only tests move."""

    now: datetime = START
    seconds: float = 0.0

    def pass_time(self, amount: timedelta) -> datetime:
        """Move on."""
        self.now += amount
        self.seconds += amount.total_seconds()
        return self.now


@dataclass
class Bench:
    """An open store and a clock that only tests move."""

    store: Store
    path: Path
    clock: "HarnessClock"
    # The threads on which a commit said that its batch needs Python no more.
    read_on: list[int] = field(default_factory=list[int])
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])

    @property
    def now(self) -> datetime:
        """The time by the store's clock."""
        return self.clock.now

    def pass_time(self, **amount: float) -> datetime:
        """Move the clock on."""
        return self.clock.pass_time(timedelta(**amount))

    async def pass_watched(self, leases: float) -> None:
        """Let time pass while somebody looks after leases, as runners do."""
        for _ in range(round(leases * LOOKS_PER_LEASE)):
            self.clock.pass_time(LEASE / LOOKS_PER_LEASE)
            await self.store.jobs.release_expired()

    async def collection(self, readable_id: str = "docs", name: str = "Team Docs") -> Collection:
        """Make a collection, or return the one that was made before."""
        if readable_id not in self.collections:
            found = await self.store.collections.find(ORGANIZATION, readable_id)
            self.collections[readable_id] = next(
                iter(found), None
            ) or await self.store.collections.insert(
                ORGANIZATION, readable_id=readable_id, name=name
            )
        return self.collections[readable_id]

    async def connection(self, readable_id: str = "docs", **columns: Any) -> Connection:
        """Make a connection in a collection."""
        await self.collection(readable_id)
        row = replace(new_row(readable_id), **columns)
        await self.store.connections.insert(row)
        return await self.get(row.id)

    async def get(self, connection: Connection | str) -> Connection:
        """The connection as it is stored now."""
        connection_id = connection if isinstance(connection, str) else connection.id
        found = await self.store.connections.get(ORGANIZATION, connection_id)
        assert found is not None
        return found

    async def job(self, job: Job | Claim) -> Job:
        """The job as it is stored now."""
        job_id = job.job_id if isinstance(job, Claim) else job.id
        found = await self.store.jobs.get(ORGANIZATION, job_id)
        assert found is not None
        return found

    async def queue(self, connection: Connection, *, force: bool = False) -> Job:
        """Insert a job."""
        return await self.store.jobs.insert(
            ORGANIZATION,
            connection.id,
            trigger=JobTrigger.MANUAL,
            options=RunOptions(force_full_sync=force),
        )

    async def claim(self, owner: str = OWNER, *, host_limit: int = 2) -> Claim | None:
        """Claim the next job, if one can be had."""
        return await self.store.jobs.claim(owner, lease=LEASE, host_limit=host_limit)

    async def claim_new(self, connection: Connection, *, force: bool = False) -> Claim:
        """Queue a job of the connection and claim it; no other job may be waiting."""
        job = await self.queue(connection, force=force)
        claim = await self.claim()
        assert claim is not None
        assert claim.job_id == job.id
        return claim

    async def commit(self, claim: Claim, *events: BatchEvent, log: tuple[str, ...] = ()) -> None:
        """Commit events as one batch."""
        lines = [LogLine(at=self.now, level="info", message=text) for text in log]
        batch = Batch(list(events), lines, read_on=lambda: self.read_on.append(get_ident()))
        await self.store.entities.commit(claim, batch)

    async def sweep(self, claim: Claim) -> int:
        """End a job's deletions without a brake; return how many there were."""
        return (await sweep_all(self.store, claim)).deleted

    async def finish(
        self, claim: Claim, status: JobStatus = JobStatus.COMPLETED, **outcome: Any
    ) -> bool:
        """End the job."""
        return await self.store.jobs.finish(claim, Outcome(status, **outcome), [])

    async def list_all(self, connection: Connection, *events: BatchEvent) -> Job:
        """A whole full sync in one batch."""
        claim = await self.store.entities.begin_listing(await self.claim_new(connection))
        await self.commit(claim, *events)
        await self.sweep(claim)
        assert await self.finish(claim)
        return await self.job(claim)

    async def hits(self, *terms: str, readable_id: str = "docs") -> list[str]:
        """Titles of the entities that hold all terms, sorted."""
        found = await self.store.entities.search(
            Scope(ORGANIZATION, (await self.collection(readable_id)).id),
            terms,
            "all",
            EntityFilter(),
            limit=1000,
            offset=0,
        )
        return sorted(hit.title for hit in found)

    async def types(self, connection: Connection) -> dict[str, int]:
        """Counts by type."""
        summary = (await self.get(connection)).entities
        assert summary.total_entities == sum(item.count for item in summary.by_type.values())
        return {name: item.count for name, item in summary.by_type.items()}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement on a connection of its own."""
        with closing(cast("Any", apsw).Connection(str(self.path))) as db:
            found: Iterator[tuple[Any, ...]] = iter(db.execute(sql, values))
            return list(found)

    def check_index(self) -> None:
        """Fail unless the full-text index fits the bodies to the word."""
        check = "INSERT INTO entity_fts (entity_fts, rank) VALUES ('integrity-check', 1)"
        assert self.rows(check) == []
        assert self.rows("PRAGMA integrity_check") == [("ok",)]


def new_row(readable_id: str = "docs") -> ConnectionRow:
    """The columns of a connection with nothing special about it."""
    return ConnectionRow(
        id=str(uuid4()),
        organization_id=ORGANIZATION,
        sync_id=str(uuid4()),
        short_name="stub",
        readable_collection_id=readable_id,
        name="Stub Connection",
        description=None,
        config={},
        auth_method=AuthMethod.DIRECT,
        authenticated_at=START,
        auth_expires_at=None,
        redirect_url=None,
        credentials=None,
        state=ConnectionStatus.ACTIVE,
        error_category=None,
        error_message=None,
        schedule=None,
        host="",
    )


@asynccontextmanager
async def open_bench(path: Path) -> AsyncGenerator[Bench]:
    """A bench on the database file."""
    clock = HarnessClock()
    store = await open_store(path, lambda: clock.now, lambda: clock.seconds)
    try:
        yield Bench(store, path, clock)
    finally:
        await store.close()
