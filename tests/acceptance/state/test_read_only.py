"""A state folder that cannot be written is read, searched and served, and nothing else."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.acceptance.weft_process import WAIT_SECONDS, Agent, Place, connect_client, rows

pytestmark = pytest.mark.anyio

# Permissions do not bind root, unless it gives up the two capabilities to override them.
UNPRIVILEGED = """
import ctypes, os, sys
if sys.platform == "linux":
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
RUN = (sys.executable, "-c", UNPRIVILEGED, sys.executable, "-m", "weft")
LIMIT_SECONDS = 60
CHANGES = ("file", "folder", "both")


def run(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a verb as a user whom permissions bind."""
    return subprocess.run(
        [*RUN, *arguments],
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def forbid(place: Place, what: str) -> None:
    """Take away the permission to write the database, the folder, or both."""
    if what != "folder":
        place.database.chmod(0o400)
    if what != "file":
        place.home.chmod(0o500)
    probe = "import os, sys; sys.exit(any(os.access(path, os.W_OK) for path in sys.argv[1:]))"
    paths = [*([place.database] * (what != "folder")), *([place.home] * (what != "file"))]
    bound = subprocess.run(
        [*RUN[:4], "-c", probe, *map(str, paths)], timeout=LIMIT_SECONDS, check=False
    )
    if bound.returncode != 0:
        pytest.skip("permissions to write do not bind this user")


@pytest.fixture
async def filled(place: Place, anyio_backend: str) -> Place:
    """State with a synced connection, which no process has open."""
    async with connect_client(place, "auto") as agent:
        await agent.collection("docs")
        await agent.sync_new("docs", name="Kept", config={"entities": 3})
    return place


@pytest.fixture
def read_only(filled: Place, request: pytest.FixtureRequest) -> Generator[Place]:
    forbid(filled, request.param)
    yield filled
    filled.home.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("read_only", CHANGES, indirect=True)
async def test_read_only_state_is_read_and_searched_by_verbs(read_only: Place) -> None:
    listed = run(read_only, "connections", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [each["name"] for each in json.loads(listed.stdout)["items"]] == ["Kept"]
    found = run(read_only, "search", "docs", "entity1", "--json")
    assert found.returncode == 0, found.stderr
    synced = run(read_only, "sync", "Kept")
    assert synced.returncode != 0
    assert "read-only" in synced.stderr
    doctor = run(read_only, "doctor", "--json")
    report = json.loads(doctor.stdout)
    assert doctor.returncode == 0, report["problems"]
    assert any("read-only" in note for note in report["notes"])


@pytest.mark.parametrize("read_only", CHANGES, indirect=True)
async def test_read_only_state_is_served(read_only: Place) -> None:
    before = rows_of(read_only)
    parameters = StdioServerParameters(
        command=RUN[0], args=[*RUN[1:], "serve"], env=read_only.environment()
    )
    with read_only.stderr.open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode="auto", read_timeout_seconds=WAIT_SECONDS) as client:
            agent = Agent(client, read_only)
            (made,) = (await agent.ok("list_connections")).items
            found = await agent.ok("search", readable_collection_id="docs", query="entity1")
            assert found.data["hits"]
            for tool, given in (
                ("create_collection", {"name": "New name", "readable_id": "new"}),
                ("run_sync", {"connection_id": made["id"]}),
                ("update_connection", {"connection_id": made["id"], "name": "New name"}),
            ):
                assert "read-only" in await agent.expect_refusal(tool, **given)
    assert rows_of(read_only) == before


def rows_of(place: Place) -> list[tuple[object, ...]]:
    """Read the connections from a copy of the database: reading makes files beside it."""
    copy = Path(os.fspath(place.folder / "copy.db"))
    copy.write_bytes(place.database.read_bytes())
    return rows(copy, "SELECT id, name, version FROM connection")
