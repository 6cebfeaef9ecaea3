"""A site that shows notices, or refuses pages, is told from a site that lost its pages."""

import pytest
from web_harness import WebHarness, is_incomplete, links, loc_entries, serve_website, sitemap

from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.client import Clock, http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Failed, Unchanged
from weft.testing.http_faults import wait_not
from weft.testing.scripted_http import HttpReply, html, redirect

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
}


@pytest.fixture
def http() -> HttpFactory:
    return http_factory({"127.0.0.1"}, clock=Clock(sleep=wait_not))


def kept(at: WebHarness, events: list[Event]) -> set[str]:
    """The pages that a sync of these events leaves in the store, if they were all there before."""
    if is_incomplete(events):
        return set(HUBS)
    assert isinstance(events[-1], Complete)
    named = [*at.paths(events), *at.paths(events, Failed), *at.paths(events, Unchanged)]
    return set(named) & set(HUBS)


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
        assert kept(at, events) == set(HUBS)
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


async def test_pages_that_all_moved_to_one_are_a_gap(http: HttpFactory) -> None:
    names = ["/a", "/b", "/c"]
    async with serve_website(http, {"/notice": NOTICE, **dict.fromkeys(names, "x")}) as at:
        at.pages["/sitemap.xml"] = sitemap(*loc_entries(at.site, *names))
        await at.fetch("/sitemap.xml")
        at.pages |= dict.fromkeys(names, redirect("/notice", 301))
        assert is_incomplete(await at.fetch("/sitemap.xml"))


async def test_page_that_moved_for_good_is_gone(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages |= {"/one/a": redirect("/new", 301), "/new": "new"}
        events = await at.fetch()
    assert "/new" in at.paths(events)
    assert kept(at, events) == set(HUBS) - {"/one/a"}


async def test_address_that_leads_elsewhere_than_before_is_a_gap_once(http: HttpFactory) -> None:
    pages = {"/": links("/latest"), "/latest": redirect("/v4"), "/v4": links("/v4/a"), "/v4/a": "x"}
    async with serve_website(http, {**pages, "/v5": "five"}) as at:
        gaps = [is_incomplete(await at.fetch())]
        at.pages["/latest"] = redirect("/v5")
        gaps += [is_incomplete(await at.fetch()), is_incomplete(await at.fetch())]
    assert gaps == [False, True, False]


@pytest.mark.parametrize("page", ["/", "/one"])
async def test_pages_whose_link_vanished_are_asked_for_once_more(
    http: HttpFactory, page: str
) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages[page] = NOTICE
        assert kept(at, await at.fetch()) == set(HUBS)
        assert kept(at, await at.fetch()) < set(HUBS)


async def test_page_that_is_gone_and_not_linked_is_gone_at_once(http: HttpFactory) -> None:
    async with serve_website(http, dict(HUBS)) as at:
        await at.fetch()
        at.pages["/one"] = links("/one/a")
        del at.pages["/one/b"]
        assert kept(at, await at.fetch()) == set(HUBS) - {"/one/b"}


async def test_what_was_never_a_page_makes_no_gap(http: HttpFactory) -> None:
    async with serve_website(http, {"/": links("/admin", "/a"), "/a": "x"}) as at:
        at.pages["/admin"] = HttpReply(403)
        assert not is_incomplete(await at.fetch())
        assert not is_incomplete(await at.fetch())
