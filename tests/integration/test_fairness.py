"""Limits hold, the slow hold up nobody, and memory does not grow with the number of entities."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel

from tests.support.local.embedded import Embedded, open_embedded
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.programs import ROOT
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus
from weft.local.engine import EngineLimits
from weft.local.jobs import runner, sync
from weft.local.store.base import Batch, Claim
from weft.sources.base import Complete, Event, Source

pytestmark = pytest.mark.anyio

FEW, MANY = (80_000, int(os.environ.get("TORTURE_ENTITIES", "200000")))
# The page cache is not yet full with the few; beyond it only a bit for each entity is kept.
MEMORY_RATIO_MAX = 1.35


@dataclass
class Visits:
    """Counts of the fetches inside a host, or an owner's process, now and at most."""

    now: Counter[str] = field(default_factory=Counter[str])
    most: Counter[str] = field(default_factory=Counter[str])

    def enter(self, key: str) -> None:
        self.now[key] += 1
        self.most[key] = max(self.most[key], self.now[key])


class HostConfig(BaseModel):
    """The host that is read, and for how long."""

    host: str
    turns: int = 30


class HostSource(Source[HostConfig, BaseModel]):
    """Says when it is being read."""

    short_name = "host"
    name = "Host"
    description = "Says when it is being read"
    Config = HostConfig
    visits: ClassVar[Visits] = Visits()

    async def check(self) -> str:
        await anyio.lowlevel.checkpoint()
        return "reached"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        host = self.config.host
        self.visits.enter(host)
        try:
            for number in range(self.config.turns):
                await anyio.sleep(0.002)
                yield Entity(id=str(number), type="note", title="", text="")
            yield Complete("the turns are over")
        finally:
            self.visits.now[host] -= 1

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        assert isinstance(config, HostConfig)
        return config.host


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Visits:
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.02)
    fresh = Visits()
    monkeypatch.setattr(HostSource, "visits", fresh)
    return fresh


async def engines(
    stack: AsyncExitStack, home: Path, number: int, limits: EngineLimits
) -> list[Embedded]:
    """Several engines on one database, as several processes would have."""
    sources = {"host": HostSource}
    return [
        await stack.enter_async_context(open_embedded(home, sources=sources, limits=limits))
        for _ in range(number)
    ]


async def test_limit_for_a_host_holds_across_processes(tmp_path: Path, visits: Visits) -> None:
    async with AsyncExitStack() as stack:
        limits = EngineLimits(syncs=4, syncs_per_host=2)
        first, *_ = await engines(stack, tmp_path, 3, limits)
        jobs: list[Job] = []
        for number in range(10):
            host = "https://a.example" if number % 2 else "https://b.example"
            made = await first.connect({"host": host}, short_name="host")
            jobs.append(await first.backend.jobs.run(made.id))
        ended = [await first.wait_for_end(job) for job in jobs]
    assert {job.status for job in ended} == {JobStatus.COMPLETED}
    assert visits.most == {"https://a.example": 2, "https://b.example": 2}


async def test_limit_of_a_process_holds(tmp_path: Path, visits: Visits) -> None:
    async with AsyncExitStack() as stack:
        limits = EngineLimits(syncs=3, syncs_per_host=64)
        (only,) = await engines(stack, tmp_path, 1, limits)
        made = [
            await only.connect({"host": "https://a.example"}, short_name="host") for _ in range(8)
        ]
        jobs = [await only.backend.jobs.run(connection.id) for connection in made]
        for job in jobs:
            assert (await only.wait_for_end(job)).status is JobStatus.COMPLETED
    assert visits.most == {"https://a.example": 3}


async def test_slow_host_does_not_hold_up_the_others(tmp_path: Path, visits: Visits) -> None:
    async with AsyncExitStack() as stack:
        limits = EngineLimits(syncs=2, syncs_per_host=1)
        (only,) = await engines(stack, tmp_path, 1, limits)
        slow = [
            await only.connect({"host": "https://slow.example", "turns": 10_000}, short_name="host")
            for _ in range(5)
        ]
        held = [await only.backend.jobs.run(connection.id) for connection in slow]
        for _ in range(4):
            quick = await only.connect({"host": "https://a.example"}, short_name="host")
            with anyio.fail_after(PATIENCE_SECONDS):
                assert (await only.sync(quick)).status is JobStatus.COMPLETED
        states = Counter([(await only.backend.jobs.get(job.id)).status for job in held])
        assert states == {JobStatus.RUNNING: 1, JobStatus.PENDING: 4}
    assert visits.most["https://slow.example"] == 1


async def test_source_that_is_faster_than_the_store_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "BATCH_EVENTS", 100)
    yielded = stored = ahead = 0

    class Fast(HostSource):
        short_name = "fast"

        async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
            nonlocal yielded, ahead
            for number in range(5_000):
                yielded += 1
                ahead = max(ahead, yielded - stored)
                yield Entity(id=str(number), type="note", title="", text="")

    async with open_embedded(tmp_path, sources={"fast": Fast}) as engine:
        commit = engine.engine.store.entities.commit

        async def slow_commit(claim: Claim, batch: Batch) -> None:
            nonlocal stored
            await anyio.sleep(0.005)
            await commit(claim, batch)
            stored += sum(isinstance(event, Entity) for event in batch.events)

        monkeypatch.setattr(engine.engine.store.entities, "commit", slow_commit)
        made = await engine.connect({"host": "https://a.example"}, short_name="fast")
        job = await engine.sync(made)
    assert (job.status, job.entities_inserted) == (JobStatus.COMPLETED, 5_000)
    assert ahead <= 3 * 100


MEASURED = """
import json, resource, sys
from pathlib import Path
import anyio
from tests.support.local.embedded import open_embedded

async def main():
    home, entities = Path(sys.argv[1]), int(sys.argv[2])
    async with open_embedded(home) as engine:
        made = await engine.connect({"entities": entities, "text_chars": 200, "page_size": 5000})
        job = await engine.sync(made)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"stored": job.entities_inserted, "peak": peak}))

anyio.run(main)
"""


def measure(home: Path, entities: int) -> int:
    """Peak memory of a process that syncs that many, in the platform's unit."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(home), str(entities)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    assert answer["stored"] == entities
    return int(answer["peak"])


def test_memory_is_flat_in_the_number_of_entities(tmp_path: Path) -> None:
    few, many = (measure(tmp_path / str(n), n) for n in (FEW, MANY))
    assert many <= MEMORY_RATIO_MAX * few
