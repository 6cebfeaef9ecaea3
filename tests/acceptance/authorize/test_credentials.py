"""People type credentials in a real browser, where a link is good once and for a while."""

import re
import sys
from typing import Any
from urllib.parse import quote

import anyio
import apsw
import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.authorize.pages import (
    SETTINGS,
    create_pending,
    open_page,
    type_token,
    wait_for_output,
    wait_for_status,
)
from tests.acceptance.authorize.pages import server as server
from tests.acceptance.browsers import WAIT_MS
from tests.acceptance.browsers import browser as browser
from tests.acceptance.weft_http import HttpServer
from tests.acceptance.weft_process import WAIT_SECONDS, Place, connect_client
from tests.support.optional import needs_chromium

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]

SECRET = "Vb8QyT3nWk6ZpR1m"


async def test_credentials_that_are_typed_make_the_connection_active(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, open_page(browser) as page:
        made = await create_pending(agent, "typed")
        link = made["auth"]["auth_url"]
        assert link.startswith(f"{server.url}/authorize/")
        await page.goto(link)
        await expect(page.get_by_role("heading", name="Connect Secret Stub")).to_be_visible()
        await expect(page.get_by_text("Stub of typed")).to_be_visible()

        await type_token(page, "bad")
        await expect(page.get_by_role("alert")).to_contain_text("The stub's token was refused.")
        await expect(page.get_by_label("Token", exact=True)).to_have_value("")
        await wait_for_status(agent, made, "pending_auth")

        await type_token(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await wait_for_status(agent, made, "active")
        job = await agent.sync(made["id"])
        assert (job["status"], job["entities_inserted"]) == ("COMPLETED", 3)

        await page.goto(link)
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
    said = server.place.stderr.read_text()
    assert link.rpartition("/")[2] not in said
    assert SECRET not in said
    assert SECRET.encode() not in server.place.database.read_bytes()


async def test_a_link_stops_working_when_there_is_a_new_one(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, open_page(browser) as page:
        made = await create_pending(agent, "renewed")
        renewed = await agent.ok("authorize_connection", connection_id=made["id"])
        await page.goto(made["auth"]["auth_url"])
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await page.goto(renewed.data["auth"]["auth_url"])
        await type_token(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await wait_for_status(agent, made, "active")


async def test_what_a_person_did_not_type_here_is_refused(
    server: HttpServer, browser: Browser
) -> None:
    """A form on another site, one without its proof, and an unknown link."""
    async with server.agent() as agent, open_page(browser) as page:
        made = await create_pending(agent, "forged")
        link = made["auth"]["auth_url"]
        await page.goto(link)
        await page.evaluate("document.querySelector('[name=proof]').value = 'f0rged'")
        await type_token(page, SECRET)
        await expect(page.get_by_role("alert")).to_contain_text("open for too long")
        elsewhere = f"<form method=post action='{link}'><input name=entry.token value=x><button>Go"
        await page.goto(f"data:text/html,{quote(elsewhere)}")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await wait_for_status(agent, made, "pending_auth")
        await page.goto(f"{server.url}/authorize/{'0' * 43}")
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
    async with httpx.AsyncClient() as other:
        answer = await other.post(link, data={"entry.token": SECRET})
        assert answer.status_code == 403
        misled = await other.get(link, headers={"host": "evil.example"})
        assert misled.status_code == 421


async def test_a_link_that_expires_under_the_hands_of_a_person_is_refused(
    server: HttpServer, browser: Browser
) -> None:
    async with server.agent() as agent, open_page(browser) as page:
        made = await create_pending(agent, "expired")
        await page.goto(made["auth"]["auth_url"])
        expire_links(server.place)
        await type_token(page, SECRET)
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await page.goto(made["auth"]["auth_url"])
        await expect(page.get_by_role("heading", name="no longer works")).to_be_visible()
        await wait_for_status(agent, made, "pending_auth")


def expire_links(place: Place) -> None:
    """Let the ten minutes pass."""
    connection: Any = apsw.Connection(str(place.database))
    connection.set_busy_timeout(WAIT_MS)
    connection.execute("UPDATE auth_session SET expires_at = 1")
    connection.close()


async def test_a_server_on_stdio_opens_the_page_on_the_loopback(
    place: Place, browser: Browser
) -> None:
    async with connect_client(place, "auto") as agent, open_page(browser) as page:
        made = await create_pending(agent, "loopback")
        link = made["auth"]["auth_url"]
        assert re.match(r"http://127\.0\.0\.1:\d+/authorize/", link)
        await page.goto(link)
        await type_token(page, SECRET)
        await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
        await wait_for_status(agent, made, "active")
        async with httpx.AsyncClient() as other:
            assert (await other.get(link, headers={"host": "localhost"})).status_code == 421
    async with httpx.AsyncClient() as other:
        with pytest.raises(httpx.ConnectError):
            await other.get(link)
    # It ended in order, although the browser keeps its connections.
    assert not re.search("Traceback|Warning", place.stderr.read_text())


async def test_the_command_line_waits_for_the_browser(server: HttpServer, browser: Browser) -> None:
    """In a process of its own, beside a server on the same database."""
    async with server.agent() as agent, open_page(browser) as page:
        made = await create_pending(agent, "waited")
        command = (sys.executable, "-m", "weft", "connections", "authorize", made["id"])
        environment = server.place.environment(**SETTINGS)
        async with await anyio.open_process(command, env=environment) as process:
            assert process.stderr is not None
            link = await wait_for_output(process.stderr, r"http://\S+/authorize/\S+\n")
            assert not link.startswith(server.url)
            await page.goto(link)
            await type_token(page, SECRET)
            await expect(page.get_by_role("heading", name="is connected")).to_be_visible()
            with anyio.fail_after(WAIT_SECONDS):
                assert await process.wait() == 0
        await wait_for_status(agent, made, "active")
