"""Feeds are windows on their newest entries: what leaves them stays, and gaps are told."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.sources.feeds import as_feed, item, json_feed, rss
from tests.support.sources.website import Website
from weft.domain.base import Json
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import AccessDenied, CursorExpired, SourceMisconfigured, SourceUnavailable
from weft.net.client import http_factory
from weft.sources.base import Complete, Event, Incomplete, Omitted, SourceContext, Unchanged
from weft.sources.rss.config import RssConfig
from weft.sources.rss.source import RssSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, Site, html, serve
from weft.testing.source_contract import SourceCase, events_of, last_cursor

pytestmark = pytest.mark.anyio

HTTP = http_factory({"127.0.0.1"}, clock=NO_WAIT)
COMPLETE = "1 feed read to the last page"


class Feeds:
    """Feeds on a server, and what they are read as."""

    def __init__(self, website: Website, site: Site) -> None:
        self.pages = website.pages
        self.site = site

    def case(self, *paths: str, **config: Any) -> SourceCase:
        urls = [f"{self.site.url}{path}" for path in paths or ("/feed",)]
        return SourceCase(RssSource, {"urls": [*urls], **config}, SourceContext(http=HTTP))

    async def read(
        self, *paths: str, cursor: Json | None = None, stored: set[str] | None = None, **config: Any
    ) -> list[Event]:
        self.site.requests.clear()
        return await events_of(self.case(*paths, **config).make(stored=stored), cursor)

    def ids(self, events: list[Event], kind: type[Entity] | type[Unchanged] = Entity) -> list[str]:
        return [e.id.removeprefix(self.site.url) for e in events if isinstance(e, kind)]


@pytest.fixture
async def feeds() -> AsyncGenerator[Feeds]:
    website = Website({"/feed": rss(item(2), item(1), etag='"1"')})
    async with serve(website) as site:
        yield Feeds(website, site)


def gaps_of(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Incomplete)]


def evidence_of(events: list[Event]) -> str:
    assert isinstance(events[-1], Complete)
    return events[-1].evidence


async def test_entry_that_left_the_feed_is_named_as_still_there(feeds: Feeds) -> None:
    stored = {f"{feeds.site.url}/feed#{key}" for key in ("0", "1", "2")}
    events = await feeds.read(stored=stored)
    assert feeds.ids(events, Unchanged) == ["/feed#0"]
    assert (
        evidence_of(events)
        == f"{COMPLETE}; entries that they did not show again and that are kept: 1"
    )


async def test_feed_without_entries_deletes_none(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss()
    stored = {f"{feeds.site.url}/feed#{key}" for key in range(5)}
    assert len(feeds.ids(await feeds.read(stored=stored), Unchanged)) == 5


async def test_entries_of_a_feed_that_was_removed_from_the_configuration_go(feeds: Feeds) -> None:
    stored = {f"{feeds.site.url}/feed#0", f"{feeds.site.url}/feed2#9"}
    assert feeds.ids(await feeds.read(stored=stored), Unchanged) == ["/feed#0"]


async def test_feed_that_has_not_changed_is_not_sent_again(feeds: Feeds) -> None:
    cursor = last_cursor(await feeds.read())
    events = await feeds.read(cursor=cursor)
    assert feeds.ids(events) == []
    assert [asked.headers.get("if-none-match") for asked in feeds.site.requests] == ['"1"']
    assert last_cursor(events) == cursor


async def test_full_listing_asks_for_changes_alone_unless_all_is_to_be_read(feeds: Feeds) -> None:
    first = await feeds.read()
    known = {e.id: e.version for e in first if isinstance(e, Entity) and e.version}
    cursor = last_cursor(first)

    async def read_again(known: dict[str, str]) -> tuple[list[Event], str | None]:
        feeds.site.requests.clear()
        source = feeds.case().make(known=known, stored=stored, last_cursor=cursor)
        events = await events_of(source)
        return events, feeds.site.requests[0].headers.get("if-none-match")

    stored = set(known)
    events, validator = await read_again(known)
    assert (sorted(feeds.ids(events, Unchanged)), validator) == (["/feed#1", "/feed#2"], '"1"')
    assert last_cursor(events) == cursor
    assert isinstance(events[-1], Complete)
    events, validator = await read_again({})
    assert (len(feeds.ids(events)), validator) == (2, None)


async def test_only_new_and_changed_entries_come_with_a_cursor(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(2), item(1))
    cursor = last_cursor(await feeds.read())
    feeds.pages["/feed"] = rss(item(3), item(2, "edited"), item(1))
    assert feeds.ids(await feeds.read(cursor=cursor)) == ["/feed#3", "/feed#2"]


async def test_pages_are_followed_as_far_as_there_is_news(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(3), following="/feed?2")
    feeds.pages["/feed?2"] = rss(item(2), following="/feed?1")
    feeds.pages["/feed?1"] = rss(item(1))
    first = await feeds.read()
    assert feeds.ids(first) == ["/feed#3", "/feed#2", "/feed#1"]
    feeds.pages["/feed"] = rss(item(4), following="/feed?3")
    feeds.pages["/feed?3"] = rss(item(3), following="/feed?2")
    second = await feeds.read(cursor=last_cursor(first))
    assert feeds.ids(second) == ["/feed#4"]
    assert feeds.site.targets == ["/feed", "/feed?3"]
    # What was on the pages that were not read again is not news later.
    feeds.pages["/feed"] = rss(item(4), item(3), item(2), item(1), item(0))
    assert feeds.ids(await feeds.read(cursor=last_cursor(second))) == ["/feed#0"]


async def test_limit_of_entries_is_told(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(3), item(2), following="/feed?2")
    for most in (1, 2):
        events = await feeds.read(max_entries=most)
        assert len(feeds.ids(events)) == most
        assert Omitted(FindingKind.LIMIT, None, "max_entries") in events
        assert feeds.site.targets == ["/feed"]


async def test_feed_whose_pages_go_round_in_a_circle_is_read_once(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(2), following="/feed?2")
    feeds.pages["/feed?2"] = rss(item(1), item(2), following="/feed")
    events = await feeds.read()
    assert feeds.ids(events) == ["/feed#2", "/feed#1"]
    assert evidence_of(events) == COMPLETE


async def test_page_that_cannot_be_read_is_a_gap(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(2), following="/gone")
    events = await feeds.read()
    assert len(gaps_of(events)) == 1
    assert not isinstance(events[-1], Complete)


async def test_broken_feed_among_others_is_a_gap_and_hinders_none(feeds: Feeds) -> None:
    feeds.pages["/log"] = json_feed({"id": "a", "content_text": "x"})
    feeds.pages["/page"] = html("<p>no feed")
    events = await feeds.read("/feed", "/gone", "/page", "/log")
    assert feeds.ids(events) == ["/feed#2", "/feed#1", "/log#a"]
    assert gaps_of(events) == [
        "Feed 2 (127.0.0.1) does not exist or is not visible (HTTP 404)",
        "Feed 3 (127.0.0.1) is no feed",
    ]
    said = await feeds.case("/feed", "/gone").make().check()
    assert said.startswith("1 feed answered with 2 entries; but Feed 2 (127.0.0.1) does not exist")


async def test_broken_feed_keeps_its_memory(feeds: Feeds) -> None:
    feeds.pages["/log"] = json_feed({"id": "a", "content_text": "x"})
    cursor = last_cursor(await feeds.read("/feed", "/log"))
    good, feeds.pages["/log"] = feeds.pages["/log"], HttpReply(500)
    events = await feeds.read("/feed", "/log", cursor=cursor)
    assert gaps_of(events)
    assert last_cursor(events) == cursor
    feeds.pages["/log"] = good
    assert feeds.ids(await feeds.read("/feed", "/log", cursor=last_cursor(events))) == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (HttpReply(401), AccessDenied),
        (HttpReply(404), SourceMisconfigured),
        (HttpReply(503), SourceUnavailable),
        (html("<p>Please sign in"), SourceMisconfigured),
    ],
)
async def test_only_feed_that_cannot_be_read_fails(
    feeds: Feeds, reply: HttpReply, error: type[Exception]
) -> None:
    feeds.pages["/feed"] = reply
    with pytest.raises(error):
        await feeds.read()
    with pytest.raises(error):
        await feeds.case().make().check()


async def test_page_in_place_of_a_feed_leads_to_its_feed(feeds: Feeds) -> None:
    feeds.pages["/"] = html('<link rel="alternate" type="application/rss+xml" href="/feed">')
    with pytest.raises(SourceMisconfigured) as caught:
        await feeds.case("/").make().check()
    assert caught.value.field == "urls"
    assert caught.value.hint == f"The page names its feeds: {feeds.site.url}/feed"


async def test_malformed_feed_is_told_in_the_log(feeds: Feeds) -> None:
    feeds.pages["/feed"] = as_feed(f"<rss version='2.0'><channel>{item(1)} & </channel></rss>")
    events = await feeds.read()
    assert feeds.ids(events) == ["/feed#1"]
    assert evidence_of(events).endswith("no well-formed XML, and read as far as possible: 1")


async def test_entries_of_one_id_are_told_and_the_newest_is_read(feeds: Feeds) -> None:
    feeds.pages["/feed"] = rss(item(1, "newest"), item(1, "older"), item(1, "newest"))
    events = await feeds.read()
    assert [event.text for event in events if isinstance(event, Entity)] == ["newest"]
    assert evidence_of(events) == f"{COMPLETE}; left out, as a newer entry has their id: 1"


async def test_entries_without_id_or_title_have_both(feeds: Feeds) -> None:
    feeds.pages["/feed"] = as_feed(
        "<rss version='2.0'><channel>"
        "<item><description>First line&lt;br>second</description></item>"
        "<item><title>Only a title</title></item><item><link>https://b.example/1</link></item>"
        f"<item><guid>{'long' * 1000}</guid></item></channel></rss>"
    )
    found = [event for event in await feeds.read() if isinstance(event, Entity)]
    titles = [entity.title for entity in found]
    assert titles == ["First line", "Only a title", "https://b.example/1", "Untitled entry"]
    assert len({entity.id for entity in found}) == 4
    assert max(len(entity.id) for entity in found) < 200


async def test_cursor_of_other_feeds_is_expired(feeds: Feeds) -> None:
    cursor = last_cursor(await feeds.read())
    for change in ({"max_entries": 5}, {"urls": [f"{feeds.site.url}/feed", "https://b.example/"]}):
        with pytest.raises(CursorExpired):
            await events_of(feeds.case(**change).make(), cursor)


def test_addresses_are_read_as_people_write_them() -> None:
    given = [" feed://Blog.example/rss ", "feed:https://blog.example/rss", "https://b.example#x"]
    assert RssConfig.model_validate({"urls": given}).urls == [
        "https://blog.example/rss",
        "https://b.example/",
    ]
    assert RssConfig.model_validate({"urls": "https://b.example"}).urls == ["https://b.example/"]


@pytest.mark.parametrize("url", ["", "b.example", "ftp://b.example/", "https://a:b@b.example/"])
def test_what_is_no_address_is_refused_by_its_number(url: str) -> None:
    with pytest.raises(ValidationError, match="address 2 must be"):
        RssConfig.model_validate({"urls": ["https://b.example", url]})
