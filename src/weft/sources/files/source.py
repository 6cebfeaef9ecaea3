"""The `files` source: text files on the server's own disk, below the operator's allowed roots.

Each fetch walks the folder twice: to count, and to read. Ignore files and the configured patterns
(`ignore`) choose the files, and `sources/roots.py` opens them. A file whose time, size and inode
are those of the stored version is not read again. Worker threads do all the I/O.
"""

import errno
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar, cast

import anyio.from_thread
import anyio.to_thread
from pydantic import BaseModel

from weft.document.child import TooCostly, run_parser_in_thread
from weft.document.text import clean_line, decode, language_of, path_id, read_file
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import AccessDenied, SourceMisconfigured, SourceUnavailable
from weft.net.dates import posix_time
from weft.sources.base import (
    Event,
    Expect,
    Failed,
    Incomplete,
    NoFields,
    Skipped,
    Source,
    SourceContext,
    Unchanged,
)
from weft.sources.files.config import FilesConfig
from weft.sources.files.ignore import MAX_PATTERN_CHARS, Patterns, TooComplex
from weft.sources.roots import (
    Listing,
    NotInside,
    Parts,
    Start,
    Tree,
    find_start,
    pin_path,
    tree_at,
)
from weft.sources.secret_names import is_git_folder, is_secret_file, is_secret_folder

MAX_IGNORE_FILE_BYTES = 256 * 1024
IGNORE_FILES = (".gitignore", ".ignore", ".weftignore")

# Limits of one trip to a worker thread.
_CHUNK_FILES = 128
_CHUNK_BYTES = 8 * 1024 * 1024
# Part of every version: raise it when the reader improves, so that all files are read again.
_READER = "2"
# Two changes within one tick of the file system's clock look like one, so a file changed just
# before it was read gets no version and is read again next time.
_SETTLED_NS = 2_000_000_000

T = TypeVar("T")

logger = logging.getLogger(__name__)


class FilesSource(Source[FilesConfig, NoFields]):
    """Text, Markdown, code, HTML, JSON and CSV below one folder, or one such file."""

    short_name = "files"
    name = "Files"
    description = "Text, Markdown, HTML and code files in a folder on this server"
    Config = FilesConfig
    entity_types = ("file",)
    labels = ("local", "documents")

    async def check(self) -> str:
        """Find the folder or file and open it."""
        start = await _run_in_thread(
            lambda: find_start(self.config.path, self.context, field="path")
        )
        await _run_in_thread(lambda: _open_start(start, self.context))
        return f"{'file' if start.is_file else 'folder'} {clean_line(str(start.path))} is readable"

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the path absolute."""
        path = cast("FilesConfig", config).path
        return {"path": pin_path(path, context)}

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Look for the path below the roots."""
        find_start(cast("FilesConfig", config).path, context, field="path")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield every file, in order of folder and file names."""
        del cursor
        start = await _run_in_thread(
            lambda: find_start(self.config.path, self.context, field="path")
        )
        await _run_in_thread(lambda: _open_start(start, self.context))
        total = 0
        async for chunk in self._walk(start):
            total += sum(isinstance(item, _Candidate) for item in chunk)
        yield Expect(total)
        async for chunk in self._walk(start):
            for item in chunk:
                if not isinstance(item, _Candidate):
                    yield item
            candidates = [item for item in chunk if isinstance(item, _Candidate)]
            async for event in self._read(start, candidates):
                yield event

    async def _walk(self, start: Start) -> AsyncIterator[list["Event | _Candidate"]]:
        steps = _FolderWalk(self.config, start, self.context).list_steps()
        while chunk := await _run_in_thread(lambda: list(islice(steps, _CHUNK_FILES))):
            yield chunk

    async def _read(self, start: Start, candidates: list["_Candidate"]) -> AsyncGenerator[Event]:
        known = await self.context.known_versions([c.id for c in candidates])
        pending = iter(candidates)
        reader = _FileReader(
            self.config.max_file_size, start, tree_at(start.root, self.context), known
        )
        while events := await _run_in_thread(lambda: reader.read_some(pending)):
            for event in events:
                yield event


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A listed file; `parts` is its path from the start."""

    parts: Parts

    @property
    def id(self) -> str:
        return _id(self.parts)


