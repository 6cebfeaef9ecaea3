"""The cost of embedding: how much slower a sync is beside it, and how much it does in a second."""

import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import process_time

import anyio

from bench.table import Row
from bench.workload import generate_entities, open_engine, time_sync, with_count
from weft.backend import Backend
from weft.domain.entities import Entity
from weft.local.embedding.models import SettingsModels
from weft.local.from_settings import open_store
from weft.local.jobs.embedder import Caution
from weft.local.jobs.embedding import Embedding
from weft.local.store.vectors import PACKAGED
from weft.settings import Settings

ENTITIES = 60_000
WARM_UP_ENTITIES = 500
EMBEDDED_HERE = 20_000
ROUNDS = 3
LOOK_SECONDS = 0.1
WAIT_SECONDS = 60.0


async def rows() -> list[Row]:
    """Sync alone and beside the process that embeds, in turn; then embed in this process."""
    entities = list(generate_entities(ENTITIES))
    gc.collect()
    gc.freeze()
    ratios = list[float]()
    shares = list[float]()
    for _ in range(ROUNDS):
        alone, _ = await _sync(entities, embed=False)
        beside, share = await _sync(entities, embed=True)
        ratios.append(alone / beside)
        shares.append(share)
    rate = await _measure_rate(entities[:EMBEDDED_HERE])
    gc.unfreeze()
    return [
        Row(
            f"sync of {ENTITIES:,} × 1 KB beside the process that embeds, against alone",
            median(ratios),
            0.85,
            at_most=False,
            detail=f"{median(shares):.0%} were embedded when it ended",
        ),
        Row(
            "entities of 1 KB embedded in a CPU second, with reading and storing",
            rate,
            unit="/s",
            at_most=False,
        ),
    ]


async def _sync(entities: Sequence[Entity], *, embed: bool) -> tuple[float, float]:
    """Return the seconds that a sync takes, and the share that is embedded at its end."""
    first = entities[:WARM_UP_ENTITIES]
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder), embed=embed) as (backend, connection_id):
            await time_sync(backend, connection_id, with_count(first))
            if embed:
                # It has started when it has embedded those.
                await _wait_until_embedded(backend, connection_id)
            _, seconds = await time_sync(backend, connection_id, with_count(entities))
            return seconds, await _share_embedded(backend, connection_id) if embed else 0.0


async def _wait_until_embedded(backend: Backend, connection_id: str) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        while True:
            if await _share_embedded(backend, connection_id) == 1:
                return
            await anyio.sleep(LOOK_SECONDS)


async def _share_embedded(backend: Backend, connection_id: str) -> float:
    found = (await backend.connections.get(connection_id)).entities
    return 1 - found.not_embedded / found.total_entities


async def _measure_rate(entities: Sequence[Entity]) -> float:
    """Return how many entities this process embeds in a CPU second."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_engine(Path(folder)) as (backend, connection_id):
            await time_sync(backend, connection_id, with_count(entities))
        settings = Settings(home=Path(folder))
        async with open_store(settings) as store:
            models = SettingsModels(settings)
            models.encoder(PACKAGED).encode(["warm up"])
            work = Embedding(store, [PACKAGED], models, Caution(), lambda _: None, idle_seconds=0.0)
            start = process_time()
            await work.run(adopt=False)
            return len(entities) / (process_time() - start)
