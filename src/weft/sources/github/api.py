"""GitHub's REST API as the `github` source needs it: errors, rate limits, trees, comparisons."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import quote, urlsplit

import httpx

from weft.document.child import run_parser
from weft.errors import (
    AuthenticationFailed,
    CursorExpired,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
)
from weft.net.client import Sleep, next_page_url
from weft.net.dates import parse_http_date
from weft.net.errors import raise_for_status, status_error
from weft.net.retry import retry_after_seconds
from weft.sources.base import Incomplete
from weft.sources.github.answers import (
    Tree,
    TreeFile,
    has_id,
    object_of,
    read_changed_paths,
    read_object,
    read_pull_requests,
    read_tree,
    unexpected_answer,
)

RAW = "application/vnd.github.raw+json"
PAGE_SIZE = 100
# GitHub's comparison stops at this many files without saying that there are more.
COMPARED_FILES_MAX = 300
TREES_MAX = 10_000
# More than any known repository has; folders that are shared can make up any number of files.
FILES_MAX = 1_000_000
PAGES_MAX = 10_000
LONGEST_WAIT_S = 60
WAITS_MAX = 3

_REPOSITORY = (
    *("full_name", "description", "default_branch", "pushed_at", "html_url"),
    *("topics", "language", "private", "archived"),
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch and the commit that it pointed to at the time of the request."""

    name: str
    commit_sha: str
    tree_sha: str


@dataclass(slots=True)
class CommitFiles:
    """All files of a commit; ``gap`` says why some may be missing.

    ``is_proven``: the commit's own digests say that none is.
    """

    files: list[TreeFile] = field(default_factory=list[TreeFile])
    gap: str | None = None
    is_proven: bool = True


