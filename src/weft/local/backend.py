"""The local backend: everything that a front can ask for, on behalf of one organisation."""

from weft.backend import Authorization, Backend
from weft.domain.connections import Auth, Connection
from weft.local.collections import LocalCollections
from weft.local.connections import LocalConnections
from weft.local.engine import Engine
from weft.local.jobs import LocalJobs
from weft.local.runner import Dispatcher
from weft.local.search import LocalSearch
from weft.local.sources import LocalSources


class LocalAuthorization(Authorization):
    """See Authorization."""

    def __init__(self, connections: LocalConnections) -> None:
        self._connections = connections

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        return await self._connections.authorize(connection, auth)


class LocalBackend(Backend):
    """A view of the engine for one organisation; cheap to make."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher, organization_id: str) -> None:
        jobs = LocalJobs(engine, organization_id, dispatcher)
        connections = LocalConnections(engine, organization_id, jobs)
        self.sources = LocalSources(engine.registry)
        self.jobs = jobs
        self.connections = connections
        self.collections = LocalCollections(engine, organization_id, connections)
        self.search = LocalSearch(engine, organization_id)
        self.authorization = LocalAuthorization(connections)
