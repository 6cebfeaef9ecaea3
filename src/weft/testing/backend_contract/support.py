"""Helpers that the tests of the contract share."""

from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, ClassVar

import anyio
import pytest

from weft.backend import Backend
from weft.domain.base import Json
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    DirectAuth,
    NewConnection,
)
from weft.domain.jobs import Job, JobStatus, RunOptions
from weft.errors import Unsupported

COLLECTION = "contract-docs"
PATIENCE_SECONDS = 30.0
UNKNOWN_ID = "550e8400-e29b-41d4-a716-446655440000"
SLOW: Json = {"entities": 100_000, "rate": 200.0}


class ContractPart:
    """The base of all parts of the contract, with the operations that a backend lacks.

    ``LACKS`` maps such an operation, named as in `Backend.unsupported`, to the reason. The contract
    then demands that it is declared and refused, not that it works. "jobs.log" is special: a
    backend without logs of single entities returns empty logs.
    """

    LACKS: ClassVar[Mapping[str, str]] = {}

    async def check_lack(self, operation: str, backend: Backend, call: Awaitable[object]) -> bool:
        """Return whether the backend lacks ``operation``; if so, check that ``call`` is refused."""
        if operation not in self.LACKS:
            assert operation not in backend.unsupported, "each declared lack has a reason in LACKS"
            if isinstance(call, Coroutine):
                call.close()
            return False
        assert operation in backend.unsupported
        with pytest.raises(Unsupported):
            await call
        return True


async def create_collection(backend: Backend, readable_id: str = COLLECTION) -> None:
    """Create the collection that the tests use."""
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


async def wait_for_end(backend: Backend, job: Job) -> Job:
    """Wait until the job has ended."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            job = current
    assert job.status.is_terminal
    return job


async def wait_for_progress(backend: Backend, job: Job) -> Job:
    """Wait until the job has stored something."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async for current in backend.jobs.watch(job.id):
            if current.status is not JobStatus.PENDING and current.entities_processed > 0:
                return current
    raise AssertionError("the job ended before it stored anything")


async def sync(backend: Backend, connection: Connection, *, full: bool = False) -> Job:
    """Run a sync to its end."""
    options = RunOptions(force_full_sync=full)
    return await wait_for_end(backend, await backend.jobs.run(connection.id, options))


def credentials(**values: str) -> Auth:
    """Make direct credentials."""
    return Auth(direct=DirectAuth(credentials=dict(values)))
