"""Calls of one tool, with what every good and every bad result must keep to."""

from typing import Any

from mcp_types import CallToolResult

from tests.support.server.fakes import Connect, text_of
from weft.server.render.size import RESULT_MAX_BYTES

NEW = {"short_name": "github", "readable_collection_id": "docs"}


async def good(connect: Connect, tool: str, **arguments: object) -> tuple[str, dict[str, Any]]:
    result = await call(connect, tool, **arguments)
    assert not result.is_error, text_of(result)
    assert len(result.model_dump_json().encode()) <= RESULT_MAX_BYTES
    assert result.structured_content is not None
    return text_of(result), result.structured_content


async def bad(connect: Connect, tool: str, **arguments: object) -> str:
    result = await call(connect, tool, **arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)


async def call(connect: Connect, tool: str, **arguments: object) -> CallToolResult:
    async with connect() as client:
        return await client.call_tool(tool, arguments)


def items(data: dict[str, Any]) -> list[dict[str, Any]]:
    return data["items"]
