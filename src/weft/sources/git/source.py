"""Git repositories, local or over https: the files at a branch's head and the commits before it.

Nothing is run and nothing is checked out: objects are read as data (`pack`), local folders by
descriptor below the allowed roots (`objects`), servers through the guarded client (`smart_http`).
A full fetch lists the files of the branch's head (`walk`) and the newest commits; a fetch with a
cursor compares two heads. `entities` turns both into entities.
"""

import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import httpx
from anyio.from_thread import check_cancelled
from anyio.to_thread import run_sync
from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import CursorExpired, SourceMisconfigured, SourceUnavailable, Unsupported
from weft.sources.base import (
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Expect,
    Failed,
    Incomplete,
    Named,
    NotPreviewed,
    Omitted,
    PreviewEvent,
    Source,
    SourceContext,
    Unchanged,
)
from weft.sources.git.config import GitConfig, GitCredentials, check_scheme
from weft.sources.git.delta import BadObject, ObjectTooLarge, TooMuchWork
from weft.sources.git.entities import COMMIT_PREFIX, Pending, Snapshot, SnapshotReader, file_id
from weft.sources.git.objects import ObjectStore, find_place, open_repository, read_failure
from weft.sources.git.smart_http import Remote, discover, fetch_pack, find_branch
from weft.sources.git.walk import (
    Commit,
    Entry,
    list_changed_files,
    list_commits_since,
    list_files,
    list_newest_commits,
    read_commit,
)
from weft.sources.roots import pin_path

# Limits of one trip to a worker thread.
_CHUNK_ITEMS = 128
_CHUNK_CHARS = 8 * 1024 * 1024
_OLDER = Omitted(FindingKind.OLDER, setting="max_commits")
# Servers that need no user name accept any; this one is GitHub's convention.
_DEFAULT_USERNAME = "x-access-token"

T = TypeVar("T")


