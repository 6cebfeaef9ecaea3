"""Pull requests that the `github` source reads, page by page."""

from datetime import UTC, datetime

import pytest
from github_harness import FakeGitHub, cursor_of, entities, failing, pull, serve_github

from weft.errors import SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.testing.scripted_http import as_json, serve

pytestmark = pytest.mark.anyio

PULLS = [
    pull(1, "2026-02-01T00:00:00Z", state="closed", merged_at="2026-02-01T00:00:00Z"),
    pull(2, "2026-01-05T00:00:00Z"),
    pull(3, "2026-01-06T00:00:00Z"),
    pull(4, "2026-01-07T00:00:00Z"),
    pull(5, "2026-01-08T00:00:00Z"),
]


async def test_all_pages_of_pull_requests_are_read_in_stable_order(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
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
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        cursor = cursor_of(await at.fetch(sync_pull_requests=True))
        assert entities(await at.fetch(cursor, sync_pull_requests=True), "pull_request") == []
        at.hub.pulls[2] = pull(3, "2026-03-01T12:00:05Z")
        events = await at.fetch(cursor, sync_pull_requests=True)
        assert sum("/pulls" in target for target in at.site.targets) == 1
    assert [e.id for e in entities(events, "pull_request")] == ["me/repo/pull/3"]


async def test_paging_link_to_another_host_is_an_error_and_sends_no_token(
    http: HttpFactory,
) -> None:
    async with serve(lambda _asked: as_json([])) as other, serve_github(http, FakeGitHub()) as at:
        link = f'<{other.url}/pulls?page=2>; rel="next"'
        at.hub.interfere = failing("/pulls", as_json([PULLS[0]], link=link))
        with pytest.raises(SourceUnavailable, match="another host"):
            await at.fetch(sync_pull_requests=True)
    assert other.requests == []
