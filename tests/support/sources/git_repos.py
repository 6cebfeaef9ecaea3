"""Makes real repositories for tests, hostile ones included, object by object."""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path


@dataclass
class RawRepository:
    """A bare or non-bare repository at ``root``; ``git`` is the folder with HEAD in it."""

    root: Path
    bare: bool = False

    def __post_init__(self) -> None:
        for name in ("objects/pack", "objects/info", "refs/heads"):
            (self.git / name).mkdir(parents=True, exist_ok=True)
        (self.git / "HEAD").write_text("ref: refs/heads/main\n")

    @property
    def git(self) -> Path:
        return self.root if self.bare else self.root / ".git"

    def put(self, kind: bytes, data: bytes) -> str:
        """Write a loose object; returns its id."""
        whole = b"%s %d\0%s" % (kind, len(data), data)
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        self.put_raw(name, whole)
        return name

    def put_raw(self, name: str, whole: bytes) -> None:
        """Write a loose object, whatever it says of itself."""
        path = self.git / "objects" / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole, 1))

    def put_blob(self, data: bytes) -> str:
        """A file's content."""
        return self.put(b"blob", data)

    def put_tree(self, *entries: tuple[str, bytes, str]) -> str:
        """A folder of (mode, name, id)."""
        rows = (b"%s %s\0%s" % (m.encode(), n, bytes.fromhex(i)) for m, n, i in entries)
        return self.put(b"tree", b"".join(rows))

    def put_files(self, **contents: bytes) -> str:
        """A folder of plain files; underscores in names stand for dots."""
        names = {name.replace("_", "."): data for name, data in contents.items()}
        return self.put_tree(
            *(("100644", n.encode(), self.put_blob(names[n])) for n in sorted(names))
        )

    def commit(
        self, tree: str, *parents: str, message: bytes = b"A commit", seconds: int = 1_700_000_000
    ) -> str:
        """A commit, to which the branch main is set."""
        lines = [b"tree " + tree.encode(), *(b"parent " + p.encode() for p in parents)]
        who = b"Ada <ada@example.org> %d +0000" % seconds
        lines += [b"author " + who, b"committer " + who]
        name = self.put(b"commit", b"\n".join(lines) + b"\n\n" + message)
        self.set_branch("main", name)
        return name

    def set_branch(self, branch: str, name: str) -> None:
        """Set a branch."""
        path = self.git / "refs/heads" / branch
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name + "\n")


OFS_DELTA, REF_DELTA = 6, 7


def pack_of(*entries: bytes) -> bytes:
    """A pack file of entries made by `pack_entry`."""
    body = struct.pack(">4sII", b"PACK", 2, len(entries)) + b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def pack_entry(kind: int, data: bytes, *, base: bytes = b"", size: int | None = None) -> bytes:
    """An entry; ``base`` is an id or an encoded distance, ``size`` what it lies to hold."""
    left = len(data) if size is None else size
    first, left = (kind << 4) | (left & 15), left >> 4
    head = bytearray()
    while left:
        head.append(first | 0x80)
        first, left = left & 0x7F, left >> 7
    head.append(first)
    return bytes(head) + base + zlib.compress(data, 1)


def delta(base_size: int, size: int, *operations: bytes) -> bytes:
    """A delta that announces these sizes."""
    return _number(base_size) + _number(size) + b"".join(operations)


def copy(offset: int, length: int) -> bytes:
    """A delta's operation: copy from the base."""
    return b"\xff" + struct.pack("<I", offset) + struct.pack("<I", length)[:3]


def encode_distance(value: int) -> bytes:
    """Encode how far back the base of an offset delta is, as packs write it."""
    out = [value & 0x7F]
    while value := value >> 7:
        value -= 1
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
