"""A source that fails at every page of its listing, through the real HTTP client."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from tests.support.local.embedded import Embedded, fast_clock, open_embedded
from tests.support.patience import wait_until
from weft.domain.base import Json
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import JobStatus
from weft.errors import ErrorCategory
from weft.local.engine import EngineLimits
from weft.local.jobs import runner
from weft.net.client import Clock, get_json, http_factory
from weft.sources.base import Checkpoint, Complete, Event, Source, SourceContext
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve

pytestmark = pytest.mark.anyio

PAGES = 6
PER_PAGE = 15
RETRIES = 2
SPEED = 2_000.0

Fault = Callable[[HttpReply], HttpReply]

FAULTS: dict[str, Fault] = {
    "cut": lambda page: HttpReply(200, page.body, page.headers, cut=True),
    "dropped": lambda page: HttpReply(drop=True),
    "server-error": lambda page: as_json({"message": "secret-canary"}, 502),
    "rate-limited": lambda page: as_json({}, 429, retry_after="90"),
    "truncated": lambda page: HttpReply(200, page.body[: len(page.body) // 2], page.headers),
    "not-json": lambda page: HttpReply(200, b"<html>secret-canary</html>", page.headers),
}


class PagesConfig(BaseModel):
    """The address of the listing."""

    url: str


class PagesSource(Source[PagesConfig, BaseModel]):
    """A listing in pages, each of them a checkpoint."""

    short_name = "pages"
    name = "Pages"
    description = "A listing in pages"
    Config = PagesConfig

    async def check(self) -> str:
        await anyio.lowlevel.checkpoint()
        return "reached"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        page = cursor["page"] if cursor else 0
        assert isinstance(page, int)
        async with self.context.http(base_url=self.config.url) as client:
            while page < PAGES:
                answer = await get_json(client, f"/pages/{page}", what="the page")
                for item in answer["items"]:
                    yield Entity(id=item["id"], type="item", title=item["id"], text=item["text"])
                page += 1
                yield Checkpoint({"page": page})
        yield Complete("all pages were read")


@dataclass
class Upstream:
    """The pages; ``age`` changes every item, and removes one from each page."""

    age: int = 0
    fault: Fault | None = None
    faulty: set[int] = field(default_factory=set[int])
    times: int = 1_000_000

    def __call__(self, asked: HttpRequest) -> HttpReply:
        number = int(asked.path.rpartition("/")[2])
        reply = as_json({"items": self.items(number)})
        if self.fault is None or number not in self.faulty or self.times <= 0:
            return reply
        self.times -= 1
        return self.fault(reply)

    def items(self, number: int) -> list[dict[str, Any]]:
        return [
            {"id": f"{number}-{n}", "text": f"item {number} {n} of age {self.age}"}
            for n in range(self.age, PER_PAGE)
        ]

    def expected_texts(self) -> dict[str, str]:
        """Return the texts that must be stored after a complete sync, by id."""
        return {item["id"]: item["text"] for n in range(PAGES) for item in self.items(n)}


async def at_once(_seconds: float) -> None:
    """The transport's own retries wait for nothing here."""
    await anyio.lowlevel.checkpoint()


@dataclass
class Stage:
    """An engine, a connection that has synced once, and the server that it reads."""

    engine: Embedded
    upstream: Upstream
    site: Site
    connection: Connection


@asynccontextmanager
async def open_stage(home: Path) -> AsyncGenerator[Stage]:
    upstream = Upstream()
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=Clock(sleep=at_once)))
    async with (
        serve(upstream) as site,
        open_embedded(
            home,
            sources={"pages": PagesSource},
            clock=fast_clock(SPEED),
            limits=EngineLimits(retries=RETRIES),
            context=context,
        ) as engine,
    ):
        connection = await engine.connect({"url": site.url}, short_name="pages")
        assert (await engine.sync(connection)).status is JobStatus.COMPLETED
        assert engine.texts(connection) == upstream.expected_texts()
        upstream.age = 1
        yield Stage(engine, upstream, site, connection)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)


def waits(log: list[str]) -> list[float]:
    """The seconds that the job said it waits before each further attempt."""
    found = (re.search(r"Trying again in (\d+) s", line) for line in log)
    return [float(match[1]) for match in found if match]


