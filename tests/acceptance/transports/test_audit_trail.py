"""`weft audit` tells who changed what, over every transport, and who was kept from it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.weft_http import create_key, http_server
from tests.acceptance.weft_process import Place, connect_client

pytestmark = pytest.mark.anyio

CANARY = "s3cr3t-canary-c0ffee"


async def test_changes_and_refusals_are_told_with_who_called(tmp_path: Path) -> None:
    place = Place.make(tmp_path)
    async with connect_client(place, "auto") as agent:
        collection = await agent.collection("by-stdio")
        made = await agent.connection(
            collection,
            short_name="secret_stub",
            auth={"direct": {"credentials": {"token": CANARY}}},
        )
        await agent.ok("list_connections")
    async with http_server(place) as server:
        writer = create_key(place, "writer", "write")
        reader = create_key(place, "reader", "read")
        async with server.agent(token=writer) as agent:
            await agent.collection("by-http")
        async with server.agent(token=reader) as agent:
            await agent.expect_refusal("create_collection", name="Team documents", readable_id="no")
    found = _audit(place)
    told = [
        tuple(entry[name] for name in ("transport", "principal", "operation", "action"))
        for entry in reversed(found)
    ]
    assert told == [
        ("stdio", "local", "create_collection", "create"),
        ("stdio", "local", "create_connection", "create"),
        ("cli", "local", "keys create", "create"),
        ("cli", "local", "keys create", "create"),
        ("http", "key:writer", "create_collection", "create"),
        ("http", "key:reader", "create_collection", "refused"),
    ]
    assert [entry["connection_id"] for entry in _audit(place, "--connection", made["id"])] == [
        made["id"]
    ]
    assert CANARY not in json.dumps(found)
    for path in place.home.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()


def _audit(place: Place, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "weft", "audit", *options, "--json"]
    done = subprocess.run(command, env=place.environment(), capture_output=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return found
