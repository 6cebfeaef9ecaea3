"""Starts the syncs of all connections of a collection."""

from typing import Final

import anyio

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.domain.collections import CollectionRun, NotStarted
from weft.domain.connections import Connection
from weft.domain.jobs import RUN_DEFAULTS, Job, RunOptions
from weft.domain.pushing import INGEST
from weft.errors import Conflict, WeftError

_STARTED_AT_ONCE: Final = 4
_STARTING_SECONDS: Final = 20.0


async def run_collection(
    backend: Backend, collection: str, options: RunOptions = RUN_DEFAULTS
) -> CollectionRun:
    """Start the sync of each connection of a collection, of at most LIST_LIMIT_MAX of them.

    Connections that hold what is pushed to them have nothing to sync, and are left out.
    A connection that cannot start is told with its reason, and so is one for which no time was
    left: callers wait for an answer.
    """
    found = await backend.collections.get(collection)
    page = await backend.connections.list(collection=found.readable_id, limit=LIST_LIMIT_MAX)
    pulling = [connection for connection in page.items if connection.short_name != INGEST]
    outcomes: dict[str, Job | NotStarted] = {}
    slots = anyio.CapacityLimiter(_STARTED_AT_ONCE)
    end = anyio.current_time() + _STARTING_SECONDS

    async def start(connection: Connection) -> None:
        async with slots:
            outcomes[connection.id] = (
                await _start_sync(backend, connection, options)
                if anyio.current_time() < end
                else _leave_out(
                    connection,
                    "There was no time left to start it.",
                    f"run_sync(connection_id='{connection.id}') starts it.",
                )
            )

    async with anyio.create_task_group() as tasks:
        for connection in pulling:
            tasks.start_soon(start, connection)
    ordered = [outcomes[connection.id] for connection in pulling]
    return CollectionRun(
        readable_collection_id=found.readable_id,
        jobs=tuple(each for each in ordered if isinstance(each, Job)),
        not_started=tuple(each for each in ordered if isinstance(each, NotStarted)),
        more=page.next_cursor is not None,
    )


async def _start_sync(
    backend: Backend, connection: Connection, options: RunOptions
) -> Job | NotStarted:
    if connection.federated_search:
        return _leave_out(
            connection, "It does not sync.", "Every search of its collection asks the source."
        )
    try:
        job = await backend.jobs.run(connection.id, options)
    except Conflict as error:
        follow = f"get_job(job_id='{error.job_id}', wait_seconds=45) follows it."
        step = follow if error.job_id else error.hint or ""
        return _leave_out(connection, error.message, step)
    except WeftError as error:
        more = f"get_connection(connection_id='{connection.id}') says more."
        return _leave_out(connection, error.message, error.hint or more)
    return job.model_copy(update={"connection_name": connection.name})


def _leave_out(connection: Connection, reason: str, next_step: str) -> NotStarted:
    return NotStarted(
        connection_id=connection.id,
        connection_name=connection.name,
        reason=reason,
        next_step=next_step,
    )
