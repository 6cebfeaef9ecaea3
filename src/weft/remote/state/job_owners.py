"""Remembers which connection each job belongs to, as the API's routes name a job with both."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from weft.domain.jobs import Job
from weft.domain.notes import Note
from weft.errors import StorageFailed
from weft.remote.api.paging import fits_id, whole_id
from weft.remote.state.bounded_memory import Memory
from weft.remote.state.notes import Notes

logger = logging.getLogger(__name__)

KIND: Final = "job owners"
KEPT: Final = timedelta(days=90)
SHELVES: Final = 4
SHELF_MAX: Final = 500
"""The jobs that one note remembers, the newest of those that were shown."""

SURE_PREFIX_CHARS: Final = 8


class JobOwners:
    """Every job that this process has read is known, and every job that any process showed.

    The latter survive a restart, so an agent may come back with an id that it was shown days ago.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._known = Memory[str]()
        self._stored = Memory[str]()
        self._storing = anyio.Lock()

    def learn(self, job_id: str, connection_id: str) -> None:
        """Remember a job in this process."""
        self._known.remember(job_id, connection_id)

    async def keep(self, jobs: Iterable[Job]) -> None:
        """Remember jobs that are shown, for later processes too."""
        shelves: dict[str, dict[str, str]] = defaultdict(dict)
        for job in jobs:
            self.learn(job.id, job.source_connection_id)
            if job.id not in self._stored:
                shelves[_shelf_of(job.id)][job.id] = job.source_connection_id
        try:
            async with self._storing:
                for shelf, added in shelves.items():
                    await self._store(shelf, added)
        except StorageFailed as error:
            logger.info("the connections of jobs cannot be kept: %s", error.message)

    async def find(self, text: str) -> str | None:
        """Return the connection of the job that ``text`` names by its id, or by a prefix of it that
        is long enough to be of one job only.
        """
        if text in self._known:
            return self._known[text]
        if whole_id(text) is None and len(text) < SURE_PREFIX_CHARS:
            return None
        for job_id, connection_id in (await self._load(_shelf_of(text))).items():
            self._stored.remember(job_id, connection_id)
            if job_id not in self._known:
                self.learn(job_id, connection_id)
        owners = {owner for job_id, owner in self._known.items() if fits_id(job_id, text)}
        return owners.pop() if len(owners) == 1 else None

    async def _load(self, shelf: str) -> Mapping[str, str]:
        note = await self._notes.get(KIND, shelf)
        return {} if note is None else {key: str(value) for key, value in note.content.items()}

    async def _store(self, shelf: str, added: Mapping[str, str]) -> None:
        kept = {**await self._load(shelf), **added}
        newest = dict(list(kept.items())[-SHELF_MAX:])
        until = datetime.now(UTC) + KEPT
        await self._notes.put(Note(kind=KIND, id=shelf, content={**newest}, expires_at=until))
        for job_id, connection_id in added.items():
            self._stored.remember(job_id, connection_id)


def _shelf_of(job_id: str) -> str:
    return str(ord(job_id[0]) % SHELVES) if job_id else "0"
