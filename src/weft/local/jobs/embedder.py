"""Keeps a process that embeds what waits, for as long as something does.

Embedding in this process would hold the interpreter's lock; beside it, it takes what processor time
is left. One process embeds a file at a time: it holds a lock that the kernel frees when it dies.

It says what it is about to embed, so that a text on which it dies is found: the batch of its death
is tried in halves, and the one text that is left is passed over.
"""

import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final, cast

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from weft.errors import WeftError
from weft.local.process_liveness import is_locked
from weft.local.store.base import Store

LOOK_SECONDS: Final = 1.0
PAUSE_MAX_SECONDS: Final = 300.0
# A process that is silent for longer is ended. It says something at each batch, and ends by itself
# when it has nothing to do.
SILENCE_MAX_SECONDS: Final = 180.0
END_SECONDS: Final = 5.0
LINE_MAX_BYTES: Final = 2_000
FAILURES_COUNTED: Final = 10
STRIKES: Final = 2

# On other systems the process itself lowers its priority.
_BELOW_NORMAL: Final[int] = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)

logger = logging.getLogger(__name__)


class End(IntEnum):
    """The exit codes of a process that embeds; any other is that of a death."""

    IDLE = 0
    TROUBLE = 3
    BUSY = 4
    OTHER_VERSION = 5


class Said:
    """The words with which its lines begin."""

    TRYING: Final = "trying"
    KEPT: Final = "kept"
    TROUBLE: Final = "trouble"


@dataclass(frozen=True, slots=True)
class Batch:
    """The first and the last ticket of texts that are embedded together, and how many they are."""

    first: int
    last: int
    size: int


@dataclass(slots=True)
class Caution:
    """What to take care of after deaths: batches up to a ticket are small, and some are left out.

    A batch on which a process died is halved until one text is left; if that is the end of
    another ``STRIKES`` processes, it is passed over.
    """

    through: int = -1
    size: int = 0
    passed_over: list[int] = field(default_factory=list[int])
    strikes: int = 0

    def note_death(self, batch: Batch) -> int | None:
        """Take more care from now on; return the ticket that is passed over because of that."""
        if batch.size > 1:
            self.through, self.size, self.strikes = batch.last, batch.size // 2, 0
            return None
        self.strikes = self.strikes + 1 if self.through == batch.last else 1
        self.through, self.size = batch.last, 1
        if self.strikes < STRIKES:
            return None
        self.passed_over.append(batch.first)
        self.through, self.size, self.strikes = -1, 0, 0
        return batch.first

    def arguments(self) -> Sequence[str]:
        """Return how a process is told."""
        told = ["--through", str(self.through), "--size", str(self.size)] if self.size else []
        left_out = ["--pass-over", *map(str, self.passed_over)] if self.passed_over else []
        return [*told, *left_out]


