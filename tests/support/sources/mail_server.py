"""A real mail server (pymap) in the test's process, and messages for it."""

from argparse import ArgumentParser
from asyncio import Server, start_server
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from importlib import import_module
from typing import Any

USER, PASSWORD = "ada@example.org", "correct-horse"
RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def mail(subject: str, text: str = "", **headers: str) -> bytes:
    """A message; underscores in header names stand for hyphens."""
    message = EmailMessage()
    message["From"], message["To"] = "Bob <bob@example.org>", "ada@example.org"
    message["Subject"] = subject
    message["Date"] = "Thu, 01 Jan 2026 10:00:00 +0000"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text or f"About {subject}")
    return message.as_bytes()


@dataclass
class MailServer:
    """A running server, and the mailbox on it."""

    port: int
    mailboxes: Any

    async def add(self, folder: str, *messages: bytes, received: datetime = RECEIVED) -> None:
        """Put messages into a folder, which is made if it is not there."""
        pymap: Any = import_module("pymap.parsing.message")
        if folder not in [entry.name for entry in (await self.mailboxes.list_mailboxes()).list()]:
            await self.mailboxes.add_mailbox(folder)
        mailbox = await self.mailboxes.get_mailbox(folder)
        for content in messages:
            await mailbox.append(pymap.AppendMessage(content, received, frozenset()), recent=False)

    async def remove(self, folder: str, *uids: int) -> None:
        """Delete messages for good."""
        mailbox = await self.mailboxes.get_mailbox(folder)
        await mailbox.delete(uids)


@asynccontextmanager
async def serve_mail() -> AsyncGenerator[MailServer]:
    """Run a server until the end of the block, with one user, whose mailbox has an INBOX."""
    backend: Any = import_module("pymap.backend.dict")
    imap: Any = import_module("pymap.imap")
    parser = ArgumentParser()
    backend.DictBackend.add_subparser("dict", parser.add_subparsers())
    imap.IMAPService.add_arguments(parser)
    parser.set_defaults(debug=False, passlib_cfg=None)
    command = ["--no-tls", "dict", "--demo-user", USER, "--demo-password", PASSWORD]
    running, config = await backend.DictBackend.init(
        parser.parse_args(command),
        invalid_user_sleep=0,
        cpu_subsystem=import_module("pymap.concurrent").Subsystem.for_asyncio(),
        hash_context=import_module("pysasl.hashing").BuiltinHash(rounds=1),
    )
    # It would look for installed ways to log in at each connection, which takes a while.
    auth = config.tls_auth
    kind: type[Any] = config.__class__
    config.__class__ = type("Config", (kind,), {"tls_auth": auth, "initial_auth": auth})
    config.apply_context()
    async with running.login.demo_user_identity.new_session() as session:
        mailboxes = session.mailbox_set
    reader: Any = import_module("proxyprotocol.reader").ProxyProtocolReader(config.proxy_protocol)
    connected = reader.get_callback(imap.IMAPServer(running.login, config))
    server: Server = await start_server(connected, "127.0.0.1", 0)
    async with server:
        yield MailServer(server.sockets[0].getsockname()[1], mailboxes)
