"""One sync: read events from the source, commit them in batches, delete what a listing left out.

The source is read while the previous batch is being stored. At most two batches are in memory,
however fast the source is.
"""

import logging
import random
import traceback
from collections import Counter
from collections.abc import Collection as Ids
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import anyio
import anyio.lowlevel

from weft.domain.base import Json
from weft.domain.connections import AuthMethod, ConnectionStatus
from weft.domain.entities import Entity
from weft.domain.jobs import Finding, JobStatus, LogLine, describe, describe_held
from weft.errors import (
    AuthenticationFailed,
    CursorExpired,
    ErrorCategory,
    Fenced,
    RateLimited,
    StorageFailed,
    TryLater,
    WeftError,
)
from weft.local.auth.authenticator import explain_refusal, fetch_credentials
from weft.local.auth.credentials import ref_of
from weft.local.auth.oauth_tokens import renew_refused
from weft.local.engine import Engine
from weft.local.jobs.obstacles import waiting_outcome
from weft.local.store.base import Batch, Claim, Outcome
from weft.local.store.content import content_hash
from weft.sources.base import AnySource, Complete, Event, Failed, Incomplete, Omitted, Skipped

BATCH_EVENTS = 5_000
BATCH_CHARS = 8_000_000
BATCH_SECONDS = 1.0
EVENTS_BETWEEN_YIELDS = 50
LOGGED_PROBLEMS = 50
_MORE_PROBLEMS = {
    "entity": "More entities were skipped or failed; see the job's counts.",
    "gap": "More of the listing could not be read.",
}
_GAPS = "The listing was incomplete: nothing was deleted, and the next sync lists everything again."
RETRY_SECONDS = 2.0
RETRY_GROWTH = 4.0
RETRY_SECONDS_MAX = 300.0
STORAGE_RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


async def sync(engine: Engine, claim: Claim) -> Outcome:
    """Run the job of ``claim`` to its end and return its outcome; raise only cancellation."""
    claim = replace(claim, kept_names=engine.limits.kept_changes)
    try:
        return await _sync_with_token(engine, claim)
    except Fenced:
        return Outcome(JobStatus.CANCELLED)
    except WeftError as error:
        return waiting_outcome(error) if error.needs else _outcome_of(engine, claim, error)
    except Exception as error:  # noqa: BLE001
        # A source is third-party code: any exception ends the job, not the process. The text of an
        # unexpected one may hold secrets or upstream data, so only its type and its traceback are
        # logged.
        logger.error("job %s crashed: %s", claim.job_id, _where(error))
        crash = WeftError(f"The source '{claim.short_name}' crashed ({type(error).__name__}).")
        return _failure(crash, ConnectionStatus.ERROR)


def _outcome_of(engine: Engine, claim: Claim, error: WeftError) -> Outcome:
    if isinstance(error, AuthenticationFailed):
        refused = explain_refusal(error, claim.auth_method, claim.connection_id)
        return _failure(refused, ConnectionStatus.NEEDS_REAUTH)
    delay = _retry_delay(engine, claim, error) if isinstance(error, TryLater) else None
    if delay is None:
        return _failure(error, ConnectionStatus.ERROR)
    return Outcome(
        JobStatus.PENDING,
        retry_after=timedelta(seconds=delay),
        error=f"{error.message} Trying again in {delay:.0f} s.",
    )


def _retry_delay(engine: Engine, claim: Claim, error: TryLater) -> float | None:
    """Return the seconds until the next attempt, or None when it is time to give up.

    Attempts count from the last checkpoint, so a sync that makes progress is not given up.
    """
    if isinstance(error, StorageFailed):
        # The source is fine, but nothing can be recorded: wait until the database has room.
        return STORAGE_RETRY_SECONDS
    if claim.attempts >= engine.limits.retries:
        return None
    delay = RETRY_SECONDS * RETRY_GROWTH**claim.attempts * random.uniform(0.8, 1.2)  # noqa: S311
    if isinstance(error, RateLimited) and error.retry_after is not None:
        delay = max(delay, error.retry_after)
    return delay if delay <= RETRY_SECONDS_MAX else None


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {'; '.join(lines)}"


def _failure(error: WeftError, state: ConnectionStatus) -> Outcome:
    return Outcome(
        JobStatus.FAILED,
        error=error.message,
        error_category=error.category,
        error_details=error.hint,
        connection_state=state,
    )


