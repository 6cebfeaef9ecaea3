"""Reads the mailbox of a scripted server by the source `imap`."""

from dataclasses import replace
from typing import Any

from tests.support.sources.mail_server import mail
from tests.support.sources.scripted_mail import ScriptedFolder, ScriptedMail
from weft.domain.base import Json
from weft.sources.base import Event
from weft.sources.imap.source import ImapSource
from weft.testing.source_contract import SourceCase, events_of, offline_context

LOCAL = replace(offline_context(), allow_hosts=frozenset({"127.0.0.1"}))
PASSWORD: Json = {"username": "ada", "password": "correct-horse"}


def make_folders(*names: str) -> dict[str, ScriptedFolder]:
    """Folders with two messages each."""
    return {name: ScriptedFolder({uid: mail(f"{name} {uid}") for uid in (1, 2)}) for name in names}


def make_case(script: ScriptedMail, credentials: Json | None = None, **config: Any) -> SourceCase:
    """A case that reads this server."""
    given = {"host": "127.0.0.1", "port": script.port, "security": "plain", **config}
    return SourceCase(ImapSource, given, LOCAL, credentials=credentials or PASSWORD)


async def read_mail(
    script: ScriptedMail, cursor: Json | None = None, last: Json | None = None, **config: Any
) -> list[Event]:
    """Read it once; ``last`` is the cursor of an earlier sync that is not gone on from."""
    script.commands.clear()
    return await events_of(make_case(script, **config).make(last_cursor=last), cursor)
