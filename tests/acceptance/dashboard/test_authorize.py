"""People authorise connections from the dashboard, on its own page and in the frame of a host."""

import asyncio
import re
from collections.abc import AsyncGenerator
from itertools import product
from typing import Any, Literal

import pytest
from playwright.async_api import (
    Browser,
    FrameLocator,
    Locator,
    Page,
    Route,
    expect,
)

from tests.acceptance.browsers import browser as browser
from tests.acceptance.dashboard.page import (
    FAINT,
    UNNAMED,
    log_in,
    open_checked_page,
    open_framed,
    row_of,
)
from tests.acceptance.weft_http import HttpServer, create_key, http_server
from tests.acceptance.weft_process import Agent, Place, Structured
from tests.support.optional import needs_chromium

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

SECRET = "Vb8QyT3nWk6ZpR1m"
LINK = re.compile(r"http://127\.0\.0\.1:\d+/authorize/[\w-]+")
EXPIRES = re.compile(r'(\\?"auth_url_expires\\?":\\?")[^"\\]+')

UNSAFE = (
    "javascript:alert(1)//",
    "data:text/html,x",
    "http://203.0.113.7/authorize/x",
    "http://127.evil.example/authorize/x",
    "http://localhost@evil.example/authorize/x",
    "no address",
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# In the host: which links it was asked to open.
ASKED = "seen.filter((m) => m.method === 'ui/open-link').map((m) => m.params.url)"
# In the host: another link instead of the server's.
INSTEAD = """(link) => {
  const call = answers["tools/call"];
  answers["tools/call"] = async (params) => {
    const result = await call(params);
    if (params.name === "authorize_connection") result.structuredContent.auth.auth_url = link;
    return result;
  };
}"""


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """One server for all tests: each has connections of its own names."""
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place, WEFT_INLINE_CREDENTIALS="allow") as server:
        yield server


async def pending(agent: Agent, name: str, **given: object) -> Structured:
    """A new connection whose source needs a token that it does not have, unless it is given."""
    if not (await agent.ok("list_collections")).items:
        await agent.collection("docs")
    more: Structured = {"short_name": "secret_stub", "config": {"entities": 3}} | given
    return await agent.connection("docs", name=name, **more)


async def has_status(agent: Agent, made: Structured, status: str) -> None:
    answer = await agent.ok("get_connection", connection_id=made["id"])
    assert answer.data["status"] == status


async def authorise(row: Locator) -> None:
    """Press the button, with the keyboard."""
    await row.get_by_role("button", name=re.compile("^Authorise ")).press("Enter")


async def type_token(page: Page) -> None:
    """Type the token on the page that was opened."""
    await page.get_by_label("Token", exact=True).press_sequentially(SECRET)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="is connected")).to_be_visible()


async def expect_sync(page: Page | FrameLocator, row: Locator) -> None:
    """Expect the connection to turn active by itself, and to sync."""
    await expect(row).to_contain_text("Active")
    await expect(row.get_by_role("link")).to_be_hidden()
    await expect(row.get_by_role("button", name=re.compile("^Authorise "))).to_be_hidden()
    await expect(page.get_by_role("status")).to_contain_text("is authorised")
    await row.get_by_role("button", name="Sync now").press("Enter")
    await expect(row).to_contain_text("3 inserted")


async def show_list(page: Page, agent: Agent, opens: object = None) -> FrameLocator:
    """Show the dashboard in a host's frame, with the list."""
    frame = await open_framed(page, agent, opens)
    await page.evaluate("tell('ui/notifications/tool-result', {content: []})")
    return frame


