"""The `imap` source does what every source must do, with a real mail server (pymap)."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from tests.support.sources.hostile.mail import MAIL_RESPONSES
from tests.support.sources.mail_faults import stand_before
from tests.support.sources.mail_server import PASSWORD, USER, mail, serve_mail
from weft.sources.imap.source import ImapSource
from weft.testing.source_contract import Change, SourceCase, SourceContract, offline_context


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Wider than elsewhere, for `shared_loop`."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
async def shared_loop(anyio_backend: str) -> AsyncGenerator[None]:
    """One event loop for all tests, so that one child process parses all their messages."""
    yield  # noqa: PT022 (a loop lives as long as a fixture in it)


class TestImap(SourceContract):
    """A mailbox with two folders, behind a proxy that makes the faults."""

    @pytest.fixture
    async def case(self) -> AsyncGenerator[SourceCase]:
        async with serve_mail() as server, stand_before(server.port) as faults:
            await server.add("INBOX", mail("a\u200bb"), mail("two"), mail("three"))
            await server.add("Projekte &- Mehr/\u202eOld", mail("four", "hidden\u200b"))

            async def mutate() -> Change:
                await server.add("INBOX", mail("five"))
                await server.remove("INBOX", 102)
                return Change(frozenset({"INBOX/104"}), frozenset({"INBOX/102"}))

            yield SourceCase(
                ImapSource,
                {"host": "127.0.0.1", "port": faults.port, "security": "plain"},
                replace(offline_context(), allow_hosts=frozenset({"127.0.0.1"})),
                credentials={"username": USER, "password": PASSWORD},
                bad_credentials={"username": USER, "password": "battery-staple"},
                mutate=mutate,
                hostile=(MAIL_RESPONSES,),
                faults=faults,
            )
