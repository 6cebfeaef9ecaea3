"""Reads Git's packs and loose objects with every size bounded before memory is taken.

dulwich's own reader is not used: it inflates whatever a pack claims to hold, and a few kilobytes
can claim gigabytes. Here objects and deltas beyond the limit are refused by the size that they
announce, and again while they are unpacked, in case the announcement lied.
"""

import hashlib
import struct
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import BinaryIO

from weft.sources.git.delta import (
    MAX_OBJECT_BUILT_BYTES,
    MAX_OBJECT_BYTES,
    MAX_OBJECT_STEPS,
    MAX_PACK_BUILT_BYTES,
    MAX_PACK_STEPS,
    BadObject,
    Budget,
    ObjectTooLarge,
    TooMuchWork,
    apply_delta,
)

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
TYPE_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
_TYPE_NUMBERS = {name: number for number, name in TYPE_NAMES.items()}
_OFS_DELTA, _REF_DELTA = 6, 7

MAX_CHAIN_BYTES = 4 * MAX_OBJECT_BYTES
MAX_INFLATED_BYTES = 16 * 1024 * 1024 * 1024
MAX_OBJECTS = 3_000_000
# Finding the ids of a fetched pack takes 700 bytes of memory for each delta.
MAX_FETCHED_OBJECTS = 600_000
_MAX_DELTA_CHAIN = 4_096
_CACHE_BYTES = 32 * 1024 * 1024
# What an empty object takes in the cache.
_CACHE_ENTRY_BYTES = 256
# zlib makes nothing this much larger than it was; empty blocks can, and never end.
_PACKED_SLACK_BYTES = 64 * 1024
_READ_BYTES = 4 * 1024
# Following a chain to its next link costs about as much as so many operations of a delta.
_STEPS_PER_LINK = 10
_ID_BYTES = 20

Object = tuple[int, bytes]
"""An object's type number and content."""


class MissingBase(BadObject):
    """A delta's base is not there (yet): ``base`` is its id."""

    def __init__(self, base: bytes) -> None:
        super().__init__("a delta without a base")
        self.base = base


class PackIndex:
    """A version 2 index file: where in its pack each object is."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the header. Raises BadObject."""
        self._file = file
        head = self._read_at(0, 8 + 256 * 4)
        if head[:8] != b"\xfftOc\0\0\0\2":
            raise BadObject("a pack index of an unknown version")
        self._fanout = struct.unpack(">256I", head[8:])
        self._count = self._fanout[255]
        if self._count > MAX_OBJECTS or list(self._fanout) != sorted(self._fanout):
            raise BadObject("a pack index that is broken or too large")
        self._names = 8 + 256 * 4
        self._offsets = self._names + self._count * (_ID_BYTES + 4)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def find_offset(self, object_id: bytes) -> int | None:
        """Return the offset in the pack, or None if the pack does not have the object."""
        first = self._fanout[object_id[0] - 1] if object_id[0] else 0
        found = bisect_left(
            range(self._count), object_id, first, self._fanout[object_id[0]], key=self._read_id
        )
        if found >= self._count or self._read_id(found) != object_id:
            return None
        (short,) = struct.unpack(">I", self._read_at(self._offsets + 4 * found, 4))
        if short < 0x8000_0000:
            return short
        place = self._offsets + 4 * self._count + 8 * (short & 0x7FFF_FFFF)
        (long,) = struct.unpack(">Q", self._read_at(place, 8))
        return long

    def _read_id(self, position: int) -> bytes:
        return self._read_at(self._names + _ID_BYTES * position, _ID_BYTES)

    def _read_at(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size)
        if len(data) != size:
            raise BadObject("a pack index that ends early")
        return data


