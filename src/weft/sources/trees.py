"""Read below one folder, and never outside it.

A path is never opened in one go: folders are opened one below the other, each relative to the
last one's descriptor and without following symbolic links, so that a link swapped in between is
refused and nothing outside a root can be reached. Platforms without such calls check before and
after opening instead, which is weaker.
"""

import errno
import os
import stat
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from weft.sources.base import SourceContext

# These folders show the kernel's state as files, other programs' secrets included.
_KERNEL_FOLDERS = ("/proc", "/sys")
_MAX_PRIVATE_FILES = 50_000
_BY_DESCRIPTOR = (
    hasattr(os, "O_NOFOLLOW") and os.open in os.supports_dir_fd and os.scandir in os.supports_fd
)

Parts = tuple[str, ...]
Identity = tuple[int, int]
Kind = Literal["file", "folder", "other", "nothing", "unknown"]
"""What is under a name; unknown if the folder is not the one that was listed."""


class NotInside(OSError):
    """The path is a symbolic link, or neither a plain file nor a folder, so it is not read."""


class Moved(OSError):
    """The folder that is being read was moved away, unmounted or replaced, or closed to us."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The names in one folder, sorted; ``links`` holds all that is neither file nor folder."""

    folders: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[str, ...]
    identity: Identity


class ForbiddenPaths:
    """Knows Weft's own state and the kernel's folders, by whatever name they are reached."""

    def __init__(self, private_paths: Iterable[Path]) -> None:
        self._private = tuple(path.resolve() for path in private_paths)
        self._kernel = tuple(Path(path) for path in _KERNEL_FOLDERS if os.name == "posix")
        self._identities: frozenset[Identity] | None = None

    def refuses(self, path: Path) -> bool:
        """Return whether an absolute resolved path is forbidden."""
        return any(path.is_relative_to(folder) for folder in (*self._private, *self._kernel))

    def refuses_folder(self, found: os.stat_result) -> bool:
        """Return whether an opened folder is forbidden, by whatever name it was reached."""
        return any(
            _identity(found) == _stat_identity(path) for path in (*self._private, *self._kernel)
        )

    def refuses_file(self, found: os.stat_result) -> bool:
        """Return whether an opened file is Weft's own, reached through a hard link."""
        if found.st_nlink < 2:
            return False
        if self._identities is None:
            self._identities = frozenset(_walk_identities(self._private))
        return _identity(found) in self._identities


