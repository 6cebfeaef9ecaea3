"""The dashboard in a real browser, as the page at `/`."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.acceptance.browsers import browser as browser
from tests.acceptance.dashboard.page import (
    ENDLESS,
    FAINT,
    HIDE,
    SLOW,
    UNNAMED,
    connection,
    log_in,
    open_checked_page,
    row_of,
)
from tests.acceptance.weft_http import HttpServer, create_key, http_server
from tests.acceptance.weft_process import Place
from tests.support.optional import needs_chromium

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

HTML = "<b onclick='x'>&amp;</b>"


async def test_running_sync_is_followed_to_its_end(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Slow documents", **SLOW)
        await log_in(page, server)
        row = row_of(page, "Slow documents")
        await row.get_by_role("button", name="Sync now Slow documents").click()
        bar = row.get_by_role("progressbar", name="Slow documents")
        await expect(bar).to_have_attribute("aria-valuemax", "60")
        assert 0 <= int(await bar.get_attribute("aria-valuenow") or "-1") <= 60
        await expect(row).to_contain_text("60 inserted")
        await expect(bar).to_be_hidden()
        await expect(row).to_contain_text("60 entities")
        await expect(row).to_contain_text("Active")
        await expect(page.get_by_role("status")).to_contain_text("has ended: 60 inserted")
        picture = row.get_by_role("img", name=re.compile("Last 1 sync, 0 failed.*60 inserted"))
        await expect(picture).to_be_visible()
        (job,) = (await agent.ok("list_jobs", connection_id=made["id"])).items
        assert (job["status"], job["trigger"]) == ("COMPLETED", "manual")


async def test_sync_that_an_agent_started_is_cancelled(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Endless documents", **ENDLESS)
        job = (await agent.ok("run_sync", connection_id=made["id"])).data
        await log_in(page, server)
        row = row_of(page, "Endless documents")
        cancel = row.get_by_role("button", name="Cancel Endless documents")
        await cancel.focus()
        await page.keyboard.press("Enter")
        await expect(row).to_contain_text("last sync cancelled")
        # The button that had the focus is gone; what has it now is in the same row.
        assert await row.locator(":focus").count() == 1
        assert (await agent.job(job["id"]))["status"] == "CANCELLED"


async def test_failed_sync_is_shown_with_its_reason(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Refused documents", fail_at=3, error="access")
        await agent.sync(made["id"])
        await log_in(page, server)
        row = row_of(page, "Refused documents")
        await expect(row).to_contain_text("The stub's token does not reach this.")
        details = row.get_by_role("button", name="Details Refused documents")
        await expect(details).to_have_attribute("aria-expanded", "false")
        await details.press("Enter")
        await expect(details).to_have_attribute("aria-expanded", "true")
        await expect(row).to_contain_text("not allowed to read what the configuration names")
        await expect(row).to_contain_text("What to do: Allow it at the source.")
        await expect(row).not_to_contain_text("update_connection")
        await expect(row.get_by_label("Log of the last sync")).to_contain_text("Failed")
        await expect(row.get_by_role("table", name="Recent syncs")).to_contain_text("failed")
        await expect(row.get_by_role("definition").filter(has_text="access")).to_be_visible()


async def test_what_a_sync_left_undone_is_shown_with_the_reasons(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Skipped documents", entities=4, skipped_every=1)
        await agent.sync(made["id"])
        await log_in(page, server)
        row = row_of(page, "Skipped documents")
        await expect(row).to_contain_text("4 skipped")
        await expect(row).to_contain_text("4 of what it listed were skipped")
        await row.get_by_role("button", name="Details Skipped documents").click()
        await expect(row).to_contain_text("What the last sync left undone")
        await expect(row.get_by_role("listitem")).to_contain_text(["scripted skip (4)"])
        table = row.get_by_role("table", name="Recent syncs")
        await expect(table.get_by_role("columnheader", name="Skipped")).to_be_visible()
        await expect(row).to_contain_text("none, it is read without")


async def test_held_deletions_are_shown_and_then_applied(
    browser: Browser, server: HttpServer
) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Emptied documents", entities=3)
        await agent.sync(made["id"])
        await agent.ok("update_connection", connection_id=made["id"], config={"entities": 0})
        await agent.sync(made["id"])
        await log_in(page, server)
        row = row_of(page, "Emptied documents")
        await expect(row).to_contain_text("3 deletions held")
        await expect(row).to_contain_text("nothing would be left without somebody's word")
        await expect(page.locator("#summary")).to_contain_text(re.compile("needs? attention"))
        await row.get_by_role("button", name="Review deletions Emptied documents").click()
        await expect(row).to_contain_text("deleted here for good: stub-0, stub-1, stub-2")
        await expect(row).to_contain_text("3 entities")
        await row.get_by_role("button", name="Delete 3 entities Emptied documents").click()
        await expect(row).to_contain_text("3 deleted")
        # Before its sync has ended, what it has deleted so far is shown in the same words.
        await expect(row.get_by_role("button", name="Sync now")).to_be_visible()
        await expect(row.get_by_role("button", name="Delete 3 entities")).to_be_hidden()
        told = (await agent.ok("get_connection", connection_id=made["id"])).data
        assert "attention" not in told


async def test_refusal_is_shown_where_it_happened(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Deleted documents")
        await log_in(page, server)
        row = row_of(page, "Deleted documents")
        preview = await agent.ok("delete_connection", connection_id=made["id"])
        token = preview.data["confirmation_token"]
        await agent.ok("delete_connection", connection_id=made["id"], confirmation_token=token)
        await row.get_by_role("button", name="Sync now").click()
        await expect(row.get_by_role("alert")).to_have_text("No connection has that id or name.")
        await page.get_by_role("button", name="Refresh").click()
        await expect(page.get_by_role("heading", name="Deleted documents")).to_have_count(0)


async def test_history_that_cannot_be_read_is_said_and_not_called_none(
    browser: Browser, server: HttpServer
) -> None:
    async def refuse_jobs(route: Route) -> None:
        asked: dict[str, Any] = json.loads(route.request.post_data or "{}")
        if asked.get("params", {}).get("name") == "list_jobs":
            error = {"code": -32603, "message": "The history cannot be read."}
            await route.fulfill(json={"jsonrpc": "2.0", "id": asked["id"], "error": error})
        else:
            await route.continue_()

    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Documents with a past", entities=3)
        await agent.ok("run_sync", connection_id=made["id"], wait_seconds=30)
        await page.route("**/mcp", refuse_jobs)
        await log_in(page, server)
        await expect(page.get_by_role("alert")).to_contain_text(
            "The history cannot be read.", timeout=5_000
        )
        row = row_of(page, "Documents with a past")
        await expect(row.get_by_text("last sync completed")).to_be_visible()
        await expect(row.get_by_text("never synced")).to_have_count(0)


async def test_reader_is_offered_no_buttons_that_change_something(
    browser: Browser, server: HttpServer
) -> None:
    reader = create_key(server.place, "reader", "read")
    async with server.agent() as agent, open_checked_page(browser) as page:
        await connection(agent, "Documents to read")
        await log_in(page, server, reader)
        row = row_of(page, "Documents to read")
        await expect(row.get_by_role("button", name="Details")).to_be_visible()
        assert await row.get_by_role("button").count() == 1


async def test_text_of_others_is_shown_as_text(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        await connection(agent, HTML)
        await log_in(page, server)
        await expect(page.get_by_role("heading", name=HTML)).to_be_visible()
        assert await page.locator("main b").count() == 0


async def test_token_is_asked_for_and_forgotten(browser: Browser, server: HttpServer) -> None:
    newcomer = create_key(server.place, "newcomer", "admin", organization="elsewhere")
    async with open_checked_page(browser) as page:
        await log_in(page, server, newcomer)
        await page.reload()
        await expect(page.get_by_text("Nothing is connected yet")).to_be_visible()
        assert await page.context.cookies() == []
        assert await page.evaluate("localStorage.length") == 0
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_label("Access token")).to_be_focused()
        assert await page.evaluate("sessionStorage.length") == 0
        assert await page.get_by_label("Access token").input_value() == ""


async def test_wrong_token_is_refused(browser: Browser, server: HttpServer) -> None:
    # A browser logs every refused request by itself, so this page may.
    page = await browser.new_page()
    await page.goto(server.url)
    await page.get_by_label("Access token").fill("none of the tokens")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not accept this token")
    await expect(page.get_by_role("heading", name="Connections")).to_be_hidden()
    await page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_page_is_usable_in_every_size_and_scheme(
    browser: Browser, server: HttpServer, width: int, scheme: Any
) -> None:
    size: Any = {"width": width, "height": 800}
    async with (
        server.agent() as agent,
        open_checked_page(browser, viewport=size, color_scheme=scheme) as page,
    ):
        name = f"Documents in {scheme} at {width}"
        made = await connection(agent, name, fail_at=3, error="access")
        await agent.sync(made["id"])
        held = await connection(agent, f"Emptied in {scheme} at {width}", entities=3)
        await agent.sync(held["id"])
        await agent.ok("update_connection", connection_id=held["id"], config={"entities": 0})
        await agent.sync(held["id"])
        await log_in(page, server)
        # Held deletions bring a third button.
        emptied = row_of(page, held["name"])
        await expect(emptied.get_by_role("button", name="Review deletions")).to_be_visible()
        row = row_of(page, name)
        await row.get_by_role("button", name="Details").click()
        await expect(row.get_by_role("table")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(UNNAMED) == []
        assert await page.evaluate(FAINT) == []


async def test_page_asks_only_while_somebody_looks(browser: Browser, server: HttpServer) -> None:
    async with server.agent() as agent, open_checked_page(browser) as page:
        made = await connection(agent, "Watched documents", **ENDLESS)
        job = (await agent.ok("run_sync", connection_id=made["id"])).data
        await page.clock.install()
        await log_in(page, server)
        row = row_of(page, "Watched documents")
        await expect(row.get_by_role("progressbar")).to_be_visible()

        await page.evaluate(HIDE, True)
        await page.wait_for_load_state("networkidle")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.clock.run_for(60_000)
        assert asked == []

        async with page.expect_request("**/mcp"):
            await page.evaluate(HIDE, False)
        await page.clock.fast_forward(31 * 60 * 1000)
        resume = page.get_by_role("button", name="Resume")
        await expect(page.get_by_role("alert")).to_contain_text("paused")
        async with page.expect_request("**/mcp"):
            await resume.click()
        await expect(page.get_by_role("alert")).to_have_count(0)
        await agent.ok("cancel_job", job_id=job["id"])


async def test_long_list_is_shown_page_by_page(browser: Browser, server: HttpServer) -> None:
    operator = create_key(server.place, "with-many", "admin", organization="many")
    async with server.agent(token=operator) as agent, open_checked_page(browser) as page:
        collection = await agent.collection("many")
        oldest = {"entities": 4, "fail_at": 3, "error": "access"}
        failed = await agent.connection(collection, name="Documents that fail", config=oldest)
        await agent.sync(failed["id"])
        for number in range(34):
            await agent.connection(collection, name=f"Documents {number}")
        await log_in(page, server, operator)
        items = page.get_by_role("heading", name="Documents")
        await expect(items).to_have_count(30)
        summary = page.locator("#summary")
        await expect(summary).to_contain_text("35 connections")
        await expect(summary).to_contain_text("1 needs attention")
        await page.get_by_role("button", name="Show only what needs attention").click()
        await expect(items).to_have_count(1)
        await expect(page.get_by_role("heading", name="Documents that fail")).to_be_visible()
        await expect(summary).to_contain_text("35 connections")
        await page.get_by_role("button", name="Show all connections").click()
        await expect(items).to_have_count(30)
        await page.get_by_role("button", name="Show more").click()
        await expect(items).to_have_count(35)
        await expect(page.get_by_role("button", name="Show more")).to_be_hidden()


async def test_page_may_call_where_a_proxy_ends_tls(place: Place) -> None:
    async with http_server(place, WEFT_HTTP_ALLOWED_HOSTS="weft.example.org") as server:
        about = {"clientInfo": {"name": "test", "version": "1"}, "capabilities": {}}
        hello = {"protocolVersion": "2025-06-18", **about}
        for origin, status in (
            ("https://weft.example.org", 200),
            ("https://weft.example.org:8443", 403),
            ("http://weft.example.org", 403),
        ):
            said = await server.rpc("initialize", hello, host="weft.example.org", origin=origin)
            assert said.status_code == status
        async with server.client("") as client:
            answer = await client.get("/", headers={"host": "weft.example.org"})
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_nobody_is_asked_for_a_token_where_none_is_needed(
    browser: Browser, place: Place
) -> None:
    async with http_server(place, "--no-auth") as server, open_checked_page(browser) as page:
        await page.goto(server.url)
        await expect(page.get_by_text("Nothing is connected yet")).to_be_visible()
        await expect(page.get_by_label("Access token")).to_be_hidden()
