"""The `github` source against a server that plays GitHub's REST API."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.documents import DOCUMENTS
from tests.support.sources.github import (
    FILES,
    TOKEN,
    FakeGitHub,
    GitHubHarness,
    cursor_of,
    entities,
    ids,
    serve_github,
)
from weft.errors import SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.sources.base import (
    Checkpoint,
    Complete,
    Incomplete,
    Named,
    NotPreviewed,
    PreviewEvent,
    Skipped,
    Unchanged,
    Unmatched,
)
from weft.sources.github.config import GitHubConfig, GitHubCredentials
from weft.sources.github.source import GitHubSource
from weft.testing.scripted_http import as_json

pytestmark = pytest.mark.anyio


# Full fetches


async def test_full_fetch_yields_repository_files_and_cursor(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
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


async def test_documents_are_read_or_told(http: HttpFactory) -> None:
    names = ("plan.docx", "locked.pdf")
    hub = FakeGitHub({name: (DOCUMENTS / name).read_bytes() for name in names})
    async with serve_github(http, hub) as at:
        events = await at.fetch()
    [plan] = entities(events, "file")
    assert plan.title == "Quarterly plan (plan.docx)"
    assert "trims the lamp" in plan.text
    [skipped] = [event for event in events if isinstance(event, Skipped)]
    assert (skipped.id, skipped.reason) == ("me/repo/blob/locked.pdf", "protected by a password")


async def test_unchanged_blobs_are_not_downloaded_again(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
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
    async with serve_github(http, FakeGitHub({**files, "top.txt": b"t"}, truncate_above=5)) as at:
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
    async with serve_github(http, FakeGitHub(files, truncate_above=5)) as at:
        events = await at.fetch()
    assert [type(e) for e in events][-1] is Incomplete
    assert not [e for e in events if isinstance(e, Checkpoint)]


async def test_folder_filter_and_links_leave_files_out(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES), links={"docs/guide.txt"}, submodules={"docs/vendored"})
    async with serve_github(http, hub) as at:
        events = await at.fetch(path="/docs/")
        one = await at.fetch(path="docs/deep/page.html")
    assert [e.id for e in entities(events, "file")] == ["me/repo/blob/docs/deep/page.html"]
    skipped = {e.id.rpartition("/")[2]: e.reason for e in events if isinstance(e, Skipped)}
    assert skipped == {"guide.txt": "a symbolic link", "vendored": "a submodule"}
    assert ids(one, Unchanged) == ["me/repo/blob/docs/deep/page.html"]


async def preview(at: GitHubHarness, **config: Any) -> list[PreviewEvent]:
    return [event async for event in at.source(**config).preview()]


async def test_preview_names_files_without_downloading_any(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES), links={"docs/guide.txt"})
    async with serve_github(http, hub) as at:
        whole = await preview(at, sync_pull_requests=True)
        assert at.downloads() == 0
        typo = await preview(at, path="doc")
    named = [event.id for event in whole if isinstance(event, Named)]
    assert "me/repo/blob/README.md" in named
    assert "me/repo/blob/docs/guide.txt" not in named
    assert NotPreviewed("pull_request", "me/repo/pull/") in whole
    assert Unmatched("path", "doc", "docs") in typo


async def test_preview_of_a_tree_that_cannot_be_listed_is_incomplete(http: HttpFactory) -> None:
    files = {f"{n}.txt": b"x" for n in range(9)}
    async with serve_github(http, FakeGitHub(files, truncate_above=5)) as at:
        assert any(isinstance(event, Incomplete) for event in await preview(at))


async def test_empty_repository_is_complete_and_has_no_files(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(empty=True)) as at:
        assert "empty" in await at.source().check()
        events = await at.fetch()
    assert len(entities(events)) == 1
    assert isinstance(events[-1], Complete)
    assert not [e for e in events if isinstance(e, Incomplete)]


async def test_branch_with_a_slash_is_found(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub({"a.txt": b"a"})) as at:
        [file] = entities(await at.fetch(branch="feature/x"), "file")
    assert file.url
    assert file.url.endswith("/me/repo/blob/feature/x/a.txt")


async def test_many_files_come_in_the_order_of_the_tree(http: HttpFactory) -> None:
    files = {f"{n:03}.txt": str(n).encode() for n in range(30)}
    async with serve_github(http, FakeGitHub(files)) as at:
        events = await at.fetch()
    assert [e.text for e in entities(events, "file")] == [str(n) for n in range(30)]


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


@pytest.mark.parametrize("branch", ["https://bob:token@git.example/a", "a b", "a..b"])
def test_branch_that_no_repository_can_have_is_refused(branch: str) -> None:
    with pytest.raises(ValidationError, match="is not a branch name"):
        GitHubConfig(repo_name="a/b", branch=branch)
    assert GitHubConfig(repo_name="a/b", branch="feature/a.b").branch == "feature/a.b"


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


async def test_list_of_files_that_is_empty_for_no_reason_is_an_error(http: HttpFactory) -> None:
    hub = FakeGitHub(dict(FILES))
    async with serve_github(http, hub) as at:
        hub.interfere = lambda asked: as_json({"tree": []}) if "/trees/" in asked.path else None
        with pytest.raises(SourceUnavailable):
            await at.fetch()
