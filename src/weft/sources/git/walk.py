"""Walks commits and folders of a repository, with every walk bounded."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from weft.sources.git.delta import BadObject
from weft.sources.git.objects import MissingObject, ObjectStore
from weft.sources.git.pack import COMMIT, TREE

MAX_ENTRIES = 2_000_000
MAX_DEPTH = 200
MAX_COMMIT_HEAD_BYTES = 1024 * 1024
MAX_LINE_BYTES = 1024
MAX_KEPT_MESSAGE_BYTES = 4 * 1024
MAX_MESSAGE_BYTES = 400 * 1024
# The largest known merge joins 66.
MAX_PARENTS = 128
MAX_COMMITS_SEEN = 200_000

FOLDER, PLAIN, LINK, SUBMODULE = 0o04, 0o10, 0o12, 0o16
"""The kinds of an entry: its mode without the permission bits."""

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_PERSON = re.compile(r"(.*?) ?<([^<>]*)> (-?[0-9]{1,15}) ([+-][0-9]{4})")

Check = Callable[[], None]
Parts = tuple[bytes, ...]


class TooMany(BadObject):
    """The walk reached its limit."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; ``time`` is when it was committed, in POSIX seconds.

    ``message`` is None if it is long: a walk keeps many commits, and `read_message` reads one.
    """

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    time: int
    message: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder; ``kind`` is FOLDER, PLAIN, LINK, SUBMODULE or an unknown number."""

    parts: Parts
    kind: int
    id: str


def read_commit(store: ObjectStore, object_id: str) -> Commit:
    """Parse a commit. Raises BadObject."""
    fields, message = _read_fields(store, object_id)
    tree = fields.get("tree", [""])[0]
    parents = tuple(fields.get("parent", ()))
    if not all(re.fullmatch(r"[0-9a-f]{40}", i) for i in (tree, *parents)):
        raise BadObject("a commit without a folder")
    if len(parents) > MAX_PARENTS:
        raise BadObject("a commit with too many parents")
    author = _PERSON.fullmatch(fields.get("author", [""])[0])
    committer = _PERSON.fullmatch(fields.get("committer", [""])[0])
    return Commit(
        id=object_id,
        tree=tree,
        parents=parents,
        author=author.group(1) if author else "",
        time=int(committer.group(3)) if committer else 0,
        message=(
            _decode_message(message, fields) if len(message) <= MAX_KEPT_MESSAGE_BYTES else None
        ),
    )


def read_message(store: ObjectStore, object_id: str) -> str:
    """Read a commit's message, up to MAX_MESSAGE_BYTES. Raises BadObject."""
    fields, message = _read_fields(store, object_id)
    return _decode_message(message, fields)


def list_newest_commits(
    store: ObjectStore, head: str, check: Check, missing: set[str]
) -> Iterator[Commit]:
    """Walk the commits that lead to ``head``, newest first, as far as the repository has them.

    Parents that it should have and does not are added to ``missing``.
    """
    heap: list[tuple[int, str]] = []
    commits: dict[str, Commit] = {}
    seen: set[str] = set()
    waiting = [head]
    while True:
        for object_id in waiting:
            if object_id in seen:
                continue
            commit = _find_commit(store, object_id)
            if commit is None:
                missing.add(object_id)
            elif len(seen) < MAX_COMMITS_SEEN:
                commits[object_id] = commit
                heappush(heap, (-commit.time, object_id))
            seen.add(object_id)
        if not heap:
            return
        check()
        commit = commits.pop(heappop(heap)[1])
        yield commit
        waiting = [] if commit.id in store.shallow else list(commit.parents)


def list_commits_since(
    store: ObjectStore, head: str, last: str, check: Check
) -> list[Commit] | None:
    """List the commits of ``head`` that ``last`` lacks; None if ``last`` is no ancestor.

    If clocks were wrong, a few older commits may be among them. Raises BadObject.
    """
    # Two colours flow from child to parent, the newest commit first: `_NEW` from head, `_OLD`
    # from last. An old commit passes on only `_OLD`, so the walk ends when all open commits are
    # old. No commit on a path from head to last is old, so every such path is walked.
    colours = {head: 0, last: 0}
    heap: list[tuple[int, str]] = []
    commits: dict[str, Commit] = {}
    open_ends: set[str] = set()

    def paint(object_id: str, colour: int) -> None:
        before = colours.get(object_id, 0)
        if before | colour == before:
            return
        colours[object_id] = before | colour
        commit = commits.get(object_id) or _find_commit(store, object_id)
        if commit is None:
            return
        commits[object_id] = commit
        heappush(heap, (-commit.time, object_id))
        (open_ends.add if before | colour == _NEW else open_ends.discard)(object_id)

    paint(last, _OLD)
    paint(head, _NEW)
    while open_ends:
        check()
        if len(commits) > MAX_COMMITS_SEEN:
            raise TooMany("too many commits")
        _, object_id = heappop(heap)
        open_ends.discard(object_id)
        for parent in commits[object_id].parents:
            paint(parent, colours[object_id])
    if last not in commits or not colours[last] & _NEW:
        return None
    return [commit for object_id, commit in commits.items() if colours[object_id] == _NEW]


