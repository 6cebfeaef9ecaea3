"""`github`: the text files and, if asked for, the pull requests of one repository.

A full fetch lists the branch's tree and downloads only the files whose blob id is new. With a
cursor, an unchanged repository costs two requests, and a changed one the comparison of commits.
"""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx
from pydantic import BaseModel

from weft.domain.base import Json
from weft.domain.connections import AuthMethod
from weft.domain.entities import Entity
from weft.errors import CursorExpired, RateLimited, WeftError
from weft.net.client import Sleep
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
    OAuth1,
    OAuth2,
    PreviewEvent,
    Source,
)
from weft.sources.github.api import (
    Branch,
    CommitFiles,
    GitHubApi,
    rate_limit_seconds,
    site_of,
)
from weft.sources.github.config import GitHubConfig, GitHubCredentials
from weft.sources.github.entities import (
    moment,
    pull_request_entity,
    repository_entity,
    text_of,
    why_not_read,
)
from weft.sources.github.files import LOOKUP_SIZE, FileReader, chunks
from weft.sources.github.streams import make_streams
from weft.sources.patterns import watch_path
from weft.sources.rest.api import Api, find_graphql_error
from weft.sources.rest.listing import Listing
from weft.sources.rest.streams import bind
from weft.sources.rest.table import Stream

DEFAULT_API_URL = "https://api.github.com"
API_VERSION = "2022-11-28"
# Pull requests changed this long before the last sync are read again, because GitHub's listing
# may lag behind its own clock.
OVERLAP = timedelta(minutes=2)

_EVIDENCE = "the commit's files and all pages of pull requests were listed"
_DOUBT = "the list of files does not make up the commit any more, as it did before"


