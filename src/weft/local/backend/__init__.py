"""The local backend: everything that a front can ask for, for one organisation."""

from weft.backend import Backend
from weft.local.auth.authenticator import Authenticator
from weft.local.backend.authorization import LocalAuthorization
from weft.local.backend.browse import LocalBrowse
from weft.local.backend.changes import LocalChanges
from weft.local.backend.collections import LocalCollections
from weft.local.backend.connections import LocalConnections
from weft.local.backend.ingest import LocalIngest
from weft.local.backend.jobs import LocalJobs
from weft.local.backend.search import LocalSearch
from weft.local.backend.sources import LocalSources
from weft.local.backend.trash import LocalTrash
from weft.local.engine import Engine
from weft.local.jobs.runner import Dispatcher


class LocalBackend(Backend):
    """A view of the engine for one organisation; cheap to make."""

    needs_open_process = True

    def __init__(self, engine: Engine, dispatcher: Dispatcher, organization_id: str) -> None:
        jobs = LocalJobs(engine, organization_id, dispatcher)
        authenticator = Authenticator(engine, organization_id)
        connections = LocalConnections(engine, organization_id, jobs, authenticator)
        self.sources = LocalSources(engine, organization_id)
        self.jobs = jobs
        self.connections = connections
        self.collections = LocalCollections(engine, organization_id, connections)
        self.search = LocalSearch(engine, organization_id)
        self.browse = LocalBrowse(engine, organization_id)
        self.ingest = LocalIngest(engine, organization_id)
        self.trash = LocalTrash(engine, organization_id)
        self.authorization = LocalAuthorization(engine, connections, authenticator)
        self.changes = LocalChanges(engine)
