"""The world of a task: a real engine with an organisation of its own, and what happens in it."""

import os
import random
import string
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast
from uuid import uuid4

from tests.evaluation.transcripts import End, Hit, Server, Task, TranscriptError, Values, fill
from tests.support.jobs import wait_for_end, wait_for_job
from tests.support.local.embedded import Embedded, no_network, open_embedded
from tests.support.sources.git_repos import RawRepository
from weft.domain.access.permissions import Ceilings
from weft.domain.access.principals import Principal, Role
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionChange,
    DirectAuth,
    NewConnection,
)
from weft.domain.entities import Entity
from weft.domain.reading.search import SearchQuery
from weft.errors import AuthenticationFailed, Conflict
from weft.local.backend import LocalBackend
from weft.local.backend.auth_sessions import LocalAuthSessions
from weft.local.engine import Engine, EngineLimits
from weft.local.jobs.scheduler import fire_due
from weft.server.app import WeftServer
from weft.server.build import build_server
from weft.server.elicitation.confirmations import Confirmations
from weft.server.render.structured import to_plain
from weft.sources.base import Event, SourceContext
from weft.sources.files.source import FilesSource
from weft.sources.git.source import GitSource
from weft.testing.stub import SecretStubSource, StubSource

PAGES_URL = "https://weft.example"
INVENTED_CHARS = 12
FIRST_COMMIT_SECONDS = 1_700_000_000
SECONDS_BETWEEN_COMMITS = 60
INVENTED_NUMBERS = range(11, 60)
ENTITIES_OF_A_HANGING_SYNC = 10
SECONDS_PER_HANGING_ENTITY = 3600


class Clock:
    """The wall clock, and a monotonic one, which tasks put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time in this world."""
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        """Seconds, put forward by as much."""
        return time.monotonic() + self.ahead.total_seconds()