async def test_person_authorises_on_a_page_that_opens_in_a_new_tab(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Typed documents")
        await log_in(page, server)
        row = row_of(page, made["name"])
        await expect(row).to_contain_text("Waits for authorisation")
        await expect(row.get_by_role("button", name="Sync now")).to_be_hidden()
        await authorise(row)
        link = row.get_by_role("link", name="Open the authorisation page Typed documents")
        await expect(link).to_be_focused()
        assert (await link.get_attribute("rel") or "").split() == ["noopener", "noreferrer"]
        async with page.context.expect_page() as tab:
            await page.keyboard.press("Enter")
        assert LINK.fullmatch((await tab.value).url)
        await type_token(await tab.value)
        await expect_sync(page, row)
        # What had the focus is gone; the focus is still in the row.
        assert await row.locator(":focus").count() == 1


async def test_refused_credentials_are_renewed_from_the_row_that_says_so(
    browser: Browser, server: HttpServer
) -> None:
    auth = {"direct": {"credentials": {"token": SECRET}}}
    config = {"entities": 3, "fail_at": 1, "error": "auth"}
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Refused documents", auth=auth, config=config)
        await agent.sync(made["id"])
        await has_status(agent, made, "needs_reauth")
        await log_in(page, server)
        row = row_of(page, made["name"])
        await expect(row).to_contain_text("Needs new credentials")
        await authorise(row)
        async with page.context.expect_page() as tab:
            await row.get_by_role("link").click()
        await type_token(await tab.value)
        await expect(row).to_contain_text("Active")
        await expect(row.get_by_role("button", name="Sync now")).to_be_visible()


async def test_host_opens_the_page(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents in a frame")
        frame = await show_list(page, agent, opens={})
        row = row_of(frame, made["name"])
        await authorise(row)
        again = row.get_by_role("button", name="Open it again Documents in a frame")
        await expect(again).to_be_focused()
        (link,) = await page.evaluate(ASKED)
        assert LINK.fullmatch(link)
        await again.press("Enter")
        await page.wait_for_function(f"{ASKED}.length === 2")
        assert await page.evaluate(ASKED) == [link, link]
        tab = await page.context.new_page()
        await tab.goto(link)
        await type_token(tab)
        await expect_sync(frame, row)


@pytest.mark.parametrize("opens", [None, {"isError": True}], ids=["cannot", "does not"])
async def test_link_is_there_to_be_copied_if_the_host_does_not_open_it(
    browser: Browser, server: HttpServer, opens: object
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, f"Documents to copy {opens}")
        frame = await show_list(page, agent, opens)
        row = row_of(frame, made["name"])
        await authorise(row)
        box = row.get_by_role("textbox", name="Link")
        await expect(box).to_be_focused()
        link = await box.input_value()
        assert LINK.fullmatch(link)
        assert await box.evaluate("(e) => e.value.slice(e.selectionStart, e.selectionEnd)") == link
        assert await row.get_by_role("link").count() == 0


async def test_caller_without_the_tool_is_told_to_ask(browser: Browser, server: HttpServer) -> None:
    reader = create_key(server.place, "reader", "read")
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents of others")
        await log_in(page, server, reader)
        row = row_of(page, made["name"])
        await expect(row).to_contain_text("It cannot sync until someone authorises it.")
        assert await row.get_by_role("button").all_inner_texts() == ["Details"]


def rewrite_answer(pattern: re.Pattern[str], replacement: str) -> Any:
    """Build a route handler that rewrites what the server answers."""

    async def handle(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=pattern.sub(replacement, await answer.text()))

    return handle


async def test_only_safe_links_can_be_clicked(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents anywhere")
        await log_in(page, server)
        row = row_of(page, made["name"])
        for link in UNSAFE:
            await page.route("**/mcp", rewrite_answer(LINK, link))
            await authorise(row)
            await expect(row.get_by_role("textbox", name="Link")).to_have_value(link)
            await expect(row).to_contain_text("Look at this link before you copy it")
            assert await row.get_by_role("link").count() == 0
        for link in ("https://login.example/authorize/x", "http://[::1]:8080/authorize/x"):
            await page.route("**/mcp", rewrite_answer(LINK, link))
            await authorise(row)
            await expect(row.get_by_role("link")).to_have_attribute("href", link)


async def test_host_is_not_asked_to_open_what_is_not_safe(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Framed documents anywhere")
        frame = await show_list(page, agent, opens={})
        await page.evaluate(INSTEAD, UNSAFE[0])
        row = row_of(frame, made["name"])
        await authorise(row)
        await expect(row.get_by_role("textbox", name="Link")).to_have_value(UNSAFE[0])
        assert await page.evaluate(ASKED) == []


async def test_what_loads_late_takes_no_focus_from_who_is_at_work(
    browser: Browser, server: HttpServer
) -> None:
    released = asyncio.Event()

    async def hold_jobs(route: Route) -> None:
        if "list_jobs" in (route.request.post_data or ""):
            await released.wait()
        await route.continue_()

    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents in a hurry")
        synced = await agent.connection("docs", name="Documents at rest")
        await agent.sync(synced["id"])
        await page.route("**/mcp", hold_jobs)
        await log_in(page, server)
        row = row_of(page, made["name"])
        await authorise(row)
        await expect(row.get_by_role("link")).to_be_focused()
        released.set()
        await expect(row_of(page, synced["name"])).to_contain_text("inserted")
        await page.evaluate("new Promise((done) => setTimeout(done))")
        await expect(row.get_by_role("link")).to_be_focused()


async def test_expired_link_is_taken_away(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents too late")
        await page.route("**/mcp", rewrite_answer(EXPIRES, r"\g<1>2020-01-02T03:04:05Z"))
        await log_in(page, server)
        row = row_of(page, made["name"])
        await authorise(row)
        await expect(row.get_by_role("alert")).to_contain_text("The link has expired")
        await expect(row.get_by_role("link")).to_be_hidden()
        assert await row.locator(":focus").count() == 1
        await expect(row.get_by_role("button", name=re.compile("^Authorise "))).to_be_visible()


async def test_link_can_be_read_and_named_in_every_size_and_scheme(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await pending(agent, "Documents to look at")
        await log_in(page, server)
        row = row_of(page, made["name"])
        await authorise(row)
        await expect(row.get_by_role("link")).to_be_visible()
        for width, scheme in product((320, 1280), SCHEMES):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert await page.evaluate(UNNAMED) == []
            assert await page.evaluate(FAINT) == []