class Tree:
    """Lists folders and opens files below one root. Keeps nothing open between two calls."""

    def __init__(self, root: Path, guard: ForbiddenPaths) -> None:
        self.root = root
        self._guard = guard
        self._pin: tuple[Parts, Identity] | None = None

    def pin(self, parts: Parts) -> None:
        """Read only below this folder from now on: if it is another one, reading raises Moved."""
        self._pin = parts, self.identify(parts)

    def identify(self, parts: Parts) -> Identity:
        """Return the device and number of a folder. Raises OSError."""
        with self._open_folder(parts) as folder:
            return _identity(os.fstat(folder))

    def list_folder(self, parts: Parts) -> Listing:
        """List a folder. Raises OSError; NotInside if it may not be read."""
        with self._open_folder(parts) as folder:
            found = os.fstat(folder)
            self._check_folder(found, parts)
            with os.scandir(folder) as entries:
                return Listing(*sort_names(entries), _identity(found))

    def kind_now(self, parts: Parts, identity: Identity, name: str) -> Kind:
        """Return what a listed folder holds under a name now. Raises OSError."""
        with self._open_folder(parts) as folder:
            if _identity(os.fstat(folder)) != identity:
                return "unknown"
            try:
                return _kind(os.stat(_check_name(name), dir_fd=folder, follow_symlinks=False))
            except FileNotFoundError:
                return "nothing"

    def open_file(self, parts: Parts) -> int:
        """Open a plain file for reading. Raises OSError; NotInside as `list_folder`."""
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        with self._open_folder(parts[:-1]) as folder:
            return self._check_file(_open_below(folder, parts[-1], flags))

    def identify_file(self, parts: Parts) -> Identity:
        """Return the device and number of a plain file. Raises as `open_file`, but opens nothing.

        A program ends all its locks on a file when it closes any descriptor of it, and SQLite
        needs its own.
        """
        with self._open_folder(parts[:-1]) as folder:
            found = os.stat(_check_name(parts[-1]), dir_fd=folder, follow_symlinks=False)
        return self._identify(found)

    @contextmanager
    def _open_folder(self, parts: Parts) -> Generator[int]:
        current = self._open_pinned()
        current = _descend(current, parts[len(self._pin[0]) :] if self._pin else parts)
        try:
            yield current
        finally:
            os.close(current)

    def _open_pinned(self) -> int:
        """Open the pinned folder, or the root if none is."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if self._pin is None:
            return os.open(self.root, flags)
        parts, identity = self._pin
        try:
            current = _descend(os.open(self.root, flags), parts)
        except OSError as error:
            raise Moved(errno.ESTALE, "gone, or not to be read any more") from error
        if _identity(os.fstat(current)) != identity:
            os.close(current)
            raise Moved(errno.ESTALE, "another folder")
        return current

    def _check_folder(self, found: os.stat_result, parts: Parts) -> None:
        if self._guard.refuses(self.root.joinpath(*parts)) or self._guard.refuses_folder(found):
            raise NotInside(errno.EPERM, "never read")

    def _check_file(self, descriptor: int) -> int:
        try:
            self._identify(os.fstat(descriptor))
        except NotInside:
            os.close(descriptor)
            raise
        return descriptor

    def _identify(self, found: os.stat_result) -> Identity:
        if not stat.S_ISREG(found.st_mode) or self._guard.refuses_file(found):
            raise NotInside(errno.EPERM, "no plain file, or never read")
        return _identity(found)


class PortableTree(Tree):
    """A `Tree` for platforms that cannot open relative to a descriptor, such as Windows.

    Links are noticed before and after opening, but not by the call that opens: a program that can
    write inside a root and swaps folders at just the right moments can still get around it.
    """

    def identify(self, parts: Parts) -> Identity:
        """As in `Tree`."""
        return _identity(self._check_path(parts).stat())

    def list_folder(self, parts: Parts) -> Listing:
        """As in `Tree`."""
        path = self._check_path(parts)
        found = path.stat()
        self._check_folder(found, parts)
        with os.scandir(path) as entries:
            names = sort_names(entries)
        self._check_path(parts)
        return Listing(*names, _identity(found))

    def kind_now(self, parts: Parts, identity: Identity, name: str) -> Kind:
        """As in `Tree`."""
        path = self._check_path(parts)
        if _stat_identity(path) != identity:
            return "unknown"
        try:
            return _kind((path / _check_name(name)).lstat())
        except FileNotFoundError:
            return "nothing"

    def open_file(self, parts: Parts) -> int:
        """As in `Tree`."""
        path = self._check_path(parts)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise NotInside(errno.EPERM, "no plain file")
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags)
        try:
            if _identity(self._check_path(parts).lstat()) != _identity(os.fstat(descriptor)):
                raise NotInside(errno.EPERM, "swapped while it was opened")
        except OSError:
            os.close(descriptor)
            raise
        return self._check_file(descriptor)

    def identify_file(self, parts: Parts) -> Identity:
        """As in `Tree`."""
        return self._identify(self._check_path(parts).lstat())

    def _check_path(self, parts: Parts) -> Path:
        if self._pin and _stat_identity(self.root.joinpath(*self._pin[0])) != self._pin[1]:
            raise Moved(errno.ESTALE, "gone, or another folder")
        path = self.root.joinpath(*map(_check_name, parts))
        if Path(os.path.realpath(path, strict=True)) != path:
            raise NotInside(errno.ELOOP, "a link leads elsewhere")
        return path


def tree_at(root: Path, context: SourceContext) -> Tree:
    """Return the strictest tree that this platform supports."""
    kind = Tree if _BY_DESCRIPTOR else PortableTree
    return kind(root, ForbiddenPaths(context.private_paths))


def _open_below(folder: int, name: str, flags: int) -> int:
    try:
        return os.open(_check_name(name), flags, dir_fd=folder)
    except OSError as error:
        # Depending on the platform, these mean a link where a folder or a file was expected.
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise NotInside(errno.ELOOP, "a link, or no plain file or folder") from error
        raise


def _check_name(part: str) -> str:
    if part in ("", ".", "..") or "/" in part or os.sep in part or "\0" in part:
        raise NotInside(errno.EPERM, "not a plain name")
    return part


def _descend(current: int, parts: Parts) -> int:
    """Open one folder below the other, and close all but the last."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        for part in parts:
            below = _open_below(current, part, flags)
            os.close(current)
            current = below
    except OSError:
        os.close(current)
        raise
    return current


def _kind(found: os.stat_result) -> Kind:
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    return "file" if stat.S_ISREG(found.st_mode) else "other"


def sort_names(entries: Iterable[os.DirEntry[str]]) -> tuple[Parts, Parts, Parts]:
    """Return the names of folders, of plain files, and of all else."""
    folders: list[str] = []
    files: list[str] = []
    others: list[str] = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            folders.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            files.append(entry.name)
        else:
            others.append(entry.name)
    return tuple(sorted(folders)), tuple(sorted(files)), tuple(sorted(others))


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _stat_identity(path: Path) -> Identity | None:
    try:
        return _identity(path.stat())
    except OSError:
        return None


def _walk_identities(paths: Iterable[Path]) -> Iterator[Identity]:
    for private in paths:
        files = (Path(at, name) for at, _, names in os.walk(private) for name in names)
        for path in islice(chain([private], files), _MAX_PRIVATE_FILES):
            found = _stat_identity(path)
            if found is not None:
                yield found