@dataclass(frozen=True, slots=True)
class Embedder:
    """How to start a process that embeds, and the files that all processes on a database share.

    Whoever embeds holds the ``lock``; ``trouble`` says why nothing is embedded, if so.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    lock: Path
    trouble: Path


class EmbedderKeeper:
    """Starts a process that embeds when something waits for it, and starts it again if it dies.

    ``models`` are the ways to embed that this process is set up for, each with its model, or None
    if only the encoder can tell it.
    """

    def __init__(self, store: Store, embedder: Embedder, models: Mapping[str, str | None]) -> None:
        self._store = store
        self._embedder = embedder
        self._models = models
        self._caution = Caution()
        self._seen = 0
        self._waits = False
        # Each process says once which models it has: of two that differ, the later one prevails.
        self._adopts: bool | None = None
        self._failures = 0
        self._trouble: str | None = None

    async def run(self) -> None:
        """Keep it until cancelled; the process ends with this one."""
        while True:
            await anyio.sleep(self._pause())
            try:
                if await self._has_work():
                    await self._embed()
            except (WeftError, OSError) as error:
                self._failures += 1
                self._tell(str(error) if isinstance(error, WeftError) else _describe(error))

    def _pause(self) -> float:
        return min(PAUSE_MAX_SECONDS, LOOK_SECONDS * 2 ** min(self._failures, FAILURES_COUNTED))

    async def _has_work(self) -> bool:
        """Tell whether something waits and nobody else embeds."""
        if self._adopts is None:
            self._adopts = _differs(await self._store.vectors.ways(), self._models)
        latest = await self._store.wait_for_change(self._seen, 0)
        if latest != self._seen:
            self._seen = latest
            self._waits = bool(await self._store.vectors.take([*self._models], 1))
        if not (self._waits or self._adopts):
            self._note_progress()
            return False
        return not is_locked(self._embedder.lock)

    async def _embed(self) -> None:
        """Run a process to its end, and draw the conclusions for the next one."""
        # Unless something comes of it, the next one waits for longer.
        self._failures += 1
        arguments = [*self._caution.arguments(), *(["--adopt"] if self._adopts else [])]
        run = _Run(self._note_progress)
        match code := await run.follow(self._embedder, arguments):
            case End.IDLE:
                self._adopts = False
            case End.BUSY:
                # Another one may end at any time.
                self._failures = 1
            case End.TROUBLE:
                self._tell(run.trouble or "It did not say why.")
            case End.OTHER_VERSION:
                self._tell("Weft was upgraded while it ran: restart it.")
                await anyio.sleep_forever()
            case _:
                hung = f"said nothing for {SILENCE_MAX_SECONDS:.0f} s, and was ended"
                how = hung if code is None else f"ended by itself (code {code})"
                self._tell(f"The process that embeds {how}.")
                if run.trying is not None:
                    self._note_death(run.trying)

    def _note_death(self, batch: Batch) -> None:
        # Halving a batch is progress, if a slow one.
        self._failures = 1
        if (ticket := self._caution.note_death(batch)) is not None:
            logger.warning("passing over ticket %d, which ended the process that embeds", ticket)

    def _note_progress(self) -> None:
        self._failures = 0
        self._tell(None)

    def _tell(self, trouble: str | None) -> None:
        """Say why nothing is embedded, or that it goes on: in the log and to other processes."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is not None:
            logger.warning("nothing is embedded for now: %s", trouble)
        with suppress(OSError):
            if trouble is None:
                self._embedder.trouble.unlink(missing_ok=True)
            else:
                self._write_trouble(trouble)

    def _write_trouble(self, trouble: str) -> None:
        # Whoever reads it, reads it whole; and on a full disk there is none rather than a part.
        file = self._embedder.trouble
        new = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            new.write_text(trouble, encoding="utf-8")
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)


class _Run:
    """One run of the process, and what it said."""

    def __init__(self, note_progress: Callable[[], None]) -> None:
        self._note_progress = note_progress
        self.trying: Batch | None = None
        self.trouble: str | None = None

    async def follow(self, embedder: Embedder, arguments: Sequence[str]) -> int | None:
        """Start the process and listen to its end; return its exit code. Raises OSError."""
        process = await anyio.open_process(
            [*embedder.command, *arguments],
            # It ends when this end of its input is closed, be it because this process died.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            env=embedder.environment,
            creationflags=_BELOW_NORMAL,
        )
        try:
            await self._listen(process)
            with anyio.move_on_after(END_SECONDS):
                await process.wait()
            return process.returncode
        finally:
            with anyio.move_on_after(END_SECONDS, shield=True):
                # Whatever it was about to write is written whole or not at all.
                with suppress(ProcessLookupError):
                    process.kill()
                await process.aclose()

    async def _listen(self, process: Process) -> None:
        lines = BufferedByteReceiveStream(cast("ByteReceiveStream", process.stdout))
        with suppress(
            TimeoutError, anyio.EndOfStream, anyio.IncompleteRead, anyio.DelimiterNotFound
        ):
            while True:
                with anyio.fail_after(SILENCE_MAX_SECONDS):
                    line = await lines.receive_until(b"\n", LINE_MAX_BYTES)
                self._heed(line.decode(errors="replace"))

    def _heed(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == Said.TRYING:
            self.trying = Batch(*map(int, rest.split()))
        elif word == Said.KEPT:
            self.trying = None
            self._note_progress()
        elif word == Said.TROUBLE:
            self.trouble = rest


def _differs(present: Mapping[str, str | None], models: Mapping[str, str | None]) -> bool:
    """Tell whether something may have been embedded by another model than its way's present one."""
    return any(
        way in models and model is not None and models[way] != model
        for way, model in present.items()
    )


def _describe(error: OSError) -> str:
    return f"The process that embeds cannot be started: {os.strerror(error.errno or 0)}."
