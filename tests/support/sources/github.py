"""GitHub's REST API as tests script it, and a `github` source that reads it."""

import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from hashlib import sha1
from typing import Any

from dulwich.objects import Tree

from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.net.http_factory import HttpFactory
from weft.sources.base import (
    Checkpoint,
    Complete,
    Deleted,
    Event,
    Failed,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.github.api import RAW
from weft.sources.github.config import GitHubConfig, GitHubCredentials
from weft.sources.github.source import GitHubSource
from weft.testing.scripted_http import HttpReply, HttpRequest, Site, as_json, serve

TOKEN = "ghp_c4n4ry0123456789"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def sha_of(content: bytes) -> str:
    """Git's id of a file's content."""
    return sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


@dataclass
class FakeGitHub:
    """A repository `me/repo` as GitHub would serve it; ``interfere`` may answer instead."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    pulls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pushed_at: str = "2026-02-01T00:00:00Z"
    head: str = "c1"
    description: str = "A repository"
    empty: bool = False
    compared: dict[str, Any] = field(default_factory=dict[str, Any])
    links: set[str] = field(default_factory=set[str])
    submodules: set[str] = field(default_factory=set[str])
    truncate_above: int = 1_000_000
    page_size: int = 2
    interfere: Callable[[HttpRequest], HttpReply | None] = lambda _asked: None

    def __call__(self, asked: HttpRequest) -> HttpReply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json({"message": f"Bad credentials {TOKEN}"}, 401)
        reply = self.interfere(asked) or self.route(asked)
        reply.headers = {"date": formatdate(NOW, usegmt=True), **reply.headers}
        return reply

    def route(self, asked: HttpRequest) -> HttpReply:
        path = asked.path.removeprefix("/repos/me/repo")
        if path == asked.path:
            return as_json({"message": "Not Found"}, 404)
        if path == "":
            return as_json(
                {
                    "full_name": "me/repo",
                    "description": self.description,
                    "default_branch": "main",
                    "pushed_at": self.pushed_at,
                    "html_url": "https://github.com/me/repo",
                    "topics": ["demo"],
                }
            )
        if path == "/commits" and self.empty:
            return as_json({"message": "Git Repository is empty."}, 409)
        if path in {"/branches/main", "/branches/feature%2Fx"} and not self.empty:
            tree = {"sha": self.tree_id("")}
            return as_json({"commit": {"sha": self.head, "commit": {"tree": tree}}})
        if path.startswith("/git/trees/"):
            return self.tree(path.removeprefix("/git/trees/"), "recursive" in asked.query)
        if path.startswith("/git/blobs/"):
            found = {sha_of(body): body for body in self.files.values()}
            content = found.get(path.removeprefix("/git/blobs/"))
            assert asked.headers["accept"] == RAW
            return HttpReply(body=content) if content is not None else HttpReply(404)
        if path.startswith("/compare/"):
            return as_json(self.compared) if self.compared else HttpReply(404)
        if path == "/pulls":
            return self.pull_requests(asked)
        return as_json({"message": "Not Found"}, 404)

    def tree(self, sha: str, recursive: bool) -> HttpReply:
        folders = {path[: at + 1] for path in self.files for at, c in enumerate(path) if c == "/"}
        prefix = next(one for one in ("", *folders) if self.tree_id(one) == sha)
        entries = self.entries(prefix)
        if recursive:
            for folder in sorted(
                one for one in folders if one.startswith(prefix) and one != prefix
            ):
                below = folder.removeprefix(prefix)
                entries += [{**e, "path": below + e["path"]} for e in self.entries(folder)]
        truncated = len(entries) > self.truncate_above
        return as_json({"tree": entries[: self.truncate_above], "truncated": truncated})

    def entries(self, folder: str) -> list[dict[str, Any]]:
        """The entries of a folder, whose path ends with a slash unless it is the root."""
        found: dict[str, dict[str, Any]] = {}
        for path, body in self.files.items():
            name, _, below = path.removeprefix(folder).partition("/")
            if not path.startswith(folder) or name in found:
                continue
            if below:
                entry = {"type": "tree", "mode": "040000", "sha": self.tree_id(f"{folder}{name}/")}
            else:
                mode = "120000" if path in self.links else "100644"
                entry = {"type": "blob", "mode": mode, "sha": sha_of(body), "size": len(body)}
            found[name] = {"path": name, **entry}
        for path in self.submodules:
            name = path.removeprefix(folder)
            if path.startswith(folder) and "/" not in name:
                entry = {"type": "commit", "mode": "160000", "sha": "5" * 40}
                found[name] = {"path": name, **entry}
        return list(found.values())

    def tree_id(self, folder: str) -> str:
        """Git's id of a folder."""
        tree = Tree()
        for entry in self.entries(folder):
            tree.add(entry["path"].encode(), int(entry["mode"], 8), entry["sha"].encode())
        return tree.id.decode()

    def pull_requests(self, asked: HttpRequest) -> HttpReply:
        key = f"{asked.query['sort']}_at"
        newest_first = asked.query["direction"] == "desc"
        ordered = sorted(self.pulls, key=lambda pull: pull[key], reverse=newest_first)
        page = int(asked.query.get("page", "1"))
        size = min(int(asked.query["per_page"]), self.page_size)
        reply = as_json(ordered[page * size - size : page * size])
        if page * size < len(ordered):
            more = re.sub(r"&page=\d+", "", asked.target) + f"&page={page + 1}"
            reply.headers = {**reply.headers, "link": f'<{more}>; rel="next"'}
        return reply


def pull(number: int, updated: str, **more: Any) -> dict[str, Any]:
    """A pull request as GitHub tells of it."""
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
        "draft": False,
        "merged_at": None,
        **more,
    }


