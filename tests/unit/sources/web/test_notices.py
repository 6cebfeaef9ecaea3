"""A site that shows notices, or refuses pages, is told from a site that lost its pages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.support.sources.website import (
    WebHarness,
    is_incomplete,
    links,
    loc_entries,
    robots,
    serve_website,
    sitemap,
)
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.client import Clock, http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Failed, Skipped, Unchanged
from weft.sources.web.memory import Named, SiteMemory
from weft.testing.http_faults import wait_not
from weft.testing.scripted_http import HttpReply, html, redirect, serve

pytestmark = pytest.mark.anyio

NOTICE = html("<title>Maintenance</title>Back soon")
HUBS = {
    "/": links("/one", "/two"),
    "/one": links("/one/a", "/one/b"),
    "/two": links("/two/a"),
} | dict.fromkeys(("/one/a", "/one/b", "/two/a"), "<p>a leaf")
REFUSALS = {
    "401": HttpReply(401),
    "403": HttpReply(403),
    "408": HttpReply(408),
    "451": HttpReply(451),
    "503": HttpReply(503),
    "too large": html("x" * (5 * 1024 * 1024 + 1)),
    "another type": HttpReply(body=b"x", headers={"content-type": "application/octet-stream"}),
    "binary": HttpReply(body=b"\0\1", headers={"content-type": "text/html"}),
    "sent to a login": redirect("/login", 302),
    "sent to nothing": redirect("/nothing", 302),
}


BOTH = ("/a", "/b", "/c", "/d")


@pytest.fixture
def http() -> HttpFactory:
    return http_factory({"127.0.0.1"}, clock=Clock(sleep=wait_not))


def list_kept(at: WebHarness, events: list[Event]) -> set[str]:
    """List the pages that a sync of these events leaves in a store that had all before."""
    if is_incomplete(events):
        return set(HUBS)
    assert isinstance(events[-1], Complete)
    named = [*at.paths(events), *at.paths(events, Failed), *at.paths(events, Unchanged)]
    return set(named) & set(HUBS)


def evidence(events: list[Event]) -> str:
    """Return why the listing of these events is said to be complete."""
    assert isinstance(events[-1], Complete)
    return events[-1].evidence


@asynccontextmanager
async def serve_index(http: HttpFactory) -> AsyncGenerator[WebHarness]:
    """A site with two sitemaps of two pages each, of which one sync has read all."""
    async with serve_website(http, dict.fromkeys(BOTH, "x")) as at:
        at.pages["/1.xml"] = sitemap(*loc_entries(at.site, *BOTH[:2]))
        at.pages["/2.xml"] = sitemap(*loc_entries(at.site, *BOTH[2:]))
        at.pages["/all.xml"] = sitemap(*loc_entries(at.site, "/1.xml", "/2.xml"), index=True)
        assert at.paths(await at.fetch("/all.xml")) == [*BOTH]
        yield at


@pytest.mark.parametrize(
    "answer",
    [
        HttpReply(),
        HttpReply(body=b'<?xml version="1.0"?>', headers={"content-type": "application/xml"}),
        NOTICE,
        redirect("/notice"),
    ],
    ids=["empty", "declaration", "page", "redirect"],
)
@pytest.mark.parametrize("name", ["/sitemap.xml", "/all"])
async def test_sitemap_that_is_none_any_more_is_not_crawled(
    http: HttpFactory, answer: HttpReply, name: str
) -> None:
    async with serve_website(http, {"/a": "A", "/notice": NOTICE}) as at:
        at.pages[name] = sitemap(*loc_entries(at.site, "/a"))
        await at.fetch(name)
        at.pages[name] = answer
        with pytest.raises(SourceUnavailable, match="was a sitemap"):
            await at.fetch(name)


async def test_address_that_is_named_as_a_sitemap_is_not_crawled(http: HttpFactory) -> None:
    async with serve_website(http, {"/sitemap.xml": NOTICE}) as at:
        with pytest.raises(SourceMisconfigured, match="not a sitemap"):
            await at.fetch("/sitemap.xml")
        assert at.paths(await at.fetch("/sitemap.xml", mode="crawl")) == ["/sitemap.xml"]


async def test_sitemap_that_lost_all_entries_is_a_gap_once(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": "A", "/b": "B"}) as at:
        at.pages["/1.xml"] = sitemap(*loc_entries(at.site, "/a"))
        at.pages["/2.xml"] = sitemap(*loc_entries(at.site, "/b"))
        at.pages["/all.xml"] = sitemap(*loc_entries(at.site, "/1.xml", "/2.xml"), index=True)
        gaps = [is_incomplete(await at.fetch("/all.xml"))]
        at.pages["/2.xml"] = sitemap()
        gaps += [is_incomplete(await at.fetch("/all.xml"))]
        at.pages["/all.xml"] = sitemap()
        gaps += [is_incomplete(await at.fetch("/all.xml"))]
    assert gaps == [False, True, True]


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("forced", [False, True])
async def test_hub_that_is_refused_hides_nothing(http: HttpFactory, why: str, forced: bool) -> None:
    async with serve_website(http, {**HUBS, "/login": NOTICE}) as at:
        assert set(at.paths(await at.fetch())) == set(HUBS)
        at.pages["/one"] = REFUSALS[why]
        if forced:
            at.known.clear()
        events = await at.fetch()
        assert at.paths(events, Failed) == ["/one"]
        assert list_kept(at, events) == set(HUBS)
        assert "/login" not in at.paths(events)


@pytest.mark.parametrize("why", REFUSALS)
async def test_page_of_a_sitemap_that_is_refused_is_kept(http: HttpFactory, why: str) -> None:
    async with serve_website(http, {"/a": "A", "/b": "B", "/login": NOTICE}) as at:
        at.pages["/sitemap.xml"] = sitemap(*loc_entries(at.site, "/a", "/b"))
        await at.fetch("/sitemap.xml")
        at.pages["/a"] = REFUSALS[why]
        events = await at.fetch("/sitemap.xml")
    assert (at.paths(events, Failed), at.paths(events)) == (["/a"], ["/b"])
    assert not is_incomplete(events)


async def test_request_that_timed_out_is_repeated(http: HttpFactory) -> None:
    answers = [HttpReply(408), html("in time")]
    async with serve_website(http, {"/": links("/a"), "/a": lambda _: answers.pop(0)}) as at:
        assert at.paths(await at.fetch()) == ["/", "/a"]


@pytest.mark.parametrize("status", [302, 303, 307])
async def test_site_that_sends_all_pages_to_a_login_is_unavailable(
    http: HttpFactory, status: int
) -> None:
    names = [f"/{n}" for n in range(20)]
    async with serve_website(http, {"/login": NOTICE, **dict.fromkeys(names, "x")}) as at:
        at.pages["/sitemap.xml"] = sitemap(*loc_entries(at.site, *names))
        await at.fetch("/sitemap.xml")
        at.pages |= dict.fromkeys(names, redirect("/login", status))
        with pytest.raises(SourceUnavailable):
            await at.fetch("/sitemap.xml")


@pytest.mark.parametrize("status", [301, 308])
@pytest.mark.parametrize("target", ["/notice", "/login?next={}", "/nothing", "other site/{}"])
async def test_pages_that_all_moved_to_one_are_a_gap_each_time(
    http: HttpFactory, status: int, target: str
) -> None:
    names = ["/a", "/b", "/c"]
    async with (
        serve(lambda _asked: html("other")) as other,
        serve_website(http, dict.fromkeys(names, "x")) as at,
    ):
        target = target.replace("other site", other.url)
        at.pages["/sitemap.xml"] = sitemap(*loc_entries(at.site, *names))
        await at.fetch("/sitemap.xml")
        for name in names:
            at.pages[name] = redirect(target.format(name[1:]), status)
            if target != "/nothing":
                at.pages[target.format(name[1:])] = NOTICE
        for _ in range(4):
            assert is_incomplete(await at.fetch("/sitemap.xml"))


async def test_page_that_moved_for_good_is_gone(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages |= {"/one/a": redirect("/new", 301), "/new": "new"}
        events = await at.fetch()
    assert "/new" in at.paths(events)
    assert list_kept(at, events) == set(HUBS) - {"/one/a"}


async def test_pages_behind_an_address_that_leads_elsewhere_stay(http: HttpFactory) -> None:
    pages = {"/": links("/latest"), "/latest": redirect("/v4"), "/v4": links("/v4/a"), "/v4/a": "x"}
    async with serve_website(http, {**pages, "/v5": "five"}) as at:
        await at.fetch()
        at.pages["/latest"] = redirect("/v5")
        for _ in range(4):
            assert at.paths(await at.fetch()) == ["/", "/v5", "/v4", "/v4/a"]


NOTICES = {
    "notice": NOTICE,
    "empty": html(""),
    "no content": HttpReply(204),
    "text": HttpReply(body=b"hello", headers={"content-type": "text/plain"}),
    "cut": html("<a href='/on"),
    "links to new pages": html(links(*(f"/help/{n}" for n in range(9)))),
}
MOVES = {
    f"{status} to {target}": redirect(target, status)
    for status in (301, 308)
    for target in ("/notice", "/", "/two")
} | {"404": HttpReply(404), "410": HttpReply(410)}


@pytest.mark.parametrize("page", ["/", "/one"])
@pytest.mark.parametrize("why", NOTICES)
async def test_pages_stay_while_a_notice_is_shown_where_they_were_linked(
    http: HttpFactory, page: str, why: str
) -> None:
    helps = dict.fromkeys((f"/help/{n}" for n in range(9)), "help")
    async with serve_website(http, HUBS | helps) as at:
        await at.fetch()
        at.pages[page] = NOTICES[why]
        for _ in range(4):
            assert list_kept(at, await at.fetch()) == set(HUBS)


@pytest.mark.parametrize("why", MOVES)
async def test_pages_stay_when_the_page_that_linked_them_is_gone(
    http: HttpFactory, why: str
) -> None:
    async with serve_website(http, {**HUBS, "/notice": NOTICE}) as at:
        await at.fetch()
        at.pages["/one"] = MOVES[why]
        for _ in range(4):
            assert list_kept(at, await at.fetch()) == set(HUBS) - {"/one"}


@pytest.mark.parametrize("status", [301, 308])
async def test_pages_stay_when_the_start_page_moved_to_a_notice(
    http: HttpFactory, status: int
) -> None:
    async with serve_website(http, {**HUBS, "/notice": NOTICE}) as at:
        await at.fetch()
        at.pages["/"] = redirect("/notice", status)
        for _ in range(4):
            assert list_kept(at, await at.fetch()) == set(HUBS) - {"/"}


async def test_pages_that_only_a_disallowed_page_linked_stay(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages["/robots.txt"] = robots("User-agent: *\nDisallow: /one$")
        for _ in range(4):
            events = await at.fetch()
            assert list_kept(at, events) == set(HUBS) - {"/one"}
            assert at.paths(events, Skipped) == ["/one"]


@pytest.mark.parametrize("status", [301, 302, 308])
async def test_pages_of_a_sitemap_that_leads_to_another_stay(
    http: HttpFactory, status: int
) -> None:
    async with serve_index(http) as at:
        at.pages["/2.xml"] = redirect("/1.xml", status)
        for _ in range(4):
            assert at.paths(await at.fetch("/all.xml")) == [*BOTH]


@pytest.mark.parametrize("other", ["http://elsewhere.example/", "/notice", "/c"])
async def test_pages_of_a_sitemap_that_names_others_stay(http: HttpFactory, other: str) -> None:
    async with serve_index(http) as at:
        entry = f"<loc>{other if other.startswith('http') else at.site.url + other}</loc>"
        at.pages |= {"/2.xml": sitemap(entry), "/notice": NOTICE}
        for _ in range(4):
            assert set(at.paths(await at.fetch("/all.xml"))) >= set(BOTH)


async def test_pages_of_a_sitemap_that_is_not_named_any_more_stay(http: HttpFactory) -> None:
    async with serve_index(http) as at:
        at.pages["/all.xml"] = sitemap(*loc_entries(at.site, "/1.xml"), index=True)
        for _ in range(4):
            assert at.paths(await at.fetch("/all.xml")) == [*BOTH]


async def test_page_that_the_sitemap_dropped_is_gone_after_two_syncs(http: HttpFactory) -> None:
    async with serve_website(http, dict.fromkeys(BOTH, "x")) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, *BOTH))
        await at.fetch("/s.xml")
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, *BOTH[:3]))
        assert at.paths(await at.fetch("/s.xml")) == [*BOTH]
        assert at.paths(await at.fetch("/s.xml")) == [*BOTH[:3]]


async def test_pages_whose_link_was_removed_are_asked_for_once_more_and_then_go(
    http: HttpFactory,
) -> None:
    pages = {**HUBS, "/": links("/one", "/two", "/three"), "/three": "x"}
    async with serve_website(http, pages) as at:
        await at.fetch()
        at.pages["/"] = links("/two", "/three")
        events = await at.fetch()
        assert list_kept(at, events) == set(HUBS)
        assert "of 1 known pages that it names no more, asked for once more, 1 stay" in evidence(
            events
        )
        events = await at.fetch()
        assert list_kept(at, events) == {"/", "/two", "/two/a"}
        assert "known pages not named in two syncs: 3" in evidence(events)
        assert "/one" not in at.site.targets


async def test_page_that_failed_when_it_was_asked_for_is_asked_again(http: HttpFactory) -> None:
    pages = {**HUBS, "/": links("/one", "/two", "/three"), "/three": "x"}
    async with serve_website(http, pages) as at:
        await at.fetch()
        at.pages |= {"/": links("/two", "/three"), "/one": HttpReply(503)}
        assert list_kept(at, await at.fetch()) == set(HUBS)
        at.pages["/one"] = HUBS["/one"]
        assert list_kept(at, await at.fetch()) == set(HUBS)


async def test_page_whose_link_moved_to_a_page_that_fails_stays(http: HttpFactory) -> None:
    pages = {**HUBS, "/one": links("/one/a", "/one/b", "/one/c"), "/one/c": "x"}
    async with serve_website(http, pages) as at:
        await at.fetch()
        at.pages |= {"/one": links("/one/a", "/one/c"), "/two": HttpReply(503)}
        for _ in range(4):
            assert list_kept(at, await at.fetch()) == set(HUBS)


async def test_notice_with_many_links_displaces_no_page(http: HttpFactory) -> None:
    helps = {f"/help/{n}": "help" for n in range(4)}
    async with serve_website(http, HUBS | helps) as at:
        await at.fetch(max_pages=6)
        at.pages["/"] = links(*helps)
        for _ in range(4):
            assert list_kept(at, await at.fetch(max_pages=6)) == set(HUBS)


async def test_more_lost_pages_than_may_be_asked_for_are_a_gap(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch(max_pages=6)
        memory = SiteMemory.parse(at.cursor)
        memory.pages |= {f"{at.site.url}/{n}": Named("", 1) for n in range(9)}
        at.cursor = memory.dump()
        at.pages |= {"/": NOTICE} | {f"/{n}": "x" for n in range(9)}
        events = await at.fetch(max_pages=6)
    assert is_incomplete(events)
    assert len(at.paths(events)) == 1 + 6


async def test_pages_beyond_the_most_pages_are_not_asked_for(http: HttpFactory) -> None:
    async with serve_website(http, {"/": links("/a", "/b"), "/a": "x", "/b": "x"}) as at:
        await at.fetch(max_pages=3)
        at.pages |= {"/": links("/new", "/a", "/b"), "/new": "x"}
        events = await at.fetch(max_pages=3)
        assert at.paths(events) == ["/", "/new", "/a"]
        assert "up to max_pages; known pages beyond max_pages: 1" in evidence(events)


async def test_page_that_is_gone_and_not_linked_is_gone_at_once(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages["/one"] = links("/one/a")
        del at.pages["/one/b"]
        assert list_kept(at, await at.fetch()) == set(HUBS) - {"/one/b"}


async def test_what_was_never_a_page_makes_no_gap(http: HttpFactory) -> None:
    async with serve_website(http, {"/": links("/admin", "/a"), "/a": "x"}) as at:
        at.pages["/admin"] = HttpReply(403)
        assert not is_incomplete(await at.fetch())
        assert not is_incomplete(await at.fetch())
