"""Reads GitHub's answers. Nothing in them is believed to have the form that its API describes.

They come from a stranger's server, and a large one takes a second to decode: so `run_parser` calls
these functions, and they return no more than what is needed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from weft.errors import SourceUnavailable
from weft.net.errors import decode_json

# Ids of a folder without entries, in SHA-1 and in SHA-256.
EMPTY_TREES: Final = frozenset(
    {
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    }
)
_ODDITIES: Final = {"120000": "a symbolic link", "160000": "a submodule"}
_ENTRY: Final = ("path", "sha", "type", "mode", "size")
_PULL_REQUEST: Final = (
    *("number", "title", "body", "state", "draft", "user", "labels", "html_url"),
    *("created_at", "updated_at", "merged_at"),
)


class TreeFile(NamedTuple):
    """What a tree holds at a path; ``oddity`` says why that is no file to read, if it is none."""

    path: str
    sha: str
    size: int
    oddity: str | None = None


class Tree(NamedTuple):
    """One answer for a tree: its files, and the paths and ids of its folders.

    ``is_proven``: the names in it make up the id of the tree, so that none is missing.
    """

    files: list[TreeFile]
    folders: list[tuple[str, str]]
    is_cut: bool
    is_proven: bool


def read_object(content: bytes, what: str, names: Sequence[str]) -> dict[str, Any]:
    """Return these fields of an object, None for those that are missing.

    Raises SourceUnavailable, like the other functions here.
    """
    found = decode_json(content, what)
    if not isinstance(found, dict):
        raise unexpected_answer(what)
    return _pick(cast("dict[str, Any]", found), names)


def read_changed_paths(content: bytes, what: str) -> tuple[object, list[str], int]:
    """Return the state of a comparison, the paths it names, and the number of its files."""
    found = read_object(content, what, ("status", "files"))
    files = _objects_of([] if found["files"] is None else found["files"], what)
    names = [file.get(key) for file in files for key in ("filename", "previous_filename")]
    return found["status"], [name for name in names if isinstance(name, str)], len(files)


def read_pull_requests(content: bytes, what: str) -> list[dict[str, Any]]:
    """Return the items of a page of pull requests."""
    found = _objects_of(decode_json(content, what), what)
    if not all(isinstance(item.get("number"), int) for item in found):
        raise unexpected_answer(what)
    return [_pick(item, _PULL_REQUEST) for item in found]


def read_tree(content: bytes, what: str, sha: str, is_deep: bool) -> Tree:
    """Return what an answer for the tree ``sha`` names; ``is_deep``: with all below its folders."""
    found = read_object(content, what, ("tree", "truncated"))
    entries = [_pick(each, _ENTRY) for each in _objects_of(found["tree"], what)]
    if not (entries or sha in EMPTY_TREES):
        raise unexpected_answer(what)
    if not all(isinstance(e["path"], str) and isinstance(e["sha"], str) for e in entries):
        raise unexpected_answer(what)
    return Tree(
        [_file_of(e) for e in entries if e["type"] in ("blob", "commit")],
        [(e["path"], e["sha"]) for e in entries if e["type"] == "tree"],
        bool(found["truncated"]),
        _make_up(entries, sha, is_deep),
    )


def unexpected_answer(what: str) -> SourceUnavailable:
    """Return the error for an answer of another form than GitHub's API describes."""
    return SourceUnavailable(f"GitHub's answer for {what} is not what its API describes.")


def has_id(sha: str, kind: bytes, body: bytes) -> bool:
    """Return whether this is the id that Git gives to an object, in SHA-1 or in SHA-256."""
    digest = hashlib.new("sha256" if len(sha) == 64 else "sha1", usedforsecurity=False)
    digest.update(b"%s %d\0" % (kind, len(body)))
    digest.update(body)
    return digest.hexdigest() == sha


def object_of(value: object) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _objects_of(value: object, what: str) -> list[dict[str, Any]]:
    items = list_of(value)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in items):
        raise unexpected_answer(what)
    return items


def _pick(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: found.get(name) for name in names}


def _file_of(entry: Mapping[str, Any]) -> TreeFile:
    size = entry["size"] if isinstance(entry["size"], int) else 0
    return TreeFile(entry["path"], entry["sha"], size, _ODDITIES.get(str(entry["mode"])))


def _make_up(entries: Sequence[Mapping[str, Any]], sha: str, is_deep: bool) -> bool:
    """Return whether the entries make up the tree ``sha``: an id of Git is a digest of the names.

    In a deep list, so must those below each folder.
    """
    lines: dict[str, list[tuple[bytes, bytes]]] = defaultdict(list)
    wanted = {"": sha}
    try:
        for entry in entries:
            parent, _, name = entry["path"].rpartition("/")
            is_folder = entry["type"] == "tree"
            if is_folder and is_deep:
                wanted[entry["path"]] = entry["sha"]
            # Git sorts a folder as if its name ended with a slash.
            key = f"{name}/" if is_folder else name
            line = f"{entry['mode']} {name}\0".lstrip("0").encode() + bytes.fromhex(entry["sha"])
            lines[parent].append((key.encode(), line))
    except ValueError:
        return False
    return lines.keys() <= wanted.keys() and all(
        has_id(folder_id, b"tree", b"".join(line for _, line in sorted(lines.get(path, []))))
        for path, folder_id in wanted.items()
    )
