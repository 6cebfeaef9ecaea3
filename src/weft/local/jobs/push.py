"""Writes the batches of a push, each as one pass of a sync under a claim of the push's job.

Between two batches the job is PENDING, and not due for a while: no process runs it then, and any
may take the next batch. If that does not come, the job becomes due, and fails as a sync that has
nothing to read.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from weft.domain.connections import ConnectionStatus
from weft.domain.jobs import JobStatus, LogLine
from weft.domain.pushing import Push
from weft.domain.text.words import quantity
from weft.errors import Fenced, WeftError
from weft.local.engine import Engine
from weft.local.jobs.sync import Run
from weft.local.store.base import Claim, Outcome
from weft.sources.base import NoFields

PAUSE_MAX: Final = timedelta(minutes=10)
"""How long a push stays open without a batch."""
AWAITS_BATCH: Final = "Waits for the next batch of its push."


async def write_batch(engine: Engine, claim: Claim, push: Push, *, replaces: bool) -> Outcome:
    """Write one batch under the job's claim, and record how that leaves the job.

    Raises what went wrong. A push of several batches stays open then, so that this one can be sent
    again. Raises Fenced if the job was cancelled.
    """
    # Whoever sent the first batch does not know the job yet, and begins anew.
    is_open = push.job_id is not None
    try:
        outcome = await _write(engine, claim, push, replaces=replaces)
    except Fenced:
        await _record(engine, claim, Outcome(JobStatus.CANCELLED))
        raise
    except WeftError as error:
        await _record(engine, claim, _waiting() if is_open else _failure(error))
        raise
    await _record(engine, claim, outcome)
    return outcome


async def _write(engine: Engine, claim: Claim, push: Push, *, replaces: bool) -> Outcome:
    # The claim says whether the connection's next sync should list everything; a push decides
    # that by itself.
    claim = replace(claim, full_sync=replaces, kept_names=engine.limits.kept_changes)
    if replaces and claim.listing == 0:
        claim = await engine.store.entities.begin_listing(claim)
    # A server that starts imports no source.
    from weft.sources.ingest.source import IngestSource

    source = IngestSource(NoFields(), NoFields(), engine.context)
    source.pushed, source.ends_listing = push, replaces and not push.more
    run = Run(engine, claim)
    gone = f", {quantity(len(push.delete), 'id')} to delete" if push.delete else ""
    run.note("info", f"Pushed: {quantity(len(push.entities), 'entity')}{gone}.")
    await run.read(source, None)
    if push.more:
        return _waiting()
    # The brake asks for consent to many deletions, which naming each of them has given.
    await run.sweep(named=not replaces)
    return Outcome(JobStatus.COMPLETED, connection_state=ConnectionStatus.ACTIVE)


def _waiting() -> Outcome:
    return Outcome(JobStatus.PENDING, retry_after=PAUSE_MAX, error=AWAITS_BATCH)


def _failure(error: WeftError) -> Outcome:
    return Outcome(
        JobStatus.FAILED,
        error=error.message,
        error_category=error.category,
        error_details=error.hint,
        connection_state=ConnectionStatus.ERROR,
    )


async def _record(engine: Engine, claim: Claim, outcome: Outcome) -> None:
    log: list[LogLine] = []
    if outcome.status.is_terminal:
        message = f"Failed: {outcome.error}" if outcome.error else f"{outcome.status.capitalize()}."
        log = [
            LogLine(at=engine.clock(), level="error" if outcome.error else "info", message=message)
        ]
    await engine.store.jobs.finish(claim, outcome, log)
    engine.changes.announce()
