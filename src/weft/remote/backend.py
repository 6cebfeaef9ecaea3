"""The Airweave API, or another Weft's, as a backend."""

from typing import Final

from weft.backend import Backend
from weft.remote.authorization import RemoteAuthorization
from weft.remote.changes import RemoteChanges
from weft.remote.client import ApiClient
from weft.remote.collections import RemoteCollections
from weft.remote.connections import RemoteConnections
from weft.remote.jobs import RemoteJobs
from weft.remote.search import RemoteSearch
from weft.remote.shared import Shared
from weft.remote.sources import RemoteSources

UNSUPPORTED: Final = frozenset({"connections.check", "search.entity"})
"""The API has no route for these."""


class RemoteBackend(Backend):
    """Everything that the API offers, with the rights of the key that the client has."""

    unsupported = UNSUPPORTED

    def __init__(self, client: ApiClient) -> None:
        shared = Shared(client)
        collections = RemoteCollections(shared)
        connections = RemoteConnections(shared, collections)
        self.sources = RemoteSources(shared)
        self.collections = collections
        self.connections = connections
        self.jobs = RemoteJobs(shared, connections)
        self.search = RemoteSearch(shared, connections, collections)
        self.authorization = RemoteAuthorization(shared, connections)
        self.changes = RemoteChanges(shared)
