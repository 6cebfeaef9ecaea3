"""A backend in memory, for tests of the MCP front."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

import anyio
from mcp.client import Client
from mcp_types import CallToolResult, TextContent

from tests.support.server.content import FakeBrowse, FakeSearch, FakeTrash, page_of
from tests.support.server.records import NOW, SOURCE, make_collection, make_connection, make_job
from weft.backend import Backend
from weft.domain.base import Page
from weft.domain.collections import Collection, NewCollection
from weft.domain.connections import (
    Auth,
    AuthDetails,
    AuthMethod,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    NewConnection,
    SyncSummary,
)
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, LogLine, RunOptions
from weft.domain.schedules import validate_cron
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, ErrorCategory, NotFound, NotPermitted, Unsupported

Connect = Callable[[], Client]


def text_of(result: CallToolResult) -> str:
    """Return the text of a result, with the notes that follow it."""
    blocks = result.content
    assert blocks
    assert all(isinstance(block, TextContent) for block in blocks)
    return "\n".join(block.text for block in blocks if isinstance(block, TextContent))


class FakeBackend:
    """Each noun is served by this one object's parts; tests reach into them to set the scene."""

    def __init__(self) -> None:
        self.sources = FakeSources()
        self.collections = FakeCollections()
        self.connections = FakeConnections()
        self.jobs = FakeJobs(self.connections)
        self.search: FakeSearch | None = FakeSearch()
        self.browse: FakeBrowse | None = FakeBrowse()
        self.trash = FakeTrash()
        self.usage: FakeUsage | None = None
        self.authorization: FakeAuthorization | None = FakeAuthorization(self.connections)
        self.changes = FakeChanges()
        self.unsupported = frozenset[str]()
        self.needs_open_process = False

    def as_backend(self) -> Backend:
        """Return this object; its parts have narrower types than the protocol's."""
        return cast("Backend", self)


class FakeUsage:
    async def get(self) -> Mapping[str, str]:
        return {"plan": "pro, active", "queries": "1 used, 500 allowed"}


class FakeSources:
    other_ways = "Nothing else."

    def __init__(self) -> None:
        self.rows: list[SourceInfo] = [SOURCE]

    async def list(self) -> Sequence[SourceInfo]:
        return self.rows

    async def get(self, short_name: str) -> SourceInfo:
        for source in self.rows:
            if source.short_name == short_name:
                return source
        raise NotFound("No source has that short_name.", field="short_name")


class FakeCollections:
    def __init__(self) -> None:
        self.rows = {"docs": make_collection("docs")}

    async def list(self, *, cursor: str | None = None, limit: int = 20) -> Page[Collection]:
        return page_of(list(self.rows.values()), cursor, limit)

    async def get(self, collection: str) -> Collection:
        for row in self.rows.values():
            if collection in (row.readable_id, row.id):
                return row
        raise NotFound("No collection has that id.", field="readable_collection_id")

    async def create(self, new: NewCollection) -> Collection:
        made = make_collection(new.readable_id or "made", new.name)
        self.rows[made.readable_id] = made
        return made

    async def update(self, collection: str, *, name: str) -> Collection:
        renamed = (await self.get(collection)).model_copy(update={"name": name})
        self.rows[renamed.readable_id] = renamed
        return renamed

    async def discard(self, collection: str) -> None:
        self.rows.pop(collection)

    async def delete(self, collection: str, *, permanently: bool = False) -> Collection:
        del permanently
        return self.rows.pop((await self.get(collection)).readable_id)


class FakeConnections:
    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}
        self.changes: list[ConnectionChange] = []
        self.created: list[NewConnection] = []
        self.crash: Exception | None = None
        self.refusal: Exception | None = None
        self.outcome: dict[str, object] = {}
        self.looks = 0

    async def list(
        self,
        *,
        collection: str | None = None,
        short_name: str | None = None,
        status: ConnectionStatus | None = None,
        needs_attention: bool = False,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Connection]:
        found = [
            row
            for row in self.rows.values()
            if collection in (None, row.readable_collection_id)
            and short_name in (None, row.short_name)
            and status in (None, row.status)
            and (row.attention or not needs_attention)
        ]
        return page_of(found, cursor, limit)

    async def totals(
        self, *, collection: str | None = None, short_name: str | None = None
    ) -> ConnectionTotals:
        page = await self.list(collection=collection, short_name=short_name, limit=100)
        return ConnectionTotals.of(page.items)

    async def get(self, connection: str) -> Connection:
        self.looks += 1
        if self.crash:
            raise self.crash
        for row in self.rows.values():
            if connection in (row.id, row.name):
                return row
        raise NotFound("No connection has that id or name.", field="connection_id")

    async def create(self, new: NewConnection) -> Connection:
        self.created.append(new)
        if self.refusal:
            raise self.refusal
        if new.schedule and new.schedule.cron:
            validate_cron(new.schedule.cron)
        ready = new.auth is not None
        row = make_connection(
            f"c{len(self.rows) + 1}",
            name=new.name or "GitHub Connection",
            config=new.config,
            status=ConnectionStatus.ACTIVE if ready else ConnectionStatus.PENDING_AUTH,
            auth=AuthDetails(method=AuthMethod.DIRECT, authenticated=ready),
            sync=SyncSummary(),
        )
        self.rows[row.id] = row
        return row

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        row = await self.get(connection)
        self.changes.append(change)
        if self.refusal:
            raise self.refusal
        if change.expected_version not in (None, row.version):
            raise Conflict("The connection was changed meanwhile.", field="expected_version")
        fields = {
            "version": row.version + 1,
            "name": change.name or row.name,
            "config": row.config | (change.config or {}),
        }
        self.rows[row.id] = row.model_copy(update=fields)
        return self.rows[row.id]

    async def delete(
        self, connection: str, *, expected_version: int | None = None, permanently: bool = False
    ) -> Connection:
        del permanently
        return self.rows.pop((await self.get(connection)).id)

    async def check(self, connection: str) -> CheckResult:
        row = await self.get(connection)
        return CheckResult(
            connection_id=row.id,
            ok=False,
            detail="The token was refused.",
            field="auth",
            error_category=ErrorCategory.API_KEY_INVALID,
            hint="Call authorize_connection.",
        ).model_copy(update=self.outcome)


