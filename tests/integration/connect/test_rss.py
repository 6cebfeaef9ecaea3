"""An agent that is asked to connect a feed gets it searchable in few calls, and it stays so."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.sources.agents import Agent, open_agent
from tests.support.sources.feeds import item, rss
from tests.support.sources.website import Website
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.rss.source import RssSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import html, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncGenerator[Agent]:
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT))
    async with open_agent(tmp_path, RssSource, context=context) as opened:
        yield opened


async def test_feed_is_searchable_in_four_calls_and_keeps_what_it_shows_no_more(
    agent: Agent,
) -> None:
    website = Website({"/feed": rss(item(2, "about walruses"), item(1, "about otters"))})
    async with serve(website) as site:
        await agent.call("get_source", short_name="rss")
        made = await agent.call(
            "create_connection", short_name="rss", config={"urls": [f"{site.url}/feed"]}
        )
        await agent.follow()
        await agent.call("search", query="walruses")
        assert "https://blog.example/2" in agent.answers[-1]
        assert len(agent.answers) == 4

        website.pages["/feed"] = rss(item(3, "about seals"))
        for full in (False, True):
            job = await agent.sync(made["id"], full=full)
            assert (job.status.value, job.entities_deleted, job.warnings) == ("COMPLETED", 0, ())
        assert job.entities_unchanged == 3
        for number, word in enumerate(("otters", "walruses", "seals"), 1):
            await agent.call("search", query=word)
            assert f"https://blog.example/{number}" in agent.answers[-1]


async def test_page_that_was_given_for_a_feed_leads_to_the_feed(agent: Agent) -> None:
    page = html('<link rel="alternate" type="application/atom+xml" href="/atom.xml">')
    async with serve(Website({"/": page})) as site:
        refused = await agent.refuse(
            "create_connection", short_name="rss", config={"urls": [site.url]}
        )
    assert f"{site.url}/atom.xml" in refused
    assert "urls" in refused
