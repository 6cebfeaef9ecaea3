"""Faults of disks: what is read is moved away, replaced, or refuses to be read, at any moment."""

import errno
import os
import shutil
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from weft.sources.base import SourceContext
from weft.testing.listing_faults import Fault, ListingFaults

PLACES_MAX = 12

_Broken = dict[Path, int]


class _Blow(Protocol):
    """Does harm to a folder, and returns how to mend it."""

    def __call__(self, root: Path, broken: "_Broken", /) -> Callable[[], object]: ...


@dataclass
class FolderFaults(ListingFaults):
    """Harms a folder at each opening of a file or folder, or at PLACES_MAX of them, evenly spread.

    ``vital`` are folders below it that are harmed in the same ways, each alone. Those that are only
    ``inner`` refuse to be read: if they were moved away, their files would really be gone.
    """

    root: Path
    vital: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    _openings: int = 0
    _hit: bool = False
    _broken: dict[Path, int] = field(default_factory=dict[Path, int])

    @asynccontextmanager
    async def record(self, context: SourceContext) -> AsyncGenerator[SourceContext]:
        """As in `ListingFaults`."""
        self._openings = 0

        def count() -> None:
            self._openings += 1

        with _watch_openings(count, self._broken):
            yield context

    def plan(self) -> Collection[Fault]:
        """As in `ListingFaults`."""
        step = max(1, self._openings // PLACES_MAX)
        places = range(0, self._openings, step)
        return [Fault(name, place) for name in self._blows() for place in places]

    def inject(
        self, fault: Fault, context: SourceContext
    ) -> AbstractAsyncContextManager[SourceContext]:
        """As in `ListingFaults`."""
        return self._inject(fault, context)

    @property
    def hit(self) -> bool:
        """As in `ListingFaults`."""
        return self._hit

    @asynccontextmanager
    async def _inject(self, fault: Fault, context: SourceContext) -> AsyncGenerator[SourceContext]:
        left, self._hit = fault.place, False
        mend: list[Callable[[], object]] = []

        def strike() -> None:
            nonlocal left
            left -= 1
            if left == -1:
                self._hit = True
                blow, folder = self._blows()[fault.name]
                mend.append(blow(folder, self._broken))
            elif left == -1 - _MENDED_AFTER and fault.name.endswith(_BACK):
                mend.pop()()

        try:
            with _watch_openings(strike, self._broken):
                yield context
        finally:
            for undo in mend:
                undo()

    def _blows(self) -> dict[str, tuple[_Blow, Path]]:
        found: dict[str, tuple[_Blow, Path]] = {}
        for folder in ("", *self.vital, *self.inner):
            for name, blow in (_REFUSALS if folder in self.inner else _MOVES | _REFUSALS).items():
                where = f"{name}: {folder or 'the start'}"
                found[where] = found[where + _BACK] = blow, self.root / folder
        return found


_BACK = ", and back"
_MENDED_AFTER = 3


def _move_away(root: Path, _broken: _Broken) -> Callable[[], object]:
    aside = root.with_name(f"{root.name} aside")
    root.rename(aside)
    return lambda: aside.rename(root)


def _replace_by(root: Path, make: Callable[[Path], object]) -> Callable[[], object]:
    back = _move_away(root, {})
    make(root)

    def mend() -> None:
        if root.is_dir() and not root.is_symlink():
            shutil.rmtree(root)
        else:
            root.unlink()
        back()

    return mend


def _make_other(root: Path) -> None:
    root.mkdir()
    (root / "another.txt").write_text("another")


def _make_link(root: Path) -> None:
    root.symlink_to(root.with_name(f"{root.name} aside"))


def _refuse(number: int) -> _Blow:
    def blow(root: Path, broken: _Broken, /) -> Callable[[], object]:
        broken[root] = number
        return broken.clear

    return blow


_MOVES: dict[str, _Blow] = {
    "moved away": _move_away,
    "replaced by an empty folder": lambda root, _: _replace_by(root, Path.mkdir),
    "replaced by another folder": lambda root, _: _replace_by(root, _make_other),
    "replaced by a file": lambda root, _: _replace_by(root, Path.touch),
    "replaced by a link": lambda root, _: _replace_by(root, _make_link),
}
_REFUSALS: dict[str, _Blow] = {
    "unreadable": _refuse(errno.EACCES),
    "stale": _refuse(errno.ESTALE),
    "broken disk": _refuse(errno.EIO),
}


@contextmanager
def _watch_openings(opened: Callable[[], None], broken: _Broken) -> Generator[None]:
    real = os.open

    def open_watched(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        opened()
        for folder, number in broken.items():
            if os.fspath(path) in {str(folder), folder.name}:
                raise OSError(number, os.strerror(number))
        return real(path, flags, mode, dir_fd=dir_fd)

    with patch.object(os, "open", open_watched):
        yield
