"""The operator's ceilings are the same on every transport, and nothing lifts them."""

import pytest

from tests.acceptance.weft_http import OVER, connect_over
from tests.acceptance.weft_process import TOOLS, Agent, Place

pytestmark = pytest.mark.anyio

READS = [t for t in TOOLS if t.startswith(("list_", "get_", "search"))]
DELETES = ["delete_connection", "delete_collection"]
MODERN = [over for over in OVER if over.endswith("2026-07-28")]


async def list_tools(agent: Agent) -> list[str]:
    return [tool.name for tool in (await agent.client.list_tools()).tools]


async def list_prompts(agent: Agent) -> list[str]:
    return [prompt.name for prompt in (await agent.client.list_prompts()).prompts]


async def collect_refusals(agent: Agent, tools: list[str]) -> set[str]:
    """Call tools that must be refused, even without arguments; return their texts."""
    return {await agent.expect_refusal(tool) for tool in tools}


@pytest.mark.parametrize("over", OVER)
async def test_a_read_only_server_offers_and_does_nothing_else(place: Place, over: str) -> None:
    async with connect_over(place, over, "--read-only") as agent:
        assert await list_tools(agent) == READS
        (text,) = await collect_refusals(agent, [t for t in TOOLS if t not in READS])
        assert "WEFT_READ_ONLY" in text
        assert (await agent.ok("list_collections")).items == []
        assert await list_prompts(agent) == ["weekly_sync_report"]


@pytest.mark.parametrize("over", MODERN)
async def test_a_server_that_deletes_nothing_does_the_rest(place: Place, over: str) -> None:
    async with connect_over(place, over, WEFT_NO_DELETE="true") as agent:
        assert await list_tools(agent) == [t for t in TOOLS if t not in DELETES]
        (text,) = await collect_refusals(agent, DELETES)
        assert "WEFT_NO_DELETE" in text
        await agent.collection("made-anyway")
        assert "connect_source" in await list_prompts(agent)


@pytest.mark.parametrize("over", MODERN)
async def test_only_the_chosen_toolsets_are_offered(place: Place, over: str) -> None:
    chosen = ["list_jobs", "get_job", "search", "get_entity", "list_entities"]
    async with connect_over(place, over, "--toolsets", "jobs,search", "--read-only") as agent:
        assert await list_tools(agent) == chosen
        assert await list_prompts(agent) == []
        for tool in ("list_sources", "create_connection", "list_collections"):
            assert "WEFT_TOOLSETS" in await agent.expect_refusal(tool)
        assert "WEFT_READ_ONLY" in await agent.expect_refusal("run_sync")
