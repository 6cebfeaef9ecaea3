"""Calls at random from every tool's own schema: no crash, no echo, no result over 64 KiB."""

import os
import random
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import CallToolResult, Tool

from tests.support.local.harness import COLLECTION, LocalHarness, fetch_of, note
from tests.support.server.fakes import FakeBackend, text_of
from weft.domain.connections import Connection
from weft.server.build import build_server
from weft.server.render.size import RESULT_MAX_BYTES, wire_bytes
from weft.server.tools.catalogue import tools_for

pytestmark = pytest.mark.anyio

CALLS = int(os.environ.get("TORTURE_CALLS", "300"))
SEED = 12
NAMES = [spec.name for spec in tools_for(FakeBackend().as_backend())]
CANARY = "cAnary7Qx9ZZq2"
HIT = "needle"

TEXTS = (
    "",
    " ",
    "\x00",
    CANARY,
    CANARY * 20_000,
    f"'; DROP TABLE entity; -- {CANARY}",
    f'"{CANARY}',
    f"{CANARY}\ud800",
    f"\u202e{CANARY}\U000e0041",
    "=" * 70_000,
    "../" * 50 + CANARY,
    f"http://[::1]/{CANARY}",
    "語" * 900,
    "1e999",
    "-0",
    "NEAR(a b)* OR ^",
    "{}",
    "[1]",
    f'{{"{CANARY}": 1}}',
)
NUMBERS = (
    -1,
    0,
    1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**400,
    1.5,
    1e308,
    float("inf"),
    -0.0,
)


def nest(depth: int) -> Any:
    value: Any = CANARY
    for level in range(depth):
        value = {CANARY: value} if level % 2 else [value]
    return value


OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [CANARY],
    {CANARY: CANARY},
    [None] * 5000,
    nest(150),
    {"credentials": {CANARY: CANARY}},
    {"direct": {"credentials": {"token": CANARY}}},
    {"oauth_token": {"access_token": CANARY, "expires_at": 10**400}},
    {"oauth_browser": {"redirect_uri": CANARY}},
    {"auth_provider": {"provider_readable_id": CANARY}},
    {"secret_ref": CANARY},
    {"cron": "* * * * *", "timezone": CANARY},
    {"cron": CANARY},
    {"continuous": True},
    {"entities": 2**63},
    {"entities": float("inf"), "note": CANARY},
    {"note": CANARY, "host": f"http://{CANARY}.example"},
)


class Arguments:
    """Makes arguments for a tool: mostly what it takes, with something else here and there."""

    def __init__(self, tool: Tool, world: Mapping[str, tuple[Any, ...]]) -> None:
        self._schema = tool.input_schema
        self._world = world
        self._random = random.Random(f"{SEED} {tool.name}")

    def make(self) -> dict[str, Any]:
        chance = self._random.random
        required = self._schema.get("required", ())
        made = {
            name: self._value(name, schema)
            for name, schema in self._schema.get("properties", {}).items()
            if chance() < (0.95 if name in required else 0.4)
        }
        if chance() < 0.05:
            made[self._random.choice((CANARY, "id", "limt", "", "__class__"))] = CANARY
        return made

    def _value(self, name: str, schema: Mapping[str, Any]) -> Any:
        choose = self._random.choice
        if self._random.random() < 0.3:
            return choose(choose((TEXTS, NUMBERS, OTHERS)))
        if name in self._world:
            return choose(self._world[name])
        if "enum" in schema:
            return choose(schema["enum"])
        if schema["type"] in ("integer", "number"):
            bounds = [schema[key] for key in ("minimum", "maximum") if key in schema]
            return choose((*bounds, *NUMBERS)) if bounds else choose(NUMBERS)
        if schema["type"] == "boolean":
            return choose((True, False))
        return choose(TEXTS if schema["type"] == "string" else OTHERS)


@pytest.fixture
async def connection(harness: LocalHarness) -> Connection:
    """A connection with entities whose text is hard to show."""
    texts = [f"{HIT} {text} end".replace("\ud800", "") for text in TEXTS]
    harness.script.fetch = fetch_of(*(note(f"n{n}", text) for n, text in enumerate(texts)))
    made = await harness.connect(name="Fuzzed")
    await harness.run_sync(made)
    return made


@pytest.mark.parametrize("name", NAMES)
async def test_any_arguments_get_an_answer_that_repeats_none_of_them(
    harness: LocalHarness,
    connection: Connection,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = build_server(lambda _: harness.backend, version="1", inline_credentials="allow")
    world: dict[str, tuple[Any, ...]] = {
        "connection_id": (connection.id, connection.id[:8], "Fuzzed"),
        "readable_collection_id": (COLLECTION,),
        "short_name": ("scripted", "stub", "secret_stub"),
        "job_id": (connection.sync.last_job.id if connection.sync.last_job else "none",),
        "query": (HIT, f'"{HIT}"', f"{HIT} end"),
        "entity_id": tuple(map(str, range(1, 20))),
        # A job that nobody runs would be waited for.
        "wait_seconds": (0, -1, 51, 2**63, CANARY),
    }
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(server, mode=mode))
            for mode in ("legacy", "2026-07-28")
        ]
        tools = {tool.name: tool for tool in (await clients[0].list_tools()).tools}
        arguments = Arguments(tools[name], world)
        for number in range(CALLS):
            given = arguments.make()
            if name in ("run_sync", "get_job"):
                given["wait_seconds"] = 0 if number % 4 else given.get("wait_seconds", 0)
            answer = await clients[number % 2].call_tool(name, given)
            problem = find_problem(answer, tools[name])
            assert not problem, f"{problem}: {name} {str(given)[:2000]}: {text_of(answer)[:2000]}"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert CANARY not in caplog.text


def find_problem(answer: CallToolResult, tool: Tool) -> str:
    """Return what is wrong with the answer, if anything."""
    text = text_of(answer)
    if "inside Weft" in text:
        return "crashed"
    if wire_bytes(answer.model_dump(mode="json", by_alias=True)) > RESULT_MAX_BYTES:
        return "too large"
    if not answer.is_error:
        return ""
    # A suggestion is the name of something stored, which an earlier call may have renamed.
    if CANARY in re.sub(r"Did you mean '[^']*'\?", "", text):
        return "an echo"
    fields = (*tool.input_schema.get("properties", {}), "There is no argument")
    return "" if any(field in text for field in fields) else "names no field"
