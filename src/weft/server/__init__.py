"""The MCP front: tools, resources and prompts over any Backend."""
