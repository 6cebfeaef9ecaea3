"""What the parts of a remote backend share. All of it is in memory, bounded, and for one API."""

from collections import OrderedDict
from typing import Final

import anyio

from weft.domain.connections import Connection
from weft.domain.jobs import Job
from weft.remote.client import ApiClient

REMEMBERED_MAX: Final = 10_000


class Memory(OrderedDict[str, str]):
    """Remembers the newest REMEMBERED_MAX entries."""

    def remember(self, key: str, value: str) -> None:
        """Remember it, and forget the oldest if there are too many."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > REMEMBERED_MAX:
            self.popitem(last=False)


class ChangeSignal:
    """Tells followers at once of changes that this process made."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def announce(self) -> None:
        """Something was changed."""
        self._event.set()
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, ``seconds`` at the most. Returns whether there was one."""
        event = self._event
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()


class RemoteState:
    """The client, and what answers have told that later calls need.

    ``owner_of`` has the connection of a job, which the API has to be told with it;
    ``connection_of`` the id and ``name_of`` the name of the connection of a sync, which is all
    that a search result has. ``claims`` has the claim tokens of authorisations that were begun
    here: they prove that it was us, and never leave this process.
    """

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.own_changes = ChangeSignal()
        self.owner_of = Memory()
        self.connection_of = Memory()
        self.name_of = Memory()
        self.claims = Memory()

    def learn(self, connection: Connection) -> Connection:
        """Remember what a connection tells; returns it without its claim token."""
        if connection.sync_id:
            self.connection_of.remember(connection.sync_id, connection.id)
        self.name_of.remember(connection.id, connection.name)
        if connection.sync.last_job is not None:
            self.learn_job(connection.sync.last_job)
        token = connection.auth.claim_token
        if token is None:
            return connection
        self.claims.remember(connection.id, token)
        auth = connection.auth.model_copy(update={"claim_token": None})
        return connection.model_copy(update={"auth": auth})

    def learn_job(self, job: Job) -> Job:
        """Remember whose job it is."""
        self.owner_of.remember(job.id, job.source_connection_id)
        return job
