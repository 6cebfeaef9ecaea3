"""A person at the pages of authorisation, and the server that serves them."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteReceiveStream
from anyio.streams.text import TextReceiveStream
from playwright.async_api import Browser, Page

from tests.acceptance.browsers import WAIT_MS
from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import WAIT_SECONDS, Agent, Place, Structured

SETTINGS = {
    "WEFT_ALLOW_HOSTS": "127.0.0.1",
    # The client of the provider is given with the connection.
    "WEFT_INLINE_CREDENTIALS": "allow",
    "WEFT_LOG_LEVEL": "DEBUG",
    "WEFT_LOG_FORMAT": "json",
}


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, anyio_backend: str
) -> AsyncGenerator[HttpServer]:
    """One server for all tests: each has connections of its own names."""
    place = Place.make(tmp_path_factory.mktemp("weft"))
    async with http_server(place, **SETTINGS) as server:
        yield server


@asynccontextmanager
async def open_page(browser: Browser) -> AsyncGenerator[Page]:
    """Open a page for a person with a browser of their own."""
    context = await browser.new_context()
    context.set_default_timeout(WAIT_MS)
    yield await context.new_page()
    await context.close()


async def create_pending(agent: Agent, name: str) -> Structured:
    """Create a connection that waits for credentials, with the link to the page for them."""
    collection = await agent.collection(name)
    made = await agent.ok(
        "create_connection",
        short_name="secret_stub",
        readable_collection_id=collection,
        name=f"Stub of {name}",
        config={"entities": 3},
        # A connection cannot sync before it is authorised.
        sync_immediately=False,
    )
    assert made.data["status"] == "pending_auth"
    return made.data


async def wait_for_status(agent: Agent, connection: Structured, status: str) -> Structured:
    """Return the connection once it has that status, which may take until its sync ends."""
    found = ""
    with anyio.move_on_after(WAIT_SECONDS):
        while True:
            answer = await agent.ok("get_connection", connection_id=connection["id"])
            found = answer.text
            if answer.data["status"] == status:
                return answer.data
            assert answer.data["status"] == "syncing", found
            await anyio.sleep(0.05)
    pytest.fail(found)


async def type_token(page: Page, secret: str) -> None:
    """Type the token, as a person with a keyboard does, and send it."""
    await page.get_by_label("Token", exact=True).press_sequentially(secret)
    await page.keyboard.press("Enter")


async def wait_for_output(stream: ByteReceiveStream, wanted: str) -> str:
    """Wait until a process prints what matches ``wanted``, and return that."""
    said = ""
    with anyio.fail_after(WAIT_SECONDS):
        async for text in TextReceiveStream(stream):
            said += text
            if found := re.search(wanted, said):
                return found[0].strip()
    pytest.fail(said)
