"""Walks the names below a folder, and tells what is gone from what could not be seen."""

import errno
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

import anyio.from_thread

from weft.document.text import decode, path_id
from weft.domain.text.characters import clean_line
from weft.sources.base import Event, Incomplete, Skipped
from weft.sources.files.ignore import MAX_PATTERN_CHARS, Patterns, TooComplex
from weft.sources.patterns import PatternWatch
from weft.sources.roots import Start
from weft.sources.secret_names import is_git_folder, is_secret_file, is_secret_folder
from weft.sources.trees import Identity, Kind, Listing, Moved, NotInside, Parts, Tree

MAX_IGNORE_FILE_BYTES = 256 * 1024

logger = logging.getLogger(__name__)


class _NeverRead(Exception):
    """The folder is Weft's own, the kernel's, or a repository without a work tree."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was when it was listed; `parts` is its path from the start."""

    parts: Parts
    identity: Identity
    above: "Folder | None" = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listed file and its folder; `parts` is its path from the start."""

    parts: Parts
    folder: Folder | None = None

    @property
    def id(self) -> str:
        """The entity's id."""
        return id_of_path(self.parts)


@dataclass(frozen=True, slots=True)
class Selection:
    """The configured patterns, and the names of ignore files that count."""

    include: Patterns
    exclude: Patterns
    ignore_files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Level:
    """The ignore files of one folder, ``depth`` folders below the start."""

    depth: int
    patterns: Patterns


_Levels = tuple[_Level, ...]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A folder to list, with the patterns of those above; ``included`` if a pattern named one."""

    parts: Parts
    levels: _Levels
    included: bool
    above: Folder | None = None


class FolderWalk:
    """One pass over the names below the start, depth first.

    ``devices`` are the disks that it has met; ``has_gaps`` tells of folders that it could not read.
    A ``watch`` sees every name in the folders that are entered.
    """

    def __init__(
        self, selection: Selection, start: Start, tree: Tree, watch: PatternWatch | None = None
    ) -> None:
        self._start = start
        self._tree = tree
        self._selection = selection
        self._watch = watch
        self.devices: set[int] = set()
        self.has_gaps = False

    def list_steps(self) -> Iterator[Event | Candidate]:
        """Yield files to read, and what is skipped or cannot be seen. Raises Moved."""
        if self._start.is_file:
            yield Candidate(self._start.parts[-1:])
            return
        pending = [_Pending((), (), not self._selection.include)]
        while pending:
            anyio.from_thread.check_cancelled()
            at = pending.pop()
            try:
                listing = self._list_folder(at.parts)
                levels = (*at.levels, *self._read_ignore_files(at.parts, listing.files))
            except _NeverRead:
                continue
            except Moved:
                raise
            except (OSError, TooComplex) as error:
                if not (is_absence(error) and self._is_gone(at)):
                    where = _display(at.parts)
                    self.has_gaps = True
                    yield Incomplete(f"folder {where} could not be read: {reason_of(error)}")
                continue
            folder = Folder(at.parts, listing.identity, at.above)
            yield from self._list_files(folder, listing.files, levels, at.included)
            for name in listing.links:
                if self._is_wanted((*at.parts, name), levels, at.included):
                    yield Skipped(id_of_path((*at.parts, name)), "a link or device")
            pending += self._choose_folders(folder, listing.folders, levels, at.included)

    def _is_gone(self, at: _Pending) -> bool:
        if at.above is None:
            return False
        kind = kind_at(self._tree, self._start.parts, at.above, at.parts[-1])
        return kind not in {"folder", "unknown"}

    def _list_folder(self, parts: Parts) -> Listing:
        try:
            listing = self._tree.list_folder(self._start.parts + parts)
        except NotInside as error:
            if error.errno == errno.EPERM and parts:
                raise _NeverRead from None
            raise
        self.devices.add(listing.identity[0])
        if is_git_folder(listing.folders, listing.files) and parts:
            raise _NeverRead
        return listing

    def _choose_folders(
        self, folder: Folder, names: tuple[str, ...], levels: _Levels, included: bool
    ) -> Iterator[_Pending]:
        for name in reversed(names):
            below = (*folder.parts, name)
            if self._watch:
                self._watch.see(below, is_folder=True)
            if not is_secret_folder(name) and not self._is_excluded(below, levels, True):
                inside = self._selection.include.verdict(below, is_folder=True)
                yield _Pending(below, levels, included if inside is None else inside, folder)

    def _list_files(
        self, at: Folder, names: tuple[str, ...], levels: _Levels, included: bool
    ) -> Iterator[Event | Candidate]:
        folder = (self._start.path.name, *at.parts)[-1]
        for name in names:
            anyio.from_thread.check_cancelled()
            path = (*at.parts, name)
            if self._watch:
                self._watch.see(path)
            if not self._is_wanted(path, levels, included):
                continue
            if is_secret_file(name, folder):
                yield Skipped(id_of_path(path), "may hold secrets")
            else:
                yield Candidate(path, at)

    def _is_wanted(self, path: Parts, levels: _Levels, included: bool) -> bool:
        verdict = self._selection.include.verdict(path, is_folder=False)
        return (included if verdict is None else verdict) and not self._is_excluded(
            path, levels, False
        )

    def _is_excluded(self, path: Parts, levels: _Levels, is_folder: bool) -> bool:
        if self._selection.exclude.verdict(path, is_folder=is_folder):
            return True
        for level in reversed(levels):
            verdict = level.patterns.verdict(path[level.depth :], is_folder=is_folder)
            if verdict is not None:
                return verdict
        return False

    def _read_ignore_files(self, parts: Parts, names: tuple[str, ...]) -> _Levels:
        lines: list[str] = []
        for name in self._selection.ignore_files:
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


def kind_at(tree: Tree, base: Parts, folder: Folder, name: str) -> Kind:
    """Return what a listed folder holds under a name now; nothing if the folder itself is gone.

    It is unknown where the folder, or one above it, is not the one that was listed: then its
    names are gone from sight, as with an unmounted disk, and not from the source. Raises Moved.
    """
    try:
        return tree.kind_now(base + folder.parts, folder.identity, name)
    except Moved:
        raise
    except OSError as error:
        if folder.above is None or not is_absence(error):
            return "unknown"
    above = kind_at(tree, base, folder.above, folder.parts[-1])
    return "unknown" if above in {"folder", "unknown"} else "nothing"


def is_absence(error: Exception) -> bool:
    """Return whether there is no such name, or a link in its place."""
    is_link = isinstance(error, NotInside) and error.errno == errno.ELOOP
    return is_link or isinstance(error, FileNotFoundError)


def id_of_path(parts: Parts) -> str:
    """Return the id of the entity at a path from the start."""
    return path_id(os.fsencode("/".join(parts)))


def reason_of(error: Exception) -> str:
    """Say why something could not be read, without naming a path."""
    if isinstance(error, TooComplex):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__


def _display(parts: Parts) -> str:
    return clean_line("/".join(parts)) or "."
