"""People search what was synced from the dashboard, on its own page and in the frame of a host."""

from typing import Any

import pytest
from playwright.async_api import Browser, FrameLocator, Page, expect

from tests.acceptance.browsers import browser as browser
from tests.acceptance.dashboard.page import (
    FAINT,
    UNNAMED,
    log_in,
    open_checked_page,
    open_framed,
)
from tests.acceptance.weft_http import HttpServer
from tests.acceptance.weft_process import Agent
from tests.support.optional import needs_chromium

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

HOSTILE = "<img src=x onerror=alert(1)> & <b>bold</b>"
LONG = "Nothing of interest is said here. " * 200


async def sync_files(agent: Agent) -> None:
    """Sync some notes; those of other tests of this module stay as they are."""
    if any(each["name"] == "Notes to find" for each in (await agent.ok("list_connections")).items):
        return
    collection = await agent.collection("found")
    folder = agent.place.files / "found"
    folder.mkdir()
    (folder / "moving.md").write_text(f"{HOSTILE}\nThe Müllers moved houses. 東京の天気\n")
    (folder / "copy.md").write_text(f"{HOSTILE}\nThe Müllers moved houses. 東京の天気\n")
    (folder / "report.md").write_text(f"{LONG}The HTTPConnectionPool was drained.\n{LONG}")
    config = {"path": str(folder)}
    await agent.sync_new(collection, name="Notes to find", short_name="files", config=config)


async def seek(page: Page | FrameLocator, query: str) -> None:
    await page.get_by_role("searchbox").fill(query)


async def test_what_is_typed_is_found_and_marked(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        await sync_files(agent)
        await log_in(page, server)
        await page.keyboard.press("/")
        await page.keyboard.type("Muller house 天気 ")
        hit = page.locator("#hits li").first
        await expect(hit).to_contain_text(HOSTILE)
        await expect(hit).to_contain_text("1 copy folded")
        # It is searched while this is typed, so the first hits may be of a part of it.
        await expect(hit.locator("mark")).to_have_text(["Müllers", "houses", "天気"])
        assert await page.locator("main img, main b").count() == 0
        await expect(page.get_by_role("heading", name="Connections")).to_be_hidden()
        await expect(page.get_by_role("status")).to_contain_text("found")
        # The last word is not finished.
        await seek(page, "Muller hou")
        await expect(hit.locator(".badge")).to_have_text("strong")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("heading", name="Connections")).to_be_visible()
        await expect(page.locator("#hits li")).to_have_count(0)
        await seek(page, "zzzyx ")
        await expect(page.locator("#how")).to_contain_text("Nothing fits.")


async def test_hit_is_read_from_a_little_before_its_passage(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        await sync_files(agent)
        await log_in(page, server)
        await seek(page, '"HTTPConnectionPool"')
        read = page.get_by_role("button", name="Read report.md")
        await read.press("Enter")
        text = page.get_by_role("region", name="report.md")
        await expect(text).to_contain_text("… ")
        await expect(text.locator("mark")).to_have_text(["HTTPConnectionPool"])
        await expect(text.locator("mark")).to_be_in_viewport()
        await expect(read).to_have_attribute("aria-expanded", "true")


async def test_host_is_asked_for_what_is_sought(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        await sync_files(agent)
        frame = await open_framed(page, agent)
        await seek(frame, "moved houses ")
        await expect(frame.locator("#hits mark").first).to_have_text("moved")
        calls = "seen.filter((m) => m.params?.name === 'search').map((m) => m.params.arguments)"
        assert (await page.evaluate(calls))[-1] == {"query": "moved houses ", "limit": 10}


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
async def test_hits_are_readable_in_every_size_and_scheme(
    browser: Browser, server: HttpServer, width: int, scheme: Any
) -> None:
    size: Any = {"width": width, "height": 800}
    async with (
        server.agent() as agent,
        open_checked_page(browser, viewport=size, color_scheme=scheme) as page,
    ):
        await sync_files(agent)
        await log_in(page, server)
        await seek(page, "moved drained ")
        await expect(page.locator("#hits li")).to_have_count(2)
        await page.get_by_role("button", name="Read").first.click()
        await expect(page.get_by_role("region").filter(has_text="Müllers")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(UNNAMED) == []
        assert await page.evaluate(FAINT) == []
