"""One address stands for a page at several, where the site says so and the texts agree."""

import pytest

from tests.support.sources.website import (
    WebHarness,
    canonical,
    is_incomplete,
    links,
    loc_entries,
    robots,
    serve_website,
    sitemap,
)
from weft.net.client import http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Failed, Unchanged
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, html, redirect

pytestmark = pytest.mark.anyio

A = canonical("/a") + "<p>the page a"
START = {"/": links("/a?from=home", "/a", "/a?print")}
SHOWN = START | dict.fromkeys(("/a", "/a?from=home", "/a?print"), A)


@pytest.fixture
def http() -> HttpFactory:
    return http_factory({"127.0.0.1"}, clock=NO_WAIT)


def listed(at: WebHarness, events: list[Event]) -> list[str]:
    """Return what a complete listing names, in its order."""
    assert isinstance(events[-1], Complete)
    assert not is_incomplete(events)
    named = [*at.paths(events), *at.paths(events, Unchanged), *at.paths(events, Failed)]
    assert len(named) == len(set(named))
    return sorted(named)


async def test_addresses_of_one_page_are_one_entity(http: HttpFactory) -> None:
    async with serve_website(http, SHOWN) as at:
        for _ in range(3):
            assert listed(at, await at.fetch()) == ["/", "/a"]


async def test_canonical_address_need_not_be_linked(http: HttpFactory) -> None:
    async with serve_website(http, SHOWN | {"/": links("/a?print", "/a?from=home")}) as at:
        events = await at.fetch()
        assert listed(at, events) == ["/", "/a"]
        assert at.site.targets.count("/a") == 1
        at.pages["/s"] = sitemap(*loc_entries(at.site, "/a?print", "/a?from=home"))
        assert listed(at, await at.fetch("/s")) == ["/a"]


async def test_unchanged_pages_are_still_one(http: HttpFactory) -> None:
    tagged = {path: html(A, etag=f'"{path}"') for path in SHOWN if path != "/"}
    async with serve_website(http, START | tagged) as at:
        assert listed(at, await at.fetch()) == ["/", "/a"]
        events = await at.fetch()
        assert listed(at, events) == ["/", "/a"]
        assert at.paths(events, Unchanged) == ["/a"]


async def test_header_names_the_canonical_address_too(http: HttpFactory) -> None:
    link = {"content-type": "text/html", "link": '</a>; rel="canonical"'}
    pages = {
        "/": links("/a?print"),
        "/a": "<p>a",
        "/a?print": HttpReply(body=b"<p>a", headers=link),
    }
    async with serve_website(http, pages) as at:
        assert listed(at, await at.fetch()) == ["/", "/a"]


async def test_home_page_that_all_pages_name_does_not_stand_for_them(http: HttpFactory) -> None:
    pages = {f"/{name}": canonical("/") + f"<p>the page {name}" for name in "abcd"}
    async with serve_website(http, {"/": canonical("/") + links(*pages)} | pages) as at:
        for _ in range(2):
            assert listed(at, await at.fetch()) == ["/", *pages]
        at.pages["/s"] = sitemap(*loc_entries(at.site, *pages))
        assert listed(at, await at.fetch("/s")) == [*pages]
        assert at.site.targets.count("/") == 1


@pytest.mark.parametrize(
    "other",
    [
        {"/b": canonical("http://elsewhere.example/b") + "<p>b"},
        {"/b": canonical("/gone") + "<p>b"},
        {"/b": canonical("/other") + "<p>b", "/other": "<p>another text"},
        {"/b": canonical("/back") + "<p>b", "/back": redirect("/b")},
        {"/b": canonical("/private/b") + "<p>b", "/private/b": "<p>b"},
        {"/b": canonical("/old/b") + "<p>b", "/old/b": "<p>b"},
        {"/b": canonical("/more") + "<p>b", "/more": canonical("/b") + "<p>b"},
        {"/b": canonical("http://[") + "<p>b"},
        {"/b": canonical("/empty") + "<title>b</title>", "/empty": ""},
    ],
    ids=lambda pages: next(iter(pages.values()))[:60],
)
async def test_page_keeps_its_address_where_the_canonical_one_is_not_it(
    http: HttpFactory, other: dict[str, str | HttpReply]
) -> None:
    rules = robots("user-agent: *\ndisallow: /private")
    async with serve_website(http, {"/": links("/b"), "/robots.txt": rules} | other) as at:
        events = await at.fetch("/", exclude=["/old/*"])
        assert "/b" in listed(at, events)
        assert not {"/private/b", "/old/b"} & {*at.site.targets}


# What is stored


async def test_stored_page_keeps_its_address_unless_the_other_is_stored_too(
    http: HttpFactory,
) -> None:
    plain = dict.fromkeys(("/a", "/a?print"), "<p>the page a")
    async with serve_website(http, {"/": links("/a?print")} | plain) as at:
        assert listed(at, await at.fetch()) == ["/", "/a?print"]
        at.pages |= {"/a": A, "/a?print": A}
        for _ in range(3):
            assert listed(at, await at.fetch()) == ["/", "/a?print"]
            assert "/a" not in at.site.targets
        at.pages["/"] = links("/a?print", "/a")
        assert listed(at, await at.fetch()) == ["/", "/a", "/a?print"]
        assert listed(at, await at.fetch()) == ["/", "/a"]


async def test_copies_that_an_older_version_of_weft_stored_go_once_their_texts_are_known(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SHOWN) as at:
        await at.fetch()
        at.stored |= {f"{at.site.url}{path}" for path in SHOWN}
        at.known.clear()
        assert listed(at, await at.fetch()) == sorted(SHOWN)
        assert listed(at, await at.fetch()) == ["/", "/a"]


async def test_notice_that_names_one_page_for_all_deletes_no_text(http: HttpFactory) -> None:
    pages = {f"/{name}": f"<p>the page {name}" for name in "abcd"}
    async with serve_website(http, {"/": links(*pages)} | pages) as at:
        await at.fetch()
        at.pages |= dict.fromkeys(pages, canonical("/a") + "<p>Back soon")
        assert listed(at, await at.fetch()) == ["/", *pages]
        at.pages |= pages
        assert listed(at, await at.fetch()) == ["/", *pages]


async def test_page_that_fails_is_not_doubled_by_its_other_addresses(http: HttpFactory) -> None:
    async with serve_website(http, SHOWN | {"/": links("/a?from=home", "/b", "/a?print")}) as at:
        at.pages["/b"] = "b"
        assert listed(at, await at.fetch()) == ["/", "/a", "/b"]
        at.pages["/a"] = HttpReply(500)
        events = await at.fetch()
        assert listed(at, events) == ["/", "/a", "/b"]
        assert at.paths(events, Failed) == ["/a"]


async def test_canonical_page_that_is_gone_leaves_its_text_to_the_others(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SHOWN) as at:
        await at.fetch()
        del at.pages["/a"]
        assert listed(at, await at.fetch()) == ["/", "/a?from=home", "/a?print"]
