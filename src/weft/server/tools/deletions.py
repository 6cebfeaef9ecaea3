"""Tools that delete something, after a person has seen what goes and agreed."""

from collections.abc import Sequence
from typing import Annotated

from mcp_types import CallToolResult

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.server.call import ToolCall
from weft.server.elicitation.confirmations import Effect
from weft.server.render.schedules import schedule_text
from weft.server.render.structured import (
    DeletionOut,
    connection_brief,
    connection_out,
    reply,
    to_plain,
)
from weft.server.render.text import quantity
from weft.server.render.untrusted import one_line
from weft.server.tools.agreement import Proposal, obtain_agreement
from weft.server.tools.definition import tool
from weft.server.tools.parameters import CollectionRef, ConfirmationToken, ConnectionRef

_NAMED_MAX = 10
_UPSTREAM = "Nothing is deleted at the source itself."


@tool(
    "Delete a connection",
    "Permanently delete a connection with its synced entities and history; to stop it from syncing,"
    " pause its schedule with update_connection instead. The user is asked to confirm where the"
    " client can ask. Elsewhere the first call deletes nothing, shows what would go and returns a"
    " token: show that to the user, and call again with the token once they agree.",
    deletes=True,
)
async def delete_connection(
    call: ToolCall, connection_id: ConnectionRef, confirmation_token: ConfirmationToken = None
) -> Annotated[CallToolResult, DeletionOut]:
    """Delete what the person confirmed, or with the token of a preview."""
    connection = await obtain_agreement(
        call,
        confirmation_token,
        lambda: call.backend.connections.get(connection_id),
        _propose_connection,
    )
    if isinstance(connection, CallToolResult):
        return connection
    gone = await call.backend.connections.delete(connection.id, expected_version=connection.version)
    entities = gone.entities.total_entities
    text = (
        f"Deleted connection '{one_line(gone.name)}' ({gone.id}) with "
        f"{quantity(entities, 'entity')}. "
        f"Its collection {gone.readable_collection_id} stays. {_UPSTREAM}"
    )
    data = {"deleted": True, "entities": entities, "connection": connection_out(gone)}
    return reply(text, data)


@tool(
    "Delete a collection",
    "Permanently delete a collection with all its connections and entities; for one connection use"
    " delete_connection. The user confirms it, or a token does, in the same way.",
    deletes=True,
)
async def delete_collection(
    call: ToolCall,
    readable_collection_id: CollectionRef,
    confirmation_token: ConfirmationToken = None,
) -> Annotated[CallToolResult, DeletionOut]:
    """Delete what the person confirmed, or with the token of a preview."""

    async def fetch() -> tuple[Collection, Sequence[Connection]]:
        collection = await call.backend.collections.get(readable_collection_id)
        held = await call.backend.connections.list(
            collection=collection.readable_id, limit=_NAMED_MAX
        )
        return collection, held.items

    agreed = await obtain_agreement(
        call, confirmation_token, fetch, lambda found: _propose_collection(*found)
    )
    if isinstance(agreed, CallToolResult):
        return agreed
    collection, _ = agreed
    gone = await call.backend.collections.delete(collection.readable_id)
    text = (
        f"Deleted collection '{one_line(gone.name)}' ({gone.readable_id}) with "
        f"{quantity(gone.connection_count, 'connection')} and "
        f"{quantity(gone.entity_count, 'entity')}. {_UPSTREAM}"
    )
    data = {"deleted": True, "entities": gone.entity_count, "collection": to_plain(gone)}
    return reply(text, data)


def _propose_connection(connection: Connection) -> Proposal:
    return Proposal(
        effect=_connection_effect(connection),
        what="this connection",
        lines=_connection_preview(connection),
        shown={"connection": connection_brief(connection)},
        again="delete_connection again",
    )


def _propose_collection(collection: Collection, held: Sequence[Connection]) -> Proposal:
    return Proposal(
        effect=_collection_effect(collection),
        what="this collection",
        lines=_collection_preview(collection, held),
        shown={
            "collection": to_plain(collection),
            "connections": [connection_brief(each) for each in held],
        },
        again="delete_collection again",
    )


def _connection_preview(connection: Connection) -> list[str]:
    last = connection.sync.last_job
    running = last.id if last and not last.status.is_terminal else None
    return [
        (
            f"- connection '{one_line(connection.name)}' ({connection.id}, version "
            f"{connection.version}), status {connection.status.value}"
        ),
        f"- source {connection.short_name}, in collection {connection.readable_collection_id}",
        (
            f"- {quantity(connection.entities.total_entities, 'entity')} and the history of "
            f"{quantity(connection.sync.total_runs, 'sync')}"
        ),
        f"- schedule: {schedule_text(connection)}",
        f"- running job: {f'{running}, which is cancelled first' if running else 'none'}",
        f"- {_UPSTREAM} The collection stays.",
    ]


def _collection_preview(collection: Collection, held: Sequence[Connection]) -> list[str]:
    count = quantity(collection.connection_count, "connection")
    and_so_on = ", …" if collection.connection_count > len(held) else ""
    names = ", ".join(f"'{one_line(each.name)}' ({each.short_name})" for each in held) + and_so_on
    told = f"{count} with schedules and history: {names}. Running syncs are cancelled first"
    return [
        f"- collection '{one_line(collection.name)}' ({collection.readable_id})",
        f"- {told if held else count}",
        f"- {quantity(collection.entity_count, 'entity')}",
        f"- {_UPSTREAM}",
    ]


def _connection_effect(connection: Connection) -> Effect:
    schedule = connection.schedule
    facts = (
        connection.organization_id,
        connection.id,
        str(connection.version),
        connection.name,
        connection.short_name,
        connection.readable_collection_id,
        f"{schedule.cron} {schedule.timezone} {schedule.continuous}" if schedule else "",
    )
    return Effect("connection", facts, connection.entities.total_entities)


def _collection_effect(collection: Collection) -> Effect:
    facts = (
        collection.organization_id,
        collection.id,
        collection.readable_id,
        collection.name,
        str(collection.connection_count),
    )
    return Effect("collection", facts, collection.entity_count)
