"""A preview of a site names pages without reading them, and what the patterns no longer want."""

from typing import Any

import pytest

from tests.support.sources.website import WebHarness, links, loc_entries, serve_website, sitemap
from weft.domain.jobs import FindingKind
from weft.net.http_factory import HttpFactory
from weft.sources.base import (
    Complete,
    Deleted,
    Incomplete,
    Named,
    Omitted,
    PreviewEvent,
    Unmatched,
)

pytestmark = pytest.mark.anyio

SITE = {
    "/": links("/docs/a", "/docs/b", "/blog/x", "/image.png"),
    "/docs/a": links("/docs/deep"),
    "/docs/b": "<p>b",
    "/docs/deep": "<p>deep",
    "/blog/x": "<p>x",
}


async def preview(at: WebHarness, path: str = "/", **config: Any) -> list[PreviewEvent]:
    at.site.requests.clear()
    return [event async for event in at.source(path, **config).preview()]


def paths(at: WebHarness, events: list[PreviewEvent], kind: type = Named) -> set[str]:
    return {
        event.id.removeprefix(at.site.url)
        for event in events
        if isinstance(event, Named | Deleted) and isinstance(event, kind)
    }


async def test_crawl_names_what_the_start_page_links_and_says_that_this_is_not_all(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SITE) as at:
        found = await preview(at)
        assert paths(at, found) == {"/", "/docs/a", "/docs/b", "/blog/x"}
        assert {*at.site.targets} == {"/", "/robots.txt"}
    assert any(isinstance(event, Incomplete) for event in found)
    assert not any(isinstance(event, Complete) for event in found)


async def test_patterns_choose_and_those_that_nothing_fits_are_told(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        found = await preview(at, include=["/docs/*", "/dosc/*"], exclude=["/docs/b"])
        assert paths(at, found) == {"/", "/docs/a"}
    unmatched = [event for event in found if isinstance(event, Unmatched)]
    assert unmatched == [Unmatched("include", "/dosc/*", "docs")]


async def test_stored_pages_that_the_patterns_do_not_want_are_told(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        await at.fetch()
        found = await preview(at, include=["/docs/*"])
        assert paths(at, found, Deleted) == {"/blog/x"}
        assert not paths(at, await preview(at), Deleted)
        await at.fetch(include=["/docs/*"])
        assert f"{at.site.url}/blog/x" not in at.stored


async def test_sitemap_names_pages_up_to_the_limit_and_says_what_is_beyond(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SITE) as at:
        children = loc_entries(at.site, "/1.xml", "/2.xml")
        at.pages["/all.xml"] = sitemap(*children, index=True)
        at.pages["/1.xml"] = sitemap(*loc_entries(at.site, "/", "/docs/a"))
        at.pages["/2.xml"] = sitemap(*loc_entries(at.site, "/docs/b", "/blog/x"))
        whole = await preview(at, "/all.xml")
        assert paths(at, whole) == {"/", "/docs/a", "/docs/b", "/blog/x"}
        capped = await preview(at, "/all.xml", max_pages=3)
        assert len(paths(at, capped)) == 3
        assert {"/docs/a", "/"} & {*at.site.targets} == set()
    assert Omitted(FindingKind.LIMIT, 1, "max_pages") in capped


async def test_sitemap_that_cannot_be_read_is_a_gap(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        at.pages["/all.xml"] = sitemap(*loc_entries(at.site, "/gone.xml"), index=True)
        assert any(isinstance(e, Incomplete) for e in await preview(at, "/all.xml"))
