"""Work in the background that nobody waits for: cleaning up, pruning, watching for changes."""

import logging

import anyio
import anyio.lowlevel

from weft.errors import WeftError
from weft.local.engine import Engine
from weft.local.process_liveness import ProcessLock

PURGE_BATCH = 500
PRUNE_BATCH = 500
POLL_SECONDS = 60.0
WATCH_SECONDS = 1.0
PAUSE_SECONDS = 0.2

logger = logging.getLogger(__name__)


async def keep_house(engine: Engine, lock: ProcessLock) -> None:
    """Purge what nobody can restore any more, old jobs and audit rows, and dead lock files."""
    trouble: str | None = None
    while True:
        mark = engine.work.mark()
        try:
            lock.sweep()
            while await engine.store.trash.purge(PURGE_BATCH):
                await anyio.lowlevel.checkpoint()
            while await engine.store.jobs.prune(keep=engine.limits.kept_jobs, limit=PRUNE_BATCH):
                await anyio.lowlevel.checkpoint()
            while await engine.store.audit.prune(engine.limits.kept_audit, PRUNE_BATCH):
                await anyio.lowlevel.checkpoint()
            trouble = None
        except (WeftError, OSError) as error:
            if str(error) != trouble:
                logger.warning("cannot clean up: %s", error)
            trouble = str(error)
        await engine.work.wait(mark, POLL_SECONDS)


async def watch_files(engine: Engine, lock: ProcessLock) -> None:
    """Say once when the files that this process has open are no longer at their paths."""
    trouble: str | None = None
    while True:
        try:
            await engine.store.verify()
            if lock.restore():
                logger.warning("the lock file of this process was removed, and is made anew")
            if trouble is not None:
                logger.warning("the database is at its place again")
            trouble = None
        except (WeftError, OSError) as error:
            if str(error) != trouble:
                logger.error("%s", error)
            trouble = str(error)
        await anyio.sleep(WATCH_SECONDS)


async def watch_for_changes(engine: Engine) -> None:
    """Announce changes by other processes: one wait on the store serves all waiting tasks."""
    seen = 0
    while True:
        await engine.changes.wait_until_wanted()
        try:
            latest = await engine.store.wait_for_change(seen, WATCH_SECONDS)
        except WeftError as error:
            logger.warning("cannot look for changes: %s", error)
            latest = seen
            await anyio.sleep(WATCH_SECONDS)
        if latest != seen:
            seen = latest
            engine.changes.announce()
            # Even if changes are many, waiting tasks look no more often than this.
            await anyio.sleep(PAUSE_SECONDS)
