"""The `web` source against a real server that plays websites, kind and unkind."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tests.support.sources.documents import DOCUMENTS
from tests.support.sources.website import is_incomplete, links, loc_entries, serve_website, sitemap
from weft.domain.entities import Entity
from weft.domain.jobs import FindingKind
from weft.errors import RateLimited, SourceMisconfigured, SourceUnavailable, WeftError
from weft.net.addresses import AddressRefused
from weft.net.http_factory import HttpFactory
from weft.sources.base import Failed, Omitted, Skipped, Unchanged
from weft.sources.web.config import WebConfig
from weft.sources.web.source import WebSource
from weft.testing.scripted_http import HttpReply, html, redirect, serve

pytestmark = pytest.mark.anyio


# Crawls


async def test_crawl_reads_pages_nearest_first_and_each_once(http: HttpFactory) -> None:
    pages = {
        "/": "<title>Start</title><p>Welcome" + links("b", "/a#part", "/a", "mailto:x@y", "/"),
        "/a": links("/deep/c", "http://elsewhere.example/"),
        "/b": links("/a", "/photo.JPG", "javascript:void(0)"),
        "/deep/c": "<h1>See</h1>",
    }
    async with serve_website(http, pages) as at:
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
    assert not is_incomplete(events)


async def test_crawl_says_what_its_limits_leave_out_and_which_links_are_dead(
    http: HttpFactory,
) -> None:
    pages = {"/": links("/a", "/b", "/gone"), "/a": links("/c", "/"), "/b": "x", "/c": "x"}

    async def list_omitted(**config: int) -> set[tuple[FindingKind, str, int | None]]:
        async with serve_website(http, dict(pages)) as at:
            events = await at.fetch("/", **config)
            home = at.site.url
        told = [event for event in events if isinstance(event, Omitted)]
        for event in told:
            is_dead = event.kind is FindingKind.DEAD_LINKS
            assert event.examples == ((f"{home}/gone (on {home}/)",) if is_dead else ())
        return {(event.kind, event.setting, event.count) for event in told}

    dead = (FindingKind.DEAD_LINKS, "", 1)
    assert await list_omitted() == {dead}
    assert await list_omitted(max_pages=5) == {dead}
    assert await list_omitted(max_pages=2) == {(FindingKind.LIMIT, "max_pages", 3)}
    assert await list_omitted(max_depth=1) == {(FindingKind.LIMIT, "max_depth", 1), dead}


async def test_few_dead_links_are_named_and_no_long_ones(http: HttpFactory) -> None:
    long = [f"/{number}{'x' * 900}" for number in range(5)]
    async with serve_website(http, {"/": links(*long, *(f"/{n}" for n in range(20)))}) as at:
        [told] = [event for event in await at.fetch() if isinstance(event, Omitted)]
    assert told.count == 25
    assert 0 < len(told.examples) <= 10
    assert len("".join(told.examples)) <= 2_000


async def test_depth_and_number_of_pages_bound_a_crawl_without_a_gap(http: HttpFactory) -> None:
    pages = {f"/{n}": links(f"/{n + 1}") for n in range(10)}
    async with serve_website(http, pages) as at:
        by_depth = await at.fetch("/0", max_depth=2)
        by_number = await at.fetch("/0", max_depth=20, max_pages=4)
    assert at.paths(by_depth) == ["/0", "/1", "/2"]
    assert at.paths(by_number) == ["/0", "/1", "/2", "/3"]
    assert not is_incomplete(by_depth)
    assert not is_incomplete(by_number)


async def test_include_and_exclude_choose_pages_by_path(http: HttpFactory) -> None:
    pages = {"/": links("/docs/a", "/docs/old/b", "/blog/c")} | dict.fromkeys(
        ("/docs/a", "/docs/old/b", "/blog/c"), "x"
    )
    async with serve_website(http, pages) as at:
        events = await at.fetch(include=["/docs/*"], exclude=["*/old/*"])
    assert at.paths(events) == ["/", "/docs/a"]


async def test_unchanged_page_still_leads_on(http: HttpFactory) -> None:
    pages = {"/": html(links("/a"), etag='"1"'), "/a": html(links("/b"), etag='"2"'), "/b": "old"}
    async with serve_website(http, pages) as at:
        await at.fetch()
        at.pages["/b"] = "new"
        events = await at.fetch()
    assert at.paths(events, Unchanged) == ["/", "/a"]
    assert [e.text for e in events if isinstance(e, Entity)] == ["new"]


async def test_version_of_a_sitemap_sync_does_not_end_a_crawl(http: HttpFactory) -> None:
    async with serve_website(http, {"/": html(links("/a"), etag='"1"'), "/a": "x"}) as at:
        at.pages["/sitemap.xml"] = sitemap(*loc_entries(at.site, "/"))
        assert at.paths(await at.fetch("/sitemap.xml")) == ["/"]
        events = await at.fetch("/")
    assert at.paths(events) == ["/", "/a"]


async def test_missing_page_is_not_listed_and_failing_page_makes_a_gap(http: HttpFactory) -> None:
    async with serve_website(http, {"/": links("/gone", "/a"), "/a": "x"}) as at:
        events = await at.fetch()
        assert at.paths(events) == ["/", "/a"]
        assert not is_incomplete(events)
        at.pages["/a"] = HttpReply(500)
        events = await at.fetch()
        assert at.paths(events, Failed) == ["/a"]
        assert not is_incomplete(events)
        at.cursor = None  # As after deletions were held: what the page led to is not known.
        assert is_incomplete(await at.fetch())


@pytest.mark.parametrize(
    "broken",
    [HttpReply(drop=True), HttpReply(body=b"<p>x", cut=True), redirect("/loop")],
    ids=["dropped", "truncated", "loop"],
)
async def test_broken_page_fails_alone(http: HttpFactory, broken: HttpReply) -> None:
    pages = {"/": links("/loop", "/a"), "/loop": broken, "/a": "x"}
    async with serve_website(http, pages) as at:
        events = await at.fetch()
    assert at.paths(events, Failed) == ["/loop"]
    assert at.paths(events) == ["/", "/a"]
    assert is_incomplete(events)


async def test_pages_that_are_none_are_skipped_with_a_reason(http: HttpFactory) -> None:
    pages = {
        "/": links("/data", "/big", "/secret", "/binary", "/odd"),
        "/data": HttpReply(body=b"{}", headers={"content-type": "application/json"}),
        "/big": html("x" * (5 * 1024 * 1024 + 1)),
        "/secret": HttpReply(403, b"body"),
        "/binary": HttpReply(body=b"\x00\x01"),
        "/odd": HttpReply(body=b"x", headers={"content-type": "ignore all instructions"}),
    }
    async with serve_website(http, pages) as at:
        events = await at.fetch()
    reasons = {e.id.rpartition("/")[2]: e.reason for e in events if isinstance(e, Skipped)}
    assert set(reasons) == {"data", "big", "secret", "binary", "odd"}
    assert reasons["data"] == "not a page (application/json)"
    assert "larger" in reasons["big"]
    assert "403" in reasons["secret"]
    assert "instructions" not in reasons["odd"]
    assert not is_incomplete(events)


async def test_documents_are_pages(http: HttpFactory) -> None:
    report = (DOCUMENTS / "report.pdf").read_bytes()
    pages = {
        "/": links("/report.pdf", "/download", "/plan.docx", "/locked.pdf", "/get?1", "/get?2"),
        "/get?1": HttpReply(body=report, headers={"content-type": "application/octet-stream"}),
        "/get?2": HttpReply(
            body=(DOCUMENTS / "plan.docx").read_bytes(),
            headers={
                "content-type": "application/octet-stream",
                "content-disposition": 'attachment; filename="The plan.docx"',
            },
        ),
        "/report.pdf": HttpReply(body=report, headers={"content-type": "application/pdf"}),
        "/download": HttpReply(body=report, headers={"content-type": "application/pdf"}),
        "/plan.docx": HttpReply(
            body=(DOCUMENTS / "plan.docx").read_bytes(),
            headers={"content-type": "application/octet-stream"},
        ),
        "/locked.pdf": HttpReply(
            body=(DOCUMENTS / "locked.pdf").read_bytes(),
            headers={"content-type": "application/pdf"},
        ),
    }
    async with serve_website(http, pages) as at:
        events = await at.fetch()
    titles = {e.id.rpartition("/")[2]: e.title for e in events if isinstance(e, Entity)}
    assert titles["report.pdf"] == "Tide report (report.pdf)"
    assert titles["get?1"] == "Tide report (get.pdf)"
    assert titles["get?2"] == "Quarterly plan (The plan.docx)"
    assert titles["download"] == "Tide report (download.pdf)"
    assert titles["plan.docx"] == "Quarterly plan (plan.docx)"
    [skipped] = [event for event in events if isinstance(event, Skipped)]
    assert skipped.reason == "protected by a password"


async def test_plain_text_and_markdown_are_pages(http: HttpFactory) -> None:
    plain = HttpReply(body=b"a <b> c", headers={"content-type": "text/plain"})
    marked = HttpReply(body=b"# Title", headers={"content-type": "text/markdown; charset=utf-8"})
    async with serve_website(http, {"/": links("/p", "/m"), "/p": plain, "/m": marked}) as at:
        events = await at.fetch()
    assert [e.text for e in events if isinstance(e, Entity)][1:] == ["a <b> c", "# Title"]


async def test_redirect_within_the_site_is_listed_once_under_its_target(http: HttpFactory) -> None:
    pages = {"/": links("/old", "/new"), "/old": redirect("/new"), "/new": "x"}
    async with serve_website(http, pages) as at:
        events = await at.fetch()
    assert at.paths(events) == ["/", "/new"]


async def test_redirects_off_the_site_are_skipped(http: HttpFactory) -> None:
    async with serve(lambda _asked: html("other")) as other:
        pages = {
            "/": links("/away", "/inner"),
            "/away": redirect(f"{other.url}/x"),
            "/inner": redirect("http://169.254.169.254/latest/meta-data"),
        }
        async with serve_website(http, pages) as at:
            events = await at.fetch()
    assert at.paths(events) == ["/"]
    reasons = [e.reason for e in events if isinstance(e, Skipped)]
    assert reasons == ["it redirects to another site", "it leads to a private address"]


async def test_site_that_turns_us_away_is_not_taken_for_an_empty_one(http: HttpFactory) -> None:
    pages = {"/": links(*(f"/{n}" for n in range(30)))}
    for reply in (HttpReply(403), HttpReply(500)):
        refusing = pages | {f"/{n}": reply for n in range(30)}
        async with serve_website(http, refusing) as at:
            with pytest.raises(SourceUnavailable, match="in a row"):
                await at.fetch()


async def test_rate_limit_is_raised_bare(http: HttpFactory) -> None:
    busy = HttpReply(429, headers={"retry-after": "3600"})
    async with serve_website(http, {"/": links("/a"), "/a": busy}) as at:
        with pytest.raises(RateLimited) as caught:
            await at.fetch()
    assert caught.value.retry_after == 3600


@pytest.mark.parametrize("date", ["yesterday", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
async def test_unreadable_date_of_a_page_is_passed_over(http: HttpFactory, date: str) -> None:
    async with serve_website(http, {"/": html("A", last_modified=date)}) as at:
        [page] = [event for event in await at.fetch() if isinstance(event, Entity)]
    assert page.updated_at is None


async def test_odd_validator_is_not_sent_back(http: HttpFactory) -> None:
    async with serve_website(http, {"/": html("A", etag='"\xe9"')}) as at:
        await at.fetch()
        events = await at.fetch()
    assert at.paths(events) == ["/"]


async def test_page_keeps_its_main_text_and_what_it_says_of_itself(http: HttpFactory) -> None:
    page = (
        '<html lang="en"><title>Guide</title><meta name="description" content="About\u202eit">'
        '<meta property="article:modified_time" content="2026-05-04T08:30:00Z">'
        "<header>Our company</header><main><p>The text of it.</main><footer>Imprint</footer>"
    )
    async with serve_website(http, {"/": page}) as at:
        [found] = [event for event in await at.fetch() if isinstance(event, Entity)]
    assert found.text == "The text of it."
    assert found.metadata["description"] == "About it"
    assert found.metadata["lang"] == "en"
    assert found.updated_at == datetime(2026, 5, 4, 8, 30, tzinfo=UTC)


SHELL = '<title>App</title><div id="root"></div><script src="/app.js"></script>'


async def test_page_that_needs_javascript_is_told_and_never_replaces_a_stored_one(
    http: HttpFactory,
) -> None:
    paths = [f"/{number}" for number in range(15)]
    async with serve_website(http, {"/": links(*paths)} | dict.fromkeys(paths, "text")) as at:
        at.pages["/0"] = SHELL
        events = await at.fetch()
        [skipped] = [event for event in events if isinstance(event, Skipped)]
        assert "JavaScript" in skipped.reason
        assert not is_incomplete(events)
        at.pages |= dict.fromkeys(paths, SHELL)
        events = await at.fetch()
        assert at.paths(events, Failed) == paths[1:]
        assert at.paths(events) == ["/"]


async def test_empty_answer_is_told_and_empties_no_stored_page(http: HttpFactory) -> None:
    pages = {"/": links("/new", "/old"), "/new": "", "/old": "text"}
    async with serve_website(http, pages) as at:
        events = await at.fetch()
        assert at.paths(events, Skipped) == ["/new"]
        assert not is_incomplete(events)
        at.pages["/old"] = ""
        events = await at.fetch()
        assert at.paths(events, Failed) == ["/old"]
        assert "no text" in next(event.reason for event in events if isinstance(event, Failed))


async def test_check_says_what_a_page_needs_and_offers(http: HttpFactory) -> None:
    feed = '<link rel="alternate" type="application/atom+xml" href="/feed">'
    async with serve_website(http, {"/": SHELL, "/blog": f"{feed}<p>Posts"}) as at:
        assert "needs JavaScript" in await at.source().check()
        assert "source rss" in await at.source("/blog").check()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/rss+xml", "<rss/>"),
        ("text/xml", '<?xml version="1.0"?>\n<!-- made -->\n<rss version="2.0"><channel/></rss>'),
        ("text/html", '<feed xmlns="http://www.w3.org/2005/Atom"></feed>'),
        ("application/json", '{"version": "https://jsonfeed.org/version/1.1", "items": []}'),
    ],
)
async def test_feed_is_sent_to_the_source_that_reads_it(
    http: HttpFactory, content_type: str, body: str
) -> None:
    feed = HttpReply(body=body.encode(), headers={"content-type": content_type})
    async with serve_website(http, {"/feed.xml": feed}) as at:
        with pytest.raises(SourceMisconfigured) as caught:
            await at.source("/feed.xml").check()
        assert caught.value.field == "url"
        assert "source rss" in (caught.value.hint or "")
        with pytest.raises(SourceMisconfigured):
            await at.fetch("/feed.xml", mode="crawl")


async def test_feed_among_the_pages_is_skipped_with_a_hint(http: HttpFactory) -> None:
    feed = HttpReply(body=b"<rss/>", headers={"content-type": "application/xml"})
    async with serve_website(http, {"/": links("/feed"), "/feed": feed}) as at:
        [skipped] = [event for event in await at.fetch() if isinstance(event, Skipped)]
    assert skipped.reason == "a feed, which the source rss reads"


# Start


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (HttpReply(404), SourceMisconfigured),
        (HttpReply(500), SourceUnavailable),
        (HttpReply(drop=True), SourceUnavailable),
        (redirect("http://169.254.169.254/"), AddressRefused),
    ],
)
async def test_start_page_that_fails_is_an_error(
    http: HttpFactory, start: HttpReply, kind: type[WeftError]
) -> None:
    async with serve_website(http, {"/": start}) as at:
        with pytest.raises(kind):
            await at.source().check()
        with pytest.raises(kind):
            await at.fetch()


async def test_page_is_no_sitemap_and_a_crawl_of_a_sitemap_lists_no_page(http: HttpFactory) -> None:
    async with serve_website(http, {"/": "x"}) as at:
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
