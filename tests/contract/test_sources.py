"""Every built-in source, and each stub, does what every source must do."""

import os
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from tests.support.sources.github import TOKEN, FakeGitHub, pull
from tests.support.sources.hostile.files import IGNORE
from tests.support.sources.hostile.git import GIT
from tests.support.sources.hostile.pages import (
    ENCODINGS,
    GZIP,
    HTML,
    JSON,
    ROBOTS,
    SITEMAP,
    WEB_PAGE,
)
from tests.support.sources.website import (
    Website,
    canonical,
    links,
    loc_entries,
    robots,
    sitemap,
)
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.files.source import FilesSource
from weft.sources.git.source import GitSource
from weft.sources.github.source import GitHubSource
from weft.sources.web.source import WebSource
from weft.testing.folder_faults import FolderFaults
from weft.testing.http_faults import NO_WAIT, HttpFaults, wait_not
from weft.testing.scripted_http import html, redirect, serve
from weft.testing.source_contract import Change, SourceCase, SourceContract, offline_context
from weft.testing.stub import SecretStubSource, StubSource, entity_id

AUTHOR = b"Ada <ada@example.org>"
LOCAL = "127.0.0.1"
HTTP = http_factory({LOCAL}, clock=NO_WAIT)
NOTED = "The parsers of web pages are those of the site above."
NOTHING_LISTED = "The stub makes its listing up and asks nobody."
NOTHING_PARSED = "The stub makes its entities up and parses nothing."
OLD_TIME = 1_700_000_000
CONTENT = {
    "README.md": b"# Guide\n\nHidden\xe2\x80\x8b and \xe2\x80\xaereversed\n",
    "docs/page.html": b"<html><title>A page</title><body><p>Text &amp; more</body></html>",
    "docs/table.csv": b"a,b\n1,2\n",
    "src/main.py": b"print('\x01hi')\n",
    "data/image.png": b"\x89PNG\x00\x00",
    "data/latin.txt": "crème brûlée, plain and simple for everyone\n".encode("latin-1"),
    "na\x07me.txt": b"a name with a bell\n",
    "empty.txt": b"",
    ".env": b"SECRET=1\n",
}


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (OLD_TIME, OLD_TIME))


def commit(root: Path, message: str) -> str:
    porcelain.add(str(root))
    made = porcelain.commit(str(root), message=message.encode(), author=AUTHOR, committer=AUTHOR)
    return made.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    write(root, CONTENT)
    return root


@pytest.fixture
def repository(folder: Path) -> Path:
    porcelain.init(str(folder), symlinks=True).close()
    commit(folder, "First\n\nwith a body\x07")
    # Some objects are in a pack and some are not, as in every repository that is in use.
    porcelain.repack(str(folder))
    write(folder, {"docs/second.md": b"Second\n======\n"})
    commit(folder, "Second")
    return folder


class TestFiles(SourceContract):
    """A folder."""

    @pytest.fixture
    def case(self, folder: Path) -> SourceCase:
        async def mutate() -> Change:
            write(folder, {"new.txt": b"new\n", "src/main.py": b"print('changed')\n"})
            (folder / "docs/table.csv").unlink()
            return Change(frozenset({"new.txt", "src/main.py"}), frozenset({"docs/table.csv"}))

        return SourceCase(
            FilesSource,
            {"path": str(folder), "max_file_size": 10_000},
            offline_context(files_roots=(folder.parent,)),
            mutate=mutate,
            hostile=(IGNORE, HTML, ENCODINGS),
            faults=FolderFaults(folder, inner=("docs", "src")),
        )


def change_repository(repository: Path) -> Any:
    async def mutate() -> Change:
        write(repository, {"new.txt": b"new\n", "src/main.py": b"print('changed')\n"})
        (repository / "docs/table.csv").unlink()
        porcelain.remove(str(repository), paths=[str(repository / "docs/table.csv")])
        made = commit(repository, "Third")
        files = {"file:new.txt", "file:src/main.py", f"commit:{made}"}
        return Change(frozenset(files), frozenset({"file:docs/table.csv"}))

    return mutate


