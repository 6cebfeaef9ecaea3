"""Tools about the sources that can be connected."""

from typing import Annotated

from mcp_types import CallToolResult

from weft.backend.catalogue import find_sources
from weft.domain.text.words import agree, quantity
from weft.server.call import ToolCall
from weft.server.render.size import shrink_to_fit
from weft.server.render.sources import source_line, source_text
from weft.server.render.structured import (
    ItemsOut,
    SourceOut,
    page_out,
    reply,
    source_brief,
    to_plain,
)
from weft.server.render.text import more_text
from weft.server.tools.definition import tool
from weft.server.tools.parameters import Cursor, FilterRef, Limit, ShortName


@tool(
    "List sources",
    "Kinds of systems that can be connected (files, git, GitHub, …), with what each needs. query"
    " finds some by words: mail, tickets; one alone is shown as get_source does. Start here to"
    " connect something new; list_connections shows what is connected.",
    reads=True,
    quick=True,
)
async def list_sources(
    call: ToolCall, query: FilterRef = None, cursor: Cursor = None, limit: Limit = 30
) -> Annotated[CallToolResult, ItemsOut]:
    """List sources, as many as fit, and name those that come after them."""

    async def page(size: int) -> CallToolResult:
        found = await find_sources(call.backend.sources, query, cursor=cursor, limit=size)
        if not found.items:
            step = "list_sources with another word, or without query for all."
            text = f"No source fits. {found.note}"
            return reply(text, page_out([], found), next_step=step)
        if query and found.total == 1:
            [only] = found.items
            source = await call.backend.sources.get(only.short_name)
            return reply(
                f"1 source fits:\n{source_text(source)}",
                page_out([{**source_brief(source), **to_plain(source)}], found),
                next_step=f"create_connection(short_name='{source.short_name}', …).",
            )
        fitting = f" {agree(found.total, 'fits', 'fit')}" if query else ""
        lines = [f"{quantity(found.total, 'source')}{fitting}:", *map(source_line, found.items)]
        if found.others:
            lines.append(f"Others: {', '.join(found.others)}.")
        data = page_out([source_brief(source) for source in found.items], found)
        text = "\n".join([*lines, *more_text(found.next_cursor)])
        return reply(text, data, next_step="get_source(short_name) for the fields of one.")

    return await shrink_to_fit(limit, page)


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
