"""A scripted mail server with one folder."""

from collections.abc import AsyncGenerator

import pytest

from tests.support.sources.mailboxes import make_folders
from tests.support.sources.scripted_mail import ScriptedMail, play


@pytest.fixture
async def script() -> AsyncGenerator[ScriptedMail]:
    made = ScriptedMail(make_folders("INBOX"))
    async with play(made):
        yield made


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Wider than elsewhere, for `shared_loop`."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
async def shared_loop(anyio_backend: str) -> AsyncGenerator[None]:
    """One event loop for a module, so that one child process parses the messages of all tests."""
    yield  # noqa: PT022 (a loop lives as long as a fixture in it)
