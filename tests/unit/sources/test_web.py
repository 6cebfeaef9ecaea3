"""The `web` source against a real server that plays websites, kind and unkind."""

import gzip
import json
import threading
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from weft.domain.entities import Entity
from weft.errors import RateLimited, SourceMisconfigured, SourceUnavailable, WeftError
from weft.sources import web
from weft.sources.addresses import AddressRefused
from weft.sources.base import (
    Event,
    Failed,
    HttpFactory,
    Incomplete,
    NoFields,
    Skipped,
    SourceContext,
    Unchanged,
)
from weft.sources.robots import Robots
from weft.sources.sitemap import Sitemap, read_sitemap
from weft.sources.web import WebConfig, WebSource
from weft.sources.web_pages import decode_body, normalised
from weft.testing.scripted_http import Asked, Reply, Site, html, redirect, serve

pytestmark = pytest.mark.anyio


@dataclass
class Website:
    """Pages by path (with query); a str is HTML. Pages with an ETag honour If-None-Match."""

    pages: dict[str, str | Reply | Callable[[Asked], Reply]] = field(
        default_factory=dict[str, str | Reply | Callable[[Asked], Reply]]
    )

    def __call__(self, asked: Asked) -> Reply:
        page = self.pages.get(asked.target, Reply(404))
        if callable(page):
            page = page(asked)
        if isinstance(page, str):
            page = html(page)
        etag = page.headers.get("etag")
        if etag and asked.headers.get("if-none-match") == etag:
            return Reply(304, headers={"etag": etag})
        return page


Named = type[Entity] | type[Unchanged] | type[Skipped] | type[Failed]


@dataclass
class Bench:
    """A website, and what is remembered of it between fetches."""

    pages: dict[str, str | Reply | Callable[[Asked], Reply]]
    site: Site
    http: HttpFactory
    known: dict[str, str] = field(default_factory=dict[str, str])

    def source(self, path: str = "/", **config: Any) -> WebSource:
        async def known(ids: Collection[str], /) -> Mapping[str, str]:
            return {i: self.known[i] for i in ids if i in self.known}

        return WebSource(
            WebConfig.model_validate({"url": self.site.url + path, **config}),
            NoFields(),
            SourceContext(http=self.http, known_versions=known),
        )

    async def fetch(self, path: str = "/", **config: Any) -> list[Event]:
        self.site.asked.clear()
        events = [event async for event in self.source(path, **config).fetch(None)]
        for event in events:
            if isinstance(event, Entity) and event.version:
                self.known[event.id] = event.version
        return events

    def paths(self, events: list[Event], kind: Named = Entity) -> list[str]:
        return [e.id.removeprefix(self.site.url) for e in events if isinstance(e, kind)]


@asynccontextmanager
async def website(
    http: HttpFactory, pages: Mapping[str, str | Reply | Callable[[Asked], Reply]]
) -> AsyncGenerator[Bench]:
    held = dict(pages)
    async with serve(Website(held)) as site:
        yield Bench(held, site, http)


def incomplete(events: list[Event]) -> bool:
    return any(isinstance(event, Incomplete) for event in events)


def links(*targets: str) -> str:
    return "".join(f'<a href="{target}">x</a>' for target in targets)


def robots(text: str) -> Reply:
    return Reply(body=text.encode(), headers={"content-type": "text/plain"})


def sitemap(*entries: str, index: bool = False) -> Reply:
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    body = "".join(f"<{inner}>{entry}</{inner}>" for entry in entries)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    text = f'<?xml version="1.0"?><{outer} xmlns="{namespace}">{body}</{outer}>'
    return Reply(body=text.encode(), headers={"content-type": "application/xml"})


def locs(site: Site, *paths: str) -> list[str]:
    return [f"<loc>{site.url}{path}</loc>" for path in paths]


# Crawls


async def test_crawl_reads_pages_nearest_first_and_each_once(http: HttpFactory) -> None:
    pages = {
        "/": "<title>Start</title><p>Welcome" + links("b", "/a#part", "/a", "mailto:x@y", "/"),
        "/a": links("/deep/c", "http://elsewhere.example/"),
        "/b": links("/a", "/photo.JPG", "javascript:void(0)"),
        "/deep/c": "<h1>See</h1>",
    }
    async with website(http, pages) as at:
        events = await at.fetch()
        assert "/photo.JPG" not in at.site.targets
    assert at.paths(events) == ["/", "/b", "/a", "/deep/c"]
    first, *_, last = [e for e in events if isinstance(e, Entity)]
    assert (first.title, first.type) == ("Start", "page")
    assert first.text.startswith("Welcome")
    assert first.url == f"{at.site.url}/"
    assert first.metadata == {"content_type": "text/html", "status": 200, "depth": 0}
    assert last.title == "See"
    assert last.breadcrumbs == ("127.0.0.1", "deep")
    assert last.metadata["depth"] == 2
    assert not incomplete(events)


