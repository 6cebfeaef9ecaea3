"""The dashboard in a real browser, inside the frame of an MCP host."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.browsers import browser as browser
from tests.acceptance.dashboard.page import (
    open_checked_page,
    open_framed,
    row_of,
)
from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Agent, Place, Structured
from tests.support.optional import needs_chromium

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

HTML = "<b onclick='x'>&amp;</b>"
# Long enough to be seen, and to be cancelled.
SLOW = {"entities": 60, "rate": 30, "page_size": 5}
ENDLESS = {"entities": 100_000, "rate": 20, "page_size": 5}


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """One server for all tests: each has connections of its own names."""
    async with http_server(Place.make(tmp_path_factory.mktemp("weft"))) as server:
        yield server


async def connection(agent: Agent, name: str, **config: object) -> Structured:
    """A new stub connection in this organisation."""
    if not (await agent.ok("list_collections")).items:
        await agent.ok("create_collection", name="Team documents", readable_id="docs")
    (collection,) = (await agent.ok("list_collections")).items
    return await agent.connection(collection["readable_id"], name=name, config=config)


async def test_host_shows_the_result_of_its_call_and_forwards_calls(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Framed documents", **SLOW)
        frame = await open_framed(page, agent)
        await page.evaluate("tell('ui/notifications/tool-input', {arguments: {}})")
        listed = await agent.call("list_connections")
        result = listed.model_dump(by_alias=True, exclude_none=True, mode="json")
        await page.evaluate("(r) => tell('ui/notifications/tool-result', r)", result)
        row = row_of(frame, "Framed documents")
        await row.get_by_role("button", name="Sync now").click()
        await expect(row.get_by_role("progressbar")).to_be_visible()
        await expect(row).to_contain_text("60 inserted")
        await expect(row).to_contain_text("Active")
        assert await frame.locator("html").get_attribute("data-theme") == "dark"
        await page.evaluate("tell('ui/notifications/host-context-changed', {theme: 'light'})")
        await expect(frame.locator("html")).to_have_attribute("data-theme", "light")
        (job,) = (await agent.ok("list_jobs", connection_id=made["id"])).items
        assert job["status"] == "COMPLETED"


async def test_filter_of_the_hosts_call_is_kept_until_all_are_asked_for(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        await connection(agent, "Filtered documents")
        frame = await open_framed(page, agent)
        given = {"status": "needs_reauth"}
        listed = await agent.call("list_connections", **given)
        await page.evaluate("(g) => tell('ui/notifications/tool-input', {arguments: g})", given)
        result = listed.model_dump(by_alias=True, exclude_none=True, mode="json")
        await page.evaluate("(r) => tell('ui/notifications/tool-result', r)", result)
        await expect(frame.get_by_text("Nothing fits that filter")).to_be_visible()
        await frame.get_by_role("button", name="Show all connections").click()
        await expect(row_of(frame, "Filtered documents")).to_be_visible()


async def test_host_that_started_a_sync_sees_it_fail_and_can_ask_for_help(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Failing documents", fail_at=3, error="access")
        job = await agent.sync(made["id"])
        frame = await open_framed(page, agent)
        result: Structured = {"content": [], "structuredContent": job}
        await page.evaluate("(r) => tell('ui/notifications/tool-result', r)", result)
        row = row_of(frame, "Failing documents")
        await expect(row).to_contain_text("What to do: ")
        await row.get_by_role("button", name="Ask the assistant").click()
        await page.wait_for_function("seen.some((m) => m.method === 'ui/message')")
        said = await page.evaluate("seen.find((m) => m.method === 'ui/message').params")
        assert said["role"] == "user"
        assert made["id"] in said["content"][0]["text"]


async def test_page_in_a_frame_stops_when_the_host_puts_it_away(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Left documents", **ENDLESS)
        job = (await agent.ok("run_sync", connection_id=made["id"])).data
        await page.clock.install()
        frame = await open_framed(page, agent)
        await expect(row_of(frame, "Left documents").get_by_role("progressbar")).to_be_visible()
        await page.evaluate(
            "frame.contentWindow.postMessage"
            "({jsonrpc: '2.0', id: 'bye', method: 'ui/resource-teardown', params: {}}, '*')"
        )
        await page.wait_for_function("seen.some((m) => m.id === 'bye' && m.result)")
        # What it had asked before is answered; whatever it waited for then has come.
        await page.wait_for_function("unanswered === 0")
        calls = "seen.filter((m) => m.method === 'tools/call').length"
        before = await page.evaluate(calls)
        await page.clock.run_for(60_000)
        assert await page.evaluate(calls) == before
        await agent.ok("cancel_job", job_id=job["id"])
