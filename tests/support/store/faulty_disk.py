"""A disk that is full, fails, or loses power, as SQLite sees it."""

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apsw

# apsw's stubs cannot be read on Python 3.11; see weft.local.store.sqlite.file.session.
_apsw = cast("Any", apsw)

if TYPE_CHECKING:

    class _File:
        def __init__(self, vfs: str, filename: Any, flags: list[int]) -> None: ...
        def xWrite(self, data: bytes, offset: int) -> None: ...  # noqa: N802 (SQLite's name)
        def xTruncate(self, size: int) -> None: ...  # noqa: N802 (SQLite's name)
        def xSync(self, flags: int) -> bool: ...  # noqa: N802 (SQLite's name)

    class _Vfs:
        def __init__(self, name: str, base: str) -> None: ...
        def xDelete(self, filename: str, syncdir: bool) -> None: ...  # noqa: N802 (SQLite's name)
        def unregister(self) -> None: ...
else:
    _File, _Vfs = apsw.VFSFile, apsw.VFS


@dataclass
class Disk:
    """Fails or loses power when a test says so; counts what is written."""

    head: threading.Lock = field(default_factory=threading.Lock)
    writes: int = 0
    fail_at: int | None = None
    fail_with: type[Exception] = apsw.FullError
    failures: int = 0
    recorded: Path | None = None
    durable: dict[str, bytes] = field(default_factory=dict[str, bytes])
    unsynced: dict[str, list[tuple[int, bytes | None]]] = field(
        default_factory=dict[str, list[tuple[int, bytes | None]]]
    )

    def break_after(self, writes: int, error: type[Exception]) -> None:
        """From that many writes on, every write fails, until `mend`."""
        self.fail_with = error
        self.failures = 0
        self.fail_at = self.writes + writes

    def mend(self) -> None:
        """There is room again."""
        self.fail_at = None

    def count(self) -> None:
        """One more write, or an error instead of it."""
        self.writes += 1
        if self.fail_at is not None and self.writes > self.fail_at:
            self.failures += 1
            raise self.fail_with("scripted")

    def record(self, folder: Path) -> None:
        """Remember from now on what of the files in this folder is safe; they must be new."""
        self.recorded = folder

    def wrote(self, path: str, offset: int, data: bytes | None) -> None:
        """Remember what is not yet on the platters; None as data cuts the file at the offset."""
        if Path(path).parent == self.recorded:
            self.unsynced.setdefault(path, []).append((offset, data))

    def mark_synced(self, path: str) -> None:
        """All that was written to the file is safe now."""
        if Path(path).parent == self.recorded:
            self.durable[path] = _apply_writes(
                self.durable.get(path, b""), self.unsynced.pop(path, [])
            )

    def after_power_cut(self, folder: Path, chance: random.Random) -> None:
        """Put into ``folder`` what survives: all that was synced, and of the rest any part.

        Sectors of unsynced writes may be kept, lost, or torn in the middle, in any order.
        """
        with self.head:
            durable, unsynced = dict(self.durable), {p: list(w) for p, w in self.unsynced.items()}
        for path in {*durable, *unsynced}:
            kept: list[tuple[int, bytes | None]] = []
            for offset, data in unsynced.get(path, []):
                fate = chance.choice(("kept", "kept", "lost", "torn"))
                if data is None or fate == "kept":
                    kept.append((offset, data))
                elif fate == "torn":
                    kept.append((offset, data[: chance.randrange(len(data) + 1)]))
            whole = _apply_writes(durable.get(path, b""), kept)
            (folder / Path(path).name).write_bytes(whole)


def _apply_writes(content: bytes, writes: list[tuple[int, bytes | None]]) -> bytes:
    out = bytearray(content)
    for offset, data in writes:
        if data is None:
            del out[offset:]
        else:
            out.extend(bytes(max(0, offset - len(out))))
            out[offset : offset + len(data)] = data
    return bytes(out)


@contextmanager
def faulty_disk(name: str) -> Generator[Disk]:
    """Every database that is opened within the block lies on this disk."""
    disk = Disk()

    class File(_File):
        def __init__(self, filename: Any, flags: list[int]) -> None:
            super().__init__("unix", filename, flags)
            self._path = str(getattr(filename, "filename", lambda: filename)())

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's name)
            with disk.head:
                disk.count()
                super().xWrite(data, offset)
                disk.wrote(self._path, offset, bytes(data))

        def xTruncate(self, size: int) -> None:  # noqa: N802 (SQLite's name)
            with disk.head:
                super().xTruncate(size)
                disk.wrote(self._path, size, None)

        def xSync(self, flags: int) -> bool:  # noqa: N802 (SQLite's name)
            with disk.head:
                disk.count()
                done = super().xSync(flags)
                disk.mark_synced(self._path)
                return done

    class Vfs(_Vfs):
        def xOpen(self, filename: Any, flags: list[int]) -> File:  # noqa: N802 (SQLite's name)
            return File(filename, flags)

        def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's name)
            super().xDelete(filename, syncdir)
            disk.durable.pop(filename, None)
            disk.unsynced.pop(filename, None)

    vfs = Vfs(name, "unix")
    usual = _apsw.vfs_names()[0]
    _apsw.set_default_vfs(name)
    try:
        yield disk
    finally:
        _apsw.set_default_vfs(usual)
        vfs.unregister()