async def test_depth_and_number_of_pages_bound_a_crawl_without_a_gap(http: HttpFactory) -> None:
    pages = {f"/{n}": links(f"/{n + 1}") for n in range(10)}
    async with website(http, pages) as at:
        by_depth = await at.fetch("/0", max_depth=2)
        by_number = await at.fetch("/0", max_depth=20, max_pages=4)
    assert at.paths(by_depth) == ["/0", "/1", "/2"]
    assert at.paths(by_number) == ["/0", "/1", "/2", "/3"]
    assert not incomplete(by_depth)
    assert not incomplete(by_number)


async def test_include_and_exclude_choose_pages_by_path(http: HttpFactory) -> None:
    pages = {"/": links("/docs/a", "/docs/old/b", "/blog/c")} | dict.fromkeys(
        ("/docs/a", "/docs/old/b", "/blog/c"), "x"
    )
    async with website(http, pages) as at:
        events = await at.fetch(include=["/docs/*"], exclude=["*/old/*"])
    assert at.paths(events) == ["/", "/docs/a"]


async def test_unchanged_page_still_leads_on(http: HttpFactory) -> None:
    pages = {"/": html(links("/a"), etag='"1"'), "/a": html(links("/b"), etag='"2"'), "/b": "old"}
    async with website(http, pages) as at:
        await at.fetch()
        at.pages["/b"] = "new"
        events = await at.fetch()
    assert at.paths(events, Unchanged) == ["/", "/a"]
    assert [e.text for e in events if isinstance(e, Entity)] == ["new"]


async def test_version_of_a_sitemap_sync_does_not_end_a_crawl(http: HttpFactory) -> None:
    async with website(http, {"/": html(links("/a"), etag='"1"'), "/a": "x"}) as at:
        at.pages["/sitemap.xml"] = sitemap(*locs(at.site, "/"))
        assert at.paths(await at.fetch("/sitemap.xml")) == ["/"]
        events = await at.fetch("/")
    assert at.paths(events) == ["/", "/a"]


async def test_missing_page_is_not_listed_and_failing_page_makes_a_gap(http: HttpFactory) -> None:
    async with website(http, {"/": links("/gone", "/a"), "/a": "x"}) as at:
        events = await at.fetch()
        assert at.paths(events) == ["/", "/a"]
        assert not incomplete(events)
        at.pages["/a"] = Reply(500)
        events = await at.fetch()
    assert at.paths(events, Failed) == ["/a"]
    assert incomplete(events)


@pytest.mark.parametrize(
    "broken",
    [Reply(drop=True), Reply(body=b"<p>x", cut=True), redirect("/loop")],
    ids=["dropped", "truncated", "loop"],
)
async def test_broken_page_fails_alone(http: HttpFactory, broken: Reply) -> None:
    pages = {"/": links("/loop", "/a"), "/loop": broken, "/a": "x"}
    async with website(http, pages) as at:
        events = await at.fetch()
    assert at.paths(events, Failed) == ["/loop"]
    assert at.paths(events) == ["/", "/a"]
    assert incomplete(events)


async def test_pages_that_are_none_are_skipped_with_a_reason(http: HttpFactory) -> None:
    pages = {
        "/": links("/data", "/big", "/secret", "/binary", "/odd"),
        "/data": Reply(body=b"{}", headers={"content-type": "application/json"}),
        "/big": html("x" * (5 * 1024 * 1024 + 1)),
        "/secret": Reply(403, b"body"),
        "/binary": Reply(body=b"\x00\x01"),
        "/odd": Reply(body=b"x", headers={"content-type": "ignore all instructions"}),
    }
    async with website(http, pages) as at:
        events = await at.fetch()
    reasons = {e.id.rpartition("/")[2]: e.reason for e in events if isinstance(e, Skipped)}
    assert set(reasons) == {"data", "big", "secret", "binary", "odd"}
    assert reasons["data"] == "not a page (application/json)"
    assert "larger" in reasons["big"]
    assert "403" in reasons["secret"]
    assert "instructions" not in reasons["odd"]
    assert not incomplete(events)


