"""Tools about the sources that can be connected."""

from typing import Annotated

from mcp_types import CallToolResult

from weft.domain.text.words import quantity
from weft.server.call import ToolCall
from weft.server.render.sources import source_line, source_text
from weft.server.render.structured import ItemsOut, SourceOut, reply, source_brief, to_plain
from weft.server.tools.definition import tool
from weft.server.tools.parameters import ShortName


@tool(
    "List sources",
    "Kinds of systems that can be connected (files, git, GitHub, …), with their short names. Start"
    " here to connect something new; list_connections shows what is connected.",
    reads=True,
    quick=True,
)
async def list_sources(call: ToolCall) -> Annotated[CallToolResult, ItemsOut]:
    """Return all sources; they fit on one page."""
    sources = await call.backend.sources.list()
    lines = [f"{quantity(len(sources), 'source')}:", *map(source_line, sources)]
    lines.append("Next: get_source(short_name) for the fields of one.")
    return reply("\n".join(lines), {"items": [source_brief(source) for source in sources]})


@tool(
    "Get a source",
    "Config and credential fields of one source, its authentication methods and cursor fields."
    " Call before create_connection, and before changing config with update_connection.",
    reads=True,
    quick=True,
)
async def get_source(call: ToolCall, short_name: ShortName) -> Annotated[CallToolResult, SourceOut]:
    source = await call.backend.sources.get(short_name)
    return reply(source_text(source), to_plain(source))


TOOLS = (list_sources, get_source)
