"""Remembers which messages were in which folder, and which could not be read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from weft.domain.base import Json
from weft.sources.imap.client import write_set


@dataclass(slots=True)
class FolderMemory:
    """A folder as it was: ``uids`` were in it, and of them ``left`` could not be read."""

    raw: bytes
    uid_validity: int
    uid_next: int | None
    uids: set[int] = field(default_factory=set[int])
    left: set[int] = field(default_factory=set[int])


def dump_memory(scope: Json, folders: Mapping[str, FolderMemory]) -> Json:
    """Return the memory of folders, by name, as a cursor."""
    return {
        "scope": scope,
        "folders": {
            name: {
                "raw": folder.raw.decode("latin-1"),
                "uid_validity": folder.uid_validity,
                "uid_next": folder.uid_next,
                "uids": _write(folder.uids),
                "left": _write(folder.left),
            }
            for name, folder in folders.items()
        },
    }


def parse_memory(cursor: Json | None, scope: Json) -> dict[str, FolderMemory] | None:
    """Read what `dump_memory` wrote of the same scope; None for anything else."""
    folders = (cursor or {}).get("folders")
    if cursor is None or cursor.get("scope") != scope or not isinstance(folders, dict):
        return None
    return {name: _parse(cast("dict[str, Any]", found)) for name, found in folders.items()}


def _parse(found: Mapping[str, Any]) -> FolderMemory:
    return FolderMemory(
        found["raw"].encode("latin-1"),
        found["uid_validity"],
        found["uid_next"],
        set(_read(found["uids"])),
        set(_read(found["left"])),
    )


def _write(uids: Iterable[int]) -> str:
    return write_set(sorted(uids)).decode()


def _read(text: str) -> Iterable[int]:
    for span in filter(None, text.split(",")):
        first, _, last = span.partition(":")
        yield from range(int(first), int(last or first) + 1)