class FakeJobs:
    """`script` holds the states that a job goes through while it is watched."""

    def __init__(self, connections: FakeConnections) -> None:
        self.connections = connections
        self.rows: dict[str, Job] = {}
        self.options: list[RunOptions] = []
        self.refusals: dict[str, Exception] = {}
        self.script: list[Job] = []
        self.lines: list[LogLine] = []
        self.watching = anyio.Event()
        self.unwatched = anyio.Event()

    async def run(self, connection: str, options: RunOptions = RUN_DEFAULTS) -> Job:
        row = await self.connections.get(connection)
        if row.id in self.refusals:
            raise self.refusals[row.id]
        live = [
            job
            for job in self.rows.values()
            if not job.status.is_terminal and job.source_connection_id == row.id
        ]
        if live:
            raise Conflict("A sync of this connection is already running.", job_id=live[0].id)
        self.options.append(options)
        job_id = row.id.replace("c", "j")
        self.rows[job_id] = make_job(job_id, row.id, full_sync=options.force_full_sync)
        return self.rows[job_id]

    async def list(
        self,
        connection: str | None = None,
        *,
        status: JobStatus | None = None,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Job]:
        found = [row for row in self.rows.values() if status in (None, row.status)]
        return page_of(found, cursor, limit)

    async def get(self, job: str) -> Job:
        if job not in self.rows:
            raise NotFound("No job has that id.", field="job_id")
        return self.rows[job]

    async def watch(self, job: str) -> AsyncGenerator[Job]:
        try:
            yield self.rows[job]
            for state in (each for each in self.script if each.id == job):
                self.rows[job] = state
                yield state
            self.watching.set()
            if not self.rows[job].status.is_terminal:
                await anyio.sleep_forever()
        finally:
            self.unwatched.set()

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> Sequence[LogLine]:
        return self.lines[: len(self.lines) - skip][-limit:]

    async def cancel(self, job: str) -> Job:
        row = await self.get(job)
        if row.status.is_terminal:
            raise Conflict("The job has ended.", field="job_id")
        self.rows[job] = row.model_copy(update={"status": JobStatus.CANCELLING})
        return self.rows[job]


class FakeAuthorization:
    """Makes links once it has a ``base``; `finish` is what a person does in the browser.

    With ``claims`` a connection becomes active only when its beginner has confirmed that.
    """

    def __init__(self, connections: FakeConnections) -> None:
        self.connections = connections
        self.given: list[Auth] = []
        self.base: str | None = None
        self.begun: list[str] = []
        self.claims: dict[str, str] = {}
        self.finished: set[str] = set()

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        self.given.append(auth)
        if auth.oauth_browser is not None and self.base is not None:
            return await self.begin(connection)
        return self.finish((await self.connections.get(connection)).id)

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        row = await self.connections.get(connection)
        if self.base is None:
            raise Unsupported("This engine has no page for credentials.")
        self.begun.append(row.id)
        link = {
            "auth_url": f"{self.base}/{len(self.begun)}",
            "auth_url_expires": NOW,
            "claim_token": self.claims.get(row.id),
            "redirect_url": redirect_url,
        }
        return row.model_copy(update={"auth": row.auth.model_copy(update=link)})

    async def verify(self, connection: str, claim_token: str) -> Connection:
        row = await self.connections.get(connection)
        if self.claims.get(row.id) != claim_token:
            raise NotPermitted("The claim token is not the one that was given.")
        if row.id not in self.finished:
            raise Conflict("The person has not finished.")
        return self.finish(row.id)

    def finish(self, connection_id: str) -> Connection:
        row = self.connections.rows[connection_id]
        auth = row.auth.model_copy(
            update={"authenticated": True, "authenticated_at": datetime.now(UTC)}
        )
        self.connections.rows[connection_id] = row.model_copy(
            update={"status": ConnectionStatus.ACTIVE, "auth": auth}
        )
        return self.connections.rows[connection_id]


class FakeChanges:
    """Announces a change for every call of `announce`."""

    def __init__(self) -> None:
        self.followers = 0
        self._event = anyio.Event()

    def announce(self) -> None:
        event, self._event = self._event, anyio.Event()
        event.set()

    async def follow(self) -> AsyncGenerator[None]:
        self.followers += 1
        try:
            while True:
                event = self._event
                yield
                await event.wait()
        finally:
            self.followers -= 1
