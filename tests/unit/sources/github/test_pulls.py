"""Pull requests that the `github` source reads, page by page."""

import json
from datetime import UTC, datetime

import pytest

from tests.support.sources.github import (
    FakeGitHub,
    cursor_of,
    entities,
    failing,
    pull,
    serve_github,
)
from weft.errors import SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Incomplete
from weft.sources.github import api
from weft.testing.scripted_http import HttpReply, HttpRequest, as_json, serve

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


def is_sound(events: list[Event]) -> bool:
    """Return whether the listing says that it is complete, and moves the cursor."""
    gap = any(isinstance(event, Incomplete) for event in events)
    assert gap != isinstance(events[-1], Complete)
    return not gap


async def test_named_page_that_is_empty_is_a_gap(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        at.hub.interfere = failing("&page=2", as_json([]))
        assert not is_sound(await at.fetch(sync_pull_requests=True))


async def test_named_page_that_is_empty_holds_the_cursor(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        cursor = cursor_of(await at.fetch(sync_pull_requests=True))
        at.hub.pulls = [pull(number, "2026-03-01T12:00:05Z") for number in range(1, 6)]
        at.hub.interfere = failing("&page=2", as_json([]))
        assert not is_sound(await at.fetch(cursor, sync_pull_requests=True))


@pytest.mark.parametrize("total", [4, 5])
async def test_full_page_that_lost_its_link_is_not_the_end(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    async with serve_github(http, FakeGitHub(pulls=PULLS[:total])) as at:

        def lose_link(asked: HttpRequest) -> HttpReply | None:
            if "/pulls" not in asked.target:
                return None
            reply = at.hub.route(asked)
            return HttpReply(body=reply.body)

        at.hub.interfere = lose_link
        events = await at.fetch(sync_pull_requests=True)
    assert is_sound(events)
    assert len(entities(events, "pull_request")) == total


@pytest.mark.parametrize(("total", "page"), [(2, "per_page=100"), (4, "per_page=100&page=2")])
async def test_last_page_that_was_cut_short_is_a_gap(
    http: HttpFactory, total: int, page: str
) -> None:
    async with serve_github(http, FakeGitHub(pulls=PULLS[:total])) as at:
        assert is_sound(await at.fetch(sync_pull_requests=True))

        def cut_short(asked: HttpRequest) -> HttpReply | None:
            if not asked.target.endswith(page):
                return None
            return as_json(json.loads(at.hub.route(asked).body)[:-1])

        at.hub.interfere = cut_short
        assert not is_sound(await at.fetch(sync_pull_requests=True))


async def test_pull_request_that_vanishes_between_pages_is_a_gap(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:

        def vanish(asked: HttpRequest) -> HttpReply | None:
            if "&page=2" in asked.target and "per_page=1&" not in asked.target:
                at.hub.pulls = PULLS[1:]
            return None

        at.hub.interfere = vanish
        assert not is_sound(await at.fetch(sync_pull_requests=True))
        at.hub.interfere = lambda _asked: None
        events = await at.fetch(sync_pull_requests=True)
    assert is_sound(events)
    assert len(entities(events, "pull_request")) == 4


@pytest.mark.parametrize("page", [[1], [{}], [{"number": "1"}], ["x"], {"message": "no"}])
async def test_page_of_something_else_raises(http: HttpFactory, page: object) -> None:
    hub = FakeGitHub(pulls=list(PULLS), interfere=failing("/pulls", as_json(page)))
    async with serve_github(http, hub) as at:
        with pytest.raises(SourceUnavailable):
            await at.fetch(sync_pull_requests=True)


async def test_paging_that_never_ends_is_a_gap(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "PAGES_MAX", 5)
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        link = f'<{at.site.url}/repos/me/repo/pulls?page=1>; rel="next"'
        at.hub.interfere = failing("/pulls", as_json([PULLS[0]], link=link))
        assert not is_sound(await at.fetch(sync_pull_requests=True))


async def test_pull_requests_that_are_all_gone_are_a_gap(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        at.cursor = cursor_of(await at.fetch(sync_pull_requests=True))
        at.hub.pulls = []
        events = await at.fetch(sync_pull_requests=True)
    assert isinstance(events[-1], Incomplete)


async def test_another_repository_need_not_have_pull_requests(http: HttpFactory) -> None:
    async with serve_github(http, FakeGitHub(pulls=list(PULLS))) as at:
        at.cursor = cursor_of(await at.fetch(sync_pull_requests=True)) | {"repo_name": "old/one"}
        at.hub.pulls = []
        assert is_sound(await at.fetch(sync_pull_requests=True))