class TestLocalGit(SourceContract):
    """A repository on disk."""

    @pytest.fixture
    def case(self, repository: Path) -> SourceCase:
        return SourceCase(
            GitSource,
            {"repo": str(repository)},
            offline_context(files_roots=(repository.parent,)),
            mutate=change_repository(repository),
            hostile=(*GIT, HTML, ENCODINGS),
            faults=FolderFaults(repository, vital=(".git", ".git/objects", ".git/objects/pack")),
        )


class TestRemoteGit(SourceContract):
    """A repository behind a real smart-HTTP server that asks for a password."""

    @pytest.fixture
    def case(self, repository: Path, git_url: str) -> SourceCase:
        return SourceCase(
            GitSource,
            {"repo": git_url},
            SourceContext(http=HTTP, allow_hosts=frozenset({LOCAL})),
            credentials={"access_token": "correct-horse", "username": "ada"},
            bad_credentials={"access_token": "battery-staple", "username": "ada"},
            mutate=change_repository(repository),
            hostile=(*GIT, HTML, ENCODINGS),
            faults=HttpFaults(),
        )

    @pytest.fixture
    def git_url(self, repository: Path) -> Generator[str]:
        with serve_git(repository) as url:
            yield url


class QuickGitHub(GitHubSource):
    """GitHub's source, which waits for no rate limit."""

    sleep = staticmethod(wait_not)


class TestGitHub(SourceContract):
    """A repository behind GitHub's API."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        pulls = [
            pull(number, f"2026-02-0{number}T00:00:00Z", title="a\x07b") for number in range(1, 6)
        ]
        hub = FakeGitHub({name: body for name, body in CONTENT.items() if body}, pulls)

        async def mutate() -> Change:
            hub.files = {**hub.files, "new.txt": b"new\n", "src/main.py": b"print('changed')\n"}
            del hub.files["docs/table.csv"]
            hub.head, hub.pushed_at = "c2", "2026-02-02T00:00:00Z"
            names = ("new.txt", "src/main.py", "docs/table.csv")
            hub.compared = {"status": "ahead", "files": [{"filename": name} for name in names]}
            changed = {"me/repo", "me/repo/blob/new.txt", "me/repo/blob/src/main.py"}
            return Change(frozenset(changed), frozenset({"me/repo/blob/docs/table.csv"}))

        async with serve(hub) as site:
            yield SourceCase(
                QuickGitHub,
                {"repo_name": "me/repo", "sync_pull_requests": True},
                SourceContext(http=HTTP, options={"github_api_url": site.url}),
                credentials={"personal_access_token": TOKEN},
                bad_credentials={"personal_access_token": "ghp_another"},
                mutate=mutate,
                hostile=(JSON, HTML, ENCODINGS),
                faults=HttpFaults(),
            )


class TestWeb(SourceContract):
    """A web site."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        website = Website(
            {
                "/": links("/a", "/b\u200b"),
                "/a": html("<title>a\x07</title><p>A\U000e0041 page", etag='"1"'),
                "/b%E2%80%8B": html("<p>a name with a hidden character"),
            }
        )

        async with serve(website) as site:

            async def mutate() -> Change:
                website.pages["/"] = links("/a", "/new")
                website.pages["/a"] = html("<p>changed", etag='"2"')
                website.pages["/new"] = "<p>new"
                upserted = {f"{site.url}{path}" for path in ("/a", "/new")}
                return Change(frozenset(upserted), frozenset({f"{site.url}/b%E2%80%8B"}))

            context = SourceContext(http=HTTP)
            parsers = (ROBOTS, SITEMAP, GZIP, WEB_PAGE, ENCODINGS)
            yield SourceCase(
                WebSource,
                {"url": site.url},
                context,
                mutate=mutate,
                hostile=parsers,
                faults=HttpFaults(),
            )


HUBS = {
    "/": links("/one", "/two", "/old"),
    "/one": html(links("/one/a", "/one/b"), etag='"1"'),
    "/two": links("/two/a", "/one"),
    "/old": redirect("/three", 301),
    "/three": links("/three/a"),
} | dict.fromkeys(("/one/a", "/one/b", "/two/a", "/three/a"), "<p>a leaf")


