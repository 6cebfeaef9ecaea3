"""Tells dead processes from living ones at once, as the kernel frees a dead one's file lock."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Self

from weft.errors import StorageFailed

LOCK_ATTEMPTS = 100
LOCK_RETRY_SECONDS = 0.01

_SUFFIX = ".lock"


class ProcessLock:
    """A locked file of this process, in a folder that all processes on one database share.

    Where locks do not work (some network file systems), leases alone decide, more slowly.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises StorageFailed where its file cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = _lock_path(self._path(self._owner))
        except OSError as error:
            raise StorageFailed(
                f"{self._folder} cannot be written: {error.strerror}.",
                hint="Restore its permissions.",
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        # A file that cannot be removed is free, so others see that this process is gone.
        with suppress(OSError):
            self._path(self._owner).unlink(missing_ok=True)

    def restore(self) -> bool:
        """Lock a new file if this process's was removed; return whether it was."""
        if self._descriptor is None or _is_at(self._descriptor, self._path(self._owner)):
            return False
        self._folder.mkdir(exist_ok=True, mode=0o700)
        lost, self._descriptor = self._descriptor, _lock_path(self._path(self._owner))
        os.close(lost)
        return True

    def is_dead(self, owner: str) -> bool:
        """Tell whether the process with that owner name no longer holds its lock.

        A process takes its lock before it claims anything and removes it after it has handed
        everything back, so a process without a lock file is gone.
        """
        if owner == self._owner or self._descriptor is None:
            return False
        try:
            descriptor = os.open(self._path(owner), os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            return _is_free(descriptor)
        finally:
            os.close(descriptor)

    def sweep(self) -> None:
        """Remove the lock files that dead processes left."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if path.stem != self._owner and self._descriptor is not None:
                _remove_free(path)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}{_SUFFIX}"


@contextmanager
def try_to_lock(path: Path) -> Generator[bool]:
    """Hold a file's lock in this block; yield False if another process has it.

    The file stays. Where locks do not work, everyone gets it. Raises OSError if it cannot be made.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        attempts = 0
        # Others hold it briefly, to see whether somebody does.
        while (is_held := _is_held(descriptor)) and attempts < LOCK_ATTEMPTS:
            attempts += 1
            sleep(LOCK_RETRY_SECONDS)
        yield not is_held
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether a process is in `try_to_lock` with that file. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return _is_held(descriptor)
    finally:
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    """Take the lock; return whether another process has it."""
    try:
        lock_file(descriptor)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False


def _lock_path(path: Path) -> int | None:
    """Lock the file at ``path``; return its descriptor, None where locks do not work."""
    for _ in range(LOCK_ATTEMPTS):
        # Not inherited by child processes: a surviving child must not keep the lock.
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            lock_file(descriptor)
        except (BlockingIOError, PermissionError):
            # Another process holds the lock briefly, to see whether we are alive.
            os.close(descriptor)
            sleep(LOCK_RETRY_SECONDS)
            continue
        except OSError:
            os.close(descriptor)
            return None
        # A sweep may have removed the file before we locked it; then nobody sees this lock.
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _is_free(descriptor: int) -> bool:
    try:
        lock_file(descriptor)
    except OSError:
        return False
    return True


def _remove_free(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        if not _is_free(descriptor):
            return
        # Remove it under the lock, so that a process that is just creating it notices. Windows
        # removes no open file, so there it is closed first, and stays if somebody has it open.
        if sys.platform != "win32":
            path.unlink(missing_ok=True)
            return
    finally:
        os.close(descriptor)
    with suppress(OSError):
        path.unlink(missing_ok=True)


if sys.platform == "win32":
    import msvcrt

    def lock_file(descriptor: int) -> None:
        """Take the lock until the file is closed. Raises OSError when another has it."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def lock_file(descriptor: int) -> None:
        """Take the lock until the file is closed. Raises BlockingIOError when another has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
