"""Calls tools of a Weft server through the client of an agent framework.

Runs in that framework's own virtual environment, so it imports nothing of Weft. Reads a JSON object
from standard input: `framework`, `command`, `env`, and `calls`, a list of [tool, arguments].
An argument "$TOOL.field" stands for a field of that tool's last result. Prints a JSON object:
`tools`, the names that the framework lists, and `results`, one structured result a call.
"""

# pyright: basic, reportMissingImports=false
import asyncio
import json
import sys
from typing import Any


async def call_with_langchain(job: dict[str, Any]) -> dict[str, Any]:
    """Call through langchain-mcp-adapters: each tool as LangChain's own."""
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.tools import load_mcp_tools

    program, *arguments = job["command"]
    server = {"transport": "stdio", "command": program, "args": arguments, "env": job["env"]}
    client = MultiServerMCPClient({"weft": server})
    async with client.session("weft") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        async def call(name: str, arguments: dict[str, Any]) -> Any:
            asked = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
            message = await tools[name].ainvoke(asked)
            if message.artifact is None:
                raise RuntimeError(f"{name} was refused: {message.content}")
            return message.artifact["structured_content"]

        return {"tools": list(tools), "results": await call_all(job["calls"], call)}


async def call_with_pydantic_ai(job: dict[str, Any]) -> dict[str, Any]:
    """Call through pydantic-ai: an agent whose model is scripted."""
    from fastmcp.client.transports import StdioTransport
    from pydantic_ai.mcp import MCPToolset

    program, *arguments = job["command"]
    toolset = MCPToolset(StdioTransport(command=program, args=arguments, env=job["env"]))
    async with toolset:
        names = [tool.name for tool in await toolset.list_tools()]
        results = await call_all(job["calls"], toolset.direct_call_tool)
        return {"tools": names, "results": results}


async def call_all(calls: list[Any], call: Any) -> list[Any]:
    """Make the calls one after another, and return their results."""
    last: dict[str, Any] = {}
    results = []
    for name, given in calls:
        arguments = {key: fill(value, last) for key, value in given.items()}
        last[name] = await call(name, arguments)
        results.append(last[name])
    return results


def fill(value: Any, last: dict[str, Any]) -> Any:
    """Return ``value``, or the field of an earlier result that it stands for."""
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    tool, *path = value[1:].split(".")
    found = last[tool]
    for part in path:
        found = found[int(part)] if part.isdigit() else found[part]
    return found


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    frameworks = {"langchain": call_with_langchain, "pydantic-ai": call_with_pydantic_ai}
    json.dump(asyncio.run(frameworks[asked["framework"]](asked)), sys.stdout)