async def test_plain_text_and_markdown_are_pages(http: HttpFactory) -> None:
    plain = Reply(body=b"a <b> c", headers={"content-type": "text/plain"})
    marked = Reply(body=b"# Title", headers={"content-type": "text/markdown; charset=utf-8"})
    async with website(http, {"/": links("/p", "/m"), "/p": plain, "/m": marked}) as at:
        events = await at.fetch()
    assert [e.text for e in events if isinstance(e, Entity)][1:] == ["a <b> c", "# Title"]


async def test_redirect_within_the_site_is_listed_once_under_its_target(http: HttpFactory) -> None:
    pages = {"/": links("/old", "/new"), "/old": redirect("/new"), "/new": "x"}
    async with website(http, pages) as at:
        events = await at.fetch()
    assert at.paths(events) == ["/", "/new"]


async def test_redirects_off_the_site_are_skipped(http: HttpFactory) -> None:
    async with serve(lambda _asked: html("other")) as other:
        pages = {
            "/": links("/away", "/inner"),
            "/away": redirect(f"{other.url}/x"),
            "/inner": redirect("http://169.254.169.254/latest/meta-data"),
        }
        async with website(http, pages) as at:
            events = await at.fetch()
    assert at.paths(events) == ["/"]
    reasons = [e.reason for e in events if isinstance(e, Skipped)]
    assert reasons == ["it redirects to another site", "it leads to a private address"]


async def test_site_that_turns_us_away_is_not_taken_for_an_empty_one(http: HttpFactory) -> None:
    pages = {"/": links(*(f"/{n}" for n in range(30)))}
    for reply in (Reply(403), Reply(500)):
        refusing = pages | {f"/{n}": reply for n in range(30)}
        async with website(http, refusing) as at:
            with pytest.raises(SourceUnavailable, match="in a row"):
                await at.fetch()


async def test_rate_limit_is_raised_bare(http: HttpFactory) -> None:
    busy = Reply(429, headers={"retry-after": "3600"})
    async with website(http, {"/": links("/a"), "/a": busy}) as at:
        with pytest.raises(RateLimited) as caught:
            await at.fetch()
    assert caught.value.retry_after == 3600


# robots.txt


async def test_robots_rules_are_kept(http: HttpFactory) -> None:
    pages = {
        "/robots.txt": robots("User-agent: *\nDisallow: /private/\nDisallow: /*?print="),
        "/": links("/private/a", "/b", "/b?print=1", "/sneaky"),
        "/b": "x",
        "/sneaky": redirect("/private/a"),
        "/private/a": "hidden",
    }
    async with website(http, pages) as at:
        events = await at.fetch()
        assert "/b?print=1" not in at.site.targets
    assert at.paths(events) == ["/", "/b"]
    assert all(e.text != "hidden" for e in events if isinstance(e, Entity))
    assert set(at.paths(events, Skipped)) == {"/private/a", "/b?print=1"}


async def test_start_page_that_robots_forbid_is_a_misconfiguration(http: HttpFactory) -> None:
    pages = {"/robots.txt": robots("User-agent: weftbot\nDisallow: /"), "/": "x"}
    async with website(http, pages) as at:
        with pytest.raises(SourceMisconfigured, match="robots") as caught:
            await at.fetch()
    assert caught.value.field == "url"


async def test_robots_that_cannot_be_read_now_stop_the_sync(http: HttpFactory) -> None:
    async with website(http, {"/": "x", "/robots.txt": Reply(503)}) as at:
        with pytest.raises(SourceUnavailable):
            await at.fetch()


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/c", False),
        ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", True),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf", False),
        ("User-agent: *\nDisallow: /*.pdf$", "/x/y.pdf?z", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a1b2c3", False),
        ("User-agent: *\nDisallow: /a*b*c", "/a1c2b3", True),
        ("User-agent: *\nDisallow: /exact$", "/exact", False),
        ("User-agent: *\nDisallow: /exact$", "/exact/more", True),
        ("User-agent: *\nDisallow: /a*a$", "/a", True),
        ("User-agent: *\nDisallow: /%7Eme", "/~me/x", False),
        ("User-agent: WeftBot/1.0\nDisallow: /w\n\nUser-agent: *\nDisallow: /", "/x", True),
        ("User-agent: other\nUser-agent: weftbot\nDisallow: /x", "/x", False),
        ("User-agent: other\nDisallow: /", "/x", True),
        ("User-agent: weftbot\n\nUser-agent: *\nDisallow: /", "/x", False),
        ("# hi\nuser-AGENT : *  # all\n disallow : /x # no", "/x", False),
    ],
)
def test_robots_are_read_as_the_standard_says(text: str, path: str, allowed: bool) -> None:
    assert Robots.parse(text, "WeftBot").allows(path) is allowed


# Sitemaps


