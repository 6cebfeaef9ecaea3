"""Brings authorisations that began here to their end, whoever is alive when the person returns.

Airweave starts the first sync of an authorised connection only after `verify-oauth`. That takes the
claim token that the begin of the authorisation returned, and works only after the person came back
from the provider. Without it Airweave cancels the sync after three minutes. So the token is kept,
and the connection is looked at, whenever it is read and from time to time, until it is authorised.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
from pydantic import JsonValue

from weft.domain.connections import WAITING_STATUSES, Connection
from weft.domain.jobs import JobStatus
from weft.domain.notes import Note
from weft.errors import Conflict, NotFound, RateLimited, StorageFailed, TryLater, WeftError
from weft.remote.api.meanings import NoSync
from weft.remote.api.paths import connection_path
from weft.remote.state.remote_state import RemoteState
from weft.wire.jobs import read_jobs

logger = logging.getLogger(__name__)

KIND: Final = "claim"
VERIFIED: Final = "verified"
"""Marks a token that was accepted, while its first sync has yet to be looked after."""

KEPT: Final = timedelta(days=7)
"""The longest that a token is kept, for a process that is started again after the consent."""

LINK_LIFETIME: Final = timedelta(minutes=10)
"""The least that is taken for the life of a link."""

GRACE: Final = timedelta(minutes=5)
"""Added to the life of a link before its authorisation is given up, as clocks differ."""

RELEASE_SECONDS: Final = 2.0

RATE_SHARE: Final = 3
"""Looking takes at most this part, one in three, of the requests that the API allows a minute."""


class Claims:
    """The authorisations that began here and are not complete."""

    def __init__(self, state: RemoteState) -> None:
        self._state = state
        self._client = state.client
        self._notes = state.notes
        self._verifying = anyio.Lock()
        self._news = anyio.Event()
        self._due: dict[str, float] = {}
        self._pauses: dict[str, float] = {}
        self._leased: set[str] = set()

    async def keep(self, connection: Connection) -> Connection:
        """Keep the claim token of an authorisation that begins, and return the connection without
        it. If it cannot be stored the connection and its link are good all the same.
        """
        token = connection.auth.claim_token
        if token is None:
            return self._state.learn(connection)
        # The API's clock may be wrong, or ours.
        until = datetime.now(UTC) + LINK_LIFETIME
        until = max(until, connection.auth.auth_url_expires or until)
        note = Note(
            kind=KIND,
            id=connection.id,
            content={"token": token, "until": until.isoformat()},
            expires_at=datetime.now(UTC) + KEPT,
        )
        try:
            await self._notes.put(note)
        except StorageFailed as error:
            logger.error(
                "the claim token of connection %s cannot be kept (%s): once it is authorised, "
                "run_sync has to start its first sync",
                connection.id,
                error.message,
            )
        self._look_soon(connection.id, self._client.timeouts.consent)
        return self._state.learn(connection)

    async def is_held(self, connection_id: str) -> bool:
        """Return whether an authorisation of this connection is waiting to be completed."""
        return await self._notes.get(KIND, connection_id) is not None

    async def settle(self, found: Connection) -> Connection:
        """Complete the authorisation of a connection if the person has come back; return it."""
        note = await self._notes.get(KIND, found.id)
        if note is None:
            return found
        if found.status in WAITING_STATUSES:
            if _is_over(note):
                await self.drop(found.id)
            return found
        async with self._verifying:
            return await self._verify(found)

    async def settle_listed(self, listed: Sequence[Connection]) -> None:
        """Complete one authorisation whose connection is no longer waiting; the watch gets the
        others, as each takes several requests and a list must not use up a small plan.
        """
        held = {note.id for note in await self._notes.list(KIND)}
        back = [item for item in listed if item.id in held and item.status not in WAITING_STATUSES]
        for item in back[1:]:
            self._look_soon(item.id, 0)
        if back:
            await self.settle(back[0])

    async def drop(self, connection_id: str) -> None:
        """Forget the token."""
        await self._notes.drop(KIND, connection_id)
        self._leased.discard(connection_id)

    async def watch(self) -> None:
        """Look at the connections of all kept tokens from time to time, until cancelled.

        One request at a time, each connection less and less often, and never more than a share of
        what the API allows. A token is forgotten soon after its link has expired, so this ends.
        """
        try:
            await self._watch()
        finally:
            # Whoever is alive now need not wait until our leases run out.
            with anyio.move_on_after(RELEASE_SECONDS, shield=True), suppress(StorageFailed):
                for connection_id in self._leased:
                    await self._notes.release(KIND, connection_id)

    async def _watch(self) -> None:
        while True:
            try:
                held = [note.id for note in await self._notes.list(KIND)]
            except WeftError as error:
                logger.warning("kept claim tokens cannot be read: %s", error.message)
                held = []
            self._due = {each: self._due.get(each, 0.0) for each in held}
            self._pauses = {each: self._pauses[each] for each in held if each in self._pauses}
            now = time.monotonic()
            ready = sorted((due, each) for each, due in self._due.items() if due <= now)
            if ready:
                await self._look(ready[0][1])
            wake_at = min(self._due.values(), default=now + self._client.timeouts.consent_longest)
            pause = min(wake_at - time.monotonic(), self._client.timeouts.consent_longest)
            with anyio.move_on_after(max(pause, self._client.pace(RATE_SHARE) if ready else 0.01)):
                await self._news.wait()

    async def _look(self, connection_id: str) -> None:
        """Look at one connection, and decide when to look again."""
        timeouts = self._client.timeouts
        pause = max(
            self._pauses.get(connection_id, timeouts.consent), self._client.pace(RATE_SHARE)
        )
        self._pauses[connection_id] = min(pause * 1.5, timeouts.consent_longest)
        try:
            # The lease keeps two processes from both spending requests on it.
            if await self._lease(connection_id):
                await self.settle(await self._state.fetch_connection(connection_id))
        except NotFound:
            await self.drop(connection_id)
        except RateLimited as error:
            pause = max(pause, error.retry_after or 0, timeouts.consent_longest)
        except WeftError as error:
            logger.info("connection %s cannot be looked at: %s", connection_id, error.message)
            pause = timeouts.consent_longest
        self._due[connection_id] = time.monotonic() + pause

    def _look_soon(self, connection_id: str, seconds: float) -> None:
        self._due[connection_id] = time.monotonic() + seconds
        self._pauses.pop(connection_id, None)
        news, self._news = self._news, anyio.Event()
        news.set()

    async def _lease(self, connection_id: str) -> bool:
        leased = await self._notes.lease(KIND, connection_id)
        if leased:
            self._leased.add(connection_id)
        return leased

    async def _verify(self, found: Connection) -> Connection:
        """Verify once: a second call could start the sync twice."""
        note = await self._notes.get(KIND, found.id)
        if note is None or not await self._lease(found.id):
            return found
        is_verified = bool(note.content.get(VERIFIED))
        try:
            is_verified = is_verified or await self._send_proof(note)
            await self._mend_lost_sync(found.id, waits_in_vain=not is_verified)
        except TryLater:
            # The answer may be lost; the next look goes on from here.
            if is_verified:
                content = {**note.content, VERIFIED: True}
                with suppress(StorageFailed):
                    await self._notes.put(note.model_copy(update={"content": content}))
            return found
        except Conflict:
            # Not this authorisation has changed the connection: the person may still come back.
            if _is_over(note):
                await self.drop(found.id)
            return found
        await self.drop(found.id)
        self._state.own_changes.announce()
        return await self._state.fetch_connection(found.id)

    async def _send_proof(self, note: Note) -> bool:
        """Send the claim token, and return whether it is accepted. Raises TryLater, and Conflict
        before the person has come back.
        """
        try:
            await self._client.send(
                "POST",
                f"{connection_path(note.id)}/verify-oauth",
                _ignore,
                {"claim_token": str(note.content["token"])},
                missing="connection_id",
            )
        except (Conflict, TryLater):
            raise
        except WeftError as error:
            logger.warning("connection %s cannot be verified: %s", note.id, error.message)
            return False
        return True

    async def _mend_lost_sync(self, connection_id: str, *, waits_in_vain: bool = False) -> None:
        """Run a sync if Airweave cancelled the first one because the verification came too late, or
        if the first one waits for a verification that is refused. Raises TryLater.
        """
        path = connection_path(connection_id)
        try:
            jobs = await self._client.get(
                f"{path}/jobs", read_jobs, params={"limit": 1}, missing="connection_id"
            )
            if not jobs or jobs[0].started_at is not None:
                return
            steps = ["run"] if jobs[0].status is JobStatus.CANCELLED else []
            if jobs[0].status is JobStatus.PENDING and waits_in_vain:
                steps = [f"jobs/{jobs[0].id}/cancel", "run"]
            for step in steps:
                await self._client.send("POST", f"{path}/{step}", _ignore, missing="connection_id")
        except NoSync:
            return  # It is searched live, and never synced.
        except TryLater:
            raise
        except WeftError as error:
            logger.warning("the sync of %s cannot be started: %s", connection_id, error.message)


def _ignore(_body: JsonValue) -> None:
    """Read nothing of an answer."""


def _is_over(note: Note) -> bool:
    """Return whether the person can no longer finish, as the link and its session have expired."""
    return datetime.now(UTC) > datetime.fromisoformat(str(note.content["until"])) + GRACE
