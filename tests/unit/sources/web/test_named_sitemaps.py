"""The sitemap that robots.txt names is read where it lists what the start page stands for."""

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
from weft.domain.jobs import FindingKind
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.client import http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Complete, Event, Failed, Named, Omitted, Unchanged
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply

pytestmark = pytest.mark.anyio

GUIDE = ("/guide/a", "/guide/b", "/guide/deep/c")
SITE = {
    "/": links("/guide/", "/blog"),
    "/guide/": links("/guide/a", "/guide/b", "/blog"),
} | dict.fromkeys((*GUIDE, "/blog", "/hidden"), "<p>a page")


@pytest.fixture
def http() -> HttpFactory:
    return http_factory({"127.0.0.1"}, clock=NO_WAIT)


def name_sitemap(at: WebHarness, *paths: str) -> None:
    """Let robots.txt name a sitemap of these pages."""
    at.pages["/map.xml"] = sitemap(*loc_entries(at.site, *paths))
    at.pages["/robots.txt"] = robots(f"Sitemap: {at.site.url}/map.xml\nuser-agent: *\n")


def listed(at: WebHarness, events: list[Event]) -> list[str]:
    """Return what a complete listing names, in its order."""
    assert isinstance(events[-1], Complete)
    assert not is_incomplete(events)
    return [*at.paths(events), *at.paths(events, Unchanged), *at.paths(events, Failed)]


async def test_sitemap_of_the_site_gives_the_section_below_the_start_page(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, "/", "/blog", *GUIDE, "/hidden")
        assert "names a sitemap" in await at.source("/guide/").check()
        assert listed(at, await at.fetch("/guide/")) == ["/guide/", *GUIDE]
        named = [e.id async for e in at.source("/guide/").preview() if isinstance(e, Named)]
        assert named == [f"{at.site.url}{path}" for path in ("/guide/", *GUIDE)]
        at.stored.clear()
        assert listed(at, await at.fetch("/")) == ["/", "/blog", *GUIDE, "/hidden"]


async def test_limit_counts_the_pages_of_the_section_that_are_left(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, "/blog", *GUIDE)
        events = await at.fetch("/guide/", max_pages=2)
    assert listed(at, events) == ["/guide/", "/guide/a"]
    assert Omitted(FindingKind.LIMIT, 2, "max_pages") in events


@pytest.mark.parametrize(
    "paths",
    [("/blog", "/hidden"), ("/guide/",), ("/guide/deep/c", "/guide/", "/blog"), ()],
    ids=["another section", "the start page alone", "few of its pages", "nothing"],
)
async def test_links_are_followed_where_the_sitemap_does_not_list_the_section(
    http: HttpFactory, paths: tuple[str, ...]
) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, *paths)
        assert listed(at, await at.fetch("/guide/")) == ["/guide/", "/guide/a", "/guide/b", "/blog"]
        with pytest.raises(SourceMisconfigured, match="names none"):
            await at.fetch("/guide/", mode="sitemap")


@pytest.mark.parametrize("broken", [HttpReply(404), HttpReply(500), "<p>no sitemap"])
async def test_links_are_followed_where_the_sitemap_cannot_be_read(
    http: HttpFactory, broken: str | HttpReply
) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, *GUIDE)
        at.pages["/map.xml"] = broken
        assert "/blog" in listed(at, await at.fetch("/guide/"))


async def test_page_that_is_no_folder_is_where_a_crawl_starts(http: HttpFactory) -> None:
    async with serve_website(http, SITE | {"/guide/a": links("/guide/b")}) as at:
        name_sitemap(at, "/blog", *GUIDE)
        assert listed(at, await at.fetch("/guide/a")) == ["/guide/a", "/guide/b"]


# What is stored


async def test_site_that_was_crawled_goes_on_to_be(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        crawled = listed(at, await at.fetch("/guide/"))
        name_sitemap(at, *GUIDE)
        assert listed(at, await at.fetch("/guide/")) == crawled
        assert listed(at, await at.fetch("/guide/", mode="sitemap")) == ["/guide/", *GUIDE]


async def test_site_that_names_its_sitemap_no_more_loses_nothing(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, *GUIDE)
        before = listed(at, await at.fetch("/guide/"))
        for rules in (robots(""), HttpReply(404), HttpReply(body=b"<p>Sign in")):
            at.pages["/robots.txt"] = rules
            with pytest.raises(SourceUnavailable) as caught:
                await at.fetch("/guide/")
            assert "mode to crawl" in (caught.value.hint or "")
        name_sitemap(at, *GUIDE)
        assert listed(at, await at.fetch("/guide/")) == before


@pytest.mark.parametrize("paths", [(), ("/blog", "/hidden"), ("/guide/a",)])
async def test_pages_that_the_sitemap_lists_no_more_stay_while_they_answer(
    http: HttpFactory, paths: tuple[str, ...]
) -> None:
    async with serve_website(http, SITE) as at:
        name_sitemap(at, *GUIDE)
        await at.fetch("/guide/")
        name_sitemap(at, *paths)
        events = await at.fetch("/guide/")
        if not is_incomplete(events):
            assert set(listed(at, events)) == {"/guide/", *GUIDE}