class TicketsSource(SecretStubSource):
    """Scripted entities behind a token that somebody may revoke."""

    short_name = "tickets"
    name = "Tickets"
    description = "Tickets of the support desk"
    entity_types = ("ticket",)
    revoked: ClassVar[set[str]] = set()

    async def check(self) -> str:
        """Refuse a revoked token."""
        self._refuse_revoked()
        return await super().check()

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Refuse a revoked token."""
        self._refuse_revoked()
        async for event in super().fetch(cursor):
            if isinstance(event, Entity):
                event = replace(event, type="ticket")
            yield event

    def _refuse_revoked(self) -> None:
        token = self.credentials.token
        if token is not None and token.get_secret_value() in self.revoked:
            raise AuthenticationFailed("The support desk refused the token.")


@dataclass
class Stage:
    """One engine, in which every task has an organisation of its own."""

    embedded: Embedded
    engine: Engine
    clock: Clock
    folder: Path
    organization_id: str = ""
    servers: dict[Server, WeftServer] = field(default_factory=dict[Server, WeftServer])

    def backend_for(self, principal: Principal) -> LocalBackend:
        """Return the backend of an organisation."""
        return LocalBackend(self.engine, self.embedded.runner, principal.organization_id)

    def principal(self) -> Principal:
        """Whoever plays the present task."""
        return Principal(self.organization_id, "agent", Role.ADMIN)

    def server(self, wanted: Server) -> WeftServer:
        """The real server, as the operator decided. Kept, because to build its tools takes time."""
        if wanted not in self.servers:
            made = build_server(
                self.backend_for,
                version="1",
                who_calls=self.principal,
                ceilings=Ceilings(read_only=wanted.read_only, no_delete=wanted.no_delete),
                inline_credentials=wanted.inline_credentials,
            )
            made.confirmations = Confirmations(self.clock.monotonic)
            self.servers[wanted] = made
        return self.servers[wanted]


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncGenerator[Stage]:
    """Open the engine that all tasks share."""
    clock, readable = Clock(), folder / "readable"
    readable.mkdir()
    sources = {"files": FilesSource, "git": GitSource, "stub": StubSource, "tickets": TicketsSource}
    async with open_embedded(
        folder / "home",
        sources=sources,
        clock=clock.now,
        limits=EngineLimits(syncs=8, syncs_per_host=8, retries=0),
        context=SourceContext(http=no_network, files_roots=(readable,)),
    ) as opened:

        async def pages() -> str:
            return PAGES_URL

        yield Stage(opened, replace(opened.engine, pages=pages), clock, readable)


@dataclass
class World:
    """The world of one task. `happen` names the events of task files; each is a method here."""

    stage: Stage
    organization_id: str = field(default_factory=lambda: str(uuid4()))
    known: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.stage.organization_id = self.organization_id
        self.backend = self.stage.backend_for(self.stage.principal())
        self.folder = self.stage.folder / self.organization_id[:8]
        self.folder.mkdir()

    @property
    def names(self) -> Mapping[str, str]:
        """Values that a wish may name."""
        return self.known

    async def prepare(self, task: Task) -> None:
        """Let all happen that was before the wish."""
        for event in task.given:
            await self.happen(event)

    async def happen(self, event: Values, read: Mapping[str, str] | None = None) -> None:
        """Do what ``event["do"]`` says, with the rest as arguments; ``read`` is the agent's."""
        arguments = fill(event, {**self.known, **(read or {})})
        arguments.pop("do")
        await getattr(self, f"_{event['do']}")(**arguments)

    async def close(self) -> None:
        """Leave nothing that runs, fires or is revoked in the next task."""
        TicketsSource.revoked.clear()
        page = await self.backend.collections.list(limit=100)
        for collection in page.items:
            await self.backend.collections.delete(collection.id, permanently=True)

    async def _collection(self, readable_id: str, name: str = "") -> None:
        name = name or readable_id.replace("-", " ").title()
        with suppress(Conflict):
            await self.backend.collections.create(NewCollection(name=name, readable_id=readable_id))

    async def _connection(
        self,
        name: str,
        key: str = "connection",
        collection: str = "team-docs",
        token: str = "",
        syncs: int = 1,
        **fields: Any,
    ) -> None:
        """Connect as somebody did earlier, and sync; ``key`` names the id for wishes."""
        await self._collection(collection)
        auth = Auth(direct=DirectAuth(credentials={"token": token})) if token else None
        wanted: Values = {"name": name, "readable_collection_id": collection, "auth": auth}
        wanted |= {"sync_immediately": False} | fields
        made = await self.backend.connections.create(NewConnection.model_validate(wanted))
        self.known |= {f"{key}_id": made.id, f"{key}_prefix": made.id[:6]}
        for _ in range(syncs):
            await self._sync(name=made.id)

    async def _connections(self, count: int, name: str, **fields: Any) -> None:
        for number in range(1, count + 1):
            await self._connection(name=f"{name} {number:03}", syncs=0, **fields)

    async def _sync(self, name: str, reaches: str = "") -> None:
        """Run a sync to its end, or until it ``reaches`` a status."""
        job = await self.backend.jobs.run(name)
        if reaches:
            await wait_for_job(self.backend, job, lambda seen: seen.status == reaches)
        else:
            await wait_for_end(self.backend, job)

    async def _hang(self, name: str) -> None:
        """Start a sync that does not come to its end."""
        slow: Json = {
            "entities": ENTITIES_OF_A_HANGING_SYNC,
            "seconds_per_entity": SECONDS_PER_HANGING_ENTITY,
        }
        await self.backend.connections.update(name, ConnectionChange(config=slow))
        await self._sync(name, "RUNNING")

    async def _pass_time(self, hours: float = 0, minutes: float = 0, wait: bool = True) -> None:
        """Put the clock forward; what is scheduled for then is run."""
        self.stage.clock.ahead += timedelta(hours=hours, minutes=minutes)
        await fire_due(self.stage.engine)
        page = await self.backend.jobs.list(limit=100)
        for job in page.items if wait else ():
            await wait_for_end(self.backend, job)

    async def _invent(
        self, words: Sequence[str] = (), numbers: Sequence[str] = (), today: str = ""
    ) -> None:
        """Make up what no transcript can know: words, numbers of two digits, the day it is."""
        for name in words:
            self.known[name] = "".join(random.choices(string.ascii_lowercase, k=INVENTED_CHARS))
        different = random.sample(INVENTED_NUMBERS, len(numbers))
        self.known |= dict(zip(numbers, map(str, different), strict=True))
        if today:
            self.known[today] = f"{self.stage.clock.now():%Y-%m-%d}"

    async def _write(self, folder: str, path: str, text: str, days_old: float = 0) -> None:
        """Write one file, whose name may be invented."""
        await self._files(folder)
        file = self.folder / folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        modified = time.time() - timedelta(days=days_old).total_seconds()
        os.utime(file, (modified, modified))

    async def _write_many(self, folder: str, count: int, suffix: str) -> None:
        for number in range(count):
            await self._write(folder, f"{number}{suffix}", f"Page {number}")

    async def _write_binary(self, folder: str, path: str) -> None:
        await self._files(folder)
        (self.folder / folder / path).write_bytes(bytes(range(256)))

    async def _files(self, folder: str, **contents: str) -> None:
        """Write files; underscores in keys stand for dots, and <folder> for the path."""
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        self.known[folder] = str(place)
        for name, text in contents.items():
            (place / name.replace("_", ".")).write_text(text, encoding="utf-8")

    async def _long_file(self, folder: str, name: str, line: str, lines: int, end: str) -> None:
        await self._files(folder)
        text = "".join(f"{number}: {line}\n" for number in range(lines))
        (self.folder / folder / name).write_text(text + end, encoding="utf-8")

    async def _remove_file(self, folder: str, name: str) -> None:
        (self.folder / folder / name).unlink()

    async def _rename_folder(self, folder: str, to: str) -> None:
        (self.folder / folder).rename(self.folder / to)
        self.known[to] = str(self.folder / to)

    async def _repository(
        self, folder: str, message: str = "Describe the thing", **contents: str
    ) -> None:
        """Make a repository with one commit, or commit to it again."""
        made = RawRepository(self.folder / folder)
        self.known[folder] = str(made.root)
        files = made.put_files(**{name: text.encode() for name, text in contents.items()})
        head = made.git / "refs/heads/main"
        parents = [head.read_text().strip()] if head.exists() else []
        seconds = FIRST_COMMIT_SECONDS + len(parents) * SECONDS_BETWEEN_COMMITS
        made.commit(files, *parents, message=message.encode(), seconds=seconds)

    async def _branch(self, folder: str, name: str) -> None:
        git = RawRepository(self.folder / folder)
        git.set_branch(name, (git.git / "refs/heads/main").read_text().strip())

    async def _delete(self, connection: str) -> None:
        """Somebody deletes a connection."""
        await self.backend.connections.delete(connection)

    async def _change(self, connection: str, **fields: Any) -> None:
        """Somebody else changes a connection."""
        change = ConnectionChange.model_validate(fields)
        await self.backend.connections.update(connection, change)

    async def _revoke(self, token: str) -> None:
        TicketsSource.revoked.add(token)

    async def _person_enters(self, link_of: str, token: str) -> None:
        """The person opens the link that is waiting for them and enters a token."""
        sessions = LocalAuthSessions(self.stage.engine, self.stage.embedded.runner)
        outcome = await sessions.submit(link_of.rpartition("/")[2], {"token": token})
        assert outcome.ok, outcome.message

    async def _wait_for_last_job(self, name: str) -> None:
        """Wait until the last job of a connection ends."""
        found = await self.backend.connections.get(name)
        if found.sync.last_job is not None:
            await wait_for_end(self.backend, found.sync.last_job)

    async def all_connections(self) -> list[Connection]:
        """List every connection."""
        found: list[Connection] = []
        cursor = None
        while True:
            page = await self.backend.connections.list(cursor=cursor, limit=100)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def picture(self) -> dict[str, Values]:
        """Everything that a change of anything changes."""
        return {one.id: to_plain(one) for one in await self.all_connections()}

    async def verify(self, end: End, known: Mapping[str, str]) -> None:
        """Compare the backend with what must be true. Raises TranscriptError."""
        found = {one.name: one for one in await self.all_connections()}
        for key, fields in end.connections.items():
            name = fill(key, self.known)
            if name not in found:
                raise TranscriptError(f"there is no connection '{name}', only {sorted(found)}")
            actual = to_plain(found[name])
            _compare(f"connection '{name}'", fill(fields, self.known | dict(known)), actual)
        left = [name for name in end.gone if name in found]
        if left:
            raise TranscriptError(f"still there: {left}")
        for key, statuses in end.jobs.items():
            name = fill(key, self.known)
            jobs = await self.backend.jobs.list(found[name].id)
            actual_statuses = [job.status.value for job in jobs.items]
            _compare(f"jobs of '{name}'", list(statuses), actual_statuses)
        if end.collections is not None:
            page = await self.backend.collections.list()
            ids = sorted(one.readable_id for one in page.items)
            _compare("collections", sorted(end.collections), ids)
        for search in end.searches:
            await self._verify_search(search)

    async def _verify_search(self, wanted: Hit) -> None:
        query = SearchQuery(
            readable_collection_id=wanted.collection, query=fill(wanted.query, self.known)
        )
        assert self.backend.search is not None
        results = await self.backend.search.search(query)
        matching = len(results.hits) if results.matched == "all" else 0
        _compare(f"hits of '{wanted.query}'", wanted.hits, matching)


def _compare(what: str, expected: object, actual: object) -> None:
    """Raises TranscriptError for a difference; a table needs only the keys that are named.

    Null means that the field is not set, and a configuration is compared as a whole.
    """
    if isinstance(expected, Mapping) and isinstance(actual, Mapping) and what != "config":
        given = cast("Mapping[str, object]", actual)
        for key, value in cast("Mapping[str, object]", expected).items():
            _compare(key if key == "config" else f"{what}.{key}", value, given.get(key))
    elif expected != actual:
        raise TranscriptError(f"{what} is {actual!r} instead of {expected!r}")
