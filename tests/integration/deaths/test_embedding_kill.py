"""Processes that sync and embed die at random; in the end each entity has its vector."""

import os
import random
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from tests.support.jobs import wait_for_end
from tests.support.patience import wait_until
from tests.support.process.workers import Onlooker, Workers, open_file
from tests.support.store.open import count_misfit_vectors
from weft.domain.access.principals import LOCAL_ORGANIZATION_ID
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import Connection, ConnectionChange, NewConnection
from weft.domain.jobs import JobStatus
from weft.local.embedding.codes import quantize
from weft.local.embedding.static import StaticEncoder, passage_of
from weft.local.store.base import Store
from weft.local.store.browse import Scope
from weft.testing.stub import StubConfig

ROUNDS = int(os.environ.get("TORTURE_KILLS", "20")) // 5
SCRIPT: Json = {"entities": 600, "text_chars": 300, "change_every": 7, "rate": 1_500.0}
EVERYTHING = Scope(LOCAL_ORGANIZATION_ID)

pytestmark = pytest.mark.anyio


def find_embedders(workers: Workers) -> list[int]:
    """The processes that embed for the workers."""
    parents = {str(each.pid) for each in workers.processes}
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = (line.split(maxsplit=2) for line in listed.stdout.splitlines())
    return [int(pid) for pid, parent, args in rows if parent in parents and "weft.assembly" in args]


def is_running(process: int) -> bool:
    """Whether the process is more than the remains of a dead one."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    )
    return not found.stdout.strip().startswith("Z") and bool(found.stdout.strip())


def kill_embedders(workers: Workers) -> None:
    for process in find_embedders(workers):
        os.kill(process, signal.SIGKILL)


def read_vectors(path: Path) -> dict[tuple[str, str], bytes]:
    """The vectors by title and text of their entities."""
    query = "SELECT b.title, b.text, v.row FROM entity_body b LEFT JOIN entity_vector v USING (no)"
    with open_file(str(path)) as db:
        return {(title, text): row for title, text, row in db.execute(query)}


def make_vectors(texts: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes]:
    """The vectors that they must have."""
    rows = quantize(StaticEncoder().encode([passage_of(*each) for each in texts]))
    return {each: row.tobytes() for each, row in zip(texts, rows, strict=True)}


async def is_all_embedded(store: Store) -> bool:
    return all(each.embedded == each.total for each in await store.vectors.measure(EVERYTHING))


async def connect(onlooker: Onlooker, name: str) -> Connection:
    new = NewConnection(
        short_name="stub",
        readable_collection_id="docs",
        name=name,
        config=SCRIPT,
        sync_immediately=False,
    )
    return await onlooker.backend.connections.create(new)


async def test_deaths_leave_no_wrong_vector_and_no_entity_without_one(
    workers: Workers, onlooker: Onlooker
) -> None:
    home = workers.home / "weft.db"
    backend, store = onlooker.backend, onlooker.engine.store
    chance = random.Random(5)
    workers.settings = {"embeddings": True}
    await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    synced, deleted = await connect(onlooker, "synced"), await connect(onlooker, "deleted")
    workers.start()
    workers.start()
    await wait_for_end(backend, await backend.jobs.run(deleted.id))
    for generation in range(1, ROUNDS + 1):
        job = await backend.jobs.run(synced.id)
        if generation % 2:
            await backend.connections.delete(deleted.id)
        else:
            await backend.trash.restore(connection=deleted.id)
        await anyio.sleep(chance.uniform(0.05, 0.8))
        victims = chance.choice(["embedder", "worker", "both"])
        if victims != "worker":
            kill_embedders(workers)
        if victims != "embedder":
            workers.kill(chance.choice(workers.processes))
            workers.start()
        assert (await wait_for_end(backend, job)).status is JobStatus.COMPLETED
        with open_file(str(home)) as db:
            assert count_misfit_vectors(db) == 0
        await backend.connections.update(
            synced.id, ConnectionChange(config={"generation": generation})
        )
    await wait_until(lambda: is_all_embedded(store))
    if ROUNDS % 2:
        await backend.trash.restore(connection=deleted.id)
        await wait_until(lambda: is_all_embedded(store))
    workers.stop()
    found = read_vectors(home)
    assert len(found) >= StubConfig.model_validate(SCRIPT).entities
    assert found == make_vectors(found)
    with open_file(str(home)) as db:
        assert count_misfit_vectors(db) == 0
        assert db.pragma("integrity_check") == "ok"


async def test_embedder_ends_with_the_process_it_works_for(
    workers: Workers, onlooker: Onlooker
) -> None:
    workers.settings = {"embeddings": True}
    await onlooker.backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
    made = await connect(onlooker, "synced")
    worker = workers.start()
    await wait_for_end(onlooker.backend, await onlooker.backend.jobs.run(made.id))
    await wait_until(lambda: bool(find_embedders(workers)))
    [embedder] = find_embedders(workers)
    workers.kill(worker)
    await wait_until(lambda: not is_running(embedder))
