"""Tools that delete something, after a person has seen what goes and agreed.

The client asks the person if it can. Otherwise there are two steps: a preview, then a call
with a token that is bound to the content of the preview.
"""

from typing import Annotated

from mcp_types import CallToolResult

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.errors import Conflict
from weft.server.call import ToolCall
from weft.server.elicitation.confirmations import LIFETIME_SECONDS, Effect
from weft.server.elicitation.consent import ask_consent
from weft.server.render.size import Structured
from weft.server.render.structured import (
    DeletionOut,
    connection_brief,
    connection_out,
    reply,
    to_plain,
)
from weft.server.render.text import quantity, schedule_text
from weft.server.render.untrusted import one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import CollectionRef, ConfirmationToken, ConnectionRef

_UPSTREAM = "Nothing is deleted at the source itself."


@tool(
    "Delete a connection",
    "Permanently delete a connection with its synced entities and history; to stop it from syncing,"
    " remove its schedule with update_connection instead. The user is asked to confirm where the"
    " client can ask. Elsewhere the first call deletes nothing, shows what would go and returns a"
    " token: show that to the user, and call again with the token once they agree.",
    deletes=True,
)
async def delete_connection(
    call: ToolCall, connection_id: ConnectionRef, confirmation_token: ConfirmationToken = None
) -> Annotated[CallToolResult, DeletionOut]:
    """Delete what the person confirmed, or with the token of a preview."""
    connection = await call.backend.connections.get(connection_id)
    effect = _connection_effect(connection)
    if confirmation_token is None:
        shown = {"connection": connection_brief(connection)}
        decided = await _ask_or_preview(call, effect, _connection_preview(connection), shown)
        if isinstance(decided, CallToolResult):
            return decided
        connection = await call.backend.connections.get(connection.id)
        _redeem_agreed(call, decided, _connection_effect(connection))
    else:
        call.confirmations.redeem(confirmation_token, effect)
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
    collection = await call.backend.collections.get(readable_collection_id)
    effect = _collection_effect(collection)
    if confirmation_token is None:
        shown = {"collection": to_plain(collection)}
        decided = await _ask_or_preview(call, effect, _collection_preview(collection), shown)
        if isinstance(decided, CallToolResult):
            return decided
        collection = await call.backend.collections.get(collection.readable_id)
        _redeem_agreed(call, decided, _collection_effect(collection))
    else:
        call.confirmations.redeem(confirmation_token, effect)
    gone = await call.backend.collections.delete(collection.readable_id)
    text = (
        f"Deleted collection '{one_line(gone.name)}' ({gone.readable_id}) with "
        f"{quantity(gone.connection_count, 'connection')} and "
        f"{quantity(gone.entity_count, 'entity')}. {_UPSTREAM}"
    )
    data = {"deleted": True, "entities": gone.entity_count, "collection": to_plain(gone)}
    return reply(text, data)


async def _ask_or_preview(
    call: ToolCall, effect: Effect, lines: list[str], shown: Structured
) -> str | CallToolResult:
    """Ask the person; return a token if they agree, or a result that ends the call."""
    if not call.ask.can_show_form:
        return _preview(call, effect, lines, shown)

    async def issue_token() -> str:
        return call.confirmations.issue(effect)

    # Issue it before the question, so that it covers exactly what the question shows.
    token: str = await call.ask.once_per_call("token", issue_token)
    message = "\n".join([f"Delete this {effect.kind} for good?", *lines])
    consent = await ask_consent(
        call.ask,
        "confirm",
        message,
        title="Delete it for good",
        description="This cannot be undone.",
        done="deleted",
    )
    if consent.agreed:
        return token
    if not consent.refusal:
        return _preview(call, effect, lines, shown)
    return reply(consent.refusal, {"deleted": False, "entities": effect.entities} | shown)


def _redeem_agreed(call: ToolCall, token: str, effect: Effect) -> None:
    try:
        call.confirmations.redeem(token, effect)
    except Conflict:
        # The errors of `redeem` are about a token, which this caller has never seen.
        raise Conflict(
            "The answer came too late, or what would be deleted changed while the user was asked; "
            "nothing was deleted.",
            hint=f"Call delete_{effect.kind} again to ask about it as it is now.",
        ) from None


def _preview(call: ToolCall, effect: Effect, lines: list[str], shown: Structured) -> CallToolResult:
    token = call.confirmations.issue(effect)
    text = "\n".join(
        [
            "Nothing is deleted yet. This is what would be deleted, for good:",
            *lines,
            (
                f"If the user agrees, call delete_{effect.kind} again within "
                f"{LIFETIME_SECONDS // 60} minutes with confirmation_token='{token}'."
            ),
        ]
    )
    data: Structured = {
        "deleted": False,
        "entities": effect.entities,
        "confirmation_token": token,
        "expires_in_seconds": LIFETIME_SECONDS,
    }
    return reply(text, data | shown)


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


def _collection_preview(collection: Collection) -> list[str]:
    return [
        f"- collection '{one_line(collection.name)}' ({collection.readable_id})",
        (
            f"- {quantity(collection.connection_count, 'connection')} with schedules and history; "
            "running syncs are cancelled first"
        ),
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
