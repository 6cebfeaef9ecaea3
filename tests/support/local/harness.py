"""An engine on a real store, with a source that tests script and a clock that only tests move."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
from pydantic import BaseModel, ConfigDict, SecretStr

from tests.support.patience import PATIENCE_SECONDS
from tests.support.store.open import open_store
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Auth, Connection, ConnectionChange, DirectAuth, NewConnection
from weft.domain.entities import Entity
from weft.domain.jobs import Job, RunOptions
from weft.domain.reading.search import SearchQuery
from weft.local.backend import LocalBackend
from weft.local.backend.search import LocalSearch
from weft.local.engine import Engine, EngineLimits
from weft.local.jobs.housekeeping import watch_for_changes
from weft.local.jobs.runner import Dispatcher, EmbeddedRunner
from weft.local.jobs.sync import sync
from weft.local.process_liveness import ProcessLock
from weft.local.store.base import Claim, Outcome
from weft.local.vault.vault import Vault
from weft.sources.base import AnySource, Complete, Event, Source, SourceContext
from weft.sources.registry import SourceRegistry
from weft.testing.stub import SecretStubSource, StubSource

ORGANIZATION = "organization-1"
COLLECTION = "docs"
OWNER = "owner-1"
START = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOST = "https://a.example"

Fetch = Callable[[Json | None, SourceContext], AsyncGenerator[Event]]
Check = Callable[[str | None], Awaitable[str]]


async def fetch_nothing(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
    """A source that has nothing."""
    return
    yield


def check_that_raises(error: Exception) -> Check:
    """A source that fails so."""

    async def check(token: str | None) -> str:
        raise error

    return check


async def check_well(token: str | None) -> str:
    """A source that is content."""
    return "reached"


@dataclass
class Script:
    """The scripted source's behaviour; tests replace either function at any time."""

    fetch: Fetch = fetch_nothing
    check: Check = check_well
    vouches: bool = True


class ScriptConfig(BaseModel):
    """The host is the endpoint; the note is only there to be changed."""

    model_config = ConfigDict(extra="forbid")

    host: str = HOST
    note: str = ""


class ScriptCredentials(BaseModel):
    """An optional token."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr | None = None


def make_scripted_source(script: Script) -> type[AnySource]:
    """A source class that does what the script says."""

    class Scripted(Source[ScriptConfig, ScriptCredentials]):
        short_name = "scripted"
        name = "Scripted"
        description = "Does what a test says"
        Config = ScriptConfig
        Credentials = ScriptCredentials
        supports_continuous = True
        cursor_fields = ("page",)

        async def check(self) -> str:
            token = self.credentials.token
            return await script.check(token.get_secret_value() if token else None)

        async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
            async for event in script.fetch(cursor, self.context):
                yield event
            if script.vouches:
                yield Complete("the script ended")

        @classmethod
        def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
            assert isinstance(config, ScriptConfig)
            return config.host

    return Scripted


def note(source_id: str, text: str = "") -> Entity:
    """An entity whose title is its id."""
    return Entity(id=source_id, type="note", title=source_id, text=text)


def fetch_of(*events: Event) -> Fetch:
    """A fetch that yields these events whatever the cursor."""

    async def fetch(cursor: Json | None, context: SourceContext) -> AsyncGenerator[Event]:
        for event in events:
            yield event

    return fetch


def token_auth(value: str) -> Auth:
    """Direct credentials with a token."""
    return Auth(direct=DirectAuth(credentials={"token": value}))


class IdleDispatcher(Dispatcher):
    """Delivers jobs to nobody: the test runs them itself."""

    def __init__(self) -> None:
        self.delivered: list[str] = []

    async def deliver(self, job_id: str) -> None:
        self.delivered.append(job_id)


@dataclass
class Clock:
    """Stands still unless a test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **amount: float) -> datetime:
        """Move on."""
        self.now += timedelta(**amount)
        return self.now


