"""Sitemaps that the `web` source reads: nested, packed, broken and hostile."""

import gzip
import json
import threading
import tracemalloc
from datetime import UTC, datetime

import pytest

from tests.support.sources.website import is_incomplete, loc_entries, serve_website, sitemap
from weft.document.child import INLINE_BYTES_MAX
from weft.domain.entities import Entity
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.sources.base import Failed, Unchanged
from weft.sources.web import sitemap as sitemaps
from weft.sources.web import sitemap_fetch, walk
from weft.sources.web.sitemap import Sitemap, read_sitemap
from weft.testing.scripted_http import HttpReply, HttpRequest, html, redirect

pytestmark = pytest.mark.anyio


async def test_sitemap_lists_pages_with_their_times(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": "A", "/b": "B"}) as at:
        at.pages["/sitemap.xml"] = sitemap(
            f"<loc> {at.site.url}/a </loc><lastmod>2026-01-02</lastmod>",
            f"<loc>{at.site.url}/b</loc><lastmod>2026-01-02T03:04:05+01:00</lastmod>",
            f"<loc>{at.site.url}/gone</loc><lastmod>soon</lastmod>",
            "<loc>http://elsewhere.example/</loc>",
        )
        assert "a sitemap" in await at.source("/sitemap.xml").check()
        events = await at.fetch("/sitemap.xml")
    assert at.paths(events) == ["/a", "/b"]
    times = [e.updated_at for e in events if isinstance(e, Entity)]
    assert times == [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)]
    assert not is_incomplete(events)


async def test_index_with_packed_sitemaps_is_followed(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": "A", "/b": "B"}) as at:
        packed = gzip.compress(sitemap(*loc_entries(at.site, "/b", "/a")).body)
        at.pages |= {
            "/index.xml": sitemap(
                *loc_entries(at.site, "/one.xml", "/two.xml.gz", "/one.xml"), index=True
            ),
            "/one.xml": sitemap(*loc_entries(at.site, "/a")),
            "/two.xml.gz": HttpReply(body=packed, headers={"content-type": "application/gzip"}),
        }
        events = await at.fetch("/index.xml")
    assert at.paths(events) == ["/a", "/b"]
    assert not is_incomplete(events)


@pytest.mark.parametrize(
    "child",
    [
        HttpReply(500),
        HttpReply(404),
        HttpReply(body=b"<urlset><url>"),
        HttpReply(body=b"<html></html>"),
    ],
    ids=["failing", "missing", "malformed", "a page"],
)
async def test_unreadable_child_sitemap_is_a_gap(http: HttpFactory, child: HttpReply) -> None:
    async with serve_website(http, {"/a": "A", "/bad.xml": child}) as at:
        at.pages["/index.xml"] = sitemap(*loc_entries(at.site, "/bad.xml", "/one.xml"), index=True)
        at.pages["/one.xml"] = sitemap(*loc_entries(at.site, "/a"))
        events = await at.fetch("/index.xml")
    assert at.paths(events) == ["/a"]
    assert is_incomplete(events)


async def test_endlessly_nested_indexes_end(http: HttpFactory) -> None:
    async with serve_website(http, {}) as at:
        for number in range(9):
            at.pages[f"/{number}.xml"] = sitemap(
                *loc_entries(at.site, f"/{number + 1}.xml"), index=True
            )
        events = await at.fetch("/0.xml")
        assert len([t for t in at.site.targets if t.endswith(".xml")]) == 4
    assert is_incomplete(events)


async def test_failing_page_of_a_sitemap_fails_alone(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": HttpReply(500), "/b": "B"}) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/a", "/b"))
        events = await at.fetch("/s.xml")
    assert at.paths(events, Failed) == ["/a"]
    assert at.paths(events) == ["/b"]
    assert not is_incomplete(events)


