"""The place of a database: whether it can be written there, and whether it is still there.

SQLite keeps its files open. When they are removed or replaced, it goes on writing to what nobody
will find again.
"""

import errno
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from weft.errors import StorageFailed
from weft.local.store.sqlite.file.session import connect_here

_SIDE_FILES: Final = ("-wal", "-shm")
_REFUSED: Final = (errno.EROFS, errno.EACCES, errno.EPERM)

Identity = tuple[int, int]


class Place:
    """The path of a database, and the files that were found there."""

    def __init__(self, path: Path, *, read_only: bool, immutable: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._immutable = immutable
        self._opened: dict[Path, Identity] = {}
        self._state = self._read_state()

    @classmethod
    def prepare(cls, path: Path) -> "Place":
        """Create the file if it is missing, readable by its owner alone.

        A file that cannot be written is opened for reading. Raises StorageFailed when it cannot be
        read either, or cannot be created.
        """
        if can_write(path):
            return cls(path, read_only=False, immutable=False)
        return cls(path, read_only=True, immutable=_needs_immutable(path))

    @property
    def uri(self) -> str:
        """Return the address by which SQLite opens the file."""
        mode = "ro" if self.read_only else "rw"
        return _uri(self.path, f"mode={mode}{'&immutable=1' if self._immutable else ''}")

    def remember(self) -> None:
        """Note which files are there, now that all of them are open."""
        self._opened = {each: found for each in self._files() if (found := _identify(each))}

    def refuse_displaced(self) -> None:
        """Raise StorageFailed when a file that was opened is no longer at its path."""
        for each, found in self._opened.items():
            if _identify(each) != found:
                raise StorageFailed(
                    f"The database file {each} was removed or replaced while Weft was running. "
                    "Nothing is stored until it is back.",
                    hint="Put it back, or restart Weft to go on with what is there now.",
                )

    def refuse_write(self) -> None:
        """Raise StorageFailed when nothing can be stored here."""
        if self.read_only:
            raise StorageFailed(
                "The database is read-only here: it can be read and searched, but not changed.",
                hint="Ask the operator to make WEFT_HOME and the database in it writable, and to"
                " restart Weft.",
            )
        self.refuse_displaced()

    def refuse_stale(self) -> None:
        """Raise StorageFailed when another process wrote to a file that nobody was to write.

        SQLite takes no locks on such a file, so reading on could return halves of a change.
        """
        if self._immutable and self._read_state() != self._state:
            raise StorageFailed(
                "The database, which is read-only here, was changed by another process.",
                hint="Restart Weft to read what it holds now.",
            )

    def is_file_there(self) -> bool:
        """Tell whether at least the database file itself is the one that was opened."""
        return self._opened.get(self.path) == _identify(self.path)

    def _files(self) -> list[Path]:
        return [self.path, *(self.path.with_name(self.path.name + end) for end in _SIDE_FILES)]

    def _read_state(self) -> object:
        if not self._immutable:
            return None
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, _has_wal(self.path)


def can_write(path: Path) -> bool:
    """Tell whether the file and its folder can be written; create the file if it is missing.

    Raises StorageFailed when it cannot be created, or can be neither written nor read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite gives its -wal and -shm files the mode of the database file.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        if error.errno in _REFUSED and os.access(path, os.R_OK):
            return False
        raise StorageFailed(
            f"The database {path} cannot be opened: {error.strerror}.",
            hint="Check the folder's permissions, or set WEFT_HOME to another folder.",
        ) from None
    return os.access(path.parent, os.W_OK | os.X_OK)


def _needs_immutable(path: Path) -> bool:
    """Tell whether SQLite must be told that nobody writes, because it cannot make its side files.

    They are there when another process has the database open, or was killed.
    """
    try:
        session = connect_here(_uri(path, "mode=ro"))
        try:
            session.pragma("user_version")
        finally:
            session.close()
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        if not _has_wal(path):
            return True
        raise StorageFailed(
            f"The database {path} has changes in {path.name}-wal that cannot be read where the"
            " folder cannot be written.",
            hint="Run `weft connections` once where WEFT_HOME can be written.",
        ) from None
    return False


def _has_wal(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except OSError:
        return False


def _identify(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _uri(path: Path, query: str) -> str:
    return f"file:{quote(str(path.absolute().as_posix()))}?{query}"
