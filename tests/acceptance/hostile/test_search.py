"""Texts that match at every word hold up no search, no other call, and not the server's end."""

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import TaskStatus
from mcp.shared.exceptions import MCPError

from tests.acceptance.weft_http import HttpServer, http_server
from tests.acceptance.weft_process import Agent, Place, Structured
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio

WORDS = 190_000
FILES = 8
SEARCHES = 8
COLLECTION = "words"
# Takes the server a while, unlike a single word.
LONG_QUERY = '"' + "word " * 32 + '"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "texts"
    made.mkdir()
    for number in range(FILES):
        (made / f"{number}.txt").write_text("word " * WORDS)
    return made


async def sync_texts(agent: Agent, folder: Path) -> str:
    """Sync the folder and return the id of the job."""
    await agent.collection(COLLECTION)
    config = {"path": str(folder)}
    made = await agent.connection(COLLECTION, short_name="files", config=config)
    job = await agent.sync(made["id"])
    assert job["status"] == "COMPLETED"
    return str(job["id"])


async def search(agent: Agent, query: str) -> Structured:
    with anyio.fail_after(PATIENCE_SECONDS):
        return (await agent.ok("search", readable_collection_id=COLLECTION, query=query)).data


async def search_until_refused(agent: Agent) -> None:
    # A server that ends refuses what it has not answered.
    with suppress(MCPError):
        await agent.call("search", readable_collection_id=COLLECTION, query=LONG_QUERY)


@asynccontextmanager
async def keep_searching(agent: Agent) -> AsyncGenerator[None]:
    """Have more searches run than the store has readers; in the end nobody waits for them."""
    async with anyio.create_task_group() as tasks:
        for _ in range(SEARCHES):
            tasks.start_soon(search_until_refused, agent)
        yield
        tasks.cancel_scope.cancel()


async def search_to_the_end(server: HttpServer, *, task_status: TaskStatus[None]) -> None:
    """Search through a client of its own, which falls over what it cannot send any more."""
    try:
        async with server.agent() as agent, keep_searching(agent):
            task_status.started()
            await anyio.sleep_forever()
    except* httpx2.TransportError:
        pass


async def test_texts_of_one_word_are_found_and_hold_up_nobody(place: Place, folder: Path) -> None:
    async with (
        http_server(place, WEFT_FILES_ROOTS=str(folder)) as server,
        server.agent() as agent,
    ):
        job_id = await sync_texts(agent, folder)
        [hit] = (await search(agent, "word"))["hits"]
        assert len({hit["entity_id"], *hit["copies"]}) == FILES
        assert "word word" in hit["untrusted"]["snippet"]

        async with keep_searching(agent):
            with anyio.fail_after(PATIENCE_SECONDS):
                await agent.ok("get_job", job_id=job_id)
        assert (await search(agent, "word"))["hits"]

        async with anyio.create_task_group() as tasks:
            await tasks.start(search_to_the_end, server)
            await agent.ok("get_job", job_id=job_id)
            server.process.send_signal(signal.SIGTERM)
            with anyio.fail_after(PATIENCE_SECONDS):
                assert await server.process.wait() == 0
            tasks.cancel_scope.cancel()
    assert "Traceback" not in place.stderr.read_text()
