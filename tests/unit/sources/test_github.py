"""The `github` source against a server that plays GitHub's REST API."""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import sha1
from typing import Any

import pytest
from pydantic import ValidationError

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.errors import (
    AccessDenied,
    AuthenticationFailed,
    CursorExpired,
    RateLimited,
    SourceMisconfigured,
    SourceUnavailable,
)
from weft.sources.base import (
    Checkpoint,
    Deleted,
    Event,
    Failed,
    HttpFactory,
    Incomplete,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.github import GitHubConfig, GitHubCredentials, GitHubSource
from weft.sources.github_api import RAW
from weft.testing.scripted_http import Asked, Reply, Site, as_json, redirect, serve

pytestmark = pytest.mark.anyio

TOKEN = "ghp_c4n4ry0123456789"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def sha_of(content: bytes) -> str:
    return sha1(content, usedforsecurity=False).hexdigest()


@dataclass
class FakeGitHub:
    """A repository `me/repo` as GitHub would serve it; ``interfere`` may answer instead."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    pulls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pushed_at: str = "2026-02-01T00:00:00Z"
    head: str = "c1"
    empty: bool = False
    compared: dict[str, Any] = field(default_factory=dict[str, Any])
    links: set[str] = field(default_factory=set[str])
    truncate_above: int = 1_000_000
    interfere: Callable[[Asked], Reply | None] = lambda _asked: None

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json({"message": f"Bad credentials {TOKEN}"}, 401)
        reply = self.interfere(asked) or self.route(asked)
        reply.headers = {"date": formatdate(NOW, usegmt=True), **reply.headers}
        return reply

    def route(self, asked: Asked) -> Reply:
        path = asked.path.removeprefix("/repos/me/repo")
        if path == asked.path:
            return as_json({"message": "Not Found"}, 404)
        if path == "":
            return as_json(
                {
                    "full_name": "me/repo",
                    "description": "A repository",
                    "default_branch": "main",
                    "pushed_at": self.pushed_at,
                    "html_url": "https://github.com/me/repo",
                    "topics": ["demo"],
                }
            )
        if path == "/commits" and self.empty:
            return as_json({"message": "Git Repository is empty."}, 409)
        if path in {"/branches/main", "/branches/feature%2Fx"} and not self.empty:
            tree = {"sha": "root"}
            return as_json({"commit": {"sha": self.head, "commit": {"tree": tree}}})
        if path.startswith("/git/trees/"):
            return self.tree(path.removeprefix("/git/trees/"), "recursive" in asked.query)
        if path.startswith("/git/blobs/"):
            found = {sha_of(body): body for body in self.files.values()}
            content = found.get(path.removeprefix("/git/blobs/"))
            assert asked.headers["accept"] == RAW
            return Reply(body=content) if content is not None else Reply(404)
        if path.startswith("/compare/"):
            return as_json(self.compared) if self.compared else Reply(404)
        if path == "/pulls":
            return self.pull_requests(asked)
        return as_json({"message": "Not Found"}, 404)

    def tree(self, sha: str, recursive: bool) -> Reply:
        prefix = "" if sha == "root" else sha.removeprefix("tree-") + "/"
        below = {p[len(prefix) :]: body for p, body in self.files.items() if p.startswith(prefix)}
        entries: list[dict[str, Any]] = []
        for name, body in below.items():
            if recursive or "/" not in name:
                mode = "120000" if prefix + name in self.links else "100644"
                entry = {"path": name, "type": "blob", "mode": mode, "sha": sha_of(body)}
                entries.append({**entry, "size": len(body)})
        for folder in sorted({name.partition("/")[0] for name in below if "/" in name}):
            entry = {"path": folder, "type": "tree", "mode": "040000"}
            entries.append({**entry, "sha": f"tree-{prefix}{folder}"})
        truncated = len(entries) > self.truncate_above
        return as_json({"tree": entries[: self.truncate_above], "truncated": truncated})

    def pull_requests(self, asked: Asked) -> Reply:
        key = f"{asked.query['sort']}_at"
        newest_first = asked.query["direction"] == "desc"
        ordered = sorted(self.pulls, key=lambda pull: pull[key], reverse=newest_first)
        page = int(asked.query.get("page", "1"))
        reply = as_json(ordered[page * 2 - 2 : page * 2])
        if page * 2 < len(ordered):
            more = re.sub(r"&page=\d+", "", asked.target) + f"&page={page + 1}"
            reply.headers = {**reply.headers, "link": f'<{more}>; rel="next"'}
        return reply


def pull(number: int, updated: str, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "title": f"Change {number}",
        "body": "Why\r\nand how",
        "state": "open",
        "user": {"login": "ann"},
        "labels": [{"name": "bug"}],
        "created_at": f"2026-01-{number:02}T00:00:00Z",
        "updated_at": updated,
        "html_url": f"https://github.com/me/repo/pull/{number}",
        **more,
    }


@dataclass
class Bench:
    """A source at work on a fake, and what it remembers between fetches."""

    hub: FakeGitHub
    site: Site
    http: HttpFactory
    known: dict[str, str] = field(default_factory=dict[str, str])
    sleeps: list[float] = field(default_factory=list[float])

    def source(self, token: str = TOKEN, **config: Any) -> GitHubSource:
        async def known(ids: Collection[str], /) -> Mapping[str, str]:
            return {i: self.known[i] for i in ids if i in self.known}

        async def sleep(seconds: float) -> None:
            self.sleeps.append(seconds)

        class Awake(GitHubSource):
            pass

        Awake.sleep = staticmethod(sleep)
        return Awake(
            GitHubConfig.model_validate({"repo_name": "me/repo", **config}),
            GitHubCredentials.model_validate({"personal_access_token": token}),
            SourceContext(
                http=self.http, known_versions=known, options={"github_api_url": self.site.url}
            ),
        )

    async def fetch(self, cursor: Json | None = None, **config: Any) -> list[Event]:
        self.site.asked.clear()
        events = [event async for event in self.source(**config).fetch(cursor)]
        for event in entities(events):
            if event.version:
                self.known[event.id] = event.version
        return events

    def downloads(self) -> int:
        return sum("/git/blobs/" in target for target in self.site.targets)


@asynccontextmanager
async def bench(http: HttpFactory, hub: FakeGitHub) -> AsyncGenerator[Bench]:
    async with serve(hub) as site:
        yield Bench(hub, site, http)


def entities(events: list[Event], kind: str | None = None) -> list[Entity]:
    return [e for e in events if isinstance(e, Entity) and kind in {None, e.type}]


def cursor_of(events: list[Event]) -> Json:
    last = events[-1]
    assert isinstance(last, Checkpoint)
    return last.cursor


def ids(
    events: list[Event], kind: type[Unchanged] | type[Deleted] | type[Skipped] | type[Failed]
) -> list[str]:
    return [event.id for event in events if isinstance(event, kind)]


FILES = {
    "README.md": b"# Hello\n",
    "docs/guide.txt": "Grüße".encode(),
    "docs/deep/page.html": b"<title>Page</title><script>x</script><p>text",
    "logo.png": b"\x89PNG",
    "data": b"a\0b",
    "big.txt": b"x" * (1024 * 1024 + 1),
    "lfs.txt": b"version https://git-lfs.github.com/spec/v1\noid x\n",
}


# Full fetches


async def test_full_fetch_yields_repository_files_and_cursor(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(dict(FILES))) as at:
        events = await at.fetch()
    [repository] = entities(events, "repository")
    assert (repository.title, repository.text) == ("me/repo", "A repository\ndemo")
    files = {e.id: e for e in entities(events, "file")}
    assert set(files) == {
        "me/repo/blob/README.md",
        "me/repo/blob/docs/guide.txt",
        "me/repo/blob/docs/deep/page.html",
    }
    guide = files["me/repo/blob/docs/guide.txt"]
    assert guide.text == "Grüße"
    assert guide.url == f"{at.site.url}/me/repo/blob/main/docs/guide.txt"
    assert guide.metadata == {"path": "docs/guide.txt", "size": 7, "language": "text"}
    assert guide.breadcrumbs == ("me/repo", "docs")
    assert "text" in files["me/repo/blob/docs/deep/page.html"].text
    skipped = {e.id.rpartition("/")[2]: e.reason for e in events if isinstance(e, Skipped)}
    assert set(skipped) == {"logo.png", "data", "big.txt", "lfs.txt"}
    assert "larger" in skipped["big.txt"]
    assert cursor_of(events)["last_repository_pushed_at"] == "2026-02-01T00:00:00Z"
    assert all(TOKEN not in target for target in at.site.targets)


async def test_unchanged_blobs_are_not_downloaded_again(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(dict(FILES))) as at:
        await at.fetch()
        at.hub.files["README.md"] = b"# Hello again\n"
        events = await at.fetch()
        # The changed file, and the two whose content alone shows that they are no text.
        assert at.downloads() == 3
    assert ids(events, Unchanged) == [
        "me/repo/blob/docs/guide.txt",
        "me/repo/blob/docs/deep/page.html",
    ]
    assert [e.title for e in entities(events, "file")] == ["Hello again (README.md)"]


async def test_truncated_tree_is_walked_without_losing_a_file(http: HttpFactory) -> None:
    files = {f"{a}/{b}/{n}.txt": f"{a}{b}{n}".encode() for a in "xyz" for b in "uv" for n in "123"}
    async with bench(http, FakeGitHub({**files, "top.txt": b"t"}, truncate_above=5)) as at:
        events = await at.fetch()
    assert {e.id.removeprefix("me/repo/blob/") for e in entities(events, "file")} == {
        *files,
        "top.txt",
    }
    assert not [e for e in events if isinstance(e, Incomplete)]


async def test_folder_that_github_cannot_list_makes_the_listing_incomplete(
    http: HttpFactory,
) -> None:
    files = {f"{n}.txt": b"x" for n in range(9)}
    async with bench(http, FakeGitHub(files, truncate_above=5)) as at:
        events = await at.fetch()
    assert [type(e) for e in events][-1] is Incomplete
    assert not [e for e in events if isinstance(e, Checkpoint)]


async def test_folder_filter_and_links_leave_files_out(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES), links={"docs/guide.txt"})
    async with bench(http, hub) as at:
        events = await at.fetch(path="/docs/")
    assert [e.id for e in entities(events, "file")] == ["me/repo/blob/docs/deep/page.html"]
    assert ids(events, Skipped) == []


async def test_empty_repository_is_complete_and_has_no_files(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(empty=True)) as at:
        assert "empty" in await at.source().check()
        events = await at.fetch()
    assert len(entities(events)) == 1
    assert isinstance(events[-1], Checkpoint)
    assert not [e for e in events if isinstance(e, Incomplete)]


async def test_branch_with_a_slash_is_found(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub({"a.txt": b"a"})) as at:
        [file] = entities(await at.fetch(branch="feature/x"), "file")
    assert file.url
    assert file.url.endswith("/me/repo/blob/feature/x/a.txt")


async def test_many_files_come_in_the_order_of_the_tree(http: HttpFactory) -> None:
    files = {f"{n:03}.txt": str(n).encode() for n in range(30)}
    async with bench(http, FakeGitHub(files)) as at:
        events = await at.fetch()
    assert [e.text for e in entities(events, "file")] == [str(n) for n in range(30)]


# Failures


def failing(path_part: str, reply: Reply) -> Callable[[Asked], Reply | None]:
    return lambda asked: reply if path_part in asked.target else None


async def test_failing_blob_does_not_stop_the_sync_and_holds_the_cursor(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES))
    hub.interfere = failing(sha_of(FILES["README.md"]), Reply(500))
    async with bench(http, hub) as at:
        events = await at.fetch()
    assert ids(events, Failed) == ["me/repo/blob/README.md"]
    assert len(entities(events, "file")) == 2
    assert not [e for e in events if isinstance(e, Checkpoint)]


async def test_dead_upstream_stops_the_sync(http: HttpFactory) -> None:
    hub = FakeGitHub({f"{n:03}.txt": str(n).encode() for n in range(40)})
    hub.interfere = failing("/git/blobs/", Reply(500))
    async with bench(http, hub) as at:
        with pytest.raises(SourceUnavailable, match="in a row"):
            await at.fetch()


async def test_token_revoked_during_the_sync_raises(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES))
    hub.interfere = failing("/git/blobs/", as_json({"message": "Bad credentials"}, 401))
    async with bench(http, hub) as at:
        with pytest.raises(AuthenticationFailed):
            await at.fetch()


async def test_failing_tree_raises_and_deletes_nothing(http: HttpFactory) -> None:
    for reply in (
        Reply(502),
        Reply(body=b"{}"),
        as_json({"tree": [{"path": 1}]}),
        Reply(drop=True),
    ):
        hub = FakeGitHub(dict(FILES), interfere=failing("/git/trees/", reply))
        async with bench(http, hub) as at:
            with pytest.raises(SourceUnavailable):
                await at.fetch()


async def test_check_names_what_is_wrong(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub()) as at:
        assert await at.source().check() == "me/repo, branch main"
        with pytest.raises(AuthenticationFailed) as refused:
            await at.source(token="wrong").check()
        assert TOKEN not in str(refused.value)
        with pytest.raises(SourceMisconfigured) as missing:
            await at.source(repo_name="me/other").check()
        assert missing.value.field == "repo_name"
        with pytest.raises(SourceMisconfigured) as unknown:
            await at.source(branch="nope").check()
        assert unknown.value.field == "branch"
        at.hub.interfere = lambda _asked: as_json({"message": TOKEN}, 403, x_github_sso="required")
        with pytest.raises(AccessDenied, match="single sign-on") as denied:
            await at.source().check()
        assert TOKEN not in str(denied.value)


async def test_token_does_not_follow_a_redirect_to_another_host(http: HttpFactory) -> None:
    async with serve(lambda _asked: as_json({})) as other, bench(http, FakeGitHub()) as at:
        at.hub.interfere = lambda _asked: redirect(f"{other.url}/repos/me/repo")
        with pytest.raises((SourceUnavailable, SourceMisconfigured)):
            await at.source().check()
    assert other.asked
    assert all("authorization" not in asked.headers for asked in other.asked)


# Rate limits


def limited(**headers: str) -> Reply:
    return as_json({"message": "API rate limit exceeded"}, 403, **headers)


def once(reply: Reply) -> Callable[[Asked], Reply | None]:
    left = [reply]
    return lambda _asked: left.pop() if left else None


@pytest.mark.parametrize(
    ("headers", "slept"),
    [
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 20)}, 21.0),
        ({"retry_after": "5"}, 5.0),
        ({}, 60.0),
    ],
)
async def test_short_rate_limit_is_slept(
    http: HttpFactory, headers: dict[str, str], slept: float
) -> None:
    async with bench(http, FakeGitHub(interfere=once(limited(**headers)))) as at:
        await at.source().check()
        assert at.sleeps == [slept]


@pytest.mark.parametrize("status", [403, 429])
async def test_long_rate_limit_is_reported(http: HttpFactory, status: int) -> None:
    reset = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOW) + 1800)}
    reply = as_json({"message": "API rate limit exceeded"}, status, **reset)
    async with bench(http, FakeGitHub(interfere=lambda _asked: reply)) as at:
        with pytest.raises(RateLimited) as caught:
            await at.source().check()
        assert at.sleeps == []
    assert caught.value.retry_after == 1801


# Incremental fetches


async def test_unchanged_repository_costs_no_file_request(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(dict(FILES))) as at:
        cursor = cursor_of(await at.fetch())
        events = await at.fetch(cursor)
        assert at.site.targets == ["/repos/me/repo", "/repos/me/repo/branches/main"]
    assert cursor_of(events) == cursor
    assert entities(events, "file") == []


async def test_push_yields_only_what_changed(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(dict(FILES))) as at:
        cursor = cursor_of(await at.fetch())
        hub = at.hub
        hub.head, hub.pushed_at = "c2", "2026-02-02T00:00:00Z"
        del hub.files["docs/guide.txt"]
        hub.files |= {"README.md": b"new", "moved.txt": b"moved"}
        hub.compared = {
            "status": "ahead",
            "files": [
                {"filename": "README.md", "status": "modified"},
                {"filename": "docs/guide.txt", "status": "removed"},
                {"filename": "moved.txt", "previous_filename": "old.txt", "status": "renamed"},
            ],
        }
        events = await at.fetch(cursor)
        assert at.downloads() == 2
        assert any("/compare/c1...c2" in target for target in at.site.targets)
    assert ids(events, Deleted) == ["me/repo/blob/docs/guide.txt", "me/repo/blob/old.txt"]
    assert [e.text for e in entities(events, "file")] == ["new", "moved"]
    assert cursor_of(events)["commit_sha"] == "c2"


@pytest.mark.parametrize(
    "compared",
    [
        {},
        {"status": "diverged", "files": []},
        {"status": "behind", "files": []},
        {"status": "ahead", "files": [{"filename": f"{n}"} for n in range(300)]},
    ],
    ids=["base gone", "forced push", "reset", "too many"],
)
async def test_comparison_that_cannot_tell_expires_the_cursor(
    http: HttpFactory, compared: dict[str, Any]
) -> None:
    async with bench(http, FakeGitHub(dict(FILES), compared=compared)) as at:
        cursor = cursor_of(await at.fetch())
        at.hub.head, at.hub.pushed_at = "c2", "2026-02-02T00:00:00Z"
        with pytest.raises(CursorExpired):
            await at.fetch(cursor)


@pytest.mark.parametrize(
    "config", [{"branch": "feature/x"}, {"path": "docs"}, {"sync_pull_requests": True}]
)
async def test_other_configuration_expires_the_cursor(
    http: HttpFactory, config: dict[str, Any]
) -> None:
    async with bench(http, FakeGitHub(dict(FILES))) as at:
        cursor = cursor_of(await at.fetch())
        with pytest.raises(CursorExpired):
            await at.fetch(cursor, **config)


# Pull requests

PULLS = [
    pull(1, "2026-02-01T00:00:00Z", state="closed", merged_at="2026-02-01T00:00:00Z"),
    pull(2, "2026-01-05T00:00:00Z"),
    pull(3, "2026-01-06T00:00:00Z"),
    pull(4, "2026-01-07T00:00:00Z"),
    pull(5, "2026-01-08T00:00:00Z"),
]


async def test_all_pages_of_pull_requests_are_read_in_stable_order(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(pulls=list(PULLS))) as at:
        events = await at.fetch(sync_pull_requests=True)
    found = entities(events, "pull_request")
    assert [e.id for e in found] == [f"me/repo/pull/{n}" for n in range(1, 6)]
    assert found[0].title == "#1 Change 1"
    assert found[0].text == "Why\nand how"
    assert found[0].metadata["state"] == "merged"
    assert found[0].metadata["author"] == "ann"
    assert found[0].metadata["labels"] == ["bug"]
    assert found[1].updated_at == datetime(2026, 1, 5, tzinfo=UTC)


async def test_only_pull_requests_changed_since_the_cursor_are_read(http: HttpFactory) -> None:
    async with bench(http, FakeGitHub(pulls=list(PULLS))) as at:
        cursor = cursor_of(await at.fetch(sync_pull_requests=True))
        assert entities(await at.fetch(cursor, sync_pull_requests=True), "pull_request") == []
        at.hub.pulls[2] = pull(3, "2026-03-01T12:00:05Z")
        events = await at.fetch(cursor, sync_pull_requests=True)
        assert sum("/pulls" in target for target in at.site.targets) == 1
    assert [e.id for e in entities(events, "pull_request")] == ["me/repo/pull/3"]


async def test_paging_link_to_another_host_is_an_error_and_sends_no_token(
    http: HttpFactory,
) -> None:
    async with serve(lambda _asked: as_json([])) as other, bench(http, FakeGitHub()) as at:
        link = f'<{other.url}/pulls?page=2>; rel="next"'
        at.hub.interfere = failing("/pulls", as_json([PULLS[0]], link=link))
        with pytest.raises(SourceUnavailable, match="another host"):
            await at.fetch(sync_pull_requests=True)
    assert other.asked == []


# Fields


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("octocat/hello-world", "octocat/hello-world"),
        ("https://github.com/octocat/hello.git", "octocat/hello"),
    ],
)
def test_repository_name_is_read(given: str, read: str) -> None:
    assert GitHubConfig(repo_name=given).repo_name == read


@pytest.mark.parametrize(
    "name", ["", "hello", "a/b/c", "a/..", "../b", "a/b?x=1", "a/b#", "-a/b", "a b/c"]
)
def test_unusable_repository_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        GitHubConfig(repo_name=name)


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb", "tökén"])
def test_unusable_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GitHubCredentials.model_validate({"personal_access_token": token})
    shown = caught.value.errors(include_input=False, include_context=False)
    assert not token.strip() or token not in str(shown)


def test_catalogue_entry_says_what_is_needed() -> None:
    info = GitHubSource.info()
    assert info.auth_required
    assert [f.name for f in info.config_fields if f.required] == ["repo_name"]
    assert [f.secret for f in info.auth_fields] == [True]


def test_endpoint_is_the_api_that_the_operator_set() -> None:
    config = GitHubConfig(repo_name="a/b")
    assert GitHubSource.endpoint(config, {}) == "https://api.github.com"
    own = {"github_api_url": "https://git.example.org/api/v3"}
    assert GitHubSource.endpoint(config, own) == "https://git.example.org"
