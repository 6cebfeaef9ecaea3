"""Reads listed files, unless their version is known."""

import errno
import os
import time
from collections.abc import Iterator, Mapping

import anyio.from_thread

from weft.document.model import Document, Unreadable
from weft.document.read import is_document, read_in_thread
from weft.document.text import language_of
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.text.characters import clean_line
from weft.errors import SourceUnavailable
from weft.net.dates import posix_time
from weft.sources.base import Event, Failed, Skipped, Unchanged
from weft.sources.files.config import FilesConfig
from weft.sources.files.walk import Candidate, is_absence, kind_at, reason_of
from weft.sources.roots import Start
from weft.sources.trees import Moved, NotInside, Tree

# The limit of one trip to a worker thread.
CHUNK_BYTES = 8 * 1024 * 1024
# Part of every version: raise it when the reader improves, so that all files are read again.
READER = "3"
# Two changes within one tick of the file system's clock look like one, so a file changed just
# before it was read gets no version and is read again next time.
SETTLED_NS = 2_000_000_000
_NOT_READ = "a link, a device, or Weft's own"


class FileReader:
    """Turns listed files into events, as many at once as fit the chunk's bytes."""

    def __init__(
        self, config: FilesConfig, start: Start, tree: Tree, known: Mapping[str, str]
    ) -> None:
        self._config = config
        self._base = start.parts[:-1] if start.is_file else start.parts
        self._tree = tree
        self._known = known

    def read_some(self, candidates: Iterator[Candidate]) -> list[Event]:
        events: list[Event] = []
        size = 0
        # Check the size first: a candidate taken from the iterator and not read would be lost.
        while size < CHUNK_BYTES and (candidate := next(candidates, None)):
            anyio.from_thread.check_cancelled()
            try:
                event = self._read_one(candidate)
            except Moved:
                raise
            except OSError as error:
                event = self._explain(candidate, error)
            if event is None:
                continue
            events.append(event)
            size += len(event.text) if isinstance(event, Entity) else 0
        return events

    def _explain(self, candidate: Candidate, error: OSError) -> Event | None:
        """Tell a file that is gone, for which there is no event, from one that was out of sight."""
        if isinstance(error, NotInside) and error.errno == errno.EPERM:
            return Skipped(candidate.id, _NOT_READ)
        if not is_absence(error):
            return Failed(candidate.id, reason_of(error))
        if candidate.folder is None:
            return Failed(candidate.id, "gone since the sync began")
        match kind_at(self._tree, self._base, candidate.folder, candidate.parts[-1]):
            case "nothing" | "folder":
                return None
            case "other":
                return Skipped(candidate.id, _NOT_READ)
            case "file" | "unknown":
                return Failed(candidate.id, "it, or a folder above it, was replaced meanwhile")

    def _read_one(self, candidate: Candidate) -> Event:
        config, name = self._config, candidate.parts[-1]
        limit = config.max_document_size if is_document(name) else config.max_file_size
        descriptor = self._tree.open_file(self._base + candidate.parts)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if found.st_size > limit:
                return Skipped(candidate.id, f"larger than {limit} bytes")
            version = _version(found)
            if version is not None and self._known.get(candidate.id) == version:
                return Unchanged(candidate.id)
            data = file.read(limit + 1)
        if len(data) > limit:
            return Skipped(candidate.id, f"larger than {limit} bytes")
        path = "/".join(candidate.parts)
        try:
            document = read_in_thread(path, data)
        except Unreadable as error:
            return Skipped(candidate.id, str(error))
        except SourceUnavailable as error:
            return Failed(candidate.id, error.message)
        return self._build_entity(candidate, document, len(data), found, version)

    def _build_entity(
        self,
        candidate: Candidate,
        document: Document,
        size: int,
        found: os.stat_result,
        version: str | None,
    ) -> Entity:
        path = "/".join(candidate.parts)
        modified = posix_time(found.st_mtime)
        metadata: Json = {**document.facts, "path": clean_line(path), "size": size}
        if modified is not None:
            metadata["mtime"] = modified.isoformat(timespec="seconds")
        language = language_of(path)
        if language is not None:
            metadata["language"] = language
        return Entity(
            id=candidate.id,
            type="file",
            title=document.title,
            text=document.text,
            url=self._tree.root.joinpath(*self._base, *candidate.parts).as_uri(),
            updated_at=modified,
            metadata=metadata,
            breadcrumbs=tuple(clean_line(part) for part in candidate.parts[:-1]),
            version=version,
        )


def _version(found: os.stat_result) -> str | None:
    if time.time_ns() - found.st_mtime_ns < SETTLED_NS:
        return None
    numbers = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
    return "-".join([READER, *(f"{number:x}" for number in numbers)])
