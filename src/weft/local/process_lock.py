"""Tells living processes from dead ones at once: the kernel frees a dead one's file lock."""

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_SUFFIX = ".lock"


class ProcessLock:
    """A locked file of this process, in a folder that all processes on one database share.

    Where a lock cannot be had (some network file systems), leases alone decide, more slowly.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self._folder = folder
        self._owner = owner
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not inherited by child processes: a surviving child must not keep the lock.
        descriptor = os.open(self._path(self._owner), os.O_CREAT | os.O_RDWR, 0o600)
        if _try_lock(descriptor):
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._path(self._owner).unlink(missing_ok=True)

    def is_dead(self, owner: str) -> bool:
        """Whether the process with that owner name holds no lock any more.

        A process makes its lock before it claims anything and removes it after it has handed
        everything back, so one without a lock file is gone.
        """
        if owner == self._owner or self._descriptor is None:
            return False
        path = self._path(owner)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            dead = _try_lock(descriptor)
        finally:
            os.close(descriptor)
        return dead

    def sweep(self) -> None:
        """Remove the lock files that dead processes left."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            if self.is_dead(path.stem):
                path.unlink(missing_ok=True)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}{_SUFFIX}"


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
