"""The `web` source keeps to what a robots.txt allows."""

import threading

import pytest

from tests.support.sources.website import links, robots, serve_website
from weft.domain.entities import Entity
from weft.errors import SourceMisconfigured, SourceUnavailable
from weft.net.http_factory import HttpFactory
from weft.sources.base import Skipped
from weft.sources.web.robots import (
    ROBOTS_CHARS_MAX,
    RULE_CHARS_MAX,
    RULES_MAX,
    SITEMAPS_MAX,
    WILDCARD_CHARS_MAX,
    Robots,
)
from weft.testing.scripted_http import HttpReply, redirect

pytestmark = pytest.mark.anyio


async def test_robots_rules_are_kept(http: HttpFactory) -> None:
    pages = {
        "/robots.txt": robots("User-agent: *\nDisallow: /private/\nDisallow: /*?print="),
        "/": links("/private/a", "/b", "/b?print=1", "/sneaky"),
        "/b": "x",
        "/sneaky": redirect("/private/a"),
        "/private/a": "hidden",
    }
    async with serve_website(http, pages) as at:
        events = await at.fetch()
        assert "/b?print=1" not in at.site.targets
    assert at.paths(events) == ["/", "/b"]
    assert all(e.text != "hidden" for e in events if isinstance(e, Entity))
    assert set(at.paths(events, Skipped)) == {"/private/a", "/b?print=1"}


async def test_start_page_that_robots_forbid_is_a_misconfiguration(http: HttpFactory) -> None:
    pages = {"/robots.txt": robots("User-agent: weftbot\nDisallow: /"), "/": "x"}
    async with serve_website(http, pages) as at:
        with pytest.raises(SourceMisconfigured, match="robots") as caught:
            await at.fetch()
    assert caught.value.field == "url"


async def test_robots_that_cannot_be_read_now_stop_the_sync(http: HttpFactory) -> None:
    async with serve_website(http, {"/": "x", "/robots.txt": HttpReply(503)}) as at:
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


@pytest.mark.parametrize(
    "filling",
    [
        "#" * ROBOTS_CHARS_MAX,
        "Disallow: /a\n" * RULES_MAX,
        "Disallow: /*a\n" * WILDCARD_CHARS_MAX,
        "Disallow: /" + "%41" * RULE_CHARS_MAX + "\nUser-agent: other\n",
    ],
    ids=["characters", "rules", "wildcards", "one rule"],
)
def test_robots_txt_is_read_up_to_its_limits(filling: str) -> None:
    rules = Robots.parse(f"User-agent: *\nDisallow: /b\n{filling}\nDisallow: /*c\n", "WeftBot")
    assert len(rules.rules) <= RULES_MAX
    assert not rules.allows("/b")
    assert rules.allows("/c")


def test_sitemaps_are_named_for_everybody_and_end_no_group() -> None:
    text = "user-agent: other\nSITEMAP : /a.xml # first\nsitemap: http://a.example/b.xml\n"
    text += "user-agent: weftbot\nsitemap: /a.xml\ndisallow: /x\nsitemap:\n"
    rules = Robots.parse(text, "WeftBot")
    assert rules.sitemaps == ("/a.xml", "http://a.example/b.xml")
    assert not rules.allows("/x")
    many = Robots.parse("".join(f"sitemap: /{n}\n" for n in range(999)), "WeftBot")
    assert len(many.sitemaps) == SITEMAPS_MAX


async def test_rules_are_read_and_applied_outside_the_event_loop(
    http: HttpFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, int] = {}
    parse, allows = Robots.parse, Robots.allows

    def note_parse(text: str, agent: str) -> Robots:
        threads["parse"] = threading.get_ident()
        return parse(text, agent)

    def note_allows(self: Robots, path: str) -> bool:
        threads.setdefault(path, threading.get_ident())
        return allows(self, path)

    monkeypatch.setattr(Robots, "parse", note_parse)
    monkeypatch.setattr(Robots, "allows", note_allows)
    pages = {
        "/robots.txt": robots("User-agent: *\nDisallow: /x"),
        "/": links("/a", "/x"),
        "/a": "A",
    }
    async with serve_website(http, pages) as at:
        assert at.paths(await at.fetch()) == ["/", "/a"]
    assert threads.keys() == {"parse", "/", "/a", "/x"}
    assert threading.get_ident() not in {threads[name] for name in ("parse", "/a", "/x")}