class _FolderWalk:
    """One pass over the names below the start, depth first."""

    def __init__(self, config: FilesConfig, start: Start, context: SourceContext) -> None:
        self._start = start
        self._tree = tree_at(start.root, context)
        self._include = Patterns(config.include)
        self._exclude = Patterns(config.exclude)
        self._ignore_files = IGNORE_FILES if config.respect_ignore_files else ()

    def list_steps(self) -> Iterator[Event | _Candidate]:
        if self._start.is_file:
            yield _Candidate(self._start.parts[-1:])
            return
        # Each entry: a folder, the patterns of the folders above it, and whether an include
        # pattern has matched one of them.
        pending: list[tuple[Parts, tuple[_Level, ...], bool]] = [((), (), not self._include)]
        while pending:
            anyio.from_thread.check_cancelled()
            parts, levels, included = pending.pop()
            try:
                listing = self._list_folder(parts)
                levels = (*levels, *self._read_ignore_files(parts, listing.files))
            except FileNotFoundError:
                continue
            except NotInside:
                continue
            except (OSError, TooComplex) as error:
                yield Incomplete(f"folder {_display(parts)} could not be read: {_reason(error)}")
                continue
            yield from self._list_files(parts, listing.files, levels, included)
            for name in listing.links:
                if self._is_wanted((*parts, name), levels, included):
                    yield Skipped(_id((*parts, name)), "a link or device")
            for name in reversed(listing.folders):
                below = (*parts, name)
                if not is_secret_folder(name) and not self._is_excluded(below, levels, True):
                    inside = self._include.verdict(below, is_folder=True)
                    pending.append((below, levels, included if inside is None else inside))

    def _list_folder(self, parts: Parts) -> Listing:
        listing = self._tree.list_folder(self._start.parts + parts)
        if is_git_folder(listing.folders, listing.files):
            raise NotInside(errno.EPERM, "a repository without a work tree")
        return listing

    def _list_files(
        self, parts: Parts, names: tuple[str, ...], levels: tuple["_Level", ...], included: bool
    ) -> Iterator[Event | _Candidate]:
        folder = (self._start.path.name, *parts)[-1]
        for name in names:
            anyio.from_thread.check_cancelled()
            path = (*parts, name)
            if not self._is_wanted(path, levels, included):
                continue
            if is_secret_file(name, folder):
                yield Skipped(_id(path), "may hold secrets")
            else:
                yield _Candidate(path)

    def _is_wanted(self, path: Parts, levels: tuple["_Level", ...], included: bool) -> bool:
        verdict = self._include.verdict(path, is_folder=False)
        return (included if verdict is None else verdict) and not self._is_excluded(
            path, levels, False
        )

    def _is_excluded(self, path: Parts, levels: tuple["_Level", ...], is_folder: bool) -> bool:
        if self._exclude.verdict(path, is_folder=is_folder):
            return True
        for level in reversed(levels):
            verdict = level.patterns.verdict(path[level.depth :], is_folder=is_folder)
            if verdict is not None:
                return verdict
        return False

    def _read_ignore_files(self, parts: Parts, names: tuple[str, ...]) -> tuple["_Level", ...]:
        lines: list[str] = []
        for name in self._ignore_files:
            if name in names:
                lines += self._read_lines((*parts, name))
        return (_Level(len(parts), Patterns(lines)),) if lines else ()

    def _read_lines(self, path: Parts) -> list[str]:
        try:
            descriptor = self._tree.open_file(self._start.parts + path)
        except FileNotFoundError:
            return []  # Gone since it was listed: the rest of its folder is still there.
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_IGNORE_FILE_BYTES + 1)
        if len(data) > MAX_IGNORE_FILE_BYTES:
            raise TooComplex(f"its {path[-1]} is too large")
        lines = (decode(data) or "").split("\n")
        short = [line for line in lines if len(line) <= MAX_PATTERN_CHARS]
        if len(short) < len(lines):
            # Not a gap, which would keep everything for ever: no path is so long that they match.
            logger.warning("Overlong lines of %s are passed over.", _display(path))
        return short


