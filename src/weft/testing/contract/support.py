"""What the tests of the contract share."""

from typing import Any

import anyio

from weft.backend import Backend
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    DirectAuth,
    NewConnection,
)
from weft.domain.jobs import Job, JobStatus

COLLECTION = "contract-docs"
PATIENCE_SECONDS = 30.0
UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
SLOW: Json = {"entities": 100_000, "rate": 200.0}


async def collection(backend: Backend, readable_id: str = COLLECTION) -> None:
    """Make the collection that the tests use."""
    await backend.collections.create(NewCollection(name="Contract Docs", readable_id=readable_id))


async def connect(backend: Backend, config: Json | None = None, **fields: Any) -> Connection:
    """Create a stub connection; it does not sync unless ``sync_immediately`` says so."""
    values: dict[str, Any] = {
        "short_name": "stub",
        "readable_collection_id": COLLECTION,
        "config": config or {},
        "sync_immediately": False,
    }
    return await backend.connections.create(NewConnection.model_validate(values | fields))


async def ended(backend: Backend, job: Job) -> Job:
    """The job in its terminal state."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            job = current
    assert job.status.is_terminal
    return job


async def started(backend: Backend, job: Job) -> Job:
    """The job once it has stored something."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            if current.status is not JobStatus.PENDING and current.entities_processed > 0:
                return current
    raise AssertionError("the job ended before it stored anything")


async def synced(backend: Backend, connection: Connection, *, full: bool = False) -> Job:
    """Run a sync to its end."""
    return await ended(backend, await backend.jobs.run(connection.id, force_full_sync=full))


def credentials(**values: str) -> Auth:
    """Direct credentials."""
    return Auth(direct=DirectAuth(credentials=dict(values)))
