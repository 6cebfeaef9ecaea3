"""A site is remembered beyond a change of the configuration, where that still tells something."""

from typing import Any

import pytest

from tests.support.sources.website import (
    WebHarness,
    is_incomplete,
    links,
    loc_entries,
    serve_website,
    sitemap,
)
from weft.net.client import Clock, http_factory
from weft.net.http_factory import HttpFactory
from weft.sources.base import Event, Unchanged
from weft.testing.http_faults import wait_not
from weft.testing.scripted_http import html

pytestmark = pytest.mark.anyio

NOTICE = html("<title>Maintenance</title>Back soon")
DOCS = ("/docs/a", "/docs/b", "/docs/deep/c")
SITE = {
    "/": links("/docs/a", "/docs/b", "/blog/x", "/old"),
    "/docs/b": links("/docs/deep/c"),
} | dict.fromkeys(("/docs/a", "/docs/deep/c", "/blog/x", "/old"), "<p>a leaf")


@pytest.fixture
def http() -> HttpFactory:
    return http_factory({"127.0.0.1"}, clock=Clock(sleep=wait_not))


def named(at: WebHarness, events: list[Event]) -> set[str]:
    """Return the pages that a sync of these events keeps."""
    assert not is_incomplete(events)
    return {*at.paths(events), *at.paths(events, Unchanged)}


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({}, {*SITE}),
        ({"max_pages": 100}, {*SITE}),
        ({"exclude": ["/unheard-of/*"]}, {*SITE}),
        ({"include": ["/docs/*"]}, {"/", *DOCS}),
        ({"exclude": ["/old", "/docs/deep/*"]}, {"/", "/docs/a", "/docs/b", "/blog/x"}),
        ({"max_depth": 1}, {*SITE} - {"/docs/deep/c"}),
    ],
)
async def test_known_pages_that_are_still_wanted_are_asked_for_once_more(
    http: HttpFactory, config: dict[str, Any], wanted: set[str]
) -> None:
    async with serve_website(http, SITE) as at:
        assert named(at, await at.fetch(max_depth=5)) == {*SITE}
        at.pages["/"] = NOTICE
        assert named(at, await at.fetch("/", **({"max_depth": 5} | config))) == wanted


async def test_what_is_left_out_comes_back_with_the_configuration_that_wants_it(
    http: HttpFactory,
) -> None:
    async with serve_website(http, SITE) as at:
        await at.fetch()
        assert named(at, await at.fetch(include=["/docs/*"])) == {"/", *DOCS}
        assert named(at, await at.fetch()) == {*SITE}


async def test_pages_of_another_address_are_not_missed(http: HttpFactory) -> None:
    async with serve_website(http, SITE) as at:
        await at.fetch()
        assert named(at, await at.fetch("/docs/b")) == {"/docs/b", "/docs/deep/c"}


async def test_sitemap_is_remembered_under_another_choice_of_pages(http: HttpFactory) -> None:
    async with serve_website(http, dict.fromkeys(("/a", "/b", "/c"), "x")) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/a", "/b", "/c"))
        await at.fetch("/s.xml")
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/a"))
        assert named(at, await at.fetch("/s.xml", exclude=["/c"])) == {"/a", "/b"}
        at.pages["/s.xml"] = sitemap()
        assert is_incomplete(await at.fetch("/s.xml", exclude=["/d"]))


async def test_another_way_to_find_pages_finds_its_own(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": "A", "/b": "B"}) as at:
        at.pages["/s"] = sitemap(*loc_entries(at.site, "/a", "/b"))
        await at.fetch("/s")
        at.pages["/s"] = links("/a")
        assert named(at, await at.fetch("/s", mode="crawl")) == {"/s", "/a"}


@pytest.mark.parametrize("remembers", [True, False])
async def test_pages_of_a_sync_that_was_broken_off_are_asked_for_once_more(
    http: HttpFactory, remembers: bool
) -> None:
    async with serve_website(http, SITE) as at:
        if remembers:
            await at.fetch()
        cursor = at.cursor
        at.pages |= {"/": links("/docs/a", "/docs/b", "/blog/x", "/old", "/new"), "/new": "new"}
        await at.fetch()
        at.cursor = cursor
        at.pages["/"] = NOTICE
        assert named(at, await at.fetch()) == {*SITE, "/new"}
        at.cursor = cursor
        assert "/new" not in named(at, await at.fetch(exclude=["/new"]))
