"""Reads the jobs of several connections, though the API lists the jobs of one connection only."""

import re
from collections.abc import MutableSequence, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import anyio
from pydantic import JsonValue

from weft.domain.base import Page
from weft.domain.connections import Connection, ConnectionStatus
from weft.domain.jobs import Job, JobStatus, LogLine
from weft.domain.reading.cursors import decode_cursor, encode_cursor
from weft.errors import NotFound, WeftError
from weft.remote.api.meanings import NoSync
from weft.remote.api.paging import fits_id, walk
from weft.remote.api.paths import CONNECTIONS_PATH, jobs_path
from weft.remote.state.bounded_memory import Memory
from weft.remote.state.job_owners import SURE_PREFIX_CHARS
from weft.remote.state.remote_state import RemoteState
from weft.wire.connections import read_connections
from weft.wire.jobs import read_job, read_job_log
from weft.wire.upstream import read_list

WINDOW: Final = 1000
"""The number of a connection's newest jobs that the API shows. Older ones cannot be read."""

CONNECTIONS_MAX: Final = 50
"""The most connections whose jobs are read in one call, with one request each."""

SEARCHES_MAX: Final = 20
"""The most searches for a job that go on where an earlier call ended."""

AT_ONCE: Final = 4
_PLACE: Final = re.compile(r"(\d{1,6})\.(\d{1,3})\.(\d{1,9})")
# What has not started waits now, so it comes first.
_NOW: Final = datetime.max.replace(tzinfo=UTC)
_RUNNING: Final = frozenset({JobStatus.RUNNING, JobStatus.CANCELLING})
_RANKS: Final = {
    ConnectionStatus.SYNCING: 0,
    ConnectionStatus.ERROR: 1,
    ConnectionStatus.NEEDS_REAUTH: 1,
    ConnectionStatus.PENDING_AUTH: 3,
}


class NotAmongAsked(NotFound):
    """The job is not of those connections that could be asked; it may be of another."""


class AcrossConnections:
    """Lists and finds jobs whose connection is not known, in a bounded number of requests."""

    def __init__(self, state: RemoteState) -> None:
        self._state = state
        self._client = state.client
        self._asked = Memory[frozenset[str]](SEARCHES_MAX)

    async def list(self, *, status: JobStatus | None, cursor: str | None, size: int) -> Page[Job]:
        """List jobs, newest first within a part of the connections; the cursor leads on."""
        listed = ("jobs", None, status)
        start, count, skip = 0, 0, 0
        if cursor is not None:
            start, count, skip = map(int, decode_cursor(cursor, _PLACE, *listed).groups())
        connections = await _list_connections(self._state)
        count = min(count, CONNECTIONS_MAX) or self._client.limit_burst(CONNECTIONS_MAX)
        if status in _RUNNING and len(connections) > count:
            connections = [one for one in connections if one.status is ConnectionStatus.SYNCING]
        part = connections[start : start + count]
        wanted = WINDOW if status else min(WINDOW, skip + size + 1)
        jobs = await self._fetch(part, wanted)
        found = sorted(
            (job for job in jobs if status in (None, job.status)),
            key=lambda job: job.began_at or job.completed_at or _NOW,
            reverse=True,
        )
        place = None
        if len(found) > skip + size:
            place = f"{start}.{count}.{skip + size}"
        elif start + count < len(connections):
            place = f"{start + count}.{count}.0"
        return Page(
            items=tuple(found[skip : skip + size]),
            next_cursor=None if place is None else encode_cursor(place, *listed),
            note=_part_note(start, len(part), len(connections)),
        )

    async def find(self, text: str) -> Sequence[Job]:
        """Find the jobs that ``text`` names by id or prefix, where they are most likely first.

        Raises NotAmongAsked if there are more connections than can be asked; the next call for the
        same text asks others.
        """
        connections = await _list_connections(self._state)
        connections.sort(key=lambda one: _RANKS.get(one.status, 2))
        asked = self._asked.pop(text, frozenset())
        left = [one for one in connections if one.id not in asked]
        part = left[: self._client.limit_burst(CONNECTIONS_MAX)]
        is_sure = len(text) >= SURE_PREFIX_CHARS
        step = AT_ONCE if is_sure else len(part) or 1
        for start in range(0, len(part), step):
            jobs = await self._fetch(part[start : start + step], WINDOW)
            found = [job for job in jobs if fits_id(job.id, text)]
            if found and (is_sure or len(part) == len(connections)):
                return found
        if len(part) == len(left):
            return []
        asked |= {one.id for one in part}
        self._asked.remember(text, asked)
        raise NotAmongAsked(
            f"No job has that id among those of {len(asked)} of {len(connections)} connections; "
            "the Airweave API lists the jobs of one connection at a time.",
            field="job_id",
            hint="Call list_jobs(connection_id=...) with its connection first: a job that it shows "
            "is found by its id. Or call again, which asks other connections.",
        )

    async def _fetch(self, connections: Sequence[Connection], limit: int) -> MutableSequence[Job]:
        found: MutableSequence[Job] = []
        errors: list[WeftError] = []
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def add(connection_id: str) -> None:
            async with limiter:
                if errors:
                    return
                try:
                    found.extend(await fetch_jobs(self._state, connection_id, limit))
                except NotFound:
                    return  # It was deleted meanwhile.
                except WeftError as error:
                    errors.append(error)

        async with anyio.create_task_group() as group:
            for one in connections:
                group.start_soon(add, one.id)
        if errors:
            raise errors[0]
        return found


async def fetch_jobs(state: RemoteState, connection_id: str, limit: int) -> list[Job]:
    """Fetch the newest jobs of a connection, and remember what later calls need of them."""

    def read_with_log(body: JsonValue) -> tuple[Job, Sequence[LogLine]]:
        return read_job(body, connection_id), read_job_log(body)

    try:
        found = await state.client.get(
            jobs_path(connection_id),
            lambda body: read_list(read_with_log, body),
            params={"limit": limit},
            missing="connection_id",
        )
    except NoSync:
        return []
    for job, log in reversed(found):
        state.job_owners.learn(job.id, job.source_connection_id)
        if job.status.is_terminal:
            state.log_of.remember(job.id, log)
    return [state.name_job(job) for job, _ in found]


async def _list_connections(state: RemoteState) -> list[Connection]:
    items = walk(state.client, CONNECTIONS_PATH, read_connections)
    async with aclosing(items):
        return [state.learn(item) async for item in items]


def _part_note(start: int, count: int, total: int) -> str | None:
    if count == total:
        return None
    return (
        f"These are of connections {start + 1} to {start + count} of {total}, as the Airweave API "
        "lists the jobs of one connection at a time; connection_id names one."
    )