def find_entry(store: ObjectStore, tree: str, path: Parts) -> Entry | None:
    """Find the entry at a path below a folder; the folder itself for the empty path."""
    found = Entry((), FOLDER, tree)
    for name in path:
        if found.kind != FOLDER:
            return None
        matches = [entry for entry in read_folder(store, found) if entry.parts[-1] == name]
        if not matches:
            return None
        found = matches[0]
    return found


def list_files(store: ObjectStore, start: Entry, check: Check) -> Iterator[Entry]:
    """Yield everything but folders at and below an entry. Raises BadObject, TooMany."""
    pending = [start]
    count = 0
    while pending:
        check()
        entry = pending.pop()
        if entry.kind == FOLDER:
            children = read_folder(store, entry)
            count = _count_more(count, len(children))
            pending.extend(reversed(children))
        else:
            yield entry


def list_changed_files(
    store: ObjectStore, old: Entry | None, new: Entry | None, check: Check
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Yield the old and the new entry of every path that differs below two entries.

    Raises BadObject, TooMany.
    """
    pending = [(old, new)]
    count = 0
    while pending:
        check()
        old, new = pending.pop()
        if old is not None and new is not None and (old.kind, old.id) == (new.kind, new.id):
            continue
        folders = [_read_children(store, entry) for entry in (old, new)]
        names = sorted({*folders[0], *folders[1]}, reverse=True)
        count = _count_more(count, len(names))
        pending.extend((folders[0].get(name), folders[1].get(name)) for name in names)
        old, new = _unless_folder(old), _unless_folder(new)
        if old is not None or new is not None:
            yield old, new


def read_folder(store: ObjectStore, folder: Entry) -> list[Entry]:
    """List a folder in Git's order; of two entries with one name the first. Raises BadObject."""
    if len(folder.parts) >= MAX_DEPTH:
        raise TooMany("too deep")
    kind, data = store.read(folder.id)
    if kind != TREE:
        raise BadObject("no folder")
    entries: dict[bytes, Entry] = {}
    at = 0
    while at < len(data):
        found = _ENTRY.match(data, at)
        if found is None:
            raise BadObject("a folder that is broken")
        mode, name, object_id = found.groups()
        entry = Entry((*folder.parts, name), int(mode, 8) >> 12, object_id.hex())
        entries.setdefault(name, entry)
        at = found.end()
    return list(entries.values())


_NEW, _OLD = 1, 2
# Encodings that real commits use; hostile input can make some of Python's others very slow.
_ENCODINGS = re.compile(r"(utf-?8|iso-?8859|latin|windows-125|cp125|koi8|euc|shift_?jis|gb|big5)")


def _count_more(count: int, more: int) -> int:
    # Folders count as well: a few hundred bytes can describe endlessly many empty ones. They count
    # when they are put down to be read, so that those that wait are bounded too.
    if count + more > MAX_ENTRIES:
        raise TooMany("too many files")
    return count + more


def _find_commit(store: ObjectStore, object_id: str) -> Commit | None:
    """Read a commit; None where a shallow clone ends."""
    try:
        return read_commit(store, object_id)
    except MissingObject:
        return None


def _read_children(store: ObjectStore, entry: Entry | None) -> dict[bytes, Entry]:
    if entry is None or entry.kind != FOLDER:
        return {}
    return {child.parts[-1]: child for child in read_folder(store, entry)}


def _unless_folder(entry: Entry | None) -> Entry | None:
    return None if entry is None or entry.kind == FOLDER else entry


def _read_fields(store: ObjectStore, object_id: str) -> tuple[dict[str, list[str]], bytes]:
    """Return the lines of a commit's head by their first word, and its message."""
    kind, data = store.read(object_id)
    if kind != COMMIT:
        raise BadObject("no commit")
    head, _, message = data.partition(b"\n\n")
    if len(head) > MAX_COMMIT_HEAD_BYTES:
        raise BadObject("a commit with an endless head")
    fields: dict[str, list[str]] = {}
    for line in head.split(b"\n"):
        name, _, value = line[:MAX_LINE_BYTES].decode("utf-8", "replace").partition(" ")
        fields.setdefault(name, []).append(value)
    return fields, message


def _decode_message(data: bytes, fields: dict[str, list[str]]) -> str:
    encoding = fields.get("encoding", ["utf-8"])[0]
    if len(data) > MAX_MESSAGE_BYTES:
        # At a line's end, where no character is cut in any of the encodings.
        data = data[: data.rfind(b"\n", 0, MAX_MESSAGE_BYTES) + 1 or MAX_MESSAGE_BYTES]
    try:
        return data.decode(encoding if _ENCODINGS.match(encoding.lower()) else "utf-8")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