async def _sync_with_token(engine: Engine, claim: Claim) -> Outcome:
    """Sync; if the source refuses the token on the way, get another one, once, and go on."""
    try:
        return await _sync(engine, claim)
    except AuthenticationFailed as error:
        # Each attempt fetches credentials from an auth provider anew.
        fetched = claim.auth_method is AuthMethod.AUTH_PROVIDER and (
            error.category is ErrorCategory.API_KEY_INVALID
        )
        if not claim.renewed and (fetched or await renew_refused(engine, ref_of(claim))):
            return Outcome(
                JobStatus.PENDING,
                error="The source refused the token; it goes on with a new one.",
                renewed=True,
            )
        raise


async def _sync(engine: Engine, claim: Claim) -> Outcome:
    source = await _open(engine, claim)
    if not (claim.full_sync or claim.cursor is None):
        try:
            run = Run(engine, claim)
            run.note("info", "Incremental sync from the stored cursor.")
            await run.read(source, claim.cursor)
            await run.sweep()
            return Outcome(JobStatus.COMPLETED, connection_state=ConnectionStatus.ACTIVE)
        except CursorExpired as expired:
            await _list_everything(engine, claim, source, f"Full sync: {expired.message}")
    elif claim.checkpoint is not None:
        await _resume_listing(engine, claim, source)
    else:
        await _list_everything(engine, claim, source, "Full sync.")
    return Outcome(JobStatus.COMPLETED, connection_state=ConnectionStatus.ACTIVE)


async def _open(engine: Engine, claim: Claim) -> AnySource:
    credentials = await fetch_credentials(engine, ref_of(claim))

    async def find_known_versions(ids: Ids[str], /) -> Mapping[str, str]:
        if claim.options.force_full_sync:
            return {}
        return await engine.store.entities.versions(claim.connection_id, ids)

    context = replace(
        engine.context,
        known_versions=find_known_versions,
        stored_ids=partial(engine.store.entities.list_ids, claim.connection_id),
        unseen_ids=partial(engine.store.entities.list_unseen, claim.job_id),
        last_cursor=claim.cursor,
    )
    return engine.open_source(claim.short_name, claim.config, credentials, context)


async def _list_everything(engine: Engine, claim: Claim, source: AnySource, why: str) -> None:
    run = Run(engine, await engine.store.entities.begin_listing(claim))
    run.note("info", why)
    await run.read(source, None)
    await run.sweep()


async def _resume_listing(engine: Engine, claim: Claim, source: AnySource) -> None:
    run = Run(engine, claim)
    run.note("info", "Full sync, continued from its last checkpoint.")
    try:
        await run.read(source, claim.checkpoint)
    except CursorExpired as expired:
        await _list_everything(engine, claim, source, f"Full sync: {expired.message}")
    else:
        await run.sweep()


@dataclass(slots=True)
class _Inbox:
    """The batch that the source's reader fills and the store's writer takes."""

    batch: Batch = field(default_factory=Batch)
    chars: int = 0
    closed: bool = False
    ready: anyio.Event = field(default_factory=anyio.Event)
    room: anyio.Event = field(default_factory=anyio.Event)

    @property
    def full(self) -> bool:
        return len(self.batch.events) >= BATCH_EVENTS or self.chars >= BATCH_CHARS

    def add(self, entity: Entity) -> None:
        batch = self.batch
        batch.events.append(entity)
        try:
            # Hash here, in turn with other work, while the writer stores the previous batch.
            batch.hashes[entity.id] = content_hash(entity)
            self.chars += len(entity.text)
        except (TypeError, ValueError):
            # Without a hash, the store finds out by itself that it must fail this entity alone.
            batch.hashes.pop(entity.id, None)

    async def wait_until_emptied(self) -> None:
        """Hand the full batch over, and wait until it is time to fill the next."""
        while self.full:
            self.ready.set()
            await self.room.wait()

    def close(self) -> None:
        self.closed = True
        self.ready.set()

    def take(self) -> Batch:
        batch, self.batch, self.chars = self.batch, Batch(), 0
        batch.read_on = self.read_on
        if not self.closed:
            self.ready = anyio.Event()
        return batch

    def read_on(self) -> None:
        """Wake the reader: the previous batch hardly needs Python any more, or is stored.

        Python runs one thread at a time. A reader woken sooner would hash a whole batch before the
        writer reaches its long statements, and then nothing would run beside those.
        """
        self.room.set()
        self.room = anyio.Event()


