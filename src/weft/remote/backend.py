"""The backend over Airweave's HTTP API, or another Weft's."""

from typing import Final

from weft.backend import Backend
from weft.remote.api.client import ApiClient
from weft.remote.auth_sessions import RemoteAuthSessions
from weft.remote.authorization import RemoteAuthorization
from weft.remote.changes import RemoteChanges
from weft.remote.collections import RemoteCollections
from weft.remote.connections.connections import RemoteConnections
from weft.remote.jobs.jobs import RemoteJobs
from weft.remote.search import RemoteSearch
from weft.remote.sources import RemoteSources
from weft.remote.state.notes import MemoryNotes, Notes
from weft.remote.state.remote_state import RemoteState
from weft.remote.trash import RemoteTrash
from weft.remote.usage import RemoteUsage
from weft.remote.waiting.claims import Claims
from weft.remote.waiting.drafts import Drafts, PagesUrl
from weft.remote.waiting.needs import ResolveSecrets

UNSUPPORTED: Final = frozenset({"connections.check", "search.entity", "trash.restore"})
"""Operations that the API has no route for."""


class RemoteBackend(Backend):
    """Offers all that the API does, with the rights of the client's key.

    ``notes`` outlive the process, ``pages`` returns the base URL of our pages for people, and
    ``resolve_secrets`` knows the operator's secrets. Each may be missing.
    """

    unsupported = UNSUPPORTED

    def __init__(
        self,
        client: ApiClient,
        notes: Notes | None = None,
        *,
        pages: PagesUrl | None = None,
        resolve_secrets: ResolveSecrets | None = None,
    ) -> None:
        state = RemoteState(client, notes or MemoryNotes())
        self.claims = Claims(state)
        drafts = Drafts(state, pages)
        collections = RemoteCollections(state, drafts)
        sources = RemoteSources(state)
        connections = RemoteConnections(
            state, sources, collections, drafts, self.claims, resolve_secrets
        )
        self.sources = sources
        self.collections = collections
        self.connections = connections
        jobs = RemoteJobs(state, connections, self.claims)
        authorization = RemoteAuthorization(state, sources, connections, jobs, drafts, self.claims)
        self.jobs = jobs
        self.search = RemoteSearch(state, connections, collections)
        # The API has no route that lists entities, or that tells which ones a sync changed.
        self.browse = None
        self.trash = RemoteTrash()
        self.usage = RemoteUsage(client)
        self.authorization = authorization
        self.auth_sessions = RemoteAuthSessions(state, sources, drafts, authorization)
        self.changes = RemoteChanges(state)
