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

from weft.domain.collections import Collection, CollectionStatus
from weft.domain.connections import AuthMethod, Connection, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus, JobTrigger, LogLine, RunOptions
from weft.local.store.base import Batch, BatchEvent, Claim, ConnectionRow, Outcome
from weft.local.store.sqlite.store import SqliteStore

ORGANIZATION = "organization-1"
OWNER = "owner-1"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)


def entity(source_id: str, text: str = "", *, kind: str = "note", **fields: Any) -> Entity:
    """An entity whose title is its id."""
    return Entity(id=source_id, type=kind, title=source_id, text=text, **fields)


@dataclass
class Bench:
    """An open store and a clock that only tests move."""

    store: SqliteStore
    path: Path
    now: datetime = START
    # The threads on which a commit said that its batch needs Python no more.
    read_on: list[int] = field(default_factory=list[int])
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])

    def pass_time(self, **amount: float) -> datetime:
        """Move the clock on."""
        self.now += timedelta(**amount)
        return self.now

    async def collection(self, readable_id: str = "docs", name: str = "Team Docs") -> Collection:
        """Make a collection, or return the one that was made before."""
        if readable_id not in self.collections:
            made = Collection(
                id=str(uuid4()),
                organization_id=ORGANIZATION,
                name=name,
                readable_id=readable_id,
                status=CollectionStatus.NEEDS_SOURCE,
                created_at=self.now,
                modified_at=self.now,
            )
            await self.store.collections.insert(made)
            self.collections[readable_id] = made
        return self.collections[readable_id]

    async def connection(self, readable_id: str = "docs", **columns: Any) -> Connection:
        """Make a connection in a collection."""
        await self.collection(readable_id)
        row = replace(new_row(readable_id), **columns)
        await self.store.connections.insert(row, self.now)
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
            now=self.now,
        )

    async def claim(
        self, owner: str = OWNER, *, dead: tuple[str, ...] = (), host_limit: int = 2
    ) -> Claim | None:
        """Claim the next job, if one can be had."""
        return await self.store.jobs.claim(
            owner,
            dead_owners=dead,
            host_limit=host_limit,
            now=self.now,
            lease_until=self.now + LEASE,
        )

    async def claimed(self, connection: Connection, *, force: bool = False) -> Claim:
        """Queue a job of the connection and claim it; no other job may be waiting."""
        job = await self.queue(connection, force=force)
        claim = await self.claim()
        assert claim is not None
        assert claim.job_id == job.id
        return claim

    async def commit(self, claim: Claim, *events: BatchEvent, log: tuple[str, ...] = ()) -> None:
        """Commit events as one batch."""
        lines = [LogLine(at=self.now, level="info", message=text) for text in log]
        await self.store.entities.commit(
            claim,
            Batch(list(events), lines),
            now=self.now,
            lease_until=self.now + LEASE,
            read_on=lambda: self.read_on.append(get_ident()),
        )

    async def delete_unseen(self, claim: Claim) -> int | None:
        """End a full listing."""
        return await self.store.entities.delete_unseen(
            claim, now=self.now, lease_until=self.now + LEASE
        )

    async def finish(
        self, claim: Claim, status: JobStatus = JobStatus.COMPLETED, **outcome: Any
    ) -> bool:
        """End the job."""
        return await self.store.jobs.finish(claim, Outcome(status, **outcome), [], self.now)

    async def list_all(self, connection: Connection, *events: BatchEvent) -> Job:
        """A whole full sync in one batch."""
        claim = await self.store.entities.begin_listing(await self.claimed(connection))
        await self.commit(claim, *events)
        await self.delete_unseen(claim)
        assert await self.finish(claim)
        return await self.job(claim)

    async def hits(self, match: str, readable_id: str = "docs") -> list[str]:
        """Titles that a full-text expression finds, sorted."""
        found = await self.store.entities.search(
            await self.collection(readable_id),
            match,
            connection_id=None,
            entity_type=None,
            limit=1000,
            offset=0,
        )
        return sorted(hit.title for hit in found.hits)

    async def types(self, connection: Connection) -> dict[str, int]:
        """Counts by type."""
        summary = (await self.get(connection)).entities
        assert summary.total_entities == sum(item.count for item in summary.by_type.values())
        return {name: item.count for name, item in summary.by_type.items()}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement yields on a connection of its own."""
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
async def opened(path: Path) -> AsyncGenerator[Bench]:
    """A bench on the database file."""
    store = await SqliteStore.open(path)
    try:
        yield Bench(store, path)
    finally:
        await store.close()