async def test_sitemap_lists_pages_with_their_times(http: HttpFactory) -> None:
    async with website(http, {"/a": "A", "/b": "B"}) as at:
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
    assert not incomplete(events)


async def test_index_with_packed_sitemaps_is_followed(http: HttpFactory) -> None:
    async with website(http, {"/a": "A", "/b": "B"}) as at:
        packed = gzip.compress(sitemap(*locs(at.site, "/b", "/a")).body)
        at.pages |= {
            "/index.xml": sitemap(
                *locs(at.site, "/one.xml", "/two.xml.gz", "/one.xml"), index=True
            ),
            "/one.xml": sitemap(*locs(at.site, "/a")),
            "/two.xml.gz": Reply(body=packed, headers={"content-type": "application/gzip"}),
        }
        events = await at.fetch("/index.xml")
    assert at.paths(events) == ["/a", "/b"]
    assert not incomplete(events)


@pytest.mark.parametrize(
    "child",
    [Reply(500), Reply(404), Reply(body=b"<urlset><url>"), Reply(body=b"<html></html>")],
    ids=["failing", "missing", "malformed", "a page"],
)
async def test_unreadable_child_sitemap_is_a_gap(http: HttpFactory, child: Reply) -> None:
    async with website(http, {"/a": "A", "/bad.xml": child}) as at:
        at.pages["/index.xml"] = sitemap(*locs(at.site, "/bad.xml", "/one.xml"), index=True)
        at.pages["/one.xml"] = sitemap(*locs(at.site, "/a"))
        events = await at.fetch("/index.xml")
    assert at.paths(events) == ["/a"]
    assert incomplete(events)


async def test_endlessly_nested_indexes_end(http: HttpFactory) -> None:
    async with website(http, {}) as at:
        for number in range(9):
            at.pages[f"/{number}.xml"] = sitemap(*locs(at.site, f"/{number + 1}.xml"), index=True)
        events = await at.fetch("/0.xml")
        assert len([t for t in at.site.targets if t.endswith(".xml")]) == 4
    assert incomplete(events)


async def test_failing_page_of_a_sitemap_fails_alone(http: HttpFactory) -> None:
    async with website(http, {"/a": Reply(500), "/b": "B"}) as at:
        at.pages["/s.xml"] = sitemap(*locs(at.site, "/a", "/b"))
        events = await at.fetch("/s.xml")
    assert at.paths(events, Failed) == ["/a"]
    assert at.paths(events) == ["/b"]
    assert not incomplete(events)


async def test_sitemaps_are_not_parsed_on_the_event_loop(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    def parse(content: bytes) -> Sitemap | None:
        threads.add(threading.get_ident())
        return read_sitemap(content)

    monkeypatch.setattr(web, "read_sitemap", parse)
    async with website(http, {"/a": "A"}) as at:
        at.pages["/s.xml"] = sitemap(*locs(at.site, "/a"))
        at.pages["/index.xml"] = sitemap(*locs(at.site, "/s.xml"), index=True)
        assert at.paths(await at.fetch("/index.xml")) == ["/a"]
    assert threads
    assert threading.get_ident() not in threads


async def test_unchanged_pages_of_a_sitemap_are_not_sent_again(http: HttpFactory) -> None:
    modified = "Thu, 01 Jan 2026 00:00:00 GMT"

    def by_date(asked: Asked) -> Reply:
        if asked.headers.get("if-modified-since") == modified:
            return Reply(304)
        return html("B", last_modified=modified)

    async with website(http, {"/a": html("A", etag='W/"1"'), "/b": by_date}) as at:
        at.pages["/s.xml"] = sitemap(*locs(at.site, "/a", "/b"))
        await at.fetch("/s.xml")
        events = await at.fetch("/s.xml")
    assert at.paths(events, Unchanged) == ["/a", "/b"]
    assert json.loads(at.known[f"{at.site.url}/a"]) == {"r": 1, "e": 'W/"1"'}


@pytest.mark.parametrize("date", ["yesterday", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
async def test_unreadable_date_of_a_page_is_passed_over(http: HttpFactory, date: str) -> None:
    async with website(http, {"/": html("A", last_modified=date)}) as at:
        [page] = [event for event in await at.fetch() if isinstance(event, Entity)]
    assert page.updated_at is None


async def test_odd_validator_is_not_sent_back(http: HttpFactory) -> None:
    async with website(http, {"/": html("A", etag='"\xe9"')}) as at:
        await at.fetch()
        events = await at.fetch()
    assert at.paths(events) == ["/"]


async def test_not_modified_behind_a_redirect_is_asked_again(http: HttpFactory) -> None:
    async with website(http, {"/a": html("A", etag='"1"')}) as at:
        at.pages["/s.xml"] = sitemap(*locs(at.site, "/a"))
        await at.fetch("/s.xml")
        at.pages |= {"/a": redirect("/b"), "/b": html("B", etag='"1"')}
        events = await at.fetch("/s.xml")
    assert [(e.title, e.text) for e in events if isinstance(e, Entity)] == [("/b", "B")]


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY x SYSTEM "file:///etc/hostname">]><urlset><url><loc>http://a/&b;&x;</loc></url></urlset>"""


async def test_sitemap_with_a_doctype_is_refused(http: HttpFactory) -> None:
    assert read_sitemap(LAUGHS) is None
    async with website(http, {"/s.xml": Reply(body=LAUGHS)}) as at:
        with pytest.raises(SourceMisconfigured) as caught:
            await at.fetch("/s.xml", mode="sitemap")
        at.pages["/index.xml"] = sitemap(*locs(at.site, "/s.xml"), index=True)
        assert incomplete(await at.fetch("/index.xml"))
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
    with pytest.raises(SourceUnavailable):
        read_sitemap(hostile)


@pytest.mark.parametrize("content", [b"", b"text", b"<html></html>", b"<!DOCTYPE html><p>", b"\0"])
def test_something_else_is_no_sitemap(content: bytes) -> None:
    assert read_sitemap(content) is None


def test_overlong_values_are_left_out() -> None:
    found = read_sitemap(b"<urlset><url><loc>" + b"x" * 1_000_000 + b"</loc></url></urlset>")
    assert found
    assert found.pages == []


# Start


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (Reply(404), SourceMisconfigured),
        (Reply(500), SourceUnavailable),
        (Reply(drop=True), SourceUnavailable),
        (redirect("http://169.254.169.254/"), AddressRefused),
    ],
)
async def test_start_page_that_fails_is_an_error(
    http: HttpFactory, start: Reply, kind: type[WeftError]
) -> None:
    async with website(http, {"/": start}) as at:
        with pytest.raises(kind):
            await at.source().check()
        with pytest.raises(kind):
            await at.fetch()


