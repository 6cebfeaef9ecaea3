"""Git objects and packs made to cost time or memory, for any size."""

import io
import struct
import zlib
from collections.abc import Callable

from tests.support.sources.git_repos import (
    OFS_DELTA,
    REF_DELTA,
    copy,
    delta,
    encode_distance,
    pack_entry,
    pack_of,
)
from tests.support.sources.hostile.pages import Make, random_bytes, repeat
from weft.sources.git.delta import BadObject, apply_delta
from weft.sources.git.pack import BLOB, Pack, index_pack, object_id_of, read_loose
from weft.testing.hostile import HostileParser

_BASE = bytes(range(256)) * 16


_COPY_1 = b"\x90\x01"


def _bomb(operation: bytes, *, gain: int) -> Make:
    """Return a maker of deltas on `_BASE` of this operation alone, which makes so many bytes."""

    def make(size: int) -> bytes:
        times = size // len(operation)
        return delta(len(_BASE), times * gain, operation * times)

    return make


DELTA = HostileParser(
    "git delta",
    lambda content: apply_delta(_BASE, content),
    {
        "copies of a byte": _bomb(_COPY_1, gain=1),
        "copies of nothing": _bomb(b"\x80", gain=0),
        "copies of the base": _bomb(copy(0, 4096), gain=4096),
        "long forms of short copies": _bomb(copy(0, 1), gain=1),
        "copies beyond the base": _bomb(copy(4095, 2), gain=2),
        "copies of 64 KiB": _bomb(b"\x80", gain=0x10000),
        "insertions of a byte": _bomb(b"\x01a", gain=1),
        "long insertions": _bomb(b"\x7f" + b"a" * 127, gain=127),
        "insertions that are cut": _bomb(b"\x7fa", gain=127),
        "reserved operations": repeat(b"\0", delta(len(_BASE), 9)),
        "both in turn": _bomb(_COPY_1 + b"\x01a", gain=2),
        "more than announced": repeat(_COPY_1, delta(len(_BASE), 9)),
        "less than announced": repeat(_COPY_1, delta(len(_BASE), 1 << 24)),
        "an endless number": repeat(b"\x80"),
        "a huge number": repeat(b"\xff"),
        "another base": repeat(_COPY_1, delta(1 << 40, 9)),
        "a huge result": repeat(copy(0, 4096), delta(len(_BASE), 1 << 40)),
        "nothing": repeat(b"a", delta(len(_BASE), 0)),
        "copies without arguments": repeat(b"\xff", delta(len(_BASE), 1 << 20)),
        "no delta": random_bytes,
        "a copy in each place": lambda size: delta(
            len(_BASE), size // 8, *(copy(n % 4096, 1) for n in range(size // 8))
        ),
    },
    refusals=(BadObject,),
    size=48 * 1024,
    memory_factor=4096,
)


_OBJECT_BYTES = 64


def _read_pack(content: bytes) -> None:
    offsets: dict[bytes, int] = {}
    pack = Pack(io.BytesIO(content), offsets.get)
    index_pack(pack, offsets)
    for offset in offsets.values():
        pack.read(offset)


