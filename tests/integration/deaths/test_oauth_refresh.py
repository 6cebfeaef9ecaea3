"""A rotating refresh token that several processes want to use at the same time."""

import json
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.oauth.provider import OAuthProvider, serve_oauth_provider
from tests.support.patience import PATIENCE_SECONDS
from tests.support.process.programs import ROOT, program_command
from weft.assembly.backends import open_engine
from weft.domain.access.principals import LOCAL_PRINCIPAL
from weft.domain.authorizations import AuthOutcome
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionStatus,
    NewConnection,
    OAuthBrowserAuth,
)
from weft.settings import Settings
from weft.testing.scripted_http import HttpReply, HttpRequest
from weft.testing.stub import stub_registry

PROCESSES = 3
FAST = 20
LINE_MAX_BYTES = 100_000

pytestmark = pytest.mark.anyio


async def test_processes_refresh_a_rotating_token_once(tmp_path: Path) -> None:
    async with serve_oauth_provider(expires_in=30) as provider:
        made = await connect(tmp_path, provider)
        # The token that there is, is about to expire; the next one lives long enough for all.
        provider.expires_in = 3600
        results = await check_at_once(tmp_path, made)
        assert [result["detail"] for result in results] == ["the notes of ada"] * PROCESSES
        assert (provider.refreshes, provider.reused) == (1, 0)
        assert len(provider.live_tokens) == 1


async def test_processes_agree_that_a_revoked_grant_needs_the_person(tmp_path: Path) -> None:
    async with serve_oauth_provider(expires_in=30) as provider:
        made = await connect(tmp_path, provider)
        provider.revoke()
        results = await check_at_once(tmp_path, made)
        categories = {result["error_category"] for result in results}
        assert categories == {"oauth_credentials_expired"}
        async with open_idle_engine(tmp_path) as engine:
            found = await engine.backend_for(LOCAL_PRINCIPAL).connections.get(made.id)
        assert found.status is ConnectionStatus.NEEDS_REAUTH


async def test_process_that_dies_with_the_new_token_leaves_a_connection_that_says_so(
    tmp_path: Path,
) -> None:
    async with serve_oauth_provider(expires_in=30) as provider:
        made = await connect(tmp_path, provider)
        async with start_checkers(tmp_path, made, 2, speed=FAST) as (victim, heir):

            def rotates_and_kills(asked: HttpRequest) -> HttpReply:
                provider.answers = None
                provider.answer(asked)
                victim.process.kill()
                return HttpReply(drop=True)

            provider.answers = rotates_and_kills
            await victim.start()
            assert await victim.process.wait() == -signal.SIGKILL
            assert provider.refreshes == 1
            await heir.start()
            result = await heir.read_result()
        assert result["error_category"] == "oauth_credentials_expired"
        assert "invalid_grant" in result["detail"]
        async with open_idle_engine(tmp_path) as engine:
            found = await engine.backend_for(LOCAL_PRINCIPAL).connections.get(made.id)
        assert found.status is ConnectionStatus.NEEDS_REAUTH


async def connect(home: Path, provider: OAuthProvider) -> Connection:
    """A connection that a person has authorised, in a process that is gone afterwards."""
    provider.register("weft", "s3cret")
    async with open_idle_engine(home) as engine:
        backend = engine.backend_for(LOCAL_PRINCIPAL)
        await backend.collections.create(NewCollection(name="Docs", readable_id="docs"))
        auth = OAuthBrowserAuth(client_id="weft", client_secret="s3cret")
        made = await backend.connections.create(
            NewConnection(
                short_name="oauth_stub",
                readable_collection_id="docs",
                config={"provider_url": provider.url},
                auth=Auth(oauth_browser=auth),
                sync_immediately=False,
            )
        )
        assert (await give_consent(engine, provider, made)).ok
    return made


async def give_consent(engine: Any, provider: OAuthProvider, made: Connection) -> AuthOutcome:
    """Do what the person's browser does."""
    assert made.auth.auth_url is not None
    start = await engine.auth_sessions.start(made.auth.auth_url.rpartition("/")[2])
    back = provider.consent(start.url)
    params = dict(pair.split("=", 1) for pair in back.partition("?")[2].split("&"))
    return await engine.auth_sessions.callback(params, start.browser)


@asynccontextmanager
async def open_idle_engine(home: Path) -> AsyncGenerator[Any]:
    """The engine in this process, without running jobs."""

    async def pages() -> str:
        return "http://127.0.0.1:1"

    settings = Settings(home=home, allow_hosts=frozenset({"127.0.0.1"}))
    async with open_engine(
        settings, registry=stub_registry(), run_jobs=False, pages=pages
    ) as engine:
        yield engine


@dataclass
class Checker:
    """A process that checks a connection when it is told to."""

    process: Process
    output: BufferedByteReceiveStream

    async def start(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(b"go\n")

    async def read_result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.output.receive_until(b"\n", LINE_MAX_BYTES))
        assert await self.process.wait() == 0
        return found


@asynccontextmanager
async def start_checkers(
    home: Path, connection: Connection, count: int, *, speed: int = 1
) -> AsyncGenerator[list[Checker]]:
    """So many processes, ready to check the connection; leases run out as fast as their clocks."""
    command = [*program_command("checker"), str(home), connection.id, str(time.time()), str(speed)]
    with anyio.fail_after(PATIENCE_SECONDS):
        async with AsyncExitStack() as stack:
            processes = [
                await stack.enter_async_context(
                    await anyio.open_process(command, stderr=None, cwd=ROOT)
                )
                for _ in range(count)
            ]
            checkers = [Checker(process, output_of(process)) for process in processes]
            for checker in checkers:
                assert await checker.output.receive_until(b"\n", LINE_MAX_BYTES) == b"ready"
            yield checkers


async def check_at_once(home: Path, connection: Connection) -> list[dict[str, Any]]:
    """Check the connection from several processes at once; return their results."""
    async with start_checkers(home, connection, PROCESSES) as checkers:
        for checker in checkers:
            await checker.start()
        return [await checker.read_result() for checker in checkers]


def output_of(process: Process) -> BufferedByteReceiveStream:
    """Its standard output, to be read in lines."""
    assert process.stdout is not None
    return BufferedByteReceiveStream(process.stdout)
