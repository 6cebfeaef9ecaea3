"""The `rss` source does what every source must do."""

import re
from collections.abc import AsyncGenerator

import pytest

from tests.support.sources.feeds import item, json_feed, rss
from tests.support.sources.hostile.feeds import FEED
from tests.support.sources.website import Website
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.rss.source import RssSource
from weft.testing.http_faults import NO_WAIT, Answer, HttpFaults
from weft.testing.scripted_http import serve
from weft.testing.source_contract import Change, SourceCase, SourceContract

HTTP = http_factory({"127.0.0.1"}, clock=NO_WAIT)
ITEM = re.compile(rb"<item>.*?</item>", re.DOTALL)


def drop_items(good: Answer) -> Answer | None:
    """Leave the feed without its items."""
    body = ITEM.sub(b"", good.body)
    return None if body == good.body else Answer(good.status, {}, body)


def reverse_items(good: Answer) -> Answer | None:
    """Turn the order of the items around."""
    items = ITEM.findall(good.body)
    rest = iter(reversed(items))
    body = ITEM.sub(lambda _: next(rest), good.body)
    return None if body == good.body else Answer(good.status, {}, body)


class TestRss(SourceContract):
    """A feed of RSS in two pages, and a JSON Feed."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        website = Website()
        async with serve(website) as site:
            first, log = f"{site.url}/feed", f"{site.url}/log"
            website.pages["/feed"] = rss(
                item(3, title="a\x07b"), item(2), following="/feed?page=2", etag='"1"'
            )
            website.pages["/feed?page=2"] = rss(item(1, "plain\u200b"), item("\u202ezero"))
            website.pages["/log"] = json_feed({"id": 7, "content_text": "x"}, {"id": "8"})

            async def mutate() -> Change:
                website.pages["/feed"] = rss(
                    item(4), item(3, "changed"), item(2), following="/feed?page=2", etag='"2"'
                )
                return Change(frozenset({f"{first}#4", f"{first}#3"}))

            yield SourceCase(
                RssSource,
                {"urls": [first, log]},
                SourceContext(http=HTTP),
                mutate=mutate,
                hostile=(FEED,),
                faults=HttpFaults(more={"no entries": drop_items, "turned around": reverse_items}),
            )
