"""The `files` source: text files on the server's own disk, below the operator's allowed roots.

Each fetch walks the folder twice: to count, and to read. Ignore files and the configured patterns
(`ignore`) choose the files, `walk` lists them, `reader` reads them, and `sources/trees.py` opens
them. A file whose time, size and inode are those of the stored version is not read again. Worker
threads do all the I/O.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar, cast

import anyio.to_thread
from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.text.characters import clean_line
from weft.errors import AccessDenied, SourceMisconfigured
from weft.sources.base import (
    Checkpoint,
    Complete,
    Event,
    Expect,
    Incomplete,
    Named,
    NoFields,
    PreviewEvent,
    Source,
    SourceContext,
)
from weft.sources.files.config import FilesConfig
from weft.sources.files.ignore import Patterns, fits_one
from weft.sources.files.reader import FileReader
from weft.sources.files.walk import Candidate, FolderWalk, Selection, reason_of
from weft.sources.patterns import PatternWatch, locate_in_folder, pin_patterns
from weft.sources.roots import Start, find_start, pin_path
from weft.sources.trees import Identity, Moved, Tree, tree_at

IGNORE_FILES = (".gitignore", ".ignore", ".weftignore")
# The limit of one trip to a worker thread.
_CHUNK_FILES = 128
_MAX_DEVICES_KEPT = 64
# A folder in the place of the last one, such as a new release, may well hold a few files fewer.
FEWER_FILES = 0.9

T = TypeVar("T")


class FilesSource(Source[FilesConfig, NoFields]):
    """Text, Markdown, code, HTML, JSON and CSV below one folder, or one such file."""

    short_name = "files"
    name = "Files"
    description = "Text, code and documents (PDF, Office, mail) in a folder on this server"
    Config = FilesConfig
    entity_types = ("file",)
    labels = ("local", "documents", "folder", "disk", "pdf", "word", "excel", "markdown", "notes")
    checked_against = "real folders"

    async def check(self) -> str:
        """Find the folder or file and open it."""
        start, _ = await _run_in_thread(self._open_start)
        return f"{'file' if start.is_file else 'folder'} {clean_line(str(start.path))} is readable"

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the path absolute, and the patterns relative to it."""
        path = pin_path(cast("FilesConfig", config).path, context)
        return {"path": path, **pin_patterns(config, locate_in_folder(path))}

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Look for the path below the roots."""
        find_start(cast("FilesConfig", config).path, context, field="path")

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the files, which may yet turn out to be binary or too large."""
        start, tree = await _run_in_thread(self._open_start)
        patterns = {"include": self.config.include, "exclude": self.config.exclude}
        watch = PatternWatch({} if start.is_file else patterns, fits_one)
        async for chunk in _chunks_of(self._plan_walk(start, tree, watch)):
            for item in chunk:
                if isinstance(item, Candidate):
                    yield Named(item.id, "file")
                elif isinstance(item, Incomplete):
                    yield item
        for unmatched in await _run_in_thread(watch.list_unmatched):
            yield unmatched
        yield Complete("every folder was listed")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield every file, in order of folder and file names.

        There is no cursor to go on from; the one that is left says what was met (`_Memory`).
        """
        del cursor
        start, tree = await _run_in_thread(self._open_start)
        first, second = self._plan_walk(start, tree), self._plan_walk(start, tree)
        total = 0
        try:
            async for chunk in _chunks_of(first):
                total += sum(isinstance(item, Candidate) for item in chunk)
            yield Expect(total)
            async for chunk in _chunks_of(second):
                for item in chunk:
                    if not isinstance(item, Candidate):
                        yield item
                candidates = [item for item in chunk if isinstance(item, Candidate)]
                async for event in self._read(start, tree, candidates):
                    yield event
            root = await _run_in_thread(lambda: tree.identify(_folder_of(start)))
        except Moved:
            yield Incomplete("the folder was moved, unmounted or replaced while it was read")
            return
        last = _Memory.parse(self.context.last_cursor, self.config.path)
        doubt = None
        if (last.devices | first.devices) - second.devices:
            doubt = "a disk that was read before is not there any more, or is left out"
        elif last.root not in {None, root} and await self._holds_more_than(total):
            doubt = "another folder with fewer files is in the place of the last one"
        if not second.has_gaps:
            yield Checkpoint(_Memory(last.path, second.devices, root).dump())
        yield Complete("every folder was listed, and none was replaced meanwhile", doubt)

    async def _holds_more_than(self, total: int) -> bool:
        """Return whether clearly more files are stored, also by syncs that were broken off."""
        most = int(total / FEWER_FILES)
        return len(await self.context.stored_ids(most + 1)) > most

    def _open_start(self) -> tuple[Start, Tree]:
        """Find and open the start; the tree reads only below this very folder."""
        start = find_start(self.config.path, self.context, field="path")
        tree = tree_at(start.root, self.context)
        try:
            tree.pin(_folder_of(start))
            if start.is_file:
                os.close(tree.open_file(start.parts))
            else:
                tree.list_folder(start.parts)
        except PermissionError:
            raise AccessDenied(
                "The server's user may not read the path.",
                field="path",
                hint="Change its permissions.",
            ) from None
        except OSError as error:
            raise SourceMisconfigured(
                f"The path cannot be read: {reason_of(error)}.", field="path"
            ) from None
        return start, tree

    def _plan_walk(self, start: Start, tree: Tree, watch: PatternWatch | None = None) -> FolderWalk:
        config = self.config
        names = IGNORE_FILES if config.respect_ignore_files else ()
        selection = Selection(Patterns(config.include), Patterns(config.exclude), names)
        return FolderWalk(selection, start, tree, watch)

    async def _read(
        self, start: Start, tree: Tree, candidates: list[Candidate]
    ) -> AsyncGenerator[Event]:
        known = await self.context.known_versions([c.id for c in candidates])
        pending = iter(candidates)
        reader = FileReader(self.config, start, tree, known)
        while events := await _run_in_thread(lambda: reader.read_some(pending)):
            for event in events:
                yield event


async def _chunks_of(walk: FolderWalk) -> AsyncIterator[list[Event | Candidate]]:
    steps = walk.list_steps()
    while chunk := await _run_in_thread(lambda: list(islice(steps, _CHUNK_FILES))):
        yield chunk


def _folder_of(start: Start) -> tuple[str, ...]:
    return start.parts[:-1] if start.is_file else start.parts


@dataclass(frozen=True, slots=True)
class _Memory:
    """The start folder that the last sync of a path met, and the other disks below it."""

    path: str
    devices: set[int] = field(default_factory=set[int])
    root: Identity | None = None

    @classmethod
    def parse(cls, cursor: Json | None, path: str) -> "_Memory":
        """Read what `dump` wrote; an empty memory for anything else, or of another path."""
        match cursor:
            case {
                "path": str(given),
                "devices": list(devices),
                "root": [int(disk), int(number)],
            } if given == path:
                known = {device for device in devices if isinstance(device, int)}
                # Systems may number a disk anew when they start; ``root`` vouches for this one.
                return cls(path, known - {disk}, (disk, number))
            case _:
                return cls(path)

    def dump(self) -> Json:
        devices = [*sorted(self.devices)[:_MAX_DEVICES_KEPT]]
        return {"path": self.path, "devices": [*devices], "root": [*(self.root or ())]}


async def _run_in_thread(work: Callable[[], T]) -> T:
    # A hanging disk must not hold up a cancelled sync: the thread is abandoned, and ends when it
    # next calls check_cancelled.
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
