"""The state that the parts of a remote backend share: in memory, bounded, and for one API."""

from collections import OrderedDict
from typing import Final

import anyio

from weft.domain.connections import Connection
from weft.domain.jobs import Job
from weft.remote.client import ApiClient
from weft.remote.notes import Notes

REMEMBERED_MAX: Final = 10_000


class Memory(OrderedDict[str, str]):
    """Remembers the newest REMEMBERED_MAX entries."""

    def remember(self, key: str, value: str) -> None:
        """Add an entry, and forget the oldest if there are too many."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > REMEMBERED_MAX:
            self.popitem(last=False)


class ChangeSignal:
    """Tells followers at once of changes by this process."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def announce(self) -> None:
        """Wake all who wait."""
        self._event.set()
        self._event = anyio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change for at most ``seconds``. Return whether there was one."""
        event = self._event
        with anyio.move_on_after(seconds):
            await event.wait()
        return event.is_set()


class RemoteState:
    """The client, and facts from answers that later calls need.

    ``owner_of`` maps a job to its connection, which the API's routes for jobs need.
    ``connection_of`` maps a sync, the only thing a search result names, to its connection, and
    ``name_of`` maps a connection to its name. ``notes`` keep what must outlive the process.
    """

    def __init__(self, client: ApiClient, notes: Notes) -> None:
        self.client = client
        self.notes = notes
        self.own_changes = ChangeSignal()
        self.owner_of = Memory()
        self.connection_of = Memory()
        self.name_of = Memory()

    def learn(self, connection: Connection) -> Connection:
        """Remember facts of a connection, and return it without its claim token, if any."""
        if connection.sync_id:
            self.connection_of.remember(connection.sync_id, connection.id)
        self.name_of.remember(connection.id, connection.name)
        if connection.sync.last_job is not None:
            self.learn_job(connection.sync.last_job)
        if connection.auth.claim_token is None:
            return connection
        auth = connection.auth.model_copy(update={"claim_token": None})
        return connection.model_copy(update={"auth": auth})

    def learn_job(self, job: Job) -> Job:
        """Remember which connection a job belongs to."""
        self.owner_of.remember(job.id, job.source_connection_id)
        return job