class Pack:
    """A pack file; ``find`` returns the offset of a base that a delta names by id.

    ``check`` is called often, also inside a large object, and may raise.
    """

    def __init__(
        self,
        file: BinaryIO,
        find: Callable[[bytes], int | None],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = file
        self._find = find
        self._check = check
        self._budget = Budget(MAX_PACK_STEPS, MAX_PACK_BUILT_BYTES)
        self._broken: set[int] = set()
        self._waiting: dict[int, bytes] = {}
        self._cache: OrderedDict[int, Object] = OrderedDict()
        self._cached_bytes = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, offset: int) -> Object:
        """Read the object at an offset. Raises BadObject, ObjectTooLarge and TooMuchWork."""
        links: list[int] = []
        try:
            return self._build(offset, links)
        except MissingBase as error:
            self._waiting.update(dict.fromkeys(links, error.base))
            raise
        except (ObjectTooLarge, TooMuchWork):
            raise
        except BadObject:
            self._broken.update(links)
            raise

    def _build(self, offset: int, links: list[int]) -> Object:
        """Build an object; ``links`` then holds the offsets, from it on, that were not built."""
        budget = Budget(MAX_OBJECT_STEPS, MAX_OBJECT_BUILT_BYTES)

        def spend(steps: int, built_bytes: int) -> None:
            self._check()
            budget.spend(steps, built_bytes)
            self._budget.spend(steps, built_bytes)

        deltas: list[bytes] = []
        chain_bytes, at = 0, offset
        while (found := self._cache.get(at)) is None:
            links.append(at)
            self._refuse_broken(at)
            kind, size, base = self._read_header(at)
            spend(_STEPS_PER_LINK, size)
            data = inflate(self._file, size)
            if kind in TYPE_NAMES:
                found = (kind, data)
                self._remember(at, found)
                links.pop()
                break
            if isinstance(base, bytes):
                raise MissingBase(base)
            if len(deltas) >= _MAX_DELTA_CHAIN:
                raise BadObject("an endless chain of deltas")
            chain_bytes += size
            if chain_bytes > MAX_CHAIN_BYTES:
                raise ObjectTooLarge("a chain of deltas beyond the limit")
            deltas.append(data)
            at = base
        kind, data = found
        for delta in reversed(deltas):
            data = apply_delta(data, delta, spend)
            links.pop()
        if deltas:
            self._remember(offset, (kind, data))
        return kind, data

    def _refuse_broken(self, offset: int) -> None:
        # Else each of many deltas would follow the same chain to the same bad end.
        if offset in self._broken:
            raise BadObject("a delta on a broken object")
        missing = self._waiting.get(offset)
        if missing is not None and self._find(missing) is None:
            raise MissingBase(missing)

    def scan(self) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield each object's offset, type and id (None for deltas), without keeping any content.

        Raises BadObject, also when the whole pack would unpack to more than MAX_INFLATED_BYTES.
        """
        self._file.seek(0)
        signature, version, count = struct.unpack(">4sII", _read_exactly(self._file, 12))
        if signature != b"PACK" or version not in (2, 3):
            raise BadObject("no pack")
        if count > MAX_FETCHED_OBJECTS:
            raise ObjectTooLarge(f"the pack holds more than {MAX_FETCHED_OBJECTS:,} objects")
        offset, total = 12, 0
        for _ in range(count):
            kind, size, _ = self._read_header(offset)
            total += size
            if total > MAX_INFLATED_BYTES:
                raise ObjectTooLarge("the pack unpacks to too much")
            digest = hashlib.sha1(usedforsecurity=False)
            if kind in TYPE_NAMES:
                digest.update(b"%s %d\0" % (TYPE_NAMES[kind], size))
            self._check()
            for chunk in inflate_pieces(self._file, size):
                self._check()
                digest.update(chunk)
            yield offset, kind, digest.digest() if kind in TYPE_NAMES else None
            offset = self._file.tell()

    def _read_header(self, offset: int) -> tuple[int, int, int | bytes]:
        """Read type, unpacked size and, for a delta, its base: an offset, or an unknown id."""
        self._file.seek(offset)
        byte = _read_byte(self._file)
        kind, size, shift = (byte >> 4) & 7, byte & 15, 4
        while byte & 0x80:
            byte = _read_byte(self._file)
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise BadObject("a size that no object has")
        if kind in TYPE_NAMES:
            return kind, size, 0
        if kind == _REF_DELTA:
            base_id = _read_exactly(self._file, _ID_BYTES)
            base = self._find(base_id)
            return kind, size, base_id if base is None else base
        if kind != _OFS_DELTA:
            raise BadObject("an object of an unknown type")
        base = offset - _read_distance(self._file)
        if base < 12:
            raise BadObject("a base before the pack")
        return kind, size, base

    def _remember(self, offset: int, found: Object) -> None:
        if len(found[1]) > _CACHE_BYTES // 8:
            return
        self._cache[offset] = found
        self._cached_bytes += len(found[1]) + _CACHE_ENTRY_BYTES
        while self._cached_bytes > _CACHE_BYTES:
            _, (_, data) = self._cache.popitem(last=False)
            self._cached_bytes -= len(data) + _CACHE_ENTRY_BYTES


def index_pack(pack: Pack, offsets: dict[bytes, int]) -> None:
    """Put every object of a freshly fetched pack into ``offsets``, by id.

    ``pack`` must look up its bases in ``offsets``. Objects that are too large, or whose base is
    missing, are left out. Raises BadObject, and TooMuchWork.
    """
    deltas: list[int] = []
    for offset, _, object_id in pack.scan():
        if object_id is None:
            deltas.append(offset)
        else:
            offsets[object_id] = offset
    # A delta may name a base that is a delta itself and stands later in the pack. It waits for that
    # one, so that the work does not depend on the order.
    waiting: dict[bytes, list[int]] = {}
    deltas.reverse()
    while deltas:
        offset = deltas.pop()
        try:
            kind, data = pack.read(offset)
        except MissingBase as error:
            waiting.setdefault(error.base, []).append(offset)
        except TooMuchWork:
            raise
        except BadObject:
            continue
        else:
            object_id = object_id_of(kind, data)
            offsets[object_id] = offset
            deltas += waiting.pop(object_id, ())


def object_id_of(kind: int, data: bytes) -> bytes:
    """Return Git's 20-byte id of an object."""
    head = b"%s %d\0" % (TYPE_NAMES[kind], len(data))
    return hashlib.sha1(head + data, usedforsecurity=False).digest()


