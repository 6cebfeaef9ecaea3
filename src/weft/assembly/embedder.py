"""The process that embeds what waits: `python -P -m weft.assembly.embedder`.

A Weft that runs jobs starts it, and it ends with that one: when its standard input is closed. It
opens the database and the encoders, and nothing else: no source, no key.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from weft import __version__

if TYPE_CHECKING:
    from weft.local.jobs.embedder import Caution

NICENESS = 15
LINE_MAX_CHARS = 400
LAST_SECONDS = 5.0
"""How long it may take to end when its parent has ended."""


def main(arguments: Sequence[str]) -> int:
    """Embed until nothing has waited for a while; return an `End`."""
    # Ctrl-C on a terminal reaches it too, but the process that started it decides how it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        os.nice(NICENESS)
    # Imported here, so that the imports too are done at a low priority.
    from weft.local.jobs.embedder import Caution, End

    given = _parse(arguments)
    if given.version != __version__:
        # It could bring the database to a schema that its parent does not know.
        return End.OTHER_VERSION
    caution = Caution(through=given.through, size=given.size, passed_over=given.pass_over)
    return anyio.run(_embed, caution, given.adopt, _take_stdout())


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="weft.assembly.embedder")
    parser.add_argument("--version", required=True)
    parser.add_argument("--adopt", action="store_true")
    parser.add_argument("--through", type=int, default=-1)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--pass-over", type=int, nargs="*", default=[])
    # A Weft of another version may give other options, and is told that it is one.
    return parser.parse_known_args(arguments)[0]


def _take_stdout() -> Callable[[str], None]:
    """Return a function that tells the parent a line; what else is printed goes to stderr."""
    told = os.dup(1)
    os.dup2(2, 1)

    def tell(line: str) -> None:
        # A parent that is gone need not hear it: the end of the input tells that it is.
        with suppress(BrokenPipeError):
            os.write(told, f"{' '.join(line.split())[:LINE_MAX_CHARS]}\n".encode())

    return tell


async def _embed(caution: "Caution", adopt: bool, tell: Callable[[str], None]) -> int:
    from weft.errors import WeftError
    from weft.local.arrays import require_numpy
    from weft.local.embedding.models import SettingsModels
    from weft.local.from_settings import embedder_lock, models_of, open_store
    from weft.local.jobs.embedder import End, Said
    from weft.local.process_liveness import try_to_lock
    from weft.settings import load_settings
    from weft.telemetry import logs

    trouble: str | None = None
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        require_numpy()
        with try_to_lock(embedder_lock(settings)) as is_ours:
            if not is_ours:
                return End.BUSY
            from weft.local.jobs.embedding import Embedding  # which imports it

            ways, models = [*models_of(settings)], SettingsModels(settings, patient=True)
            async with open_store(settings) as store:
                embedding = Embedding(store, ways, models, caution, tell)
                with anyio.CancelScope() as scope:
                    # The store is closed in order after that.
                    _end_with_parent(asyncio.get_running_loop(), scope.cancel)
                    trouble = await embedding.run(adopt=adopt)
    except WeftError as error:
        trouble = str(error)
    if trouble is not None:
        tell(f"{Said.TROUBLE} {trouble}")
    return End.IDLE if trouble is None else End.TROUBLE


def _end_with_parent(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Call ``end`` in the loop when the input ends, which it does when the parent has ended."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        with suppress(RuntimeError):  # The loop is closed already.
            loop.call_soon_threadsafe(end)
        time.sleep(LAST_SECONDS)
        # An encoder that takes long must not outlive whom it works for.
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
