"""Waits at the end of a sync until what it stored is embedded."""

import signal
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from weft.backend import Backend
from weft.cli.terminal.context import App, say
from weft.cli.terminal.text import plain

LOOK_SECONDS = 0.5
STALL_SECONDS = 60.0
"""It is not waited for longer while nothing is embedded."""


class Embedded(NamedTuple):
    """How many entities are embedded, of how many."""

    done: int
    total: int


Look = Callable[[], Awaitable[Embedded]]


def find_trouble(app: App) -> Path:
    """Return the file that says why nothing is embedded, if so."""
    from weft.local.from_settings import embedder_trouble  # help and usage errors need no engine

    return embedder_trouble(app.load_settings())


async def wait_for_connection(backend: Backend, connection_id: str, trouble: Path) -> None:
    """Wait until what a connection stored is embedded; see `_wait`."""

    async def look() -> Embedded:
        found = (await backend.connections.get(connection_id)).entities
        return Embedded(found.total_entities - found.not_embedded, found.total_entities)

    if backend.needs_open_process:
        await _wait(look, trouble)


async def wait_for_collection(backend: Backend, collection: str, trouble: Path) -> None:
    """Wait until what is stored in a collection is embedded; see `_wait`."""

    async def look() -> Embedded:
        found = await backend.collections.get(collection)
        return Embedded(found.entity_count - found.not_embedded, found.entity_count)

    if backend.needs_open_process:
        await _wait(look, trouble)


async def tell_not_embedded(backend: Backend, connection_id: str) -> None:
    """Say how many entities of a connection are found by their words alone for now."""
    found = (await backend.connections.get(connection_id)).entities
    if found.not_embedded:
        _tell(Embedded(found.total_entities - found.not_embedded, found.total_entities), None)


async def _wait(look: Look, trouble: Path) -> None:
    """Show how many are embedded until all are, it does not go on, or the person stops waiting.

    Searches find the others by their words, so nothing is lost. ``trouble`` says what holds it up.
    """
    latest = await look()
    if latest.done < latest.total:
        with _progress() as show:
            async with anyio.create_task_group() as tasks:
                await tasks.start(_stop_on_interrupt, tasks.cancel_scope)
                await _follow(look, trouble, show)
                tasks.cancel_scope.cancel()
        latest = await look()
    if latest.done < latest.total:
        _tell(latest, await _read(trouble))


def _tell(latest: Embedded, why: str | None) -> None:
    say(
        f"{latest.done:,} of {latest.total:,} entities are embedded, to be found by meaning;"
        " the others will be while a Weft process is open."
        + (f" For now it stands still: {plain(why)}" if why else "")
    )


async def _follow(look: Look, trouble: Path, show: Callable[[Embedded], None]) -> None:
    latest, moved = await look(), anyio.current_time()
    while latest.done < latest.total and not await _read(trouble):
        show(latest)
        await anyio.sleep(LOOK_SECONDS)
        before, latest = latest, await look()
        if latest != before:
            moved = anyio.current_time()
        elif anyio.current_time() - moved > STALL_SECONDS:
            return


async def _stop_on_interrupt(scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()
            return


async def _read(file: Path) -> str | None:
    from weft.local.from_settings import read_trouble  # as above

    return await anyio.to_thread.run_sync(read_trouble, file)


@contextmanager
def _progress() -> Generator[Callable[[Embedded], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    # Imported here because rich is slow to import, and only a terminal needs it.
    from weft.cli.terminal.progress_bar import progress_bar

    with progress_bar("embedded") as advance:
        yield lambda found: advance(found.done, found.total, "Ctrl-C stops waiting")
