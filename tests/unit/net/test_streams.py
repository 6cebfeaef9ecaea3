"""Connections for other protocols are guarded as the HTTP client is."""

import ssl

import pytest

from tests.support.http import name_server
from tests.support.sources.scripted_mail import ScriptedFolder, ScriptedMail, play
from weft.errors import SourceUnavailable
from weft.net.addresses import AddressRefused
from weft.net.streams import open_stream
from weft.sources.imap.client import MailClient
from weft.sources.imap.config import ImapCredentials
from weft.sources.imap.wire import Conversation

pytestmark = pytest.mark.anyio

LOCAL = {"127.0.0.1"}
NAMES = name_server(tls_example="127.0.0.1", other_example="127.0.0.1", inside_example="10.0.0.1")
CREDENTIALS = ImapCredentials.model_validate({"username": "ada", "password": "correct-horse"})


async def log_in(script: ScriptedMail, host: str, *, tls: bool) -> None:
    async with open_stream(host, script.port, LOCAL, NAMES) as stream:
        if tls:
            await stream.start_tls()
        client = MailClient(Conversation(stream))
        await client.begin(start_tls=not tls)
        await client.log_in(CREDENTIALS)


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "starttls"])
async def test_certificate_is_checked_against_the_name(
    tls_server: ssl.SSLContext, tls: bool
) -> None:
    script = ScriptedMail({"INBOX": ScriptedFolder()}, tls=tls_server)
    async with play(script, tls_server if tls else None):
        await log_in(script, "tls.example", tls=tls)
        assert script.proofs == ["\0ada\0correct-horse"]
        with pytest.raises(SourceUnavailable, match="certificate"):
            await log_in(script, "other.example", tls=tls)
    assert len(script.proofs) == 1


async def test_address_that_a_name_leads_to_is_checked() -> None:
    for host in ("inside.example", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(AddressRefused):
            async with open_stream(host, 993, LOCAL, NAMES):
                pass


async def test_server_that_is_not_there_is_told_as_that() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError

    with pytest.raises(SourceUnavailable, match=r"mail\.example:993"):
        async with open_stream("mail.example", 993, LOCAL, resolve):
            pass
    script = ScriptedMail({})
    async with play(script):
        pass
    with pytest.raises(SourceUnavailable, match="refused"):
        async with open_stream("127.0.0.1", script.port, LOCAL):
            pass
