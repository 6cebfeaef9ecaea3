"""The embedded store, opened."""

from pathlib import Path

from weft.local.store.base import Store
from weft.local.store.sqlite.audit import SqliteAudit
from weft.local.store.sqlite.authorizations import (
    SqliteAuthProviders,
    SqliteAuthSessions,
    SqliteOAuthClients,
    SqliteTokens,
)
from weft.local.store.sqlite.collections import SqliteCollections
from weft.local.store.sqlite.connections import SqliteConnections
from weft.local.store.sqlite.database import Database
from weft.local.store.sqlite.entities import SqliteEntities
from weft.local.store.sqlite.jobs import SqliteJobs
from weft.local.store.sqlite.keys import SqliteKeys
from weft.local.store.sqlite.schedules import SqliteSchedules
from weft.local.store.sqlite.vault import SqliteDataKeys, SqliteSecrets


class SqliteStore(Store):
    """A Store on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.collections = SqliteCollections(database)
        self.connections = SqliteConnections(database)
        self.jobs = SqliteJobs(database)
        self.schedules = SqliteSchedules(database)
        self.entities = SqliteEntities(database)
        self.keys = SqliteKeys(database)
        self.data_keys = SqliteDataKeys(database)
        self.secrets = SqliteSecrets(database)
        self.audit = SqliteAudit(database)
        self.auth_sessions = SqliteAuthSessions(database)
        self.tokens = SqliteTokens(database)
        self.oauth_clients = SqliteOAuthClients(database)
        self.auth_providers = SqliteAuthProviders(database)

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open or create the database file. Raises StorageFailed."""
        return cls(await Database.open(path))

    async def data_version(self) -> int:
        return await self._database.data_version()

    async def close(self) -> None:
        await self._database.close()
