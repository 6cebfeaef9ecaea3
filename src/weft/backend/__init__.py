"""The protocol between fronts and backends, grouped by noun.

A connection, collection or job may be named by its id, by a prefix of it that fits only one, or
(connections and collections) by its unique name. All calls raise WeftError; NotFound and Ambiguous
name the argument. A group that a backend cannot serve is None, and the fronts leave its tools and
routes out.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Protocol

from weft.domain.authorizations import AuthOutcome, ConsentStart, CredentialForm
from weft.domain.base import Json, Page
from weft.domain.collections import (
    DEFAULT_COLLECTION,
    Collection,
    NewCollection,
)
from weft.domain.connections import (
    Auth,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    NewConnection,
)
from weft.domain.entities import StoredEntity
from weft.domain.jobs import RUN_DEFAULTS, Job, JobStatus, LogLine, RunOptions
from weft.domain.pushing import Push
from weft.domain.reading.browsing import (
    ChangeList,
    ChangeQuery,
    EntityList,
    EntityQuery,
    LargestEntities,
)
from weft.domain.reading.search import SearchQuery, SearchResults
from weft.domain.restoring import Restorable, Restored
from weft.domain.sources import SourceInfo
from weft.errors import Conflict, InvalidInput, WeftError

LIST_LIMIT_DEFAULT = 20
LIST_LIMIT_MAX = 100


def validate_limit(limit: int, *, maximum: int = LIST_LIMIT_MAX) -> int:
    """Return ``limit``. Raises InvalidInput unless it is from 1 to ``maximum``."""
    if not 1 <= limit <= maximum:
        raise InvalidInput(f"limit must be from 1 to {maximum}.", field="limit")
    return limit


@asynccontextmanager
async def open_collection(
    collections: "Collections", new: NewCollection = DEFAULT_COLLECTION
) -> AsyncGenerator[None]:
    """Make the collection for what the body creates, unless there is one of that readable id.

    If the body fails, what was made here goes again, unless others have put something into it.
    """
    try:
        made = await collections.create(new)
    except Conflict:
        made = None
    try:
        yield
    except WeftError:
        if made is not None:
            with suppress(WeftError):
                await collections.discard(made.readable_id)
        raise


class Sources(Protocol):
    """The catalogue of sources. ``other_ways`` says what to do about a system that is not in it."""

    other_ways: str

    async def list(self) -> Sequence[SourceInfo]:
        """List all sources, by short name."""
        ...

    async def get(self, short_name: str) -> SourceInfo:
        """Get one source."""
        ...


class Collections(Protocol):
    """Sets of connections that are searched together."""

    async def list(
        self, *, cursor: str | None = None, limit: int = LIST_LIMIT_DEFAULT
    ) -> Page[Collection]:
        """List them, newest first."""
        ...

    async def get(self, collection: str) -> Collection:
        """Get one, by readable id, name or id."""
        ...

    async def create(self, new: NewCollection) -> Collection:
        """Create one. Raises Conflict when the readable id is taken."""
        ...

    async def update(self, collection: str, *, name: str) -> Collection:
        """Rename it; its readable id stays."""
        ...

    async def delete(self, collection: str, *, permanently: bool = False) -> Collection:
        """Delete it with all its connections, each as `Connections.delete` does.

        Returns its last state, with the counts of what went.
        """
        ...

    async def discard(self, collection: str) -> None:
        """Delete it unless it has connections."""
        ...


class Connections(Protocol):
    """Configured, authenticated instances of sources."""

    async def list(
        self,
        *,
        collection: str | None = None,
        short_name: str | None = None,
        status: ConnectionStatus | None = None,
        needs_attention: bool = False,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Connection]:
        """List them, newest first; ``needs_attention``: only those, of what a list tells."""
        ...

    async def totals(
        self, *, collection: str | None = None, short_name: str | None = None
    ) -> ConnectionTotals:
        """Count them all, whatever their status, without reading them one by one if possible."""
        ...

    async def get(self, connection: str) -> Connection:
        """Get one in full."""
        ...

    async def create(self, new: NewConnection) -> Connection:
        """Check configuration and credentials at the source, store them, start the first sync.

        A connection that lacks needed credentials is pending_auth and does not sync.
        """
        ...

    async def update(self, connection: str, change: ConnectionChange) -> Connection:
        """Change only the given fields. Raises Conflict on a stale expected_version."""
        ...

    async def delete(
        self, connection: str, *, expected_version: int | None = None, permanently: bool = False
    ) -> Connection:
        """Cancel a running sync, wait up to 15 s for it, and delete; return the last state.

        Its ``restorable_until`` says how long `Trash` keeps it, if it does: not ``permanently``.
        """
        ...

    async def check(self, connection: str) -> CheckResult:
        """Try configuration and credentials at the source; a failure is a result, not an error."""
        ...


class Jobs(Protocol):
    """Runs of syncs."""

    async def run(self, connection: str, options: RunOptions = RUN_DEFAULTS) -> Job:
        """Queue a sync. Raises Conflict, naming the job, while one is live."""
        ...

    async def list(
        self,
        connection: str | None = None,
        *,
        status: JobStatus | None = None,
        cursor: str | None = None,
        limit: int = LIST_LIMIT_DEFAULT,
    ) -> Page[Job]:
        """List the jobs of one connection or of all, newest first."""
        ...

    async def get(self, job: str) -> Job:
        """Get one job."""
        ...

    def watch(self, job: str) -> AsyncGenerator[Job]:
        """Yield the job now and after each change, ending with its terminal state."""
        ...

    async def log(self, job: str, *, limit: int = 20, skip: int = 0) -> Sequence[LogLine]:
        """Get the last lines of its log, oldest first, without the ``skip`` newest."""
        ...

    async def cancel(self, job: str) -> Job:
        """Ask it to stop; harmless while CANCELLING. Raises Conflict when it has ended."""
        ...


class Ingest(Protocol):
    """Content that is pushed, in place of being read from a source."""

    async def push(self, connection: str, push: Push, *, apply_deletions: bool = False) -> Job:
        """Store a batch, and return its job: ended, or PENDING if the push has ``more``.

        A batch is checked before anything of it is stored, and may be repeated. The first one of a
        push that replaces all may apply deletions that a former one held. Raises Conflict where the
        connection is of another source, or has another push open (with its job_id).
        """
        ...


class Search(Protocol):
    """Search in synced content."""

    async def search(self, query: SearchQuery) -> SearchResults:
        """Find entities of one collection or of all, best first."""
        ...

    async def entity(
        self, entity: str, *, connection: str | None = None, offset: int, max_chars: int
    ) -> StoredEntity:
        """Get one entity, by its id, path or URL, with a window of its text."""
        ...


class Browse(Protocol):
    """Lists of what is stored, and of what syncs did."""

    async def entities(self, query: EntityQuery) -> EntityList:
        """List entities without their texts."""
        ...

    async def largest(
        self, *, collection: str | None = None, connection: str | None = None
    ) -> LargestEntities:
        """List those with the longest texts, of a collection or connection."""
        ...

    async def changes(self, query: ChangeQuery) -> ChangeList:
        """List what syncs inserted, updated, deleted, skipped and failed, newest syncs first.

        The counts are exact; of old and of very large syncs, not all names are kept.
        """
        ...


class Trash(Protocol):
    """What was deleted and can be restored."""

    async def end(self) -> datetime | None:
        """Return until when what is deleted now could be restored; None if it could not be."""
        ...

    async def list(self) -> Restorable:
        """List what can be restored, the last deleted first, up to a number."""
        ...

    async def get_connection(self, connection: str) -> Connection:
        """Get a deleted connection. Raises NotFound with what can be restored, or Ambiguous."""
        ...

    async def get_collection(self, collection: str) -> Collection:
        """Get a deleted collection, also by the readable id that it had; raises likewise."""
        ...

    async def restore(
        self, *, connection: str | None = None, collection: str | None = None
    ) -> Restored:
        """Bring back a connection, or a collection with what was deleted with it.

        A connection whose collection is deleted brings that back too. Raises as the above do.
        """
        ...


class Usage(Protocol):
    """The plan that limits what a backend does."""

    async def get(self) -> Mapping[str, str]:
        """Return its facts, by name. Raises Unsupported if there is no plan."""
        ...


class Authorization(Protocol):
    """Giving connections their credentials."""

    async def authorize(self, connection: str, auth: Auth) -> Connection:
        """Check and store new credentials; a connection in need of them becomes active."""
        ...

    async def begin(self, connection: str, *, redirect_url: str | None = None) -> Connection:
        """Make a new link, ``auth.auth_url``, where a person authorises the connection.

        It leads to the provider's consent for OAuth, and to a page that takes credentials for
        direct authentication. Links made before stop working. ``redirect_url`` is where the
        person lands afterwards. Raises Unsupported when this backend can make no such link.
        """
        ...

    async def verify(self, connection: str, claim_token: str) -> Connection:
        """Confirm, as the caller who began it, that an authorisation in a browser is complete.

        Raises NotPermitted for a token that `create` or `begin` did not give for it, Conflict
        while the person has not finished.
        """
        ...


class AuthSessions(Protocol):
    """The browser's side of the links of `Authorization.begin`.

    The single-use, short-lived token in a link is the whole permission. Every method raises
    NotFound for a token that is unknown, used or expired; the three look the same on purpose.
    """

    async def form(self, token: str) -> CredentialForm:
        """Return the form to show. Reading it does not use the token up."""
        ...

    async def submit(self, token: str, values: Json) -> AuthOutcome:
        """Check the credentials at the source and store them; uses the token up on success.

        Raises InvalidInput, naming the field, or a ConnectionFault: the person may try again.
        """
        ...

    async def start(self, token: str) -> ConsentStart:
        """Begin the consent at the provider; uses the token up."""
        ...

    async def callback(self, params: Mapping[str, str], browser: str | None) -> AuthOutcome:
        """Finish the consent, with the provider's parameters and the browser's own secret.

        A refusal by the person or the provider is an outcome, not an error.
        """
        ...


class Changes(Protocol):
    """Notifications of changes in any process."""

    def follow(self) -> AsyncGenerator[None]:
        """Yield at once, and then whenever something may have changed, without end.

        The follower itself must look up what changed. There are false alarms, and a burst of
        changes is one item, but every change is announced within 0.5 s.
        """
        ...


class Backend(Protocol):
    """Everything a front can ask for, on behalf of one organisation.

    ``unsupported`` names single operations that this backend cannot do, as "group.operation": the
    fronts leave them out, and calling one raises Unsupported. ``needs_open_process``: syncs and
    schedules run only while a Weft process is open.
    """

    unsupported: frozenset[str] = frozenset()
    needs_open_process: bool = False
    sources: Sources
    collections: Collections
    connections: Connections
    jobs: Jobs
    search: Search | None
    browse: Browse | None
    trash: Trash
    usage: Usage | None = None
    ingest: Ingest | None = None
    authorization: Authorization | None
    changes: Changes
