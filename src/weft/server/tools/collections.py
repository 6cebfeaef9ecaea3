"""Tools about collections, each of which is searched as a whole."""

from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.domain.collections import (
    NAME_MAX_CHARS,
    NAME_MIN_CHARS,
    READABLE_ID_MAX_CHARS,
    Collection,
    NewCollection,
)
from weft.domain.reading.ways import PACKAGED
from weft.domain.text.words import embedded_so_far, quantity
from weft.server.call import ToolCall
from weft.server.render.size import shrink_to_fit
from weft.server.render.structured import CollectionOut, ItemsOut, page_out, reply, to_plain
from weft.server.render.text import more_text
from weft.server.render.untrusted import one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import CollectionRef, Cursor, Limit

Name = Annotated[str, Field(min_length=NAME_MIN_CHARS, max_length=NAME_MAX_CHARS)]


@tool(
    "List collections",
    "Collections, newest first: what connections sync into and search looks through."
    " Seldom needed: create_connection and search work without one.",
    reads=True,
    quick=True,
)
async def list_collections(
    call: ToolCall, cursor: Cursor = None, limit: Limit = 20
) -> Annotated[CallToolResult, ItemsOut]:
    async def page(size: int) -> CallToolResult:
        found = await call.backend.collections.list(cursor=cursor, limit=size)
        lines = [f"{quantity(len(found.items), 'collection')}:", *map(_line, found.items)]
        text = "\n".join(lines + more_text(found.next_cursor))
        if not found.items:
            text = "No collections. create_connection makes one."
        return reply(text, page_out([to_plain(item) for item in found.items], found))

    return await shrink_to_fit(limit, page)


@tool(
    "Create a collection",
    "Make a collection for connections to sync into, one for what should be searched together."
    " Seldom needed: create_connection has a default.",
)
async def create_collection(
    call: ToolCall,
    name: Name,
    readable_id: Annotated[
        str | None,
        Field(
            description="Lower-case words with hyphens; derived from the name if left out.",
            max_length=READABLE_ID_MAX_CHARS,
        ),
    ] = None,
) -> Annotated[CallToolResult, CollectionOut]:
    """Create a collection, and name the id that other tools take."""
    made = await call.backend.collections.create(NewCollection(name=name, readable_id=readable_id))
    text = (
        f"Created collection '{one_line(made.name)}', readable_collection_id: {made.readable_id}."
    )
    return reply(text, to_plain(made), next_step="create_connection with it.")


@tool(
    "Rename a collection",
    "Give a collection another name; its id and content stay. For a connection use"
    " update_connection.",
    destroys=True,
    repeatable=True,
)
async def update_collection(
    call: ToolCall, readable_collection_id: CollectionRef, name: Name
) -> Annotated[CallToolResult, CollectionOut]:
    """Rename a collection, and say how much is in it."""
    renamed = await call.backend.collections.update(readable_collection_id, name=name)
    return reply(f"Renamed.\n{_line(renamed)}", to_plain(renamed))


TOOLS = (list_collections, create_collection, update_collection)


def _line(collection: Collection) -> str:
    return (
        f"- {collection.readable_id}: '{one_line(collection.name)}', {collection.status.value}, "
        f"{quantity(collection.connection_count, 'connection')}, "
        f"{quantity(collection.entity_count, 'entity')}"
        f"{embedded_so_far(collection.entity_count, collection.not_embedded)}"
        f"{'' if collection.embedded_by == PACKAGED else f', embedded by {collection.embedded_by}'}"
    )
