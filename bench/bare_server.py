"""The floor: a server of the MCP SDK with one tool and nothing else."""

import sys

from mcp.server.mcpserver import MCPServer

# It logs no requests, because writing the log would count as time of the request.
server = MCPServer("bare", log_level="WARNING")


@server.tool()
async def echo(text: str) -> str:
    """Return the text."""
    return text


if __name__ == "__main__":
    if "--port" in sys.argv:
        server.run("streamable-http", port=int(sys.argv[-1]))
    else:
        server.run("stdio")