@pytest.mark.parametrize("name", FAULTS)
async def test_lasting_fault_at_any_page_fails_the_job_and_deletes_nothing(
    tmp_path: Path, name: str
) -> None:
    for page in range(PAGES):
        async with open_stage(tmp_path / str(page)) as stage:
            before = stage.engine.texts(stage.connection)
            stage.upstream.fault, stage.upstream.faulty = FAULTS[name], {page}
            job = await stage.engine.sync(stage.connection)
            assert job.status is JobStatus.FAILED
            limited = name == "rate-limited"
            assert job.error_category is (
                ErrorCategory.RATE_LIMITED if limited else ErrorCategory.SOURCE_UNAVAILABLE
            )
            assert job.entities_deleted == 0
            assert job.entities_updated == page * (PER_PAGE - 1)
            stored = stage.engine.texts(stage.connection)
            assert stored.keys() == before.keys()
            new = {i for i, text in stored.items() if text.endswith("of age 1")}
            assert {int(i.partition("-")[0]) for i in new} == set(range(page))
            log = await stage.engine.log(job)
            told = waits(log)
            assert len(told) == RETRIES
            assert told[0] < told[1] or limited
            assert not limited or told == [90.0] * RETRIES
            assert "canary" not in f"{job} {log}"
            # The job's own checkpoint is the last page that was stored, and no further.
            checkpoint = stage.engine.one("SELECT checkpoint FROM job WHERE id = ?", job.id)
            assert checkpoint == (f'{{"page":{page}}}' if page else None)
            state = await stage.engine.backend.connections.get(stage.connection.id)
            assert state.status is ConnectionStatus.ERROR

            stage.upstream.faulty = set()
            job = await stage.engine.sync(stage.connection)
            assert job.status is JobStatus.COMPLETED
            assert stage.engine.texts(stage.connection) == stage.upstream.expected_texts()
            assert job.entities_deleted == PAGES
            assert job.entities_unchanged == page * (PER_PAGE - 1)
            state = await stage.engine.backend.connections.get(stage.connection.id)
            assert state.status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize("name", FAULTS)
async def test_passing_faults_at_every_page_are_waited_out_within_the_job(
    tmp_path: Path, name: str
) -> None:
    async with open_stage(tmp_path) as stage:
        for page in range(PAGES):
            stage.upstream.age = page + 1
            stage.upstream.fault, stage.upstream.faulty = FAULTS[name], {page}
            # More than the transport's own attempts, where it makes any.
            stage.upstream.times = 4 if name in {"cut", "dropped", "server-error"} else 2
            job = await stage.engine.sync(stage.connection)
            assert job.status is JobStatus.COMPLETED
            assert stage.engine.texts(stage.connection) == stage.upstream.expected_texts()
            assert job.entities_deleted == PAGES
            assert job.entities_updated == len(stage.upstream.expected_texts())
            assert job.entities_inserted == job.entities_unchanged == 0


async def test_attempts_count_from_the_last_page_that_was_stored(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.upstream.fault = FAULTS["server-error"]
        stage.upstream.faulty = set(range(PAGES))
        remaining = dict.fromkeys(range(PAGES), 4)

        def each_page_fails_for_a_while(page: HttpReply) -> HttpReply:
            number = int(stage.site.requests[-1].path.rpartition("/")[2])
            remaining[number] -= 1
            return page if remaining[number] < 0 else FAULTS["server-error"](page)

        stage.upstream.fault = each_page_fails_for_a_while
        job = await stage.engine.sync(stage.connection)
        assert job.status is JobStatus.COMPLETED
        assert stage.engine.texts(stage.connection) == stage.upstream.expected_texts()
        assert len(waits(await stage.engine.log(job))) > RETRIES


async def test_wait_that_is_too_long_fails_the_job_at_once(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.upstream.fault = lambda _page: as_json({}, 429, retry_after="7200")
        stage.upstream.faulty = {2}
        job = await stage.engine.sync(stage.connection)
        assert (job.status, job.error_category) == (JobStatus.FAILED, ErrorCategory.RATE_LIMITED)
        assert waits(await stage.engine.log(job)) == []


async def test_source_that_hangs_is_stopped_by_a_cancel(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        stage.upstream.fault = lambda page: HttpReply(200, page.body, page.headers, hang=True)
        stage.upstream.faulty = {3}
        job = await stage.engine.backend.jobs.run(stage.connection.id)
        await wait_until(lambda: stage.site.targets[-1:] == ["/pages/3"])
        await stage.engine.backend.jobs.cancel(job.id)
        ended = await stage.engine.wait_for_end(job)
        assert (ended.status, ended.entities_deleted) == (JobStatus.CANCELLED, 0)