class Run:
    """One pass over the source under a claim."""

    def __init__(self, engine: Engine, claim: Claim) -> None:
        self._engine = engine
        self._claim = claim
        self._inbox = _Inbox()
        self._problems: Counter[str] = Counter()
        self._complete: Complete | None = None
        self._omits = False

    def note(self, level: str, message: str) -> None:
        """Add a line to the job's log; it is stored with the next batch."""
        line = LogLine(at=self._engine.clock(), level=level, message=message)
        self._inbox.batch.log.append(line)

    async def read(self, source: AnySource, cursor: Json | None) -> None:
        """Read the source to its end, storing on the way.

        If the source fails, everything it yielded before is stored, and then its error is raised.
        """
        problems: list[Exception] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._store_batches, problems, group.cancel_scope)
            try:
                await self._collect(source, cursor)
            except Exception as error:  # noqa: BLE001 (raised below, once the last batch is stored)
                problems.append(error)
            self._inbox.close()
        if problems:
            raise problems[0]

    async def sweep(self, *, named: bool = False) -> None:
        """Delete what the source no longer has, unless the listing had gaps or the brake holds.

        ``named``: see `DeletionBrake`.
        """
        complete = self._complete
        if self._claim.full_sync and complete is None:
            self._add(Incomplete("the source did not say that it named everything"))
            await self._commit(self._inbox.take())
        agreed = self._claim.options.agreed_deletions
        brake = replace(self._engine.limits.brake, agreed=agreed, named=named)
        doubt = complete and complete.doubt
        if doubt:
            brake = replace(brake, share=0.0, floor=1)
        swept = await self._engine.store.entities.sweep(self._claim, brake)
        if complete is not None and not swept.had_gaps:
            how = "Listed as configured" if self._omits else "Complete listing"
            self.note("info", f"{how}: {complete.evidence}")
        if swept.held:
            why = doubt or "they are too many to be made"
            self.note("warning", f"{describe_held(swept.held)}: {why}.")
        elif swept.had_gaps and not swept.deleted and self._claim.full_sync:
            self.note("warning", _GAPS)
        if self._inbox.batch.log:
            await self._commit(self._inbox.take())
        self._engine.changes.announce()

    async def _collect(self, source: AnySource, cursor: Json | None) -> None:
        count = 0
        inbox = self._inbox
        async with aclosing(source.fetch(cursor)) as events:
            async for event in events:
                # This runs for every entity, so check the most common type of event first.
                if isinstance(event, Entity):
                    inbox.add(event)
                else:
                    self._add(event)
                count += 1
                if inbox.full:
                    await inbox.wait_until_emptied()
                elif count % EVENTS_BETWEEN_YIELDS == 0:
                    # Give way here, since a source that never waits would starve the tools.
                    await anyio.lowlevel.checkpoint()

    def _add(self, event: Event) -> None:
        if isinstance(event, Complete):
            self._complete = event
            return
        if isinstance(event, Incomplete):
            self._note_problem("gap", f"Incomplete listing: {event.reason}")
        elif isinstance(event, Omitted):
            self._omits = True
            self._note_problem("gap", _describe(event))
        elif isinstance(event, Failed):
            self._note_problem("entity", f"Failed {event.id}: {event.reason}")
        elif isinstance(event, Skipped):
            self._note_problem("entity", f"Skipped {event.id}: {event.reason}", "info")
        self._inbox.batch.events.append(event)

    def _note_problem(self, kind: str, message: str, level: str = "warning") -> None:
        """Log a problem, up to a limit per kind: many bad entities must not hide a few gaps."""
        self._problems[kind] += 1
        if self._problems[kind] < LOGGED_PROBLEMS:
            self.note(level, message)
        elif self._problems[kind] == LOGGED_PROBLEMS:
            self.note("info", _MORE_PROBLEMS[kind])

    async def _store_batches(self, problems: list[Exception], reading: anyio.CancelScope) -> None:
        last = False
        while not last:
            # Store a slow source's entities, and so show its progress, once a second.
            with anyio.move_on_after(BATCH_SECONDS):
                await self._inbox.ready.wait()
            last = self._inbox.closed
            batch = self._inbox.take()
            try:
                if batch.events or batch.log:
                    await self._commit(batch)
            except WeftError as error:
                problems.insert(0, error)
                reading.cancel()
                return

    async def _commit(self, batch: Batch) -> None:
        await self._engine.store.entities.commit(self._claim, batch)
        self._inbox.read_on()
        self._engine.changes.announce()


def _describe(event: Omitted) -> str:
    found = Finding(kind=event.kind, reason=event.setting, count=event.count)
    named = f", such as {', '.join(event.examples)}" if event.examples else ""
    return f"Left out: {describe(found)}{named}"
