"""A rotating refresh token that several processes want to use at the same time."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from oauth_provider import OAuthProvider, providing

from weft.assembly import open_engine
from weft.domain.authorizations import AuthOutcome
from weft.domain.collections import NewCollection
from weft.domain.connections import (
    Auth,
    Connection,
    ConnectionStatus,
    NewConnection,
    OAuthBrowserAuth,
)
from weft.domain.principals import LOCAL_PRINCIPAL
from weft.settings import Settings
from weft.testing.stub import stub_registry

CHECKER = Path(__file__).parent.parent / "support" / "checker.py"
PROCESSES = 3
PATIENCE_SECONDS = 60.0
LINE_MAX_BYTES = 100_000

pytestmark = pytest.mark.anyio


async def test_processes_refresh_a_rotating_token_once(tmp_path: Path) -> None:
    async with providing(expires_in=30) as provider:
        made = await connected(tmp_path, provider)
        # The token that there is, is about to expire; the next one lives long enough for all.
        provider.expires_in = 3600
        results = await checked_at_once(tmp_path, made)
        assert [result["ok"] for result in results] == [True] * PROCESSES
        assert (provider.refreshes, provider.reused) == (1, 0)
        assert len(provider.live_tokens) == 1


async def test_processes_agree_that_a_revoked_grant_needs_the_person(tmp_path: Path) -> None:
    async with providing(expires_in=30) as provider:
        made = await connected(tmp_path, provider)
        provider.revoke()
        results = await checked_at_once(tmp_path, made)
        categories = {result["error_category"] for result in results}
        assert categories == {"oauth_credentials_expired"}
        async with opened(tmp_path) as engine:
            found = await engine.backend_for(LOCAL_PRINCIPAL).connections.get(made.id)
        assert found.status is ConnectionStatus.NEEDS_REAUTH


async def connected(home: Path, provider: OAuthProvider) -> Connection:
    """A connection that a person has authorised, in a process that is gone afterwards."""
    provider.register("weft", "s3cret")
    async with opened(home) as engine:
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
        assert (await consented(engine, provider, made)).ok
    return made


async def consented(engine: Any, provider: OAuthProvider, made: Connection) -> AuthOutcome:
    """What the person's browser does."""
    assert made.auth.auth_url is not None
    start = await engine.auth_sessions.start(made.auth.auth_url.rpartition("/")[2])
    back = provider.consent(start.url)
    params = dict(pair.split("=", 1) for pair in back.partition("?")[2].split("&"))
    return await engine.auth_sessions.callback(params, start.browser)


@asynccontextmanager
async def opened(home: Path) -> AsyncGenerator[Any]:
    """The engine in this process, without running jobs."""

    async def pages() -> str:
        return "http://127.0.0.1:1"

    settings = Settings(home=home, allow_hosts=frozenset({"127.0.0.1"}))
    async with open_engine(
        settings, registry=stub_registry(), run_jobs=False, pages=pages
    ) as engine:
        yield engine


async def checked_at_once(home: Path, connection: Connection) -> list[dict[str, Any]]:
    """What as many processes say that check the connection at the same moment."""
    results: list[dict[str, Any]] = []
    with anyio.fail_after(PATIENCE_SECONDS):
        async with AsyncExitStack() as stack:
            command = [sys.executable, str(CHECKER), str(home), connection.id]
            processes = [
                await stack.enter_async_context(await anyio.open_process(command, stderr=None))
                for _ in range(PROCESSES)
            ]
            outputs = [output_of(process) for process in processes]
            for output in outputs:
                assert await output.receive_until(b"\n", LINE_MAX_BYTES) == b"ready"
            for process in processes:
                assert process.stdin is not None
                await process.stdin.send(b"go\n")
            for output in outputs:
                results.append(json.loads(await output.receive_until(b"\n", LINE_MAX_BYTES)))
            for process in processes:
                assert await process.wait() == 0
    return results


def output_of(process: Process) -> BufferedByteReceiveStream:
    """Its standard output, to be read in lines."""
    assert process.stdout is not None
    return BufferedByteReceiveStream(process.stdout)