def read_loose(file: BinaryIO) -> Object:
    """Read a loose object from its file. Raises BadObject and ObjectTooLarge."""
    inflater = zlib.decompressobj()
    data = b""
    try:
        while b"\0" not in data and len(data) < 32:
            packed = file.read(_READ_BYTES)
            if not packed or file.tell() > _PACKED_SLACK_BYTES:
                break
            data += inflater.decompress(packed, 64)
        head, found, content = data.partition(b"\0")
        name, _, digits = head.partition(b" ")
        if not found or name not in _TYPE_NUMBERS or not digits.isdigit():
            raise BadObject("no loose object")
        size = int(digits[:18])
        if size > MAX_OBJECT_BYTES:
            raise ObjectTooLarge("an object beyond the limit")
        pieces, length = [content], len(content)
        for piece in _inflate_rest(inflater, file, size - length):
            pieces.append(piece)
            length += len(piece)
    except zlib.error:
        raise BadObject("a loose object that is broken") from None
    if length != size:
        raise BadObject("a loose object of another size than it says")
    return _TYPE_NUMBERS[name], b"".join(pieces)


def inflate(file: BinaryIO, size: int) -> bytes:
    """Unpack ``size`` bytes from the file's position on. Raises BadObject, ObjectTooLarge."""
    if size > MAX_OBJECT_BYTES:
        raise ObjectTooLarge("an object beyond the limit")
    return b"".join(inflate_pieces(file, size))


def inflate_pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield ``size`` unpacked bytes in pieces; leave the file positioned after the packed ones."""
    inflater = zlib.decompressobj()
    total = 0
    try:
        for piece in _inflate_rest(inflater, file, size):
            total += len(piece)
            yield piece
    except zlib.error:
        raise BadObject("an object that is broken") from None
    if total != size or not inflater.eof:
        raise BadObject("an object of another size than it says")
    file.seek(-len(inflater.unused_data), 1)


def _inflate_rest(
    inflater: "zlib._Decompress",  # pyright: ignore[reportPrivateUsage] (its only name)
    file: BinaryIO,
    size: int,
) -> Iterator[bytes]:
    # Ask for one byte more than announced, to notice an object that is longer.
    left = size + 1
    packed_left = 2 * size + _PACKED_SLACK_BYTES
    packed = inflater.unconsumed_tail
    while not inflater.eof and left > 0:
        if not packed:
            packed = file.read(_READ_BYTES)
            packed_left -= len(packed)
        if not packed or packed_left < 0:
            return
        piece = inflater.decompress(packed, min(left, 1024 * 1024))
        packed = inflater.unconsumed_tail
        left -= len(piece)
        if piece:
            yield piece


def _read_distance(file: BinaryIO) -> int:
    byte = _read_byte(file)
    distance = byte & 0x7F
    while byte & 0x80:
        byte = _read_byte(file)
        distance = ((distance + 1) << 7) | (byte & 0x7F)
        if distance > 1 << 62:
            raise BadObject("a base out of reach")
    return distance


def _read_byte(file: BinaryIO) -> int:
    return _read_exactly(file, 1)[0]


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise BadObject("a pack that ends early")
    return data