@dataclass(frozen=True, slots=True)
class _Level:
    """The ignore files of one folder, ``depth`` folders below the start."""

    depth: int
    patterns: Patterns


class _FileReader:
    """Turns listed files into events, as many at once as fit the chunk's bytes."""

    def __init__(self, max_bytes: int, start: Start, tree: Tree, known: Mapping[str, str]) -> None:
        self._max_bytes = max_bytes
        self._base = start.parts[:-1] if start.is_file else start.parts
        self._tree = tree
        self._known = known

    def read_some(self, candidates: Iterator[_Candidate]) -> list[Event]:
        events: list[Event] = []
        size = 0
        # Check the size first: a candidate taken from the iterator and not read would be lost.
        while size < _CHUNK_BYTES and (candidate := next(candidates, None)):
            anyio.from_thread.check_cancelled()
            try:
                event = self._read_one(candidate)
            except FileNotFoundError:
                # Gone since it was listed.
                continue
            except NotInside:
                event = Skipped(candidate.id, "a link, a device, or Weft's own")
            except OSError as error:
                event = Failed(candidate.id, _reason(error))
            events.append(event)
            size += len(event.text) if isinstance(event, Entity) else 0
        return events

    def _read_one(self, candidate: _Candidate) -> Event:
        descriptor = self._tree.open_file(self._base + candidate.parts)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if found.st_size > self._max_bytes:
                return Skipped(candidate.id, f"larger than {self._max_bytes} bytes")
            version = _version(found)
            if version is not None and self._known.get(candidate.id) == version:
                return Unchanged(candidate.id)
            data = file.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            return Skipped(candidate.id, f"larger than {self._max_bytes} bytes")
        path = "/".join(candidate.parts)
        try:
            document = run_parser_in_thread(len(data), read_file, path, data)
        except TooCostly:
            return Skipped(candidate.id, "takes too much memory or time to read")
        except SourceUnavailable as error:
            return Failed(candidate.id, error.message)
        if document is None:
            return Skipped(candidate.id, "binary, or in an unknown encoding")
        return self._build_entity(candidate, document, len(data), found, version)

    def _build_entity(
        self,
        candidate: _Candidate,
        document: tuple[str, str],
        size: int,
        found: os.stat_result,
        version: str | None,
    ) -> Entity:
        path = "/".join(candidate.parts)
        title, text = document
        modified = posix_time(found.st_mtime)
        metadata: Json = {"path": clean_line(path), "size": size}
        if modified is not None:
            metadata["mtime"] = modified.isoformat(timespec="seconds")
        language = language_of(path)
        if language is not None:
            metadata["language"] = language
        return Entity(
            id=candidate.id,
            type="file",
            title=title,
            text=text,
            url=self._tree.root.joinpath(*self._base, *candidate.parts).as_uri(),
            updated_at=modified,
            metadata=metadata,
            breadcrumbs=tuple(clean_line(part) for part in candidate.parts[:-1]),
            version=version,
        )


async def _run_in_thread(work: Callable[[], T]) -> T:
    # A hanging disk must not hold up a cancelled sync: the thread is abandoned, and ends when it
    # next calls check_cancelled.
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


def _open_start(start: Start, context: SourceContext) -> None:
    tree = tree_at(start.root, context)
    try:
        if start.is_file:
            os.close(tree.open_file(start.parts))
        else:
            tree.list_folder(start.parts)
    except PermissionError:
        raise AccessDenied(
            "The server's user may not read the path.", field="path", hint="Change its permissions."
        ) from None
    except OSError as error:
        raise SourceMisconfigured(
            f"The path cannot be read: {_reason(error)}.", field="path"
        ) from None


def _version(found: os.stat_result) -> str | None:
    if time.time_ns() - found.st_mtime_ns < _SETTLED_NS:
        return None
    numbers = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
    return "-".join([_READER, *(f"{number:x}" for number in numbers)])


def _id(parts: Parts) -> str:
    return path_id(os.fsencode("/".join(parts)))


def _display(parts: Parts) -> str:
    return clean_line("/".join(parts)) or "."


def _reason(error: Exception) -> str:
    if isinstance(error, TooComplex):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
