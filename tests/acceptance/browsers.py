"""The browser that is installed; playwright brings none that could be fetched everywhere."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.optional import CHROMIUM

WAIT_MS = 20_000


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()