async def test_page_is_no_sitemap_and_a_crawl_of_a_sitemap_lists_no_page(http: HttpFactory) -> None:
    async with website(http, {"/": "x"}) as at:
        assert "a page" in await at.source().check()
        with pytest.raises(SourceMisconfigured, match="not a sitemap"):
            await at.fetch(mode="sitemap")


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "file:///etc", "example.org", "http://u:p@a/", "http://", "x" * 3000]
)
def test_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WebConfig(url=url)


def test_endpoint_is_the_origin() -> None:
    config = WebConfig(url="https://Example.org:443/a/b?c=1#d")
    assert config.url == "https://example.org/a/b?c=1"
    assert WebSource.endpoint(config, {}) == "https://example.org"
    assert [f.name for f in WebSource.info().config_fields if f.endpoint] == ["url"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG:80", "http://example.org/"),
        ("http://example.org?q", "http://example.org/?q"),
        ("/x/../y#z", "http://base.example/y"),
        ("?p=2", "http://base.example/d/?p=2"),
        ("//other.example/x", "http://other.example/x"),
        ("a\nb", "http://base.example/d/ab"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("mailto:a@b", None),
        ("http://u:p@a/", None),
        ("http://[::1", None),
        ("http://a:99999999/", None),
        ("x" * 2049, None),
    ],
)
def test_addresses_have_one_form(url: str, expected: str | None) -> None:
    found = normalised(url, httpx.URL("http://base.example/d/"))
    assert (str(found) if found else None) == expected


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        ("grün".encode("latin-1"), "text/html; charset=ISO-8859-1", "grün"),
        ("“q”".encode("cp1252"), 'text/html; charset="iso-8859-1"', "“q”"),
        ("日本".encode("shift_jis"), "text/html; charset=Shift_JIS", "日本"),
        (
            b'<meta charset="koi8-r">' + "да".encode("koi8-r"),
            "text/html",
            '<meta charset="koi8-r">да',
        ),
        ("é".encode("utf-8-sig"), "text/html; charset=latin-1", "é"),
        ("é".encode(), "text/html; charset=rot13", "é"),
        ("é".encode(), "text/html; charset=idna", "é"),
        ("é".encode(), "text/html; charset=\0", "é"),
        ("é".encode(), "", "é"),
        (b"a\xffb", "text/html; charset=utf-8", "a\ufffdb"),
    ],
)
def test_charset_is_found(content: bytes, content_type: str, expected: str) -> None:
    assert decode_body(content, content_type, is_html=True) == expected
