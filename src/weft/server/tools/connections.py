"""Tools that make, show, change and check connections."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend import LIST_LIMIT_MAX, open_collection
from weft.domain.collections import DEFAULT_READABLE_ID
from weft.domain.connections import (
    DESCRIPTION_MAX_CHARS,
    NAME_MAX_CHARS,
    NAME_MIN_CHARS,
    VERSION_MAX,
    CheckResult,
    Connection,
    ConnectionChange,
    ConnectionStatus,
    ConnectionTotals,
    NewConnection,
)
from weft.domain.cron_notes import surprises_of
from weft.domain.jobs import diagnosis_of
from weft.domain.schedules import ScheduleSpec
from weft.domain.text.words import quantity
from weft.errors import InvalidInput
from weft.server.call import ToolCall
from weft.server.questions.authorize import create_connection_once, fetch_settled, open_link
from weft.server.questions.inline_credentials import check_inline_credentials
from weft.server.questions.missing_config import ask_missing_config, explain_misplaced
from weft.server.questions.new_host import confirm_new_host
from weft.server.render.previews import mending_step, preview_lines, preview_notes
from weft.server.render.size import shrink_to_fit
from weft.server.render.structured import (
    CheckOut,
    ConnectionOut,
    ItemsOut,
    connection_brief,
    connection_out,
    page_out,
    reply,
    to_plain,
)
from weft.server.render.text import (
    connection_line,
    connection_text,
    more_text,
    next_step_of,
    totals_text,
)
from weft.server.render.untrusted import one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import (
    ConnectionRef,
    Cursor,
    FilterName,
    FilterRef,
    LaterAuth,
    Limit,
    OptionalAuth,
    ShortName,
)
from weft.server.tools.schema import BRIEF
from weft.server.tools.validation import parse_auth

_NEEDS_PROCESS = (
    "The schedule fires only while a Weft process is open, such as this server; what is missed is "
    "made up for once, when one opens."
)
Name = Annotated[str | None, Field(min_length=NAME_MIN_CHARS, max_length=NAME_MAX_CHARS)]
Description = Annotated[str | None, Field(max_length=DESCRIPTION_MAX_CHARS)]


@tool(
    "Create a connection",
    "Connect a source to a collection; left out, one named default. First get the fields with"
    " get_source. Config and credentials are checked, then the first sync starts in the background."
    " Leave auth out unless the user gave credentials: where some are needed, the result has a link"
    " at which the user enters them or consents. To change a connection use update_connection.",
    outside=True,
)
async def create_connection(
    call: ToolCall,
    short_name: ShortName,
    readable_collection_id: FilterRef = None,
    name: Name = None,
    description: Description = None,
    config: Annotated[dict[str, Any] | None, Field(description="Fields as in get_source.")] = None,
    auth: OptionalAuth = None,
    schedule: Annotated[
        ScheduleSpec | None,
        Field(
            description="5-field cron in an IANA timezone (default UTC), or continuous: true. "
            "{} for none; left out: none, or what a remote API chooses."
        ),
    ] = None,
    sync_immediately: Annotated[
        bool | None, Field(description="Default true, except with oauth_browser.")
    ] = None,
    redirect_url: Annotated[
        str | None, Field(description="Where OAuth returns to.", max_length=2000)
    ] = None,
) -> Annotated[CallToolResult, ConnectionOut]:
    """Create a connection, and say what happens now or is missing."""
    given = parse_auth(auth)
    advice = await check_inline_credentials(call, given, short_name=short_name)
    complete = await ask_missing_config(call, short_name, config or {})
    new = NewConnection(
        short_name=short_name,
        readable_collection_id=readable_collection_id or DEFAULT_READABLE_ID,
        name=name,
        description=description,
        config=complete,
        schedule=schedule,
        sync_immediately=sync_immediately,
        auth=given,
        redirect_url=redirect_url,
    )
    async with AsyncExitStack() as stack:
        if not readable_collection_id:
            await stack.enter_async_context(open_collection(call.backend.collections))
        link = await create_connection_once(call, new)
    connection, note = await open_link(call, link)
    done = "Prepared, and created once the user has given what is missing."
    said = done if connection.is_draft else "Created."
    waits = connection.status is ConnectionStatus.PENDING_AUTH
    unsynced = "Nothing was synced yet." if waits else ""
    lines = [said, note, connection_text(connection), unsynced, advice]
    text = "\n".join(line for line in lines if line)
    notes = surprises_of(connection.schedule) if schedule else []
    if not readable_collection_id:
        notes.append(f"No collection was named, so it is in '{DEFAULT_READABLE_ID}'.")
    notes += await _tell_duplicates(call, connection)
    return _connection_result(call, text, connection, notes, _first_sync_step(connection))


@tool(
    "List connections",
    "Connections, newest first, with status, entity count, last job if told, and what needs"
    " attention and why. get_connection shows one in full.",
    reads=True,
    quick=True,
    dashboard=True,
)
async def list_connections(
    call: ToolCall,
    readable_collection_id: FilterRef = None,
    short_name: FilterName = None,
    status: ConnectionStatus | None = None,
    needs_attention: bool = False,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Annotated[CallToolResult, ItemsOut]:
    async def page(size: int) -> CallToolResult:
        found = await call.backend.connections.list(
            collection=readable_collection_id,
            short_name=short_name,
            status=status,
            needs_attention=needs_attention,
            cursor=cursor,
            limit=size,
        )
        lines = [f"{quantity(len(found.items), 'connection')}:", *map(connection_line, found.items)]
        text = "\n".join(lines + more_text(found.next_cursor))
        if not found.items:
            text = _no_match_text(readable_collection_id, short_name, status, needs_attention)
        data = page_out([connection_brief(item) for item in found.items], found)
        if status or needs_attention or cursor or found.next_cursor:
            totals = await call.backend.connections.totals(
                collection=readable_collection_id, short_name=short_name
            )
            text = f"{text}\n{totals_text(totals, readable_collection_id, short_name)}"
        else:
            totals = ConnectionTotals.of(found.items)
        text = "\n".join([text, found.note] if found.note else [text])
        return reply(text, data | {"totals": to_plain(totals)})

    result = await shrink_to_fit(limit, page)
    if short_name is not None and not (result.structured_content or {})["items"]:
        # Raise for an unknown source: the answer "none" would suggest that it can be connected.
        await call.backend.sources.get(short_name)
    return result


@tool(
    "Get a connection",
    "One connection in full: status, config, schedule, sync history, entity counts and what it"
    " needs next: whether the user has authorised it, why it does not sync. get_job has the log of"
    " a sync. Secrets are never shown.",
    reads=True,
    quick=True,
)
async def get_connection(
    call: ToolCall, connection_id: ConnectionRef
) -> Annotated[CallToolResult, ConnectionOut]:
    connection = await fetch_settled(call, connection_id)
    return _connection_result(call, connection_text(connection), connection)


@tool(
    "Update a connection",
    "Change only what is given. config merges by key; a null value removes a key. A new host drops"
    " stored credentials, and the user may be asked first. Takes effect at the next run_sync. To"
    " mend credentials use authorize_connection.",
    destroys=True,
    repeatable=True,
    outside=True,
)
async def update_connection(
    call: ToolCall,
    connection_id: ConnectionRef,
    name: Name = None,
    description: Description = None,
    readable_collection_id: Annotated[FilterRef, Field(description="Moves it there.")] = None,
    config: dict[str, Any] | None = None,
    schedule: Annotated[
        ScheduleSpec | None,
        Field(
            description="As in create_connection; {} removes it. {paused: true} or {paused_until:"
            " date} pauses it, {paused: false} resumes it; run_sync works meanwhile.",
            json_schema_extra=BRIEF,
        ),
    ] = None,
    auth: LaterAuth = None,
    expected_version: Annotated[
        int | None, Field(description="Refuse if the version differs.", ge=1, le=VERSION_MAX)
    ] = None,
) -> Annotated[CallToolResult, ConnectionOut]:
    """Change only the fields that were given."""
    new_auth = parse_auth(auth)
    advice = await check_inline_credentials(call, new_auth, connection_id=connection_id)
    given: dict[str, Any] = {
        "name": name,
        "description": description,
        "readable_collection_id": readable_collection_id,
        "config": config,
        "auth": new_auth,
        "expected_version": expected_version,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if schedule is not None:
        changes["schedule"] = None if schedule.is_none else schedule
    if not changes.keys() - {"expected_version"}:
        # Report an unknown connection first, as that is the more useful error.
        await call.backend.connections.get(connection_id)
        # An empty change would still raise the version, and void a consent to change the last one.
        raise InvalidInput(
            "Nothing to change was given.",
            hint="Give name, description, readable_collection_id, config, schedule or auth. What is"
            " null counts as not given; schedule={} removes the schedule, schedule={paused: true}"
            " pauses it.",
        )
    change = ConnectionChange(**changes)
    agreed = await confirm_new_host(call, connection_id, change)
    if isinstance(agreed, CallToolResult):
        return agreed
    try:
        connection = await call.backend.connections.update(connection_id, agreed)
    except InvalidInput as error:
        found = await call.backend.connections.get(connection_id)
        raise await explain_misplaced(call, error, found.short_name, config or {}) from None
    named = ", ".join(field for field in changes if field != "expected_version")
    lines = [f"Updated: {named}. {connection_text(connection)}", advice]
    text = "\n".join(line for line in lines if line)
    notes = surprises_of(connection.schedule) if schedule else []
    step = _resync_step(connection) if config else ""
    return _connection_result(call, text, connection, notes, step)


@tool(
    "Check a connection",
    "Try the config and credentials at the source now, without syncing, and say what fits them and"
    " what a sync would delete. Use when a sync failed or after a change; run_sync is what reads"
    " data.",
    checks=True,
    outside=True,
)
async def check_connection(
    call: ToolCall, connection_id: ConnectionRef
) -> Annotated[CallToolResult, CheckOut]:
    """Check a connection; a bad outcome is a result, not an error."""
    outcome = await call.backend.connections.check(connection_id)
    detail = one_line(outcome.detail, 1000)
    lines = [f"The check {'passed' if outcome.ok else 'failed'}: {detail}"]
    if outcome.field:
        lines.append(f"field: {outcome.field}")
    data = {**to_plain(outcome), "detail": detail}
    if hint := _check_hint(outcome):
        data["hint"] = hint
        lines.append(f"next: {hint}")
    lines += preview_lines(outcome.preview)
    step = mending_step(outcome.preview, outcome.connection_id)
    return reply("\n".join(lines), data, notes=preview_notes(outcome.preview), next_step=step)


TOOLS = (
    create_connection,
    list_connections,
    get_connection,
    update_connection,
    check_connection,
)


def _connection_result(
    call: ToolCall,
    text: str,
    connection: Connection,
    notes: Sequence[str] = (),
    next_step: str = "",
) -> CallToolResult:
    """Show a connection with notes and what is next: what it needs itself goes first."""
    schedule, preview = connection.schedule, connection.preview
    notes = [*preview_notes(preview), *notes]
    if schedule and call.backend.needs_open_process and not schedule.paused:
        notes = [*notes, _NEEDS_PROCESS]
    steps = next_step_of(connection) or next_step, mending_step(preview, connection.id)
    step = " ".join(filter(None, steps))
    text = "\n".join([text, *preview_lines(preview)])
    return reply(text, connection_out(connection), notes=notes, next_step=step)


def _resync_step(connection: Connection) -> str:
    return (
        "search answers from what was synced with the former config until "
        f"run_sync(connection_id='{connection.id}') has ended."
    )


async def _tell_duplicates(call: ToolCall, made: Connection) -> list[str]:
    """Say whether the collection has another connection of that name or with that content.

    A remote API lists connections without their config, and counts every request.
    """
    if not call.backend.needs_open_process:
        return []
    page = await call.backend.connections.list(
        collection=made.readable_collection_id, short_name=made.short_name, limit=LIST_LIMIT_MAX
    )
    others = [item for item in page.items if item.id != made.id]
    told: list[str] = []
    same = next((one for one in others if made.config and one.config == made.config), None)
    if same:
        told.append(f"{same.id} here has the same config, so search finds its content twice.")
    if any(one.name.casefold() == made.name.casefold() for one in others):
        told.append("Another connection has this name: use ids, or give one another name.")
    return told


def _no_match_text(
    collection: str | None, short_name: str | None, status: object, needs_attention: bool
) -> str:
    given = {
        "readable_collection_id": collection,
        "short_name": short_name,
        "status": status,
        "needs_attention": needs_attention or None,
    }
    filters = [name for name, value in given.items() if value is not None]
    if not filters:
        return "No connections. Call list_sources, then create_connection."
    named, them = " and ".join(filters), "it" if len(filters) == 1 else "them"
    return f"No connection fits this {named}. Without {them} list_connections shows all."


def _check_hint(outcome: CheckResult) -> str:
    """Return the source's hint, and add the call that helps unless the hint names it."""
    hint = one_line(outcome.hint or "")
    says_who = "_connection" in hint or "operator" in hint
    if outcome.ok or outcome.error_category is None or says_who:
        return hint
    step = diagnosis_of(outcome.error_category, outcome.connection_id).next_step
    return f"{hint} {step}".strip()


def _first_sync_step(connection: Connection) -> str:
    last = connection.sync.last_job
    if last is None:
        return ""
    follow = f"get_job(job_id='{last.id}', wait_seconds=45)"
    if last.status.is_terminal:
        return f"The first sync is over: {follow} shows what became of it."
    state = "queued" if last.started_at is None else "running"
    return f"The first sync is {state}: {follow} follows it."