class TestWebHubs(TestWeb):
    """A web site with pages to which only one other leads."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        async with serve(Website(dict(HUBS))) as site:
            context = SourceContext(http=HTTP)
            yield SourceCase(
                WebSource, {"url": site.url}, context, hostile=NOTED, faults=HttpFaults()
            )


class TestWebSitemap(TestWeb):
    """A web site with an index of sitemaps."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        website = Website(dict(HUBS))
        async with serve(website) as site:
            first = sitemap(*loc_entries(site, "/", "/one", "/old"))
            second = sitemap(*loc_entries(site, "/one/a", "/one/b", "/two"))
            website.pages |= {"/1.xml": first, "/2.xml": second}
            children = loc_entries(site, "/1.xml", "/2.xml")
            website.pages["/all"] = sitemap(*children, index=True)
            context = SourceContext(http=HTTP)
            config: dict[str, Any] = {"url": f"{site.url}/all"}
            yield SourceCase(WebSource, config, context, hostile=NOTED, faults=HttpFaults())


class TestWebNamedSitemap(TestWeb):
    """A section of a web site whose robots.txt names a sitemap."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        pages = dict.fromkeys(("/docs/a", "/docs/b", "/docs/c", "/blog"), "<p>a page")
        website = Website({"/docs/": links("/docs/a", "/blog"), **pages})
        async with serve(website) as site:
            website.pages["/map.xml"] = sitemap(*loc_entries(site, *pages))
            website.pages["/robots.txt"] = robots(f"sitemap: {site.url}/map.xml")
            context = SourceContext(http=HTTP)
            config: dict[str, Any] = {"url": f"{site.url}/docs/"}
            yield SourceCase(WebSource, config, context, hostile=NOTED, faults=HttpFaults())


class TestWebCanonical(TestWeb):
    """A web site that shows pages at several addresses, and names a wrong one for another."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        pages = {
            "/": links("/a?from=home", "/b", "/b?print", "/c"),
            "/a": canonical("/a") + "<p>the page a",
            "/a?from=home": canonical("/a") + "<p>the page a",
            "/b": html(canonical("/b") + "<p>the page b", etag='"b"'),
            "/b?print": html(canonical("/b") + "<p>the page b", etag='"print"'),
            "/c": canonical("/") + "<p>the page c",
        }
        async with serve(Website(dict(pages))) as site:
            context = SourceContext(http=HTTP)
            yield SourceCase(
                WebSource, {"url": site.url}, context, hostile=NOTED, faults=HttpFaults()
            )


class TestStub(SourceContract):
    """The scripted source."""

    @pytest.fixture
    def case(self) -> SourceCase:
        config: dict[str, Any] = {"entities": 30, "change_every": 10, "page_size": 7}
        config |= {"versions": True, "previews": True}

        async def mutate() -> Change:
            inserted = {entity_id(n) for n in (30, 31, 32)}
            deleted = frozenset(entity_id(n) for n in (0, 1, 2))
            return Change(frozenset({entity_id(10), entity_id(20)} | inserted), deleted)

        return SourceCase(
            StubSource,
            config,
            offline_context(),
            bad_credentials={"token": "bad"},
            mutate=mutate,
            next_config={**config, "generation": 1},
            hostile=NOTHING_PARSED,
            faults=NOTHING_LISTED,
        )


class TestSecretStub(SourceContract):
    """The scripted source behind a required token."""

    @pytest.fixture
    def case(self) -> SourceCase:
        return SourceCase(
            SecretStubSource,
            {"entities": 3, "failed_every": 3},
            offline_context(),
            credentials={"token": "correct-horse"},
            bad_credentials={"token": "bad"},
            hostile=NOTHING_PARSED,
            faults=NOTHING_LISTED,
        )


@contextmanager
def serve_git(repository: Path) -> Generator[str]:
    """Serve a repository over HTTP with Basic authentication, on 127.0.0.1."""
    with Repo(str(repository)) as repo:
        inner = make_wsgi_chain(DictBackend({"/repo.git": repo}))

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            # base64 of ada:correct-horse
            if environ.get("HTTP_AUTHORIZATION") != "Basic YWRhOmNvcnJlY3QtaG9yc2U=":
                start_response("401 Unauthorized", [("WWW-Authenticate", "Basic")])
                return [b""]
            return inner(environ, start_response)

        server = make_server(LOCAL, 0, app, handler_class=QuietHandler)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://{LOCAL}:{server.server_port}/repo.git"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class QuietHandler(WSGIRequestHandler):
    """Writes no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass
