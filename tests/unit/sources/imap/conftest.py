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
