"""Incremental fetches of the `github` source: only what changed, or an expired cursor."""

from typing import Any

import pytest

from tests.support.sources.github import FILES, FakeGitHub, cursor_of, entities, ids, serve_github
from weft.errors import CursorExpired
from weft.net.http_factory import HttpFactory
from weft.sources.base import Deleted

pytestmark = pytest.mark.anyio


async def test_unchanged_repository_costs_no_file_request(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
        cursor = at.cursor = cursor_of(await at.fetch())
        events = await at.fetch(cursor)
        assert at.site.targets == ["/repos/me/repo", "/repos/me/repo/branches/main"]
    assert cursor_of(events) == cursor
    assert entities(events) == []


async def test_repository_comes_again_once_it_describes_itself_otherwise(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
        cursor = cursor_of(await at.fetch())
        at.hub.description = "Another description"
        events = await at.fetch(cursor)
        assert [entity.text for entity in entities(events)] == ["Another description\ndemo"]
        assert entities(await at.fetch(cursor_of(events))) == []


async def test_push_yields_only_what_changed(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
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
    async with serve_github(http, FakeGitHub(dict(FILES), compared=compared)) as at:
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
    async with serve_github(http, FakeGitHub(dict(FILES))) as at:
        cursor = cursor_of(await at.fetch())
        with pytest.raises(CursorExpired):
            await at.fetch(cursor, **config)