@dataclass
class GitHubHarness:
    """A source at work on a fake, and what it remembers between fetches."""

    hub: FakeGitHub
    site: Site
    http: HttpFactory
    known: dict[str, str] = field(default_factory=dict[str, str])
    sleeps: list[float] = field(default_factory=list[float])
    cursor: Json | None = None

    def source(self, token: str = TOKEN, **config: Any) -> GitHubSource:
        async def look_up(ids: Collection[str], /) -> Mapping[str, str]:
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
                http=self.http,
                known_versions=look_up,
                last_cursor=self.cursor,
                options={"github_api_url": self.site.url},
            ),
        )

    async def fetch(self, cursor: Json | None = None, **config: Any) -> list[Event]:
        self.site.requests.clear()
        events = [event async for event in self.source(**config).fetch(cursor)]
        for event in entities(events):
            if event.version:
                self.known[event.id] = event.version
        return events

    def downloads(self) -> int:
        return sum("/git/blobs/" in target for target in self.site.targets)


@asynccontextmanager
async def serve_github(http: HttpFactory, hub: FakeGitHub) -> AsyncGenerator[GitHubHarness]:
    """The fake, served until the block ends."""
    async with serve(hub) as site:
        yield GitHubHarness(hub, site, http)


def entities(events: list[Event], kind: str | None = None) -> list[Entity]:
    """The entities among the events, of that type if one is named."""
    return [e for e in events if isinstance(e, Entity) and kind in {None, e.type}]


def cursor_of(events: list[Event]) -> Json:
    """The cursor that the fetch ended with."""
    last, end = events[-2:]
    assert isinstance(last, Checkpoint)
    assert isinstance(end, Complete)
    return last.cursor


def ids(
    events: list[Event], kind: type[Unchanged] | type[Deleted] | type[Skipped] | type[Failed]
) -> list[str]:
    """The ids that events of that kind name."""
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


def failing(path_part: str, reply: HttpReply) -> Callable[[HttpRequest], HttpReply | None]:
    """Answers so whatever is asked for with this in its target, and nothing else."""
    return lambda asked: reply if path_part in asked.target else None
