"""Git commits, folders and small files made to cost time or memory, for any size."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sources.git_repos import RawRepository
from tests.support.sources.hostile.packs import DELTA, LOOSE, PACK
from tests.support.sources.hostile.pages import Make, number, random_bytes, repeat
from weft.errors import WeftError
from weft.sources.git.delta import BadObject
from weft.sources.git.objects import find_packed_ref, open_repository
from weft.sources.git.pack import COMMIT, TREE
from weft.sources.git.walk import Entry, list_files, list_newest_commits
from weft.testing.hostile import HostileParser
from weft.testing.source_contract import offline_context

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