class GitHubSource(Source[GitHubConfig, GitHubCredentials]):
    """One repository on GitHub or, by the operator's setting, GitHub Enterprise."""

    short_name = "github"
    name = "GitHub"
    description = "Files, pull requests, issues, releases and discussions of a GitHub repository."
    Config = GitHubConfig
    Credentials = GitHubCredentials
    auth_methods = tuple(AuthMethod)
    supports_continuous = True
    cursor_fields = ("last_repository_pushed_at",)
    entity_types = ("repository", "file", "pull_request", "issue", "release", "discussion")
    labels = ("code", "repository", "source control")
    checked_against = "the vendor's published description"
    sleep: ClassVar[Sleep] = staticmethod(anyio.sleep)
    api: Api
    _doubt: str | None = None

    @classmethod
    def oauth(cls, config: BaseModel, options: Mapping[str, str]) -> OAuth2 | OAuth1 | None:
        """Return the consent pages of GitHub, or of the operator's GitHub Enterprise."""
        del config
        site = site_of(options.get("github_api_url") or DEFAULT_API_URL)
        return OAuth2(
            authorize_url=f"{site}/login/oauth/authorize",
            token_url=f"{site}/login/oauth/access_token",
            token_field="personal_access_token",  # noqa: S106 (the name of a field)
            scopes=("repo",),
            client_auth="client_secret_post",
        )

    @classmethod
    def endpoint(cls, config: BaseModel, options: Mapping[str, str]) -> str | None:
        """Return the API's origin, which only the operator can change, never the configuration."""
        del config
        url = urlsplit(options.get("github_api_url") or DEFAULT_API_URL)
        return f"{url.scheme}://{url.netloc}"

    async def check(self) -> str:
        """Read the repository and its branch."""
        async with self._open_client() as client:
            api = self._api(client)
            repository, _ = await api.get_repository()
            branch = await api.find_branch(repository, self.config.branch)
        where = f"branch {branch.name}" if branch else "an empty repository"
        return f"{self.config.repo_name}, {where}"

    async def preview(self) -> AsyncGenerator[PreviewEvent]:
        """Name the branch's files, which may yet turn out to be binary."""
        async with self._open_client() as client:
            api = self._api(client)
            repository, _ = await api.get_repository()
            branch = await api.find_branch(repository, self.config.branch)
            tree = await api.list_files(branch.tree_sha) if branch else CommitFiles()
        yield Named(self._id(), "repository")
        watch = watch_path(self.config.path)
        # A tree may have a million files, and only the first few are asked for.
        for files in chunks(tree.files, LOOKUP_SIZE):
            for file in files:
                watch.see(tuple(file.path.split("/")))
                if self._is_wanted(file.path) and why_not_read(file) is None:
                    yield Named(self._files.file_id(file.path), "file")
            await anyio.lowlevel.checkpoint()
        for unmatched in await anyio.to_thread.run_sync(watch.list_unmatched):
            yield unmatched
        if self.config.sync_pull_requests:
            yield NotPreviewed("pull_request", self._id("/pull/"))
        for row in self._rows():
            yield NotPreviewed(row.name, f"{row.name}:")
        if tree.gap:
            yield Incomplete(tree.gap)
        yield Complete("the commit's files were listed")

    async def fetch(self, cursor: Json | None) -> AsyncGenerator[Event]:
        """Yield all files and pull requests, or those that changed since the cursor."""
        async with self._open_client() as client:
            api = self._api(client)
            repository, now = await api.get_repository()
            branch = await api.find_branch(repository, self.config.branch)
            new_cursor = self._cursor(repository, branch, now)
            if cursor is not None:
                self._check_cursor(cursor, new_cursor)
            if not _is_same(cursor, new_cursor, "repository"):
                yield repository_entity(self._id(), repository)
            whole = sound = True
            parts = [self._fetch_files(api, cursor, new_cursor, branch)]
            if self.config.sync_pull_requests:
                parts.append(self._fetch_pull_requests(api, cursor))
            if rows := self._rows():
                parts.append(self._fetch_streams(client, rows, cursor, new_cursor))
            for part in parts:
                async for event in part:
                    whole = whole and not isinstance(event, Incomplete)
                    sound = sound and not isinstance(event, Failed)
                    if isinstance(event, Entity) and event.type == "pull_request":
                        new_cursor["has_pull_requests"] = True
                    yield event
            # A failed file is only tried again if the cursor stays where it was.
            if whole and sound:
                yield Checkpoint(new_cursor)
            if whole:
                is_odd = self._had("is_proven") and not new_cursor["is_proven"]
                yield Complete(_EVIDENCE, _DOUBT if is_odd else self._doubt)

    @property
    def _files(self) -> FileReader:
        return FileReader(self.context, self.config.repo_name, self._web_url())

    def _open_client(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        token = self.credentials.personal_access_token.get_secret_value()
        return self.context.http(
            base_url=self.context.options.get("github_api_url") or DEFAULT_API_URL,
            headers={
                "authorization": f"Bearer {token}",
                "accept": "application/vnd.github+json",
                "x-github-api-version": API_VERSION,
            },
        )

    def _api(self, client: httpx.AsyncClient) -> GitHubApi:
        return GitHubApi(client, self.config.repo_name, type(self).sleep)

    def _id(self, rest: str = "") -> str:
        return self.config.repo_name.lower() + rest

    def _cursor(self, repository: dict[str, Any], branch: Branch | None, now: float) -> Json:
        config = self.config
        return {
            "last_repository_pushed_at": text_of(repository.get("pushed_at")),
            "repository": _digest(repository_entity(self._id(), repository)),
            "repo_name": config.repo_name.lower(),
            "path": config.path,
            "branch": branch.name if branch else None,
            "has_pull_requests": self._had("has_pull_requests"),
            "is_proven": self._had("is_proven"),
            "commit_sha": branch.commit_sha if branch else None,
            "pull_requests_seen_until": (
                (datetime.fromtimestamp(now, UTC) - OVERLAP).isoformat()
                if config.sync_pull_requests
                else None
            ),
            "streams": None,
        }

    def _had(self, fact: str) -> bool:
        last = self.context.last_cursor or {}
        is_same = last.get("repo_name") == self.config.repo_name.lower()
        return is_same and bool(last.get(fact))

    def _check_cursor(self, old: Json, new: Json) -> None:
        if any(old.get(key) != new[key] for key in ("repo_name", "path", "branch")):
            raise CursorExpired("The cursor belongs to another repository, folder or branch.")
        if not isinstance(old.get("commit_sha"), str) or new["commit_sha"] is None:
            raise CursorExpired("The cursor names no commit.")
        if bool(old.get("pull_requests_seen_until")) != bool(new["pull_requests_seen_until"]):
            raise CursorExpired("The cursor was made with another choice of pull requests.")
        if bool(old.get("streams")) != bool(self._rows()):
            raise CursorExpired("The cursor was made with another choice of what is synced.")

    async def _fetch_files(
        self, api: GitHubApi, old: Json | None, new: Json, branch: Branch | None
    ) -> AsyncGenerator[Event]:
        if branch is None or _is_same(old, new, "last_repository_pushed_at", "commit_sha"):
            return
        changed = (
            None
            if old is None
            else await api.list_changed_paths(str(old["commit_sha"]), branch.commit_sha)
        )
        tree = await api.list_files(branch.tree_sha)
        # Some repositories have names or modes that the API does not give as they are.
        new["is_proven"] = tree.is_proven
        files = [file for file in tree.files if self._is_wanted(file.path)]
        if changed is not None:
            files = [file for file in files if file.path in changed]
            gone = changed - {file.path for file in files}
            for path in sorted(path for path in gone if self._is_wanted(path)):
                yield self._deletion(path, tree)
        yield Expect(len(files) + (not _is_same(old, new, "repository")))
        async for event in self._files.read_new(api, files, branch):
            yield event
        if tree.gap:
            yield Incomplete(tree.gap)

    def _is_wanted(self, path: str) -> bool:
        wanted = self.config.path
        return wanted is None or path == wanted or path.startswith(f"{wanted}/")

    def _deletion(self, path: str, tree: CommitFiles) -> Deleted:
        if tree.gap:
            raise CursorExpired("The list of files has a gap, so deletions cannot be told.")
        return Deleted(self._files.file_id(path))

    def _web_url(self) -> str:
        base = self.context.options.get("github_api_url") or DEFAULT_API_URL
        if base.rstrip("/") == DEFAULT_API_URL:
            return "https://github.com"
        # GitHub Enterprise serves its API below /api/v3 of the host that serves the pages.
        return base.rstrip("/").removesuffix("/api/v3")

    @property
    def repository_path(self) -> str:
        """Return the path of the repository in the API."""
        return f"/repos/{self.config.repo_name}"

    def find_error(self, response: httpx.Response, answer: object) -> WeftError | None:
        """Tell that a rate limit is used up, or that a query of GraphQL failed."""
        wait = rate_limit_seconds(response)
        if wait is not None:
            return RateLimited(
                f"GitHub's rate limit is used up for {wait:.0f} seconds.", retry_after=wait
            )
        return find_graphql_error(answer)

    def _rows(self) -> tuple[Stream, ...]:
        """Return the wanted streams of the REST kit."""
        base = (self.context.options.get("github_api_url") or DEFAULT_API_URL).rstrip("/")
        rows = make_streams(self.config.repo_name, f"{base.removesuffix('/v3')}/graphql")
        wanted = {
            "issue": self.config.sync_issues,
            "release": self.config.sync_releases,
            "discussion": self.config.sync_discussions,
        }
        return tuple(row for name, row in rows.items() if wanted[name])

    async def _fetch_streams(
        self, client: httpx.AsyncClient, rows: tuple[Stream, ...], old: Json | None, new: Json
    ) -> AsyncGenerator[Event]:
        """Yield issues, releases and discussions; what is remembered of them goes into ``new``."""
        self.api = Api(client, self, None, type(self).sleep)
        roots = bind(rows, self.config.model_dump(mode="json"))
        saved = cast("Json", old["streams"]) if old else None
        async for event in Listing(self, self.api, roots, saved).read():
            if isinstance(event, Checkpoint):
                new["streams"] = event.cursor
            elif isinstance(event, Complete):
                self._doubt = event.doubt
            else:
                yield event

    async def _fetch_pull_requests(
        self, api: GitHubApi, cursor: Json | None
    ) -> AsyncGenerator[Event]:
        since = moment(cursor.get("pull_requests_seen_until")) if cursor else None
        listed = 0
        async for item in api.list_pull_requests(newest_first=since is not None):
            listed += 1
            if isinstance(item, Incomplete):
                yield item
                continue
            updated = moment(item.get("updated_at"))
            if since and updated and updated < since:
                return
            number = item["number"]
            yield pull_request_entity(
                self._id(f"/pull/{number}"), self.config.repo_name, number, item
            )
        if not listed and self._had("has_pull_requests"):
            yield Incomplete("GitHub lists no pull request, and none can be deleted there")


def _is_same(old: Json | None, new: Json, *keys: str) -> bool:
    return old is not None and all(old.get(key) == new[key] for key in keys)


def _digest(entity: Entity) -> str:
    return hashlib.blake2b(repr(entity).encode(), digest_size=8).hexdigest()