def _many(entry: Callable[[int], bytes]) -> Make:
    return lambda size: pack_of(*(entry(n) for n in range(size // _OBJECT_BYTES)))


def _chain(size: int, step: bytes, *, base: bytes = _BASE) -> bytes:
    """Make deltas that each build on the one before."""
    entries = [pack_entry(BLOB, base)]
    for _ in range(size // _OBJECT_BYTES):
        entries.append(pack_entry(OFS_DELTA, step, base=encode_distance(len(entries[-1]))))
    return pack_of(*entries)


def _chain_of_names(size: int, *, backwards: bool) -> bytes:
    """Make deltas that each name the one before by its id."""
    data, entries = b"0" * 20, [pack_entry(BLOB, b"0" * 20)]
    for n in range(size // _OBJECT_BYTES):
        name, text = object_id_of(BLOB, data), b"%020d" % n
        entries.append(pack_entry(REF_DELTA, delta(20, 20, b"\x14" + text), base=name))
        data = text
    return pack_of(*(reversed(entries) if backwards else entries))


def _chain_without_end(size: int) -> bytes:
    """Make a chain whose first base is not there, so that every link is followed in vain."""
    step = delta(20, 20, copy(0, 20))
    entries = [pack_entry(REF_DELTA, step, base=b"x" * 20)]
    for _ in range(size // _OBJECT_BYTES):
        entries.append(pack_entry(OFS_DELTA, step, base=encode_distance(len(entries[-1]))))
    return pack_of(*entries)


def _pack_header(count: int) -> bytes:
    return struct.pack(">4sII", b"PACK", 2, count)


PACK = HostileParser(
    "git pack",
    _read_pack,
    {
        "empty objects": _many(lambda _: pack_entry(BLOB, b"")),
        "small objects": _many(lambda n: pack_entry(BLOB, b"%d" % n)),
        "one object again and again": _many(lambda _: pack_entry(BLOB, b"a")),
        "a bomb": lambda size: pack_of(pack_entry(BLOB, b"\0" * size * 20)),
        "small bombs": _many(lambda _: pack_entry(BLOB, b"\0" * 4_000)),
        "a chain": lambda size: _chain(size, delta(4096, 4096, copy(0, 4096))),
        "a chain that grows": lambda size: (
            pack_of(
                pack_entry(BLOB, _BASE), *([pack_entry(OFS_DELTA, b"\0" * 40, base=b"\x10")] * 9)
            )
            + b"\0" * size
        ),
        "a chain of copies of a byte": lambda size: _chain(size, delta(4096, 64, _COPY_1 * 64)),
        "a chain of names": lambda size: _chain_of_names(size, backwards=False),
        "a chain of names, last one first": lambda size: _chain_of_names(size, backwards=True),
        "a chain without an end": _chain_without_end,
        "deltas on nothing": _many(lambda n: pack_entry(REF_DELTA, b"a", base=b"%020d" % n)),
        "deltas on one that is not there": _many(
            lambda _: pack_entry(REF_DELTA, b"a", base=b"x" * 20)
        ),
        "deltas before the pack": _many(
            lambda _: pack_entry(OFS_DELTA, b"a", base=b"\xff\xff\x7f")
        ),
        "endless distances": lambda size: _pack_header(9) + b"\x6f" + b"\xff" * size,
        "endless sizes": lambda size: _pack_header(9) + b"\xff" * size,
        "objects of no type": _many(lambda _: pack_entry(5, b"a")),
        "objects that lie": _many(lambda _: pack_entry(BLOB, b"a", size=9)),
        "more objects than announced": lambda size: (
            _pack_header(1) + pack_entry(BLOB, b"a") * (size // 16)
        ),
        "fewer objects than announced": lambda size: (
            _pack_header(2_999_999) + pack_entry(BLOB, b"a") * (size // 16)
        ),
        "too many objects": lambda size: _pack_header(1 << 31) + b"a" * size,
        "empty blocks": lambda size: (
            _pack_header(1)
            + pack_entry(BLOB, b"", size=1)[:1]
            + b"\x78\x01"
            + b"\0\0\0\xff\xff" * (size // 5)
        ),
        "no pack": random_bytes,
    },
    refusals=(BadObject,),
    size=48 * 1024,
    memory_factor=320,
)


_LOOSE_HEAD = b"\x78\x01"


def _loose(whole: Make) -> Make:
    return lambda size: zlib.compress(whole(size), 1)


LOOSE = HostileParser(
    "git loose object",
    lambda content: read_loose(io.BytesIO(content)),
    {
        "a blob": _loose(lambda size: b"blob %d\0" % size + b"a" * size),
        "a longer blob": _loose(lambda size: b"blob 9\0" + b"a" * size),
        "a shorter blob": _loose(lambda size: b"blob %d\0" % (size * 2) + b"a" * size),
        "a bomb": _loose(lambda size: b"blob %d\0" % (size * 30) + b"\0" * size * 30),
        "a huge size": _loose(lambda size: b"blob " + b"9" * size + b"\0"),
        "zeros before a size": _loose(lambda size: b"blob " + b"0" * size + b"9\0"),
        "no end of the head": _loose(lambda size: b"blob" * (size // 4)),
        "spaces": _loose(lambda size: b" " * size),
        "null bytes": _loose(lambda size: b"\0" * size),
        "null bytes that are not packed": repeat(b"\0"),
        "empty blocks": repeat(b"\0\0\0\xff\xff", _LOOSE_HEAD),
        "blocks of a byte": repeat(b"\0\1\0\xfe\xffb", _LOOSE_HEAD),
        "empty blocks behind a head": lambda size: (
            _LOOSE_HEAD + b"\0\x07\0\xf8\xffblob 9\0" + b"\0\0\0\xff\xff" * (size // 5)
        ),
        "fixed blocks": repeat(b"\x02\x08 \x80\0", _LOOSE_HEAD),
        "no type": _loose(lambda size: b"note %d\0" % size + b"a" * size),
        "a negative size": _loose(lambda size: b"blob -%d\0" % size + b"a" * size),
        "a long type": _loose(lambda size: b"b" * size + b" 1\0a"),
        "cut": lambda size: zlib.compress(b"blob %d\0" % size + b"a" * size)[:-5],
        "rubbish behind it": lambda size: zlib.compress(b"blob 1\0a") + random_bytes(size),
        "nothing packed": random_bytes,
    },
    refusals=(BadObject,),
)