async def test_long_sitemaps_are_not_parsed_on_the_event_loop(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    def parse(content: bytes) -> Sitemap | None:
        threads.add(threading.get_ident())
        return read_sitemap(content)

    monkeypatch.setattr(sitemaps, "read_sitemap", parse)
    async with serve_website(http, {"/a": "A"}) as at:
        pages = loc_entries(at.site, "/a") * (INLINE_BYTES_MAX // 20)
        at.pages["/s.xml"] = sitemap(*pages)
        assert at.paths(await at.fetch("/s.xml")) == ["/a"]
    assert threads
    assert threading.get_ident() not in threads


async def test_unchanged_pages_of_a_sitemap_are_not_sent_again(http: HttpFactory) -> None:
    modified = "Thu, 01 Jan 2026 00:00:00 GMT"

    def by_date(asked: HttpRequest) -> HttpReply:
        if asked.headers.get("if-modified-since") == modified:
            return HttpReply(304)
        return html("B", last_modified=modified)

    async with serve_website(http, {"/a": html("A", etag='W/"1"'), "/b": by_date}) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/a", "/b"))
        await at.fetch("/s.xml")
        events = await at.fetch("/s.xml")
    assert at.paths(events, Unchanged) == ["/a", "/b"]
    assert json.loads(at.known[f"{at.site.url}/a"])["e"] == 'W/"1"'


async def test_not_modified_behind_a_redirect_is_asked_again(http: HttpFactory) -> None:
    async with serve_website(http, {"/a": html("A", etag='"1"')}) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/a"))
        await at.fetch("/s.xml")
        at.pages |= {"/a": redirect("/b", 301), "/b": html("B", etag='"1"')}
        events = await at.fetch("/s.xml")
    assert [(e.title, e.text) for e in events if isinstance(e, Entity)] == [("/b", "B")]


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY x SYSTEM "file:///etc/hostname">]><urlset><url><loc>http://a/&b;&x;</loc></url></urlset>"""


async def test_sitemap_with_a_doctype_is_refused(http: HttpFactory) -> None:
    assert read_sitemap(LAUGHS) is None
    async with serve_website(http, {"/s.xml": HttpReply(body=LAUGHS)}) as at:
        with pytest.raises(SourceMisconfigured) as caught:
            await at.fetch("/s.xml", mode="sitemap")
        at.pages["/index.xml"] = sitemap(*loc_entries(at.site, "/s.xml"), index=True)
        assert is_incomplete(await at.fetch("/index.xml"))
    assert caught.value.field == "url"


@pytest.mark.parametrize(
    "hostile",
    [
        gzip.compress(b"<urlset>" + b" " * 60_000_000),
        b"<urlset>" + b"<url>" * 100_000,
        b"<urlset>" + b"<url><loc>http://a/</loc></url>" * 50_001 + b"</urlset>",
        b"<urlset><url>",
        b"<urlset><url><loc>&nbsp;</loc></url></urlset>",
    ],
    ids=["bomb", "deep", "long", "cut", "entity"],
)
def test_hostile_sitemap_is_an_error(hostile: bytes) -> None:
    with pytest.raises(SourceUnavailable, match="The same call fails again"):
        read_sitemap(hostile)


@pytest.mark.parametrize("content", [b"", b"text", b"<html></html>", b"<!DOCTYPE html><p>", b"\0"])
def test_something_else_is_no_sitemap(content: bytes) -> None:
    assert read_sitemap(content) is None


def test_overlong_values_are_left_out() -> None:
    found = read_sitemap(b"<urlset><url><loc>" + b"x" * 1_000_000 + b"</loc></url></urlset>")
    assert found
    assert found.pages == []


async def test_index_of_more_sitemaps_than_are_read_is_a_gap(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap_fetch, "SITEMAPS_MAX", 3)
    async with serve_website(http, {}) as at:
        children = [f"/{number}.xml" for number in range(5)]
        at.pages |= {child: sitemap(*loc_entries(at.site, child + "x")) for child in children}
        at.pages["/index.xml"] = sitemap(*loc_entries(at.site, *children), index=True)
        events = await at.fetch("/index.xml")
        assert [t for t in at.site.targets if t in children] == children[:3]
    assert is_incomplete(events)


async def test_more_addresses_than_are_told_apart_are_a_gap(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "SEEN_MAX", 3)
    async with serve_website(http, {"/a": "A"}) as at:
        at.pages["/s.xml"] = sitemap(*loc_entries(at.site, "/x.png", "/y.png", "/a", "/b"))
        events = await at.fetch("/s.xml")
    assert at.paths(events) == ["/a"]
    assert is_incomplete(events)


async def test_sitemaps_that_wait_take_bounded_memory(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemap_fetch, "SITEMAPS_MAX", 40)

    def index(asked: HttpRequest) -> HttpReply:
        targets = [f"{asked.path}/{number}{'x' * 1_900}" for number in range(500)]
        return sitemap(*loc_entries(at.site, *targets), index=True)

    async with serve_website(http, {}) as at:
        at.pages |= {f"/{number}.xml": index for number in range(39)}
        children = [f"/{number}.xml" for number in range(39)]
        at.pages["/index.xml"] = sitemap(*loc_entries(at.site, *children), index=True)
        tracemalloc.start()
        try:
            assert is_incomplete(await at.fetch("/index.xml"))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # All 39 indexes name 39 MB of addresses, of which one is read.
    assert peak < 20_000_000
