"""Tools that delete, after a person has seen what goes and agreed, and that restore."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend import Browse
from weft.backend.deletions import find_to_delete
from weft.domain.collections import Collection
from weft.domain.connections import WAITING_STATUSES, Connection
from weft.domain.restoring import Restorable, Restored
from weft.domain.text.words import quantity
from weft.server.call import ToolCall
from weft.server.elicitation.confirmations import Effect
from weft.server.render.schedules import schedule_text
from weft.server.render.size import Structured
from weft.server.render.structured import (
    DeletionOut,
    ItemsOut,
    connection_brief,
    connection_out,
    reply,
    timestamp,
    to_plain,
)
from weft.server.render.untrusted import one_line
from weft.server.tools.agreement import Proposal, obtain_agreement
from weft.server.tools.definition import tool
from weft.server.tools.parameters import (
    CollectionRef,
    ConfirmationToken,
    ConnectionRef,
    FilterRef,
)

Permanently = Annotated[bool, Field(description="Without undo.")]

_NAMED_MAX = 10
_NAME_MAX_CHARS = 120
_UPSTREAM = "Nothing is deleted at the source itself."


@dataclass(frozen=True, slots=True)
class _Doomed:
    """What would be deleted, and until when that could be undone; None if it cannot be."""

    target: Connection | Collection
    held: Sequence[Connection]
    until: datetime | None


@tool(
    "Delete a connection",
    "Delete a connection with its synced entities and history; restore_connection undoes it for a"
    " time. To stop it from syncing, pause its schedule with update_connection instead. The user is"
    " asked to confirm where the client can ask. Elsewhere the first call deletes nothing, shows"
    " what would go and returns a token: show that to the user, and call again with the token once"
    " they agree.",
    deletes=True,
)
async def delete_connection(
    call: ToolCall,
    connection_id: ConnectionRef,
    permanently: Permanently = False,
    confirmation_token: ConfirmationToken = None,
) -> Annotated[CallToolResult, DeletionOut]:
    """Delete what the person confirmed, or with the token of a preview."""
    backend = call.backend

    async def look() -> _Doomed:
        get, get_deleted = backend.connections.get, backend.trash.get_connection
        found = await find_to_delete(get, get_deleted, connection_id, permanently=permanently)
        return _Doomed(found, [found], None if permanently else await backend.trash.end())

    agreed = await obtain_agreement(
        call, confirmation_token, look, _propose, partial(_name_largest, backend.browse)
    )
    if isinstance(agreed, CallToolResult):
        return agreed
    version = agreed.held[0].version
    gone = await backend.connections.delete(
        agreed.target.id, expected_version=version, permanently=permanently
    )
    entities = gone.entities.total_entities
    text = (
        f"{_deleted(gone)} connection '{one_line(gone.name)}' ({gone.id}) with "
        f"{quantity(entities, 'entity')}. "
        f"Its collection {gone.readable_collection_id} stays. {_UPSTREAM}{_undo(gone)}"
    )
    data = {"deleted": True, "entities": entities, "connection": connection_out(gone)}
    return reply(text, data)


@tool(
    "Delete a collection",
    "Delete a collection with all its connections and entities; for one connection use"
    " delete_connection. The user confirms it, or a token does, in the same way.",
    deletes=True,
)
async def delete_collection(
    call: ToolCall,
    readable_collection_id: CollectionRef,
    permanently: Permanently = False,
    confirmation_token: ConfirmationToken = None,
) -> Annotated[CallToolResult, DeletionOut]:
    """Delete what the person confirmed, or with the token of a preview."""
    backend = call.backend

    async def look() -> _Doomed:
        get, get_deleted = backend.collections.get, backend.trash.get_collection
        found = await find_to_delete(
            get, get_deleted, readable_collection_id, permanently=permanently
        )
        held: Sequence[Connection] = ()
        if found.restorable_until is None:
            page = await backend.connections.list(collection=found.readable_id, limit=_NAMED_MAX)
            held = page.items
        return _Doomed(found, held, None if permanently else await backend.trash.end())

    agreed = await obtain_agreement(
        call, confirmation_token, look, _propose, partial(_name_largest, backend.browse)
    )
    if isinstance(agreed, CallToolResult):
        return agreed
    gone = await backend.collections.delete(agreed.target.id, permanently=permanently)
    text = (
        f"{_deleted(gone)} collection '{one_line(gone.name)}' ({gone.readable_id}) with "
        f"{quantity(gone.connection_count, 'connection')} and "
        f"{quantity(gone.entity_count, 'entity')}. {_UPSTREAM}{_undo(gone)}"
    )
    data = {"deleted": True, "entities": gone.entity_count, "collection": to_plain(gone)}
    return reply(text, data)


@tool(
    "Restore a connection",
    "Undo delete_connection or delete_collection: all comes back, credentials too. Without"
    " arguments: list what can be restored.",
)
async def restore_connection(
    call: ToolCall,
    connection_id: FilterRef = None,
    readable_collection_id: FilterRef = None,
) -> Annotated[CallToolResult, ItemsOut]:
    """Restore it, or list what can be."""
    if not connection_id and not readable_collection_id:
        return _list_restorable(await call.backend.trash.list())
    restored = await call.backend.trash.restore(
        connection=connection_id or None, collection=readable_collection_id or None
    )
    return _tell_restored(restored)


def _propose(doomed: _Doomed) -> Proposal:
    target = doomed.target
    briefs = [connection_brief(each) for each in doomed.held]
    if isinstance(target, Connection):
        noun, lines = "connection", _connection_preview(target)
        shown = {"connection": briefs[0]}
        effect = _connection_effect(target, doomed.until)
    else:
        noun, lines = "collection", _collection_preview(target, doomed.held)
        shown = {"collection": to_plain(target), "connections": briefs}
        effect = _collection_effect(target, doomed.until)
    return Proposal(
        effect=effect,
        what=f"this {noun}",
        lines=lines,
        shown=shown,
        again=f"delete_{noun} again",
        names_are="the largest documents",
        undone_until=doomed.until,
    )


async def _name_largest(browse: Browse | None, doomed: _Doomed) -> list[str]:
    target = doomed.target
    if browse is None or target.restorable_until is not None:
        return []
    if isinstance(target, Connection):
        total, largest = target.entities.total_entities, await browse.largest(connection=target.id)
    else:
        total, largest = target.entity_count, await browse.largest(collection=target.id)
    names = [
        f"{one_line(each.source_entity_id, _NAME_MAX_CHARS)}, {each.size:,} bytes of text"
        for each in largest.items
    ]
    if total > largest.looked_at:
        names.append(f"(the largest of {largest.looked_at:,} that were looked at)")
    return names


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


def _connection_effect(connection: Connection, until: datetime | None) -> Effect:
    schedule = connection.schedule
    facts = (
        connection.organization_id,
        connection.id,
        str(connection.version),
        connection.name,
        connection.short_name,
        connection.readable_collection_id,
        f"{schedule.cron} {schedule.timezone} {schedule.continuous}" if schedule else "",
        "for good" if until is None else "",
    )
    return Effect("connection", facts, connection.entities.total_entities)


def _collection_effect(collection: Collection, until: datetime | None) -> Effect:
    facts = (
        collection.organization_id,
        collection.id,
        collection.readable_id,
        collection.name,
        str(collection.connection_count),
        "for good" if until is None else "",
    )
    return Effect("collection", facts, collection.entity_count)


def _deleted(gone: Connection | Collection) -> str:
    return "Deleted" if gone.restorable_until else "Deleted for good"


def _undo(gone: Connection | Collection) -> str:
    return f" restore_connection undoes it {_until(gone)}." if gone.restorable_until else ""


def _list_restorable(found: Restorable) -> CallToolResult:
    lines = [
        f"- connection '{one_line(each.name)}' ({each.id}): {each.short_name}, "
        f"{quantity(each.entities.total_entities, 'entity')}, in {each.readable_collection_id}, "
        f"{_until(each)}"
        for each in found.connections
    ]
    lines += [
        f"- collection '{one_line(each.name)}' ({each.readable_id}): "
        f"{quantity(each.connection_count, 'connection')}, "
        f"{quantity(each.entity_count, 'entity')}, {_until(each)}"
        for each in found.collections
    ]
    if found.more:
        lines.append("- and older ones, which can be named as well")
    head = "These can be restored:" if lines else "Nothing can be restored."
    items = [connection_brief(each) | _until_out(each) for each in found.connections]
    collections = [to_plain(each) for each in found.collections]
    return reply("\n".join([head, *lines]), {"items": items, "collections": collections})


def _tell_restored(restored: Restored) -> CallToolResult:
    collection = restored.collection
    head = f"Restored {quantity(restored.connection_count, 'connection')}"
    if collection is not None:
        head += f" and collection '{one_line(collection.name)}' ({collection.readable_id})"
    lines = [
        f"- '{one_line(each.name)}' ({each.id}): {each.short_name}, "
        f"{quantity(each.entities.total_entities, 'entity')}, in {each.readable_collection_id}, "
        f"status {each.status.value}, schedule: {schedule_text(each)}"
        for each in restored.connections
    ]
    notes: list[str] = []
    if restored.former_readable_id is not None:
        notes.append(
            f"another collection is called {restored.former_readable_id} by now, "
            "so this one has a new readable id."
        )
    if len(restored.connections) < restored.connection_count:
        notes.append("list_connections shows all of them.")
    data: Structured = {"items": [connection_brief(each) for each in restored.connections]}
    if collection is not None:
        data["collection"] = to_plain(collection)
    return reply(
        "\n".join([f"{head}:" if lines else f"{head}.", *lines]),
        data,
        notes=notes,
        next_step=_next_after(restored.connections),
    )


def _next_after(connections: Sequence[Connection]) -> str:
    for each in connections:
        if each.status in WAITING_STATUSES:
            return f"authorize_connection(connection_id='{each.id}'): links from before are dead."
    if len(connections) == 1:
        return f"run_sync(connection_id='{connections[0].id}') reads what has changed meanwhile."
    return ""


def _until(found: Connection | Collection) -> str:
    if found.restorable_until is None:
        return "for good"
    return f"until {timestamp(found.restorable_until.replace(microsecond=0))}"


def _until_out(found: Connection) -> dict[str, str]:
    until = found.restorable_until
    return {"restorable_until": timestamp(until)} if until else {}
