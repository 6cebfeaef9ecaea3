"""Turn files and commits of a repository into entities, unless their version is known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import httpx

from weft.document.model import Unreadable
from weft.document.read import read_in_thread
from weft.document.text import clean_text, language_of, path_id
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import SourceUnavailable
from weft.net.dates import posix_time
from weft.sources.base import Event, Failed, Skipped
from weft.sources.git.config import READER, GitConfig
from weft.sources.git.delta import BadObject, ObjectTooLarge, TooMuchWork
from weft.sources.git.objects import MissingObject, ObjectStore
from weft.sources.git.pack import BLOB
from weft.sources.git.walk import (
    LINK,
    PLAIN,
    SUBMODULE,
    Commit,
    Entry,
    Parts,
    find_entry,
    list_changed_files,
    read_commit,
    read_message,
)
from weft.sources.secret_names import is_secret_file, is_secret_folder

COMMIT_PREFIX = "commit:"
MAX_CHANGED_PATHS = 100
MAX_MESSAGE_CHARS = 100_000
_MAX_SUBJECT_CHARS = 200
_LFS_MARK = b"version https://git-lfs.github.com/spec/"
_LFS_MAX_BYTES = 1024
# Where the big hosts show a file of a branch, and a commit.
_PAGES = {
    "github.com": ("blob/{branch}/{path}", "commit/{id}"),
    "gitlab.com": ("-/blob/{branch}/{path}", "-/commit/{id}"),
    "bitbucket.org": ("src/{branch}/{path}", "commits/{id}"),
    "codeberg.org": ("src/branch/{branch}/{path}", "commit/{id}"),
}


@dataclass(frozen=True, slots=True)
class Pending:
    """A listed file or commit; ``make`` reads it, and is called only if the version is new."""

    id: str
    version: str
    make: Callable[[], Event]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A branch of an opened repository. ``partial``: the server left large files out."""

    store: ObjectStore
    branch: str
    head: Commit
    url: httpx.URL | None = None
    work_tree: Path | None = None
    partial: bool = False


def file_id(parts: Parts) -> str:
    """Return a file's entity id."""
    return f"file:{path_id(b'/'.join(parts))}"


