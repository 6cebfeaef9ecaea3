"""The Inspector's web page, a host of MCP Apps, with the dashboard inside it."""

import os
import socket
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlencode

import anyio
import httpx
import pytest
from anyio.abc import Process
from playwright.async_api import FrameLocator, Page, async_playwright, expect

from tests.acceptance.clients.test_inspector import command as command
from tests.acceptance.weft_http import http_server
from tests.acceptance.weft_process import Place
from tests.support.optional import CHROMIUM, needs_chromium

START_SECONDS = 30
WAIT_MS = 30_000
# Only this test knows it, and only on the loopback.
TOKEN = "for-this-test-only"

pytestmark = [
    pytest.mark.anyio,
    needs_chromium,
]


@pytest.fixture
async def inspector(command: list[str], tmp_path: Path) -> AsyncGenerator[str]:
    """Start an Inspector; yield its address."""
    port, sandbox, origin = _free_ports(3)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MCP_STORAGE_DIR": str(tmp_path),
        "MCP_CATALOG_PATH": str(tmp_path / "mcp.json"),
        "MCP_INSPECTOR_SECRET_STORE": "memory",
        "MCP_INSPECTOR_API_TOKEN": TOKEN,
        "MCP_AUTO_OPEN_ENABLED": "false",
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": str(sandbox),
        "MCP_APP_ORIGIN_PORT": str(origin),
    }
    with (tmp_path / "inspector.log").open("wb") as log:
        process = await anyio.open_process(
            [*command, "--web"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=tmp_path,
        )
    async with process:
        try:
            await _answers(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            await process.wait()


async def test_inspector_shows_the_dashboard_and_lets_it_call_tools(
    inspector: str, place: Place
) -> None:
    async with (
        # The Inspector's links carry no token.
        http_server(place, "--no-auth") as server,
        server.agent() as agent,
        async_playwright() as playwright,
    ):
        collection = await agent.collection("docs")
        config = {"entities": 100_000, "rate": 20, "page_size": 5}
        made = await agent.connection(collection, name="Endless documents", config=config)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1400, "height": 900})
        dashboard = await _open(page, inspector, f"{server.url}/mcp")
        row = dashboard.get_by_role("listitem").filter(has_text="Endless documents").first
        await row.get_by_role("button", name="Sync now").click(timeout=WAIT_MS)
        await expect(row.get_by_role("progressbar")).to_be_visible(timeout=WAIT_MS)
        await row.get_by_role("button", name="Cancel").click(timeout=WAIT_MS)
        await expect(row).to_contain_text("last sync cancelled", timeout=WAIT_MS)
        (job,) = (await agent.ok("list_jobs", connection_id=made["id"])).items
        assert job["status"] == "CANCELLED"
        await browser.close()


async def _open(page: Page, inspector: str, server_url: str) -> FrameLocator:
    """Open the dashboard, which is in the Inspector's frame within its sandbox's frame."""
    asked = {
        "MCP_INSPECTOR_API_TOKEN": TOKEN,
        "autoConnect": TOKEN,
        "autoOpen": TOKEN,
        "serverUrl": server_url,
        "transport": "http",
        "openApp": "list_connections",
    }
    await page.goto(f"{inspector}?{urlencode(asked)}")
    return page.frame_locator("iframe").frame_locator("iframe")


async def _answers(url: str, process: Process) -> None:
    with anyio.fail_after(START_SECONDS):
        async with httpx.AsyncClient() as client:
            while True:
                assert process.returncode is None
                try:
                    await client.get(url)
                except httpx.TransportError:
                    await anyio.sleep(0.1)
                else:
                    return


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
