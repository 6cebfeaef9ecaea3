"""Entities to measure with, a source that lists them, and an engine that syncs it."""

import random
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import ClassVar

from pydantic import BaseModel

from weft.assembly.backends import open_backend
from weft.backend import Backend
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import NewConnection
from weft.domain.entities import Entity
from weft.domain.jobs import Job, JobStatus
from weft.settings import Settings
from weft.sources.base import Complete, Event, Expect, NoFields, Source
from weft.sources.registry import SourceRegistry

TEXT_CHARS = 1_000
COLLECTION = "bench"

_WORDS = 30_000
_CORPUS_WORDS = 400_000
_ONSETS = tuple("bcdfghklmnprstvw")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ou")
_ENDINGS = ("", "", "n", "r", "s", "t", "ing", "tion", "ment", "ed")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class BenchSource(Source[BaseModel, NoFields]):
    """Lists whatever `events` holds: set it before each sync."""

    short_name = "bench"
    name = "Bench"
    description = "Yields entities that were built before"
    Config = NoFields

    events: ClassVar[Iterable[Event]] = ()

    async def check(self) -> str:
        return "reached"

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        del cursor
        for event in type(self).events:
            yield event
        yield Complete("the events were made before, and all are named")


def generate_entities(count: int) -> Iterator[Entity]:
    """Make entities of about 1 KB, always the same, with word frequencies of natural text."""
    corpus = _corpus()
    places = random.Random(2)
    last = len(corpus) - TEXT_CHARS
    for number in range(count):
        start = places.randrange(last)
        yield Entity(
            id=f"documents/{number:07}",
            type="document" if number % 10 else "page",
            title=corpus[start : start + 40].strip(),
            text=corpus[start : start + TEXT_CHARS],
            url=f"https://example.org/documents/{number:07}",
            updated_at=_EPOCH + timedelta(minutes=number),
        )


def one_percent_later(entities: Sequence[Entity]) -> list[Entity]:
    """Change the text of 1 % of the entities, and leave out another 1 %."""
    return [
        replace(entity, text=entity.text[::-1]) if number % 100 == 0 else entity
        for number, entity in enumerate(entities)
        if number % 100 != 50
    ]


@asynccontextmanager
async def open_engine(home: Path, *, embed: bool = False) -> AsyncGenerator[tuple[Backend, str]]:
    """Open a local engine on an empty home, with a connection to `BenchSource`.

    Without ``embed`` nothing is computed beside its syncs.
    """
    registry = SourceRegistry(extra={BenchSource.short_name: BenchSource})
    settings = Settings(home=home, embeddings=embed)
    async with open_backend(settings, registry=registry) as backend:
        await backend.collections.create(NewCollection(name="Bench", readable_id=COLLECTION))
        new = NewConnection(
            short_name=BenchSource.short_name,
            readable_collection_id=COLLECTION,
            sync_immediately=False,
        )
        yield backend, (await backend.connections.create(new)).id


async def time_sync(
    backend: Backend, connection_id: str, events: Iterable[Event]
) -> tuple[Job, float]:
    """Sync ``events`` with a job; returns the ended job and the seconds that it took."""
    BenchSource.events = events
    start = perf_counter()
    job = await backend.jobs.run(connection_id)
    async for state in backend.jobs.watch(job.id):
        job = state
    seconds = perf_counter() - start
    assert job.status is JobStatus.COMPLETED, job.error
    return job, seconds


def with_count(entities: Sequence[Entity]) -> list[Event]:
    """Put the number of entities first, as a source does that knows it."""
    return [Expect(len(entities)), *entities]


def _corpus() -> str:
    dice = random.Random(1)
    words = [_word(dice) for _ in range(_WORDS)]
    # Zipf's law: the n-th most frequent word is n times as rare as the first.
    weights = [1 / rank for rank in range(1, _WORDS + 1)]
    return " ".join(dice.choices(words, weights, k=_CORPUS_WORDS))


def _word(dice: random.Random) -> str:
    parts = (dice.choice(_ONSETS) + dice.choice(_VOWELS) for _ in range(dice.randint(1, 3)))
    return "".join(parts) + dice.choice(_ENDINGS)
