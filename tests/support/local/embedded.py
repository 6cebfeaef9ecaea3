"""A whole engine in the test's own process: store, runner and, if asked for, housekeeping."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

from tests.support.jobs import wait_for_end
from tests.support.process.workers import open_file, read_texts
from tests.support.store.open import open_store
from weft.assembly.backends import PROCESSES_FOLDER_NAME
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, NewConnection
from weft.domain.jobs import Job
from weft.errors import Conflict
from weft.local.backend import LocalBackend
from weft.local.engine import Engine, EngineLimits, utc_now
from weft.local.from_settings import KEYS_FOLDER_NAME
from weft.local.jobs.housekeeping import keep_house, watch_for_changes
from weft.local.jobs.runner import EmbeddedRunner
from weft.local.process_liveness import ProcessLock
from weft.local.store.base import Claim, Outcome, Store
from weft.local.vault.vault import Vault
from weft.sources.base import AnySource, SourceContext
from weft.sources.registry import SourceRegistry
from weft.testing.stub import SecretStubSource, StubSource


class MortalRunner(EmbeddedRunner):
    """A runner that can die as a killed process does: its jobs are left as they are."""

    dead = False

    async def _settle(self, claim: Claim, outcome: Outcome) -> None:
        if not self.dead:
            await super()._settle(claim, outcome)


@dataclass
class Embedded:
    """A backend that runs its jobs itself."""

    home: Path
    backend: LocalBackend
    engine: Engine
    runner: MortalRunner

    async def connect(self, config: Json, **fields: Any) -> Connection:
        """Create a connection that does not sync yet."""
        values: dict[str, Any] = {
            "short_name": "stub",
            "readable_collection_id": "docs",
            "config": config,
            "sync_immediately": False,
        }
        return await self.backend.connections.create(NewConnection.model_validate(values | fields))

    async def wait_for_end(self, job: Job) -> Job:
        """The job, once it has ended."""
        return await wait_for_end(self.backend, job)

    async def sync(self, connection: Connection) -> Job:
        """Run a sync to its end."""
        return await self.wait_for_end(await self.backend.jobs.run(connection.id))

    async def log(self, job: Job) -> list[str]:
        """The messages of the job's log."""
        return [line.message for line in await self.backend.jobs.log(job.id, limit=200)]

    def texts(self, connection: Connection) -> dict[str, str]:
        """Texts by the source's id, of record and body alike."""
        return read_texts(self.home / "weft.db", connection.id)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Query the file itself."""
        with open_file(str(self.home / "weft.db")) as db:
            return list(db.execute(sql, values))

    def one(self, sql: str, *values: object) -> Any:
        """Return the single value that a query on the file itself finds."""
        ((value,),) = self.rows(sql, *values)
        return value


def fast_clock(speed: float) -> Callable[[], datetime]:
    """A clock on which hours pass in seconds, to wait for retries and schedules."""
    start = time.time()
    return lambda: datetime.fromtimestamp(start + (time.time() - start) * speed, UTC)


@asynccontextmanager
async def open_embedded(
    home: Path,
    *,
    sources: Mapping[str, type[AnySource]] | None = None,
    store: Store | None = None,
    clock: Callable[[], datetime] = utc_now,
    limits: EngineLimits | None = None,
    context: SourceContext | None = None,
    runs_jobs: bool = True,
    keeps_house: bool = False,
) -> AsyncGenerator[Embedded]:
    """Open an engine, as a process of its own would, until the end of the block."""
    kinds: dict[str, type[AnySource]] = {"stub": StubSource, "secret_stub": SecretStubSource}
    kinds.update(sources or {})
    store = store or await open_store(home / "weft.db", clock)
    engine = Engine(
        store=store,
        registry=SourceRegistry([], kinds),
        vault=Vault.open(home / KEYS_FOLDER_NAME),
        context=context or SourceContext(http=no_network),
        clock=clock,
        limits=limits or EngineLimits(),
    )
    owner = str(uuid4())
    try:
        with ProcessLock(home / PROCESSES_FOLDER_NAME, owner) as lock:
            runner = MortalRunner(engine, lock, owner)
            backend = LocalBackend(engine, runner, LOCAL_ORGANIZATION_ID)
            # Another engine on this database may have been first.
            with suppress(Conflict):
                await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
            async with anyio.create_task_group() as group:
                if runs_jobs:
                    group.start_soon(runner.run)
                if keeps_house:
                    group.start_soon(keep_house, engine, lock)
                group.start_soon(watch_for_changes, engine)
                yield Embedded(home, backend, engine, runner)
                group.cancel_scope.cancel()
    finally:
        await store.close()


def no_network(**_options: Any) -> Any:
    """The HTTP client of sources that reach no network."""
    raise AssertionError("these sources reach no network")
