"""An agent that connects a site can search it after few calls, and hears what was left out."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.sources.agents import Agent, open_agent
from tests.support.sources.documents import DOCUMENTS
from tests.support.sources.website import Website, canonical, links, loc_entries, robots, sitemap
from weft.net.client import http_factory
from weft.sources.base import SourceContext
from weft.sources.web.source import WebSource
from weft.testing.http_faults import NO_WAIT
from weft.testing.scripted_http import HttpReply, html, serve

pytestmark = pytest.mark.anyio

SHELL = '<title>App</title><div id="root"></div><script src="/app.js"></script>'


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncGenerator[Agent]:
    context = SourceContext(http=http_factory({"127.0.0.1"}, clock=NO_WAIT))
    async with open_agent(tmp_path, WebSource, context=context) as opened:
        yield opened


async def test_section_of_a_site_is_searchable_in_four_calls(agent: Agent) -> None:
    page = "<header>Acme otters</header><main><p>{}</main><footer>All about walruses</footer>"
    report = (DOCUMENTS / "report.pdf").read_bytes()
    website = Website(
        {
            "/guide/": page.format("Welcome") + links("/guide/a", "/blog"),
            "/guide/a": page.format("A budget limits retries") + links("/guide/report"),
            "/guide/report": HttpReply(body=report, headers={"content-type": "application/pdf"}),
            "/blog": page.format("News of budgets"),
        }
    )
    async with serve(website) as site:
        paths = ("/guide/a", "/guide/report", "/guide/gone", "/blog")
        website.pages["/map.xml"] = sitemap(*loc_entries(site, *paths))
        website.pages["/robots.txt"] = robots(f"Sitemap: {site.url}/map.xml")
        await agent.call("get_source", short_name="web")
        await agent.call(
            "create_connection", short_name="web", config={"url": f"{site.url}/guide/"}
        )
        await agent.follow()
        await agent.call("search", query="budget")
        assert f"{site.url}/guide/a" in agent.answers[-1]
        assert f"{site.url}/blog" not in agent.answers[-1]
        assert len(agent.answers) == 4
        await agent.call("search", query="walruses")
        assert f"{site.url}/guide" not in agent.answers[-1]
        await agent.call("search", query="tide")
        assert f"{site.url}/guide/report" in agent.answers[-1]


async def test_agent_hears_what_limits_links_and_scripts_left_out(agent: Agent) -> None:
    pages = {f"/{n}": "<p>a page" for n in range(5)} | {"/app": SHELL}
    website = Website()
    website.pages |= {"/": links("/app", "/gone", "/lost", *pages)} | pages
    async with serve(website) as site:
        await agent.call(
            "create_connection",
            short_name="web",
            config={"url": site.url, "max_pages": 6},
        )
        await agent.follow()
    told = agent.answers[-1]
    assert "max_pages was reached, and at least 3 more are beyond it" in told
    assert "2 of the links that it followed lead to nothing (404 or 410)" in told
    assert f"{site.url}/gone (on {site.url}/), {site.url}/lost (on {site.url}/)" in told
    assert "it needs JavaScript, which is not run" in told


async def test_feed_is_refused_with_the_source_that_reads_it(agent: Agent) -> None:
    feed = HttpReply(body=b"<rss/>", headers={"content-type": "application/rss+xml"})
    async with serve(Website({"/feed": feed})) as site:
        refused = await agent.refuse(
            "create_connection", short_name="web", config={"url": f"{site.url}/feed"}
        )
    assert "config.url" in refused
    assert "source rss" in refused


async def test_application_without_text_needs_somebody(agent: Agent) -> None:
    async with serve(Website({"/": SHELL})) as site:
        made = await agent.call("create_connection", short_name="web", config={"url": site.url})
        assert "it read nothing" in str(await agent.follow())
        checked = await agent.call("check_connection", connection_id=made["id"])
        assert "needs JavaScript" in str(checked)


async def test_site_that_names_canonical_addresses_later_deletes_no_text(agent: Agent) -> None:
    twice = {f"/{n}{query}": f"<p>page {n}" for n in range(20) for query in ("", "?print")}
    website = Website()
    website.pages |= {"/": links(*twice)} | twice
    async with serve(website) as site:
        made = await agent.call("create_connection", short_name="web", config={"url": site.url})
        await agent.follow()
        website.pages |= {
            path: html(canonical(path.partition("?")[0]) + text) for path, text in twice.items()
        }
        job = await agent.sync(made["id"])
        assert (job.entities_inserted, job.entities_deleted, job.warnings) == (0, 20, ())
        await agent.call("list_entities", connection_id=made["id"])
        assert all(f"{site.url}/{number}" in agent.answers[-1] for number in range(20))
        assert "?print" not in agent.answers[-1]