class GitSource(Source[GitConfig, GitCredentials]):
    """Files and commits of one branch."""

    short_name = "git"
    name = "Git"
    description = "Files and commits of a Git repository: a local folder or an https clone URL"
    Config = GitConfig
    Credentials = GitCredentials
    supports_continuous = True
    cursor_fields = ("last_commit",)
    entity_types = ("file", "commit")
    labels = ("code", "local", "repository", "source control", "gitea", "forgejo")
    checked_against = "real servers"

    async def check(self) -> str:
        """Find the branch's head."""
        if self.config.url is not None:
            async with self._open_client() as client:
                remote = await discover(client, str(self.config.url))
                branch, head = await find_branch(client, remote, self.config.branch)
            return f"branch {branch} is at commit {head[:12]}"
        with ExitStack() as stack:
            snapshot = await _run_in_thread(lambda: self._open_local(stack))
            await _run_in_thread(
                lambda: _find_start(SnapshotReader(self.config, snapshot), snapshot)
            )
        return f"branch {snapshot.branch} is at commit {snapshot.head.id[:12]}"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the files of the branch's head; a server must be able to send folders alone."""
        with ExitStack() as stack:
            snapshot = await self._open(stack, None, names_only=True)
            if snapshot is None:
                raise AssertionError("only a sync knows a commit to stop at")
            steps = self._list_files(snapshot)
            while chunk := await _run_in_thread(lambda: list(islice(steps, _CHUNK_ITEMS))):
                for item in chunk:
                    if isinstance(item, Pending):
                        yield Named(item.id, "file")
            if self.config.include_commits:
                yield NotPreviewed("commit", COMMIT_PREFIX)
            yield Complete(f"every folder was read of commit {snapshot.head.id}")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """List files and commits, or what changed since the cursor's commit."""
        last = None if cursor is None else self._last_commit(cursor)
        is_sound, leaves_out = True, bool(cursor and cursor.get("older"))
        with ExitStack() as stack:
            snapshot = await self._open(stack, last)
            if snapshot is not None and snapshot.head.id != last:
                reader = SnapshotReader(self.config, snapshot)
                steps = self._list_all(snapshot, reader)
                if last is not None:
                    changes = await _run_in_thread(
                        lambda: self._list_changes(snapshot, reader, last)
                    )
                    steps = iter(changes)
                async for event in self._deliver(steps):
                    is_sound = is_sound and not isinstance(event, Failed)
                    leaves_out = leaves_out or event is _OLDER
                    if event is not _OLDER:
                        yield event
            if leaves_out:
                yield _OLDER
            # Beyond this commit, what failed would only be read again once it changes.
            if snapshot is not None and is_sound:
                yield Checkpoint(self._cursor(snapshot) | ({"older": True} if leaves_out else {}))
            # Ids are digests, so one commit vouches for the names of all that it holds.
            yield Complete(
                f"every folder was read of commit {snapshot.head.id if snapshot else last}"
            )

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the origin of the clone URL."""
        del options
        url = cast("GitConfig", config).url
        if url is None:
            return None
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    @classmethod
    def pin(cls, config: BaseModel, context: SourceContext) -> Json:
        """Make the path of a local repository absolute."""
        given = cast("GitConfig", config)
        return {} if given.url is not None else {"repo": pin_path(given.repo, context)}

    @classmethod
    def require_access(cls, config: BaseModel, context: SourceContext) -> None:
        """Look for a local repository below the roots."""
        given = cast("GitConfig", config)
        if given.url is None:
            find_place(Path(given.repo), context)

    @classmethod
    def credential_scope(cls, config: BaseModel) -> str:
        """Return the path of the clone URL: many people may have repositories on one host."""
        url = cast("GitConfig", config).url
        return "" if url is None else url.raw_path.decode("ascii").removesuffix(".git")

    async def _deliver(self, steps: Iterator[Event | Pending]) -> AsyncGenerator[Event]:
        while chunk := await _run_in_thread(lambda: list(islice(steps, _CHUNK_ITEMS))):
            ids = [item.id for item in chunk if isinstance(item, Pending)]
            known = await self.context.known_versions(ids)
            make = partial(_make_events, iter(chunk), known)
            while events := await _run_in_thread(make):
                for event in events:
                    yield event

    def _list_all(self, snapshot: Snapshot, reader: SnapshotReader) -> Iterator[Event | Pending]:
        """List every file and the newest commits. Runs in a worker thread, a chunk at a time."""
        try:
            start = _find_start(reader, snapshot)
            total = sum(1 for _ in list_files(snapshot.store, start, check_cancelled))
            most = self.config.max_commits
            commits = sum(1 for _ in islice(self._walk(snapshot, set()), most))
            yield Expect(total + commits)
            for entry in list_files(snapshot.store, start, check_cancelled):
                yield reader.file_event(entry)
            missing: set[str] = set()
            wanted = (reader.commit_event(commit) for commit in self._walk(snapshot, missing))
            touching = filter(None, wanted)
            yield from islice(touching, most)
            # A clone from a server is cut off at `max_commits`, whether or not they touch `path`.
            is_clone = self.config.url is not None
            is_cut = is_clone and commits == most and bool(snapshot.store.shallow)
            if is_cut or next(touching, None) is not None:
                yield _OLDER
            if missing:
                yield Incomplete("the repository lacks commits that its branch is built on")
        except BadObject as error:
            raise read_failure(error) from None

    def _list_files(self, snapshot: Snapshot) -> Iterator[Event | Pending]:
        reader = SnapshotReader(self.config, snapshot)
        start = _find_start(reader, snapshot)
        try:
            for entry in list_files(snapshot.store, start, check_cancelled):
                yield reader.file_event(entry)
        except BadObject as error:
            raise read_failure(error) from None

    def _walk(self, snapshot: Snapshot, missing: set[str]) -> Iterator[Commit]:
        if not self.config.include_commits:
            return iter(())
        return list_newest_commits(snapshot.store, snapshot.head.id, check_cancelled, missing)

    def _list_changes(
        self, snapshot: Snapshot, reader: SnapshotReader, last: str
    ) -> list[Event | Pending]:
        """List the changes since commit ``last``. Raises CursorExpired."""
        store, head = snapshot.store, snapshot.head
        try:
            commits = list_commits_since(store, head.id, last, check_cancelled)
            if commits is None:
                raise CursorExpired("The branch no longer contains the last synced commit.")
            old = reader.find_start(read_commit(store, last).tree)
            pairs = list_changed_files(store, old, _find_start(reader, snapshot), check_cancelled)
            events = [_change_event(reader, *pair) for pair in pairs]
        except BadObject:
            raise CursorExpired("The last synced commit cannot be compared any more.") from None
        if self.config.include_commits:
            newest = sorted(commits, key=_age)[: self.config.max_commits]
            events += filter(None, map(reader.commit_event, newest))
        return [Expect(len(events)), *events]

    async def _open(
        self, stack: ExitStack, last: str | None, *, names_only: bool = False
    ) -> Snapshot | None:
        """Open the branch's head; return None if a server says that it is still at ``last``.

        With ``names_only`` of a server's repository only the folders are fetched. Raises
        Unsupported if it cannot do that.
        """
        if self.config.url is None:
            return await _run_in_thread(lambda: self._open_local(stack))
        async with self._open_client() as client:
            remote = await discover(client, str(self.config.url))
            branch, head = await find_branch(client, remote, self.config.branch)
            if head == last:
                return None
            store = ObjectStore(check_cancelled)
            stack.callback(store.close)
            plan = self._plan(remote, incremental=last is not None, names_only=names_only)
            for number, (depth, leave_out) in enumerate(plan):
                pack = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
                ends = await fetch_pack(
                    client, remote, head, depth=depth, leave_out=leave_out, into=pack
                )
                if number == 0:
                    # The first pack is the one with the history.
                    store.shallow = ends
                await _run_in_thread(partial(_add_pack, store, pack))
        commit = await _run_in_thread(lambda: _read_head(store, head))
        url = httpx.URL(self.config.repo)
        return Snapshot(store, branch, commit, url=url, partial=remote.can_filter)

    def _plan(
        self, remote: Remote, *, incremental: bool, names_only: bool
    ) -> list[tuple[int, str | None]]:
        """Plan the packs to fetch: depth in commits, and a filter for the server."""
        if names_only:
            if not remote.can_filter:
                raise Unsupported("The Git server sends no folders without their files.")
            return [(1, "blob:none")]
        history = self.config.include_commits or incremental
        depth = self.config.max_commits if history else 1
        if not remote.can_filter:
            return [(depth, None)]
        # Older commits need only their folders, to tell which paths they changed.
        files = (1, f"blob:limit={self.config.max_file_size + 1}")
        return [(depth, "blob:none"), files] if history else [files]

    def _open_local(self, stack: ExitStack) -> Snapshot:
        repository = stack.enter_context(
            open_repository(self.config.repo, self.context, check_cancelled)
        )
        branch, head = repository.resolve(self.config.branch)
        commit = _read_head(repository.store, head)
        return Snapshot(repository.store, branch, commit, work_tree=repository.work_tree)

    def _open_client(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        url, token = self.config.url, self.credentials.access_token
        if url is None:
            raise AssertionError("only remote repositories need a client")
        check_scheme(url, self.context)
        auth = None
        if token is not None:
            username = self.credentials.username or _DEFAULT_USERNAME
            auth = httpx.BasicAuth(username, token.get_secret_value())
        return self.context.http(
            base_url=self.endpoint(self.config, self.context.options) or "", auth=auth
        )

    def _cursor(self, snapshot: Snapshot) -> Json:
        return {
            "last_commit": snapshot.head.id,
            "branch": snapshot.branch,
            "scope": self.config.scope,
        }

    def _last_commit(self, cursor: Json) -> str:
        last = cursor.get("last_commit")
        if not isinstance(last, str) or cursor.get("scope") != self.config.scope:
            raise CursorExpired("The connection's configuration has changed.")
        return last


def _change_event(
    reader: SnapshotReader, before: Entry | None, after: Entry | None
) -> Event | Pending:
    if after is not None:
        return reader.file_event(after)
    if before is not None:
        return Deleted(file_id(before.parts))
    raise AssertionError("a change has at least one side")


def _make_events(items: Iterator[Event | Pending], known: Mapping[str, str]) -> list[Event]:
    """Make events of the next items until a chunk's characters are used up; none at the end."""
    events: list[Event] = []
    size = 0
    # Check the size first: an item taken from the iterator and not used would be lost.
    while size < _CHUNK_CHARS and (item := next(items, None)) is not None:
        check_cancelled()
        if isinstance(item, Pending):
            same = known.get(item.id) == item.version
            event = Unchanged(item.id) if same else item.make()
            size += len(event.text) if isinstance(event, Entity) else 0
            events.append(event)
        else:
            events.append(item)
    return events


async def _run_in_thread(work: Callable[[], T]) -> T:
    # On cancel the thread is not abandoned, because its files are closed right after. It calls
    # check_cancelled between any two objects.
    return await run_sync(work)


def _find_start(reader: SnapshotReader, snapshot: Snapshot) -> Entry:
    try:
        start = reader.find_start(snapshot.head.tree)
    except BadObject as error:
        raise read_failure(error) from None
    if start is None:
        raise SourceMisconfigured("The branch has no such path.", field="path")
    return start


def _read_head(store: ObjectStore, head: str) -> Commit:
    try:
        return read_commit(store, head)
    except BadObject as error:
        raise read_failure(error) from None


def _add_pack(store: ObjectStore, pack: BinaryIO) -> None:
    try:
        store.add_fetched(pack)
    except (ObjectTooLarge, TooMuchWork) as error:
        raise read_failure(error) from None
    except BadObject:
        raise SourceUnavailable("The Git server sent a broken answer.") from None


def _age(commit: Commit) -> tuple[int, str]:
    return -commit.time, commit.id
