"""The backend over Airweave's HTTP API, or another Weft's."""

from typing import Final

from weft.backend import Backend
from weft.remote.authorization import RemoteAuthorization
from weft.remote.changes import RemoteChanges
from weft.remote.client import ApiClient
from weft.remote.collections import RemoteCollections
from weft.remote.connections import RemoteConnections
from weft.remote.jobs import RemoteJobs
from weft.remote.search import RemoteSearch
from weft.remote.sources import RemoteSources
from weft.remote.state import RemoteState

UNSUPPORTED: Final = frozenset({"connections.check", "search.entity"})
"""Operations that the API has no route for."""


class RemoteBackend(Backend):
    """Offers all that the API does, with the rights of the client's key."""

    unsupported = UNSUPPORTED

    def __init__(self, client: ApiClient) -> None:
        state = RemoteState(client)
        collections = RemoteCollections(state)
        connections = RemoteConnections(state, collections)
        self.sources = RemoteSources(state)
        self.collections = collections
        self.connections = connections
        self.jobs = RemoteJobs(state, connections)
        self.search = RemoteSearch(state, connections, collections)
        self.authorization = RemoteAuthorization(state, connections)
        self.changes = RemoteChanges(state)
