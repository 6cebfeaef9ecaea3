"""The embedded store, opened."""

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import anyio

from weft.local.store.base import Store
from weft.local.store.sqlite.entities.browse import SqliteBrowse
from weft.local.store.sqlite.entities.entities import SqliteEntities
from weft.local.store.sqlite.entities.search import SqliteSearch
from weft.local.store.sqlite.file.database import Clock, Database
from weft.local.store.sqlite.tables.audit import SqliteAudit
from weft.local.store.sqlite.tables.authorizations import (
    SqliteAuthProviders,
    SqliteAuthSessions,
    SqliteOAuthClients,
    SqliteTokens,
)
from weft.local.store.sqlite.tables.collections import SqliteCollections
from weft.local.store.sqlite.tables.connections import SqliteConnections
from weft.local.store.sqlite.tables.jobs import SqliteJobs
from weft.local.store.sqlite.tables.keys import SqliteKeys
from weft.local.store.sqlite.tables.notes import SqliteNotes
from weft.local.store.sqlite.tables.schedules import SqliteSchedules
from weft.local.store.sqlite.tables.trash import SqliteTrash
from weft.local.store.sqlite.tables.vault import SqliteDataKeys, SqliteSecrets
from weft.local.store.sqlite.vectors.vectors import SqliteVectors

LOOK_SECONDS = 0.2


class SqliteStore(Store):
    """A Store on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.read_only = database.place.read_only
        self.collections = SqliteCollections(database)
        self.connections = SqliteConnections(database)
        self.jobs = SqliteJobs(database)
        self.schedules = SqliteSchedules(database)
        self.entities = SqliteEntities(database)
        self.search = SqliteSearch(database)
        self.vectors = self._vectors = SqliteVectors(database)
        self.browse = SqliteBrowse(database)
        self.trash = SqliteTrash(database)
        self.keys = SqliteKeys(database)
        self.data_keys = SqliteDataKeys(database)
        self.secrets = SqliteSecrets(database)
        self.audit = SqliteAudit(database)
        self.auth_sessions = SqliteAuthSessions(database)
        self.tokens = SqliteTokens(database)
        self.oauth_clients = SqliteOAuthClients(database)
        self.auth_providers = SqliteAuthProviders(database)
        self.notes = SqliteNotes(database)

    @classmethod
    async def open(
        cls, path: Path, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> "SqliteStore":
        """Open or create the database file. Raises StorageFailed.

        ``clock`` is the store's clock; leases run out by ``monotonic``, which never jumps.
        """
        return cls(await Database.open(path, clock, monotonic))

    async def now(self) -> datetime:
        return self._database.clock()

    async def wait_for_change(self, seen: int, seconds: float) -> int:
        give_up = anyio.current_time() + seconds
        # SQLite does not tell other processes of a commit, but looking takes only microseconds.
        while (version := self._database.data_version()) == seen:
            left = give_up - anyio.current_time()
            if left <= 0:
                break
            await anyio.sleep(min(LOOK_SECONDS, left))
        return version

    async def verify(self) -> None:
        await self._database.verify()

    async def close(self) -> None:
        """Close; the last process to close leaves one whole file."""
        await self._database.close()
        self._vectors.forget()