class SnapshotReader:
    """Makes the events of one snapshot."""

    def __init__(self, config: GitConfig, snapshot: Snapshot) -> None:
        self._config = config
        self._snapshot = snapshot
        self._prefix: Parts = tuple(part.encode() for part in config.path.split("/") if part)

    def find_start(self, tree: str) -> Entry | None:
        """Find the configured path in a commit's folder."""
        return find_entry(self._snapshot.store, tree, self._prefix)

    def file_event(self, entry: Entry) -> Event | Pending:
        """Return a listed file to read, or Skipped with the reason not to."""
        reason = _why_not_read(entry)
        identity = file_id(entry.parts)
        if reason is not None:
            return Skipped(identity, reason)
        version = f"{READER}-{entry.id}"
        return Pending(identity, version, lambda: self._read_file(identity, version, entry))

    def commit_event(self, commit: Commit) -> Event | Pending | None:
        """Return a listed commit to read, or None if it does not touch the configured path."""
        identity = f"{COMMIT_PREFIX}{commit.id}"
        try:
            if self._prefix and not self._touches(commit):
                return None
        except BadObject:
            return Failed(identity, "the repository lacks a folder of it")
        version = f"{READER}-{commit.id}-{self._config.path}"
        return Pending(identity, version, lambda: self._commit_entity(identity, version, commit))

    def _read_file(self, identity: str, version: str, entry: Entry) -> Event:
        limit = self._config.max_file_size
        try:
            kind, data = self._snapshot.store.read(entry.id)
        except ObjectTooLarge:
            return Skipped(identity, f"larger than {limit} bytes")
        except MissingObject:
            if self._snapshot.partial:
                return Skipped(identity, f"larger than {limit} bytes")
            return Failed(identity, "not in this shallow or partial clone")
        except TooMuchWork:
            return Failed(identity, "takes too much work to unpack")
        except BadObject:
            return Failed(identity, "broken in the repository")
        if kind != BLOB:
            return Failed(identity, "broken in the repository")
        if len(data) > limit:
            return Skipped(identity, f"larger than {limit} bytes")
        if len(data) <= _LFS_MAX_BYTES and data.startswith(_LFS_MARK):
            return Skipped(identity, "kept in Git LFS, outside the repository")
        return self._parse_file(identity, version, entry, data)

    def _parse_file(self, identity: str, version: str, entry: Entry, data: bytes) -> Event:
        path = b"/".join(entry.parts).decode("utf-8", "replace")
        try:
            document = read_in_thread(path, data)
        except Unreadable as error:
            return Skipped(identity, str(error))
        except SourceUnavailable as error:
            return Failed(identity, error.message)
        metadata: Json = {
            **document.facts,
            "path": clean_line(path),
            "size": len(data),
            "blob": entry.id,
        }
        language = language_of(path)
        if language is not None:
            metadata["language"] = language
        return Entity(
            id=identity,
            type="file",
            title=document.title,
            text=document.text,
            url=self._file_url(entry),
            metadata=metadata,
            breadcrumbs=tuple(_display(part) for part in entry.parts[:-1]),
            version=version,
        )

    def _file_url(self, entry: Entry) -> str | None:
        path = quote(b"/".join(entry.parts))
        snapshot = self._snapshot
        if snapshot.work_tree is not None:
            return f"{snapshot.work_tree.as_uri()}/{path}"
        return self._page_url(0, branch=quote(snapshot.branch), path=path)

    def _commit_entity(self, identity: str, version: str | None, commit: Commit) -> Event:
        message = commit.message
        if message is None:
            try:
                message = read_message(self._snapshot.store, commit.id)
            except BadObject:
                return Failed(identity, "broken in the repository")
        message = clean_text(message[:MAX_MESSAGE_CHARS]).strip()
        subject = clean_line(message.partition("\n")[0])[:_MAX_SUBJECT_CHARS]
        try:
            paths = list(islice(self._list_changed_paths(commit), MAX_CHANGED_PATHS + 1))
        except BadObject:
            # Read again next time: the disk may only have been out of reach.
            paths, version = list[str](), None
        shown = paths[:MAX_CHANGED_PATHS]
        if len(paths) > len(shown):
            shown.append("(and more)")
        changed = "\n\nChanged paths:\n" + "\n".join(shown) if shown else ""
        return Entity(
            id=identity,
            type="commit",
            title=subject or commit.id[:12],
            text=message + changed,
            url=self._page_url(1, id=commit.id),
            updated_at=posix_time(commit.time),
            metadata={
                "commit": commit.id,
                "author": clean_line(commit.author),
                "parents": list(commit.parents),
                "changed_paths": len(paths) if len(paths) <= MAX_CHANGED_PATHS else None,
            },
            breadcrumbs=("commits",),
            version=version,
        )

    def _list_changed_paths(self, commit: Commit) -> Iterator[str]:
        """Yield the paths that differ from the first parent; none where a shallow clone ends.

        Raises BadObject.
        """
        if commit.id in self._snapshot.store.shallow:
            return
        old = self._find_parent_start(commit)
        new = self.find_start(commit.tree)
        for before, after in list_changed_files(self._snapshot.store, old, new, _no_check):
            letter = "D" if after is None else "A" if before is None else "M"
            entry = after or before
            yield f"{letter} {_display(b'/'.join(entry.parts))}" if entry else ""

    def _touches(self, commit: Commit) -> bool:
        if commit.id in self._snapshot.store.shallow:
            return False  # Its parent is left out, so we cannot tell.
        try:
            return self._find_parent_start(commit) != self.find_start(commit.tree)
        except TooMuchWork:
            return True  # A commit too many is better than one that seems to be gone.

    def _find_parent_start(self, commit: Commit) -> Entry | None:
        if not commit.parents:
            return None
        return self.find_start(read_commit(self._snapshot.store, commit.parents[0]).tree)

    def _page_url(self, which: int, **values: str) -> str | None:
        url = self._snapshot.url
        pattern = _PAGES.get(url.host) if url is not None else None
        if pattern is None:
            return None
        return f"{str(url).removesuffix('.git')}/{pattern[which].format(**values)}"


def _why_not_read(entry: Entry) -> str | None:
    names = [part.decode("utf-8", "replace") for part in entry.parts]
    if any(name in (".", "..") or "/" in name for name in names):
        return "not a name that a file can have"
    if entry.kind == LINK:
        return "a symbolic link"
    if entry.kind == SUBMODULE:
        return "a submodule"
    if entry.kind != PLAIN:
        return "not a plain file"
    *folders, name = names
    if is_secret_file(name, folders[-1] if folders else "") or any(map(is_secret_folder, folders)):
        return "may hold secrets"
    return None


def _display(path: bytes) -> str:
    return clean_line(path.decode("utf-8", "replace"))


def _no_check() -> None:
    """Do nothing: the caller takes only so many paths of one commit, which bounds the walk."""