class GitHubApi:
    """One repository of GitHub, over a client that holds the credentials."""

    def __init__(self, client: httpx.AsyncClient, repo_name: str, sleep: Sleep) -> None:
        self._client = client
        self._base = f"/repos/{repo_name}"
        self._sleep = sleep

    async def get_repository(self) -> tuple[dict[str, Any], float]:
        """Fetch the repository, and the server's time (POSIX seconds) of the answer."""
        response = await self._get(self._base, missing=_no_repository)
        found = await _read(response, read_object, "the repository", _REPOSITORY)
        return found, server_time(response)

    async def find_branch(self, repository: Mapping[str, Any], wanted: str | None) -> Branch | None:
        """Fetch the wanted or the default branch; None if the repository is empty."""
        name = wanted or str(repository.get("default_branch") or "")
        response = await self._get(f"{self._base}/branches/{quote(name, safe='')}", missing=None)
        if response.status_code == 404:
            if not wanted and await self._is_empty():
                return None
            raise SourceMisconfigured(
                "The repository has no such branch.",
                field="branch",
                hint="Leave it out for the default branch.",
            )
        found = await _read(response, read_object, "the branch", ("commit",))
        commit = object_of(found["commit"])
        tree = object_of(object_of(commit.get("commit")).get("tree"))
        ids = (commit.get("sha"), tree.get("sha"))
        if not all(isinstance(one, str) and one.isalnum() for one in ids):
            raise unexpected_answer("the branch")
        return Branch(name, *map(str, ids))

    async def list_files(self, sha: str) -> CommitFiles:
        """List all files below a tree, in several requests if one answer cannot hold them."""
        tree = CommitFiles()
        waiting = [("", sha)]
        for _ in range(TREES_MAX):
            if not waiting:
                return tree
            prefix, current = waiting.pop()
            answer = await self._get_tree(current, is_deep=True)
            if answer.is_cut:
                answer = await self._get_tree(current, is_deep=False)
                if answer.is_cut:
                    tree.gap = "a folder has more entries than GitHub lists"
                waiting += [(f"{prefix}{path}/", i) for path, i in reversed(answer.folders)]
            tree.files += [file._replace(path=f"{prefix}{file.path}") for file in answer.files]
            tree.is_proven = tree.is_proven and answer.is_proven
            if len(tree.files) > FILES_MAX:
                tree.gap = f"the commit has more than {FILES_MAX:,} files"
                return tree
        tree.gap = f"more than {TREES_MAX} folders had to be listed one by one"
        return tree

    async def list_changed_paths(self, base_sha: str, head_sha: str) -> set[str]:
        """Fetch the paths that differ between a commit and a descendant of it.

        Raises CursorExpired if the comparison cannot name them all: history was rewritten, the
        old commit is gone, or too much changed.
        """
        response = await self._get(f"{self._base}/compare/{base_sha}...{head_sha}", missing=None)
        if response.status_code in {404, 422}:
            raise CursorExpired("GitHub no longer has the commit of the last sync.")
        status, names, count = await _read(response, read_changed_paths, "the comparison")
        # GitHub compares with the common ancestor, which after a forced push is not our base.
        if status not in ("ahead", "identical"):
            raise CursorExpired("The branch was rewritten since the last sync.")
        if count >= COMPARED_FILES_MAX:
            raise CursorExpired("More files changed since the last sync than GitHub lists.")
        return set(names)

    async def download(self, sha: str) -> bytes:
        """Download a file's content."""
        response = await self._get(
            f"{self._base}/git/blobs/{sha}", missing=None, headers={"accept": RAW}
        )
        if not response.is_success:
            raise status_error(response, "the file")
        if not has_id(sha, b"blob", response.content):
            # Stored once, it would stay: the next sync compares nothing but the id.
            raise SourceUnavailable("GitHub sent something else than the file's content.")
        return response.content

    async def list_pull_requests(
        self, *, newest_first: bool
    ) -> AsyncGenerator[dict[str, Any] | Incomplete]:
        """Yield all pull requests: the last changed first, or else in order of creation.

        Only the order of creation is stable while we page through it: nothing moves to a page that
        has already been read, unless a pull request vanishes. That is checked at each page's end,
        and that there is nothing behind the last.
        """
        order = "sort=updated&direction=desc" if newest_first else "sort=created&direction=asc"
        query = f"{self._base}/pulls?state=all&{order}"
        url, is_named = f"{query}&per_page={PAGE_SIZE}", False
        listed, last = 0, 0
        for page_number in range(2, PAGES_MAX + 2):
            page, following = await self._get_pull_requests(url)
            for item in page:
                yield item
            if is_named and not page:
                yield Incomplete("a page of pull requests that GitHub named was empty")
            if listed and not newest_first and await self._find_at(query, listed) != last:
                yield Incomplete("pull requests moved between pages while they were read")
            if not page:
                return
            listed, last = listed + len(page), page[-1]["number"]
            # A full page without a link may have lost it: only the page behind it can tell.
            if following is None and len(page) < PAGE_SIZE:
                if not newest_first and await self._find_at(query, listed + 1) is not None:
                    yield Incomplete("there are pull requests behind the last page")
                return
            is_named = following is not None
            url = following or f"{query}&per_page={PAGE_SIZE}&page={page_number}"
        yield Incomplete(f"there are more than {PAGES_MAX:,} pages of pull requests")

    async def _get_pull_requests(self, url: str) -> tuple[list[dict[str, Any]], str | None]:
        """Fetch one page, and the address of the next if GitHub names it."""
        response = await self._get(url, missing=None)
        items = await _read(response, read_pull_requests, "the pull requests")
        return items, next_page_url(response)

    async def _find_at(self, query: str, position: int) -> int | None:
        """Ask for the number of the pull request at a position, None if the list is shorter."""
        found, _ = await self._get_pull_requests(f"{query}&per_page=1&page={position}")
        return found[0]["number"] if found else None

    async def _is_empty(self) -> bool:
        response = await self._get(f"{self._base}/commits?per_page=1", missing=None)
        if response.status_code != 409:
            return False
        # The same status says that a repository is unavailable, which is no reason to delete it.
        if b"is empty" not in response.content[:1_000]:
            raise SourceUnavailable("GitHub says that the repository is unavailable.")
        return True

    async def _get_tree(self, sha: str, *, is_deep: bool) -> Tree:
        query = "?recursive=1" if is_deep else ""
        response = await self._get(f"{self._base}/git/trees/{sha}{query}", missing=None)
        return await _read(response, read_tree, "the list of files", sha, is_deep)

    async def _get(
        self,
        url: str,
        *,
        missing: Callable[[], SourceMisconfigured] | None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a GET, waiting out rate limits; raise our errors for a refused token."""
        waits = 0
        response = await self._client.get(url, headers=headers)
        while (wait := rate_limit_seconds(response)) is not None:
            if wait > LONGEST_WAIT_S or waits == WAITS_MAX:
                raise RateLimited(
                    f"GitHub's rate limit is used up for {wait:.0f} seconds.", retry_after=wait
                )
            await self._sleep(wait)
            waits += 1
            response = await self._client.get(url, headers=headers)
        if response.status_code == 401:
            raise AuthenticationFailed(
                "GitHub refused the personal access token.",
                hint="It may be mistyped, expired or revoked: give a new one.",
            )
        if response.status_code == 403:
            raise _access_denied(response)
        if response.status_code == 404 and missing:
            raise missing()
        return response


def site_of(api_url: str) -> str:
    """Return the web site of a GitHub API, where people give consent.

    api.github.com and api.NAME.ghe.com are subdomains of it; a GitHub Enterprise Server has its API
    at /api/v3 of its own host.
    """
    url = urlsplit(api_url)
    in_cloud = url.netloc == "api.github.com" or url.netloc.endswith(".ghe.com")
    return f"{url.scheme}://{url.netloc.removeprefix('api.') if in_cloud else url.netloc}"


def rate_limit_seconds(response: httpx.Response) -> float | None:
    """Return how many seconds GitHub wants us to wait, or None if this is no rate limit."""
    if response.status_code not in {403, 429}:
        return None
    asked = retry_after_seconds(response, now=server_time(response))
    if asked is not None:
        return asked
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        # Add a second, since both times are cut to whole seconds.
        return max(0.0, float(reset[:12]) - server_time(response)) + 1
    # The secondary limit may come without any header; its documentation asks for a minute.
    if response.status_code == 429 or b"rate limit" in response.content[:2_000].lower():
        return LONGEST_WAIT_S
    return None


def server_time(response: httpx.Response) -> float:
    """Return the Date header as POSIX seconds: reset times follow GitHub's clock, not ours."""
    told = parse_http_date(response.headers.get("date", ""))
    return time.time() if told is None else told.timestamp()


async def _read(
    response: httpx.Response,
    read: Callable[[bytes, str, *Ts], T],
    what: str,
    *more: *Ts,
) -> T:
    """Read an answer where it holds nobody up; raise for its status as `raise_for_status`."""
    raise_for_status(response, what)
    return await run_parser(len(response.content), read, response.content, what, *more)


def _no_repository() -> SourceMisconfigured:
    return SourceMisconfigured(
        "GitHub shows this token no such repository.",
        field="repo_name",
        hint="Check the spelling of owner/name, and that the token may read the repository.",
    )


def _access_denied(response: httpx.Response) -> Exception:
    error = status_error(response, "the repository")
    if "x-github-sso" in response.headers:
        error.hint = "The organisation requires single sign-on: authorise the token for it."
    else:
        error.hint = "The token needs read access to contents (and to pull requests, if synced)."
    return error
