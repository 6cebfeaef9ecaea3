"""Objects and branches of a repository: on disk below an allowed root, or just fetched.

No configuration file, hook, attribute, index or work tree is ever read, so a hostile repository
has nowhere to name a command or an outside path.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from weft.errors import SourceMisconfigured, WeftError
from weft.sources.base import SourceContext
from weft.sources.git.delta import BadObject, ObjectTooLarge, TooMuchWork
from weft.sources.git.pack import Object, Pack, PackIndex, index_pack, object_id_of, read_loose
from weft.sources.roots import Start, find_start
from weft.sources.trees import Parts, Tree, tree_at

FIELD = "repo"
GIT_FOLDER = ".git"
MAX_PACKS = 500
_MAX_ALTERNATES = 5
_MAX_SMALL_FILE_BYTES = 4096
_MAX_PACKED_REFS_BYTES = 64 * 1024 * 1024
_MAX_SHALLOW_BYTES = 1024 * 1024
_REFS_BLOCK_BYTES = 64 * 1024
_BUFFER_BYTES = 64 * 1024
_OBJECT_ID = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/[^\x00-\x20\x7f~^:?*\[\\]+")


class MissingObject(BadObject):
    """The repository does not hold the object, as in a shallow or partial clone."""


class ObjectStore:
    """Reads objects by their hexadecimal id."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        """``check`` is called at every reading, and often inside large objects; it may raise."""
        self._check = check
        self._lookups: list[tuple[Callable[[bytes], int | None], Callable[[int], Object]]] = []
        self._loose: list[tuple[Tree, Parts]] = []
        self._close: list[Callable[[], None]] = []
        self.shallow: frozenset[str] = frozenset()
        """The commits whose parents a shallow clone left out; any other parent must be there."""

    def read(self, object_id: str) -> Object:
        """Read type number and content. Raises MissingObject, ObjectTooLarge, BadObject."""
        if not _OBJECT_ID.fullmatch(object_id):
            raise MissingObject("no object has such an id")
        self._check()
        raw = bytes.fromhex(object_id)
        found = self._find(raw, object_id)
        # Git's ids are digests: an index that leads elsewhere, or a broken file, shows itself.
        if object_id_of(*found) != raw:
            raise BadObject("an object of another id")
        return found

    def _find(self, raw: bytes, object_id: str) -> Object:
        for offset_of, read in self._lookups:
            offset = offset_of(raw)
            if offset is not None:
                return read(offset)
        for tree, parts in self._loose:
            try:
                file = _open(tree, (*parts, object_id[:2], object_id[2:]))
            except OSError:
                continue
            with file:
                return read_loose(file)
        raise MissingObject("an object that the repository does not hold")

    def close(self) -> None:
        """Close all files."""
        for close in self._close:
            close()

    def add_fetched(self, file: BinaryIO) -> None:
        """Take over a pack that was fetched, and index it. Raises BadObject."""
        offsets: dict[bytes, int] = {}
        pack = Pack(file, offsets.get, self._check)
        self._close.append(pack.close)
        index_pack(pack, offsets)
        self._lookups.append((offsets.get, pack.read))

    def add_folder(self, tree: Tree, objects: Parts) -> None:
        """Take over an `objects` folder. Raises OSError, BadObject."""
        self._loose.append((tree, objects))
        try:
            names = tree.list_folder((*objects, "pack")).files
        except FileNotFoundError:
            return
        stems = [name[:-4] for name in names if name.endswith(".idx")]
        if len(stems) + len(self._lookups) > MAX_PACKS:
            raise SourceMisconfigured(
                f"The repository has more than {MAX_PACKS} packs.",
                field=FIELD,
                hint="Run `git gc` in it.",
            )
        for stem in stems:
            index = PackIndex(_open(tree, (*objects, "pack", f"{stem}.idx")))
            self._close.append(index.close)
            pack = (*objects, "pack", f"{stem}.pack")
            lazy = _LazyPack(tree, pack, index.find_offset, self._check)
            self._close.append(lazy.close)
            self._lookups.append((index.find_offset, lazy.read))


class _LazyPack:
    """Opens its file at the first read: most packs of a repository are not needed."""

    def __init__(
        self,
        tree: Tree,
        parts: Parts,
        find: Callable[[bytes], int | None],
        check: Callable[[], None],
    ) -> None:
        self._tree, self._parts, self._find, self._check = tree, parts, find, check
        self._pack: Pack | None = None

    def read(self, offset: int) -> Object:
        if self._pack is None:
            try:
                self._pack = Pack(_open(self._tree, self._parts), self._find, self._check)
            except OSError:
                raise BadObject("a pack that cannot be opened") from None
        return self._pack.read(offset)

    def close(self) -> None:
        if self._pack is not None:
            self._pack.close()


class LocalRepository:
    """A repository on disk: its own Git folder, and the common one that linked work trees share."""

    def __init__(
        self,
        own: tuple[Tree, Parts],
        common: tuple[Tree, Parts],
        store: ObjectStore,
        work_tree: Path | None,
    ) -> None:
        self._own = own
        self._common = common
        self.store = store
        self.work_tree = work_tree

    def resolve(self, branch: str | None) -> tuple[str, str]:
        """Look up a branch's name and commit id, or those of HEAD if ``branch`` is None.

        The name is "HEAD" if no branch is checked out. Raises SourceMisconfigured.
        """
        if branch is not None:
            name, text = f"refs/heads/{branch}", None
        else:
            name, text = "HEAD", _read_small_file(*self._own, ("HEAD",))
            if text is None:
                raise SourceMisconfigured("The path is no Git repository.", field=FIELD)
        for _ in range(5):
            if text is None:
                text = self._read_ref(name)
            if text is None:
                raise _missing_branch(branch)
            if not text.startswith("ref:"):
                break
            name, text = text[4:].strip(), None
        if text is None or not _OBJECT_ID.fullmatch(text):
            raise SourceMisconfigured(
                "The branch does not lead to a commit of a SHA-1 repository.", field="branch"
            )
        return name.removeprefix("refs/heads/"), text

    def _read_ref(self, name: str) -> str | None:
        if not _REF.fullmatch(name) or ".." in name:
            return None
        for tree, parts in (self._own, self._common):
            text = _read_small_file(tree, parts, tuple(name.split("/")))
            if text:
                return text
        return self._read_packed_ref(name)

    def _read_packed_ref(self, name: str) -> str | None:
        tree, parts = self._common
        try:
            file = _open(tree, (*parts, "packed-refs"))
        except OSError:
            return None
        with file:
            return find_packed_ref(file, name.encode("utf-8", "surrogateescape"))


@contextmanager
def open_repository(
    path: str, context: SourceContext, check: Callable[[], None] = lambda: None
) -> Generator[LocalRepository]:
    """Open the repository at a path. Raises NotPermitted, SourceMisconfigured.

    Its Git folder, common folder and borrowed object folders must all be inside allowed roots.
    """
    store = ObjectStore(check)
    try:
        start = find_place(Path(path), context)
        own = _find_git_folder(start, context)
        tree = tree_at(own.root, context)
        common_text = _read_small_file(tree, own.parts, ("commondir",))
        common = own if common_text is None else find_place(own.path / common_text, context)
        common_tree = tree_at(common.root, context)
        for objects in _list_object_folders(common, context):
            store.add_folder(tree_at(objects.root, context), objects.parts)
        shallow = _read_small_file(common_tree, common.parts, ("shallow",), _MAX_SHALLOW_BYTES)
        store.shallow = frozenset((shallow or "").split())
        work_tree = None if own == start else start.path
        yield LocalRepository((tree, own.parts), (common_tree, common.parts), store, work_tree)
    except (BadObject, OSError) as error:
        # The details of either error would not help a person.
        raise SourceMisconfigured(
            "The repository cannot be read.", field=FIELD, hint="Is it a complete Git repository?"
        ) from error
    finally:
        store.close()


def find_packed_ref(file: BinaryIO, name: bytes) -> str | None:
    """Return the id of a branch in a packed-refs file, or None. Raises BadObject.

    Neither the file nor a line of it is believed to be of a sane length.
    """
    wanted = b" " + name + b"\n"
    rest, size = b"", 0
    while block := file.read(_REFS_BLOCK_BYTES):
        size += len(block)
        cut = block.rfind(b"\n") + 1
        lines, rest = (rest + block[:cut], block[cut:]) if cut else (b"", rest + block)
        if size > _MAX_PACKED_REFS_BYTES or len(rest) > _MAX_SMALL_FILE_BYTES:
            raise BadObject("a file of branches that is too large")
        if found := _find_ref(lines, wanted):
            return found
    return _find_ref(rest + b"\n", wanted)


def read_failure(error: BadObject) -> WeftError:
    """Return our error for a missing or broken object that the listing cannot do without."""
    if isinstance(error, ObjectTooLarge | TooMuchWork):
        return SourceMisconfigured("A commit or folder is too large to be read.", field=FIELD)
    return SourceMisconfigured("The repository is incomplete or broken.", field=FIELD)


def find_place(path: Path, context: SourceContext) -> Start:
    """Find a folder or file of a repository inside the roots. Raises as `find_start`."""
    return find_start(str(path), context, field=FIELD, opened=frozenset({GIT_FOLDER}))


def _find_git_folder(start: Start, context: SourceContext) -> Start:
    """Find the folder with HEAD: below a work tree, named by a `.git` file, or the path itself."""
    tree = tree_at(start.root, context)
    if start.is_file:
        raise SourceMisconfigured("The path is no Git repository.", field=FIELD)
    names = tree.list_folder(start.parts)
    if GIT_FOLDER in names.folders:
        return Start(start.root, (*start.parts, GIT_FOLDER), is_file=False)
    if GIT_FOLDER in names.files:
        text = _read_small_file(tree, start.parts, (GIT_FOLDER,)) or ""
        if text.startswith("gitdir:"):
            return find_place(start.path / text.removeprefix("gitdir:").strip(), context)
    if "HEAD" in names.files and "objects" in names.folders:
        return start
    raise SourceMisconfigured("The path is no Git repository.", field=FIELD)


def _list_object_folders(common: Start, context: SourceContext) -> Iterator[Start]:
    pending = [Start(common.root, (*common.parts, "objects"), is_file=False)]
    for _ in range(_MAX_ALTERNATES):
        if not pending:
            return
        objects = pending.pop()
        yield objects
        tree = tree_at(objects.root, context)
        text = _read_small_file(tree, objects.parts, ("info", "alternates")) or ""
        paths = [line for line in text.splitlines() if line and not line.startswith("#")]
        pending += [find_place(objects.path / path, context) for path in paths]
    if pending:
        raise SourceMisconfigured("The repository borrows from too many others.", field=FIELD)


def _read_small_file(
    tree: Tree, parts: Parts, name: Sequence[str], limit: int = _MAX_SMALL_FILE_BYTES
) -> str | None:
    try:
        file = _open(tree, (*parts, *name))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    with file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadObject("a file that should be small")
    return data.decode("utf-8", "surrogateescape").strip()


def _open(tree: Tree, parts: Parts) -> BinaryIO:
    return open(tree.open_file(parts), "rb", buffering=_BUFFER_BYTES)  # noqa: PTH123


def _find_ref(lines: bytes, wanted: bytes) -> str | None:
    at = lines.find(wanted)
    while at >= 0:
        object_id = lines[lines.rfind(b"\n", 0, at) + 1 : at]
        if b" " not in object_id:
            return object_id.decode("ascii", "replace")
        at = lines.find(wanted, at + 1)
    return None


def _missing_branch(branch: str | None) -> SourceMisconfigured:
    if branch is None:
        return SourceMisconfigured("The repository has no commit yet.", field=FIELD)
    return SourceMisconfigured(
        "The repository has no such branch.",
        field="branch",
        hint="Leave it out for the default branch.",
    )
