"""Work in the background that nobody waits for: cleaning up, pruning, watching for changes."""

import logging

import anyio
import anyio.lowlevel

from weft.errors import WeftError
from weft.local.engine import Engine
from weft.local.process_lock import ProcessLock

PURGE_BATCH = 500
PRUNE_BATCH = 500
POLL_SECONDS = 60.0
WATCH_SECONDS = 0.2

logger = logging.getLogger(__name__)


async def keep_house(engine: Engine, lock: ProcessLock) -> None:
    """Clear what deleted connections left, old jobs and audit rows, dead processes' lock files."""
    trouble: str | None = None
    while True:
        mark = engine.work.mark()
        try:
            lock.sweep()
            while await engine.store.entities.purge(PURGE_BATCH):
                await anyio.lowlevel.checkpoint()
            while await engine.store.jobs.prune(keep=engine.limits.kept_jobs, limit=PRUNE_BATCH):
                await anyio.lowlevel.checkpoint()
            too_old = engine.clock() - engine.limits.kept_audit
            while await engine.store.audit.prune(too_old, PRUNE_BATCH):
                await anyio.lowlevel.checkpoint()
            trouble = None
        except (WeftError, OSError) as error:
            if str(error) != trouble:
                logger.warning("cannot clean up: %s", error)
            trouble = str(error)
        await engine.work.wait(mark, POLL_SECONDS)


async def watch_for_changes(engine: Engine) -> None:
    """Announce what other processes change, by one cheap look for all who wait here."""
    seen: int | None = None
    while True:
        await engine.changes.wait_until_wanted()
        try:
            version = await engine.store.data_version()
        except WeftError as error:
            logger.warning("cannot look for changes: %s", error)
            version = seen
        if version != seen:
            seen = version
            engine.changes.announce()
        await anyio.sleep(WATCH_SECONDS)
