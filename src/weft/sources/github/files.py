"""The files of a repository on GitHub: what is new is downloaded, a few at a time."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import quote

import anyio

from weft.document.model import Unreadable
from weft.document.text import path_id
from weft.domain.entities import Entity
from weft.errors import (
    ConnectionFault,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
    WeftError,
)
from weft.sources.base import Event, Failed, Skipped, SourceContext, Unchanged
from weft.sources.github.answers import TreeFile
from weft.sources.github.api import Branch, GitHubApi
from weft.sources.github.entities import read_file_entity, why_not_read

# Part of every version of a file: raise it when the reader improves, so that all are read again.
READER: Final = 2
CONCURRENT_DOWNLOADS: Final = 8
LOOKUP_SIZE: Final = 500
FAILURES_IN_A_ROW_MAX: Final = 24

T = TypeVar("T")


class FileReader:
    """Reads files of one repository, whose pages are below ``web_url``."""

    def __init__(self, context: SourceContext, repo_name: str, web_url: str) -> None:
        self._context = context
        self._repo_name = repo_name
        self._web_url = web_url

    def file_id(self, path: str) -> str:
        """Return the id of a file's entity."""
        return f"{self._repo_name.lower()}/blob/{path_id(_encode(path))}"

    async def read_new(
        self, api: GitHubApi, files: Sequence[TreeFile], branch: Branch
    ) -> AsyncGenerator[Event]:
        """Yield an event for each file, downloading those whose blobs are new."""
        failures = 0
        for group in chunks(files, LOOKUP_SIZE):
            known = await self._context.known_versions([self.file_id(f.path) for f in group])
            items = [self._event_without_download(file, known, branch) or file for file in group]
            for batch in _batches(items):
                for event in await self._download_batch(api, batch, branch):
                    if isinstance(event, Failed):
                        failures += 1
                    elif isinstance(event, Entity):
                        failures = 0
                    yield event
                # One bad file is no reason to stop, but a dead upstream is not worth the wait.
                if failures >= FAILURES_IN_A_ROW_MAX:
                    raise SourceUnavailable(f"GitHub failed for {failures} files in a row.")

    def _event_without_download(
        self, file: TreeFile, known: Mapping[str, str], branch: Branch
    ) -> Event | None:
        file_id = self.file_id(file.path)
        # First, as content that is known by its id has no other size than before.
        if known.get(file_id) == _version(file, branch):
            return Unchanged(file_id)
        reason = why_not_read(file)
        return Skipped(file_id, reason) if reason else None

    async def _download_batch(
        self, api: GitHubApi, batch: Sequence[Event | TreeFile], branch: Branch
    ) -> list[Event]:
        """Download the files of a batch; return one event per item, in the order of the items."""
        found: dict[str, Event | WeftError] = {}

        async def load(file: TreeFile) -> None:
            # Keep the error and raise it below: raised here, it would be in an ExceptionGroup.
            try:
                found[file.path] = await self._read_file(file, await api.download(file.sha), branch)
            except WeftError as error:
                found[file.path] = error

        async with anyio.create_task_group() as group:
            for item in batch:
                if isinstance(item, TreeFile):
                    group.start_soon(load, item)
        return [
            self._event_of(item, found[item.path]) if isinstance(item, TreeFile) else item
            for item in batch
        ]

    def _event_of(self, file: TreeFile, outcome: Event | WeftError) -> Event:
        if not isinstance(outcome, WeftError):
            return outcome
        misplaced = isinstance(outcome, SourceMisconfigured)
        if isinstance(outcome, RateLimited | ConnectionFault) and not misplaced:
            raise outcome
        return Failed(self.file_id(file.path), outcome.message)

    async def _read_file(self, file: TreeFile, content: bytes, branch: Branch) -> Event:
        file_id = self.file_id(file.path)
        try:
            entity = await read_file_entity(file_id, self._repo_name, file.path, content)
        except Unreadable as error:
            return Skipped(file_id, str(error))
        if entity is None:
            return Skipped(file_id, "kept in Git LFS, outside the repository")
        where = f"blob/{quote(branch.name)}/{quote(_encode(file.path))}"
        entity.url = f"{self._web_url}/{self._repo_name}/{where}"
        entity.version = _version(file, branch)
        return entity


def _version(file: TreeFile, branch: Branch) -> str:
    # The branch is part of the entity's URL, so a copy made from another branch is outdated.
    return f"{READER}-{file.sha}@{branch.name}"


def _encode(path: str) -> bytes:
    # JSON can hold lone surrogates, which UTF-8 cannot encode.
    return path.encode(errors="surrogatepass")


def _batches(items: Sequence[Event | TreeFile]) -> Iterator[list[Event | TreeFile]]:
    """Cut the list so that each batch has CONCURRENT_DOWNLOADS files to download."""
    batch: list[Event | TreeFile] = []
    downloads = 0
    for item in items:
        batch.append(item)
        downloads += isinstance(item, TreeFile)
        if downloads == CONCURRENT_DOWNLOADS:
            yield batch
            batch, downloads = [], 0
    yield batch


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut items into lists of that size."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
