"""A store on a real file, with the few steps that most of its tests take."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import apsw

from tests.support.store.open import connect_here, count_misfit_vectors, open_store
from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import Job, JobStatus, LogLine
from weft.local.store.base import Batch, BatchEvent, Claim, Store
from weft.local.store.search import Term
from weft.testing.store_contract import support
from weft.testing.store_contract.support import LEASE, ORGANIZATION, OWNER
from weft.testing.store_contract.support import make_entity as entity

__all__ = ["LEASE", "ORGANIZATION", "OWNER", "START", "Bench", "entity", "open_bench"]

START = datetime(2026, 5, 1, 12, tzinfo=UTC)


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

    @property
    def now(self) -> datetime:
        """The time by the store's clock."""
        return self.clock.now

    def pass_time(self, **amount: float) -> datetime:
        """Move the clock on."""
        return self.clock.pass_time(timedelta(**amount))

    async def pass_watched(self, leases: float) -> None:
        """Let time pass while somebody looks after leases, as runners do."""
        await support.pass_watched(self.store, self.clock.pass_time, leases)

    async def collection(self, readable_id: str = "docs") -> Collection:
        """Make a collection, or return the one that was made before."""
        return await support.open_collection(self.store, readable_id)

    async def connection(self, readable_id: str = "docs", **columns: Any) -> Connection:
        """Make a connection in a collection."""
        return await support.make_connection(self.store, readable_id, **columns)

    async def get(self, connection: Connection | str) -> Connection:
        """The connection as it is stored now."""
        connection_id = connection if isinstance(connection, str) else connection.id
        return await support.get_connection(self.store, connection_id)

    async def job(self, job: Job | Claim) -> Job:
        """The job as it is stored now."""
        job_id = job.job_id if isinstance(job, Claim) else job.id
        return await support.get_job(self.store, job_id)

    async def queue(self, connection: Connection, *, force: bool = False) -> Job:
        """Insert a job."""
        return await support.queue_job(self.store, connection, force=force)

    async def claim(self, owner: str = OWNER, *, host_limit: int = 2) -> Claim | None:
        """Claim the next job, if one can be had."""
        return await support.try_claim(self.store, owner, host_limit=host_limit)

    async def claim_new(self, connection: Connection, *, force: bool = False) -> Claim:
        """Queue a job of the connection and claim it; no other job may be waiting."""
        return await support.claim_new(self.store, connection, force=force)

    async def commit(self, claim: Claim, *events: BatchEvent, log: tuple[str, ...] = ()) -> None:
        """Commit events as one batch."""
        lines = [LogLine(at=self.now, level="info", message=text) for text in log]
        batch = Batch(list(events), lines, read_on=lambda: self.read_on.append(get_ident()))
        await self.store.entities.commit(claim, batch)

    async def sweep(self, claim: Claim) -> int:
        """End a job's deletions without a brake; return how many there were."""
        return (await support.sweep_all(self.store, claim)).deleted

    async def finish(
        self, claim: Claim, status: JobStatus = JobStatus.COMPLETED, **outcome: Any
    ) -> bool:
        """End the job."""
        return await support.finish(self.store, claim, status, **outcome)

    async def list_all(self, connection: Connection, *events: BatchEvent) -> Job:
        """A whole full sync in one batch."""
        return await support.list_all(self.store, connection, *events)

    async def hits(self, *terms: str, readable_id: str = "docs") -> list[str]:
        """Titles of the entities that hold all terms, sorted."""
        required = [Term(term, is_required=True) for term in terms]
        titles = support.find_titles(self.store, *required, readable_id=readable_id, limit=1000)
        return sorted(await titles)

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
        """Fail unless the full-text index fits the bodies to the word, and vectors the entities."""
        check = "INSERT INTO entity_fts (entity_fts, rank) VALUES ('integrity-check', 1)"
        assert self.rows(check) == []
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        with closing(connect_here(str(self.path))) as db:
            assert count_misfit_vectors(db) == 0


@asynccontextmanager
async def open_bench(path: Path) -> AsyncGenerator[Bench]:
    """A bench on the database file."""
    clock = HarnessClock()
    store = await open_store(path, lambda: clock.now, lambda: clock.seconds)
    try:
        yield Bench(store, path, clock)
    finally:
        await store.close()
