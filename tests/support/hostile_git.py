"""Git objects, packs and small files made to cost time or memory, for any size."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from git_repos import (
    OFS_DELTA,
    REF_DELTA,
    RawRepository,
    copy,
    delta,
    encode_distance,
    pack_entry,
    pack_of,
)
from hostile_pages import number, random_bytes, repeat

from weft.errors import WeftError
from weft.sources.git.delta import BadObject, apply_delta
from weft.sources.git.objects import find_packed_ref, open_repository
from weft.sources.git.pack import BLOB, COMMIT, TREE, Pack, index_pack, object_id_of, read_loose
from weft.sources.git.walk import Entry, list_files, list_newest_commits
from weft.testing.hostile import HostileParser
from weft.testing.source_contract import offline_context

Make = Callable[[int], bytes]

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

_ID = b"0123456789abcdef0123456789abcdef01234567"

PACKED_REFS = HostileParser(
    "git packed-refs",
    lambda content: find_packed_ref(io.BytesIO(content), b"refs/heads/main"),
    {
        "no line end": repeat(b"a"),
        "null bytes": repeat(b"\0"),
        "empty lines": repeat(b"\n"),
        "carriage returns": repeat(b"\r"),
        "spaces": repeat(b" "),
        "spaces in lines": repeat(b" \n"),
        "many branches": number(_ID.decode() + " refs/heads/b%d\n"),
        "nearly our branch": repeat(_ID + b" refs/heads/main2\n"),
        "our branch without an id": repeat(b"  refs/heads/main\n"),
        "our branch on one line": repeat(b" refs/heads/main"),
        "our branch cut": repeat(_ID + b" refs/heads/mai"),
        "our branch at the end": repeat(_ID + b" refs/x\n", after=_ID + b" refs/heads/main\n"),
        "our branch without a line end": repeat(
            _ID + b" refs/x\n", after=_ID + b" refs/heads/main"
        ),
        "peeled tags": repeat(b"^" + _ID + b"\n"),
        "comments": repeat(b"# a\n"),
        "a long comment": repeat(b"a", b"# "),
        "a long id": repeat(b"a", b"", b" refs/heads/main\n"),
        "a long name": repeat(b"a", _ID + b" refs/heads/", b"\n"),
        "long lines": repeat(b"a" * 4_000 + b"\n"),
        "lines of a byte": repeat(b"a\n"),
        "no text": random_bytes,
    },
    refusals=(BadObject,),
    size=1024 * 1024,
    memory_factor=4,
)

_TREE = hashlib.sha1(b"tree 0\0", usedforsecurity=False).hexdigest().encode()


def _walk(kind: int) -> Callable[[bytes], None]:
    """Return what reads a commit or a folder with this content, and everything below it."""

    def read(content: bytes) -> None:
        with TemporaryDirectory() as folder:
            repository = RawRepository(Path(folder) / "r")
            repository.put_tree()
            name = repository.put(b"commit" if kind == COMMIT else b"tree", content)
            context = offline_context(files_roots=(Path(folder),))
            with open_repository(str(repository.root), context) as found:
                if kind == COMMIT:
                    for _ in list_newest_commits(found.store, name, lambda: None, set()):
                        pass
                else:
                    for _ in list_files(found.store, Entry((), 0o04, name), lambda: None):
                        pass

    return read


def _commit(piece: bytes, after: bytes = b"") -> Make:
    return repeat(piece, b"tree " + _TREE + b"\n", after)


COMMIT_TEXT = HostileParser(
    "git commit",
    _walk(COMMIT),
    {
        "parents": _commit(b"parent " + _ID + b"\n"),
        "the same folder": _commit(b"tree " + _TREE + b"\n"),
        "empty lines": _commit(b"\n"),
        "a message": _commit(b"a", b"\n\n"),
        "a message of lines": repeat(b"\n", b"tree " + _TREE + b"\n\n"),
        "a long line": _commit(b"a"),
        "many fields": number("f%d a\n", b"tree " + _TREE + b"\n"),
        "authors": _commit(b"author a <b> 1 +0000\n"),
        "an author of brackets": _commit(b"<", b"\n"),
        "an author of spaces": repeat(b" ", b"tree " + _TREE + b"\nauthor "),
        "an author of brackets and spaces": repeat(b" <", b"tree " + _TREE + b"\nauthor "),
        "an author without an end": repeat(b"a> <", b"tree " + _TREE + b"\nauthor "),
        "a long time": repeat(b"9", b"tree " + _TREE + b"\ncommitter a <b> "),
        "encodings": _commit(b"encoding utf-7\n"),
        "a long encoding": repeat(b"a", b"tree " + _TREE + b"\nencoding "),
        "a message in a slow encoding": repeat(
            b"a-", b"tree " + _TREE + b"\nencoding punycode\n\n"
        ),
        "a broken message": repeat(b"\xff", b"tree " + _TREE + b"\n\n"),
        "a message in another encoding": repeat(
            b"\xff", b"tree " + _TREE + b"\nencoding euc-jp\n\n"
        ),
        "signatures": _commit(b"gpgsig -----\n -----\n"),
        "null bytes": _commit(b"\0"),
        "no text": random_bytes,
    },
    refusals=(BadObject, WeftError),
)

_EMPTY = bytes.fromhex(_TREE.decode())


def _entries(mode: bytes, object_id: bytes) -> Make:
    def make(size: int) -> bytes:
        return b"".join(b"%s %d\0%s" % (mode, n, object_id) for n in range(size // 32))

    return make


FOLDER_LIST = HostileParser(
    "git folder",
    _walk(TREE),
    {
        "files": _entries(b"100644", _EMPTY),
        "empty folders": _entries(b"40000", _EMPTY),
        "links": _entries(b"120000", _EMPTY),
        "submodules": _entries(b"160000", _EMPTY),
        "unknown kinds": _entries(b"777777", _EMPTY),
        "folders that are not there": _entries(b"40000", b"x" * 20),
        "one name again and again": repeat(b"100644 a\0" + _EMPTY),
        "one folder again and again": repeat(b"40000 a\0" + _EMPTY),
        "empty names": repeat(b"100644 \0" + _EMPTY),
        "a long name": repeat(b"a", b"100644 ", b"\0" + _EMPTY),
        "a name without an end": repeat(b"a", b"100644 "),
        "long modes": repeat(b"1", b"", b" a\0" + _EMPTY),
        "modes": repeat(b"100644 "),
        "slashes": repeat(b"100644 a/b\0" + _EMPTY),
        "dots": repeat(b"100644 ..\0" + _EMPTY),
        "cut ids": repeat(b"100644 a\0" + _EMPTY[:19]),
        "spaces": repeat(b" "),
        "null bytes": repeat(b"\0"),
        "digits": repeat(b"1"),
        "line ends in names": repeat(b"100644 \n\0" + _EMPTY),
        "no folder": random_bytes,
    },
    refusals=(BadObject, WeftError),
    size=64 * 1024,
    memory_factor=160,
)


def _open_with(name: str) -> Callable[[bytes], None]:
    """Return what opens a repository in which this small file has the content."""

    def read(content: bytes) -> None:
        with TemporaryDirectory() as folder:
            repository = RawRepository(Path(folder) / "r")
            repository.put_tree()
            (repository.git / name).parent.mkdir(parents=True, exist_ok=True)
            (repository.git / name).write_bytes(content)
            context = offline_context(files_roots=(Path(folder),))
            with open_repository(str(repository.root), context) as found:
                found.resolve(None)

    return read


_SMALL: dict[str, Make] = {
    "a long line": repeat(b"a"),
    "empty lines": repeat(b"\n"),
    "spaces": repeat(b" "),
    "null bytes": repeat(b"\0"),
    "references": repeat(b"ref:"),
    "references to itself": repeat(b" ", b"ref: HEAD"),
    "references in lines": repeat(b"ref: refs/heads/main\n"),
    "folders": repeat(b"a/"),
    "folders above": repeat(b"../"),
    "folders that are this one": repeat(b"./"),
    "roots": repeat(b"/\n"),
    "slashes": repeat(b"/"),
    "homes": repeat(b"~a\n"),
    "many folders": number("%d\n"),
    "many other places": number("../../%d\n"),
    "comments": repeat(b"#\n"),
    "sections": repeat(b"[include]\npath = config\n"),
    "values": number("[a]\nb%d = c\n"),
    "a value without an end": repeat(b"\\\n", b"[a]\nb = "),
    "surrogates": repeat(b"\xed\xa0\x80"),
    "no text": random_bytes,
}

SMALL_FILES = tuple(
    HostileParser(
        f"git {name}",
        _open_with(name),
        _SMALL,
        refusals=(WeftError,),
        size=16 * 1024,
    )
    for name in ("HEAD", "config", "commondir", "objects/info/alternates", "refs/heads/main")
)

GIT = (DELTA, PACK, LOOSE, PACKED_REFS, COMMIT_TEXT, FOLDER_LIST, *SMALL_FILES)