@dataclass
class LocalHarness:
    """A backend whose jobs run when a test says so."""

    engine: Engine
    clock: Clock
    script: Script
    home: Path
    dispatcher: IdleDispatcher = field(default_factory=IdleDispatcher)

    @property
    def backend(self) -> LocalBackend:
        """The backend, whose jobs nobody runs."""
        return LocalBackend(self.engine, self.dispatcher, ORGANIZATION)

    async def create_collection(self, readable_id: str = COLLECTION) -> None:
        """Make a collection."""
        await self.backend.collections.create(
            NewCollection(name="Team Docs", readable_id=readable_id)
        )

    async def connect(self, **fields: Any) -> Connection:
        """Create a connection to the scripted source; it does not sync."""
        values: dict[str, Any] = {
            "short_name": "scripted",
            "readable_collection_id": COLLECTION,
            "sync_immediately": False,
        }
        return await self.backend.connections.create(NewConnection.model_validate(values | fields))

    async def update(self, connection: Connection, **fields: Any) -> Connection:
        """Change fields of a connection."""
        change = ConnectionChange.model_validate(fields)
        return await self.backend.connections.update(connection.id, change)

    async def read_sealed(self, connection: Connection) -> str | None:
        """Read the stored credentials as they are."""
        return await self.engine.store.connections.credentials(ORGANIZATION, connection.id)

    async def unseal_secret(self, connection: Connection, host: str = HOST) -> Json:
        """Open the stored credentials for a host."""
        stored = await self.read_sealed(connection)
        return await self.engine.unseal(ORGANIZATION, connection.id, host, stored)

    async def try_claim(self, owner: str = OWNER) -> Claim | None:
        """Claim the next job, if one can be had."""
        lease = self.engine.limits.lease
        return await self.engine.store.jobs.claim(owner, lease=lease, host_limit=2)

    async def claim(self, owner: str = OWNER) -> Claim:
        """Claim the next job."""
        claim = await self.try_claim(owner)
        assert claim is not None
        return claim

    async def run_claimed(self, claim: Claim) -> Outcome:
        """Run a claimed job in this task and record how it ended."""
        with anyio.fail_after(PATIENCE_SECONDS):
            outcome = await sync(self.engine, claim)
        await self.engine.store.jobs.finish(claim, outcome, [])
        return outcome

    async def run_sync(self, connection: Connection, *, force: bool = False) -> Job:
        """Run a sync to its end in this task."""
        job = await self.backend.jobs.run(connection.id, RunOptions(force_full_sync=force))
        await self.run_claimed(await self.claim())
        return await self.backend.jobs.get(job.id)

    async def read_log(self, job: Job | Claim) -> list[str]:
        """The messages of a job's log."""
        job_id = job.job_id if isinstance(job, Claim) else job.id
        return [line.message for line in await self.backend.jobs.log(job_id, limit=200)]

    async def search_titles(self, query: str) -> list[str]:
        """Titles that a search finds, sorted."""
        wanted = SearchQuery(
            readable_collection_id=COLLECTION, query=query, limit=50, fold_copies=False
        )
        search = LocalSearch(self.engine, ORGANIZATION)
        return sorted(hit.title for hit in (await search.search(wanted)).hits)

    async def count_entities(self, connection: Connection) -> int:
        """Count the connection's entities."""
        return (await self.backend.connections.get(connection.id)).entities.total_entities


@asynccontextmanager
async def open_harness(home: Path, **engine: Any) -> AsyncGenerator[LocalHarness]:
    """A harness on a state folder; ``engine`` replaces parts of it."""
    script, clock = Script(), Clock()
    kinds = {
        kind.short_name: kind
        for kind in (StubSource, SecretStubSource, make_scripted_source(script))
    }
    store = await open_store(home / "weft.db", clock)
    parts: dict[str, Any] = {
        "store": store,
        "registry": SourceRegistry([], kinds),
        "vault": Vault.open(home / "keys"),
        "context": SourceContext(http=_no_network),
        "clock": clock,
        "limits": EngineLimits(),
    }
    try:
        yield LocalHarness(Engine(**(parts | engine)), clock, script, home)
    finally:
        await store.close()


@asynccontextmanager
async def run_jobs(harness: LocalHarness) -> AsyncGenerator[LocalBackend]:
    """The harness's backend with a runner and a watcher, until the end of the block."""
    owner = str(uuid4())
    with ProcessLock(harness.home / "processes", owner) as lock:
        runner = EmbeddedRunner(harness.engine, lock, owner)
        async with anyio.create_task_group() as group:
            group.start_soon(runner.run)
            group.start_soon(watch_for_changes, harness.engine)
            yield LocalBackend(harness.engine, runner, ORGANIZATION)
            group.cancel_scope.cancel()


def _no_network(**_options: Any) -> Any:
    raise AssertionError("these sources reach no network")
