"""The state that the parts of a remote backend share: in memory, bounded, and for one API."""

from collections.abc import Sequence
from typing import Final

import anyio

from weft.domain.connections import Connection
from weft.domain.jobs import Job, LogLine
from weft.remote.api.client import ApiClient
from weft.remote.api.paths import connection_path
from weft.remote.state.bounded_memory import Memory
from weft.remote.state.job_owners import JobOwners
from weft.remote.state.notes import Notes
from weft.wire.connections import read_connection

ENDED_MAX: Final = 500


class ChangeSignal:
    """Tells followers at once of changes by this process."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.count = 0

    def announce(self) -> None:
        """Wake all who wait."""
        self.count += 1
        self._event.set()
        self._event = anyio.Event()

    async def wait(self, seen: int, seconds: float) -> None:
        """Wait for at most ``seconds`` until there were more changes than ``seen``."""
        if self.count == seen:
            with anyio.move_on_after(seconds):
                await self._event.wait()


class RemoteState:
    """The client, and facts from answers that later calls need.

    ``job_owners`` know the connection of a job, and ``log_of`` has the log of jobs that ended.
    ``connection_of`` maps a sync, the only thing a search result names, to its connection, and
    ``name_of`` maps a connection to its name. ``notes`` keep what must outlive the process.
    """

    def __init__(self, client: ApiClient, notes: Notes) -> None:
        self.client = client
        self.notes = notes
        self.own_changes = ChangeSignal()
        self.job_owners = JobOwners(notes)
        self.log_of = Memory[Sequence[LogLine]](ENDED_MAX)
        self.connection_of = Memory[str]()
        self.name_of = Memory[str]()

    async def fetch_connection(self, connection_id: str) -> Connection:
        """Read the connection with that id."""
        found = await self.client.get(
            connection_path(connection_id), read_connection, missing="connection_id"
        )
        return self.learn(found)

    def learn(self, connection: Connection) -> Connection:
        """Remember facts of a connection, and return it without its claim token, if any."""
        if connection.sync_id:
            self.connection_of.remember(connection.sync_id, connection.id)
        self.name_of.remember(connection.id, connection.name)
        if connection.sync.last_job is not None:
            self.job_owners.learn(connection.sync.last_job.id, connection.id)
        if connection.auth.claim_token is None:
            return connection
        auth = connection.auth.model_copy(update={"claim_token": None})
        return connection.model_copy(update={"auth": auth})

    def name_job(self, job: Job) -> Job:
        """Return the job with the name of its connection, which the API does not tell, if known."""
        name = self.name_of.get(job.source_connection_id)
        return job if name is None else job.model_copy(update={"connection_name": name})

    async def keep_last_job(self, connection: Connection) -> Connection:
        """Remember the last job of a connection that is shown, and return the connection."""
        if connection.sync.last_job is not None:
            await self.job_owners.keep([connection.sync.last_job])
        return connection
