"""The tool that lists what is stored, and what syncs did."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend import Browse
from weft.domain.reading.browsing import (
    BROWSE_LIMIT_DEFAULT,
    BROWSE_LIMIT_MAX,
    PATTERN_MAX_CHARS,
    Change,
    ChangeKind,
    ChangeList,
    ChangeQuery,
    EntityList,
    EntityOrder,
    EntityQuery,
    ListedEntity,
    parse_moment,
)
from weft.domain.text.words import quantity
from weft.errors import InvalidInput, Unsupported
from weft.server.call import ToolCall
from weft.server.render.browsing import NAME_MAX_CHARS, changes_out, entities_out
from weft.server.render.size import Structured, shrink_to_fit
from weft.server.render.structured import EntitiesOut, reply, timestamp
from weft.server.render.text import more_text
from weft.server.render.untrusted import SYNCED, label_untrusted, one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import Cursor, FilterRef


class ChangeChoice(StrEnum):
    """A kind of change, or all of them."""

    ANY = "any"
    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def kind(self) -> ChangeKind | None:
        """Return the kind, or None for all."""
        return None if self is ChangeChoice.ANY else ChangeKind(self.value)


@tool(
    "List entities",
    "What is stored, with counts by type and media type (entity_type takes both); get_entity reads"
    " one; to export, the user runs `weft export`. With change or job_id: what syncs did that ended"
    " in that time, e.g. change=any since=24h.",
    reads=True,
)
async def list_entities(
    call: ToolCall,
    readable_collection_id: FilterRef = None,
    connection_id: FilterRef = None,
    path: Annotated[
        str | None, Field(description="Prefix, or with *.", max_length=PATTERN_MAX_CHARS)
    ] = None,
    entity_type: FilterRef = None,
    since: Annotated[FilterRef, Field(description="24h, 7d or ISO 8601.")] = None,
    until: FilterRef = None,
    change: ChangeChoice | None = None,
    job_id: FilterRef = None,
    order: EntityOrder | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Field(ge=1, le=BROWSE_LIMIT_MAX)] = BROWSE_LIMIT_DEFAULT,
) -> Annotated[CallToolResult, EntitiesOut]:
    """List entities or changes, as many as fit."""
    group = _browse_of(call)
    now = datetime.now(UTC)
    after, before = parse_moment(since, now, "since"), parse_moment(until, now, "until")
    if change is None and job_id is None:

        async def list_page(size: int) -> CallToolResult:
            wanted = EntityQuery(
                readable_collection_id=readable_collection_id,
                connection=connection_id,
                path=path,
                entity_type=entity_type,
                since=after,
                until=before,
                order=order or EntityOrder.PATH,
                cursor=cursor,
                limit=size,
            )
            return _entities(await group.entities(wanted))

        return await shrink_to_fit(limit, list_page)
    _refuse_with_changes({"path": path, "entity_type": entity_type, "order": order})

    async def change_page(size: int) -> CallToolResult:
        asked = ChangeQuery(
            readable_collection_id=readable_collection_id,
            connection=connection_id,
            job=job_id,
            kind=change.kind if change else None,
            since=after,
            until=before,
            cursor=cursor,
            limit=size,
        )
        return _changes(await group.changes(asked))

    return await shrink_to_fit(limit, change_page)


TOOLS = (list_entities,)


def _browse_of(call: ToolCall) -> Browse:
    if call.backend.browse is None:
        raise Unsupported("This backend cannot list entities.")
    return call.backend.browse


def _refuse_with_changes(given: Mapping[str, str | None]) -> None:
    for field, value in given.items():
        if value is not None:
            raise InvalidInput(
                f"{field} does not apply to changes, which are listed newest first.",
                field=field,
                hint="Leave it out, or leave out change and job_id.",
            )


def _entities(found: EntityList) -> CallToolResult:
    data = entities_out(found)
    total, types = data["total"], data["untrusted_types"]
    counts = ", ".join(f"{name} {count}" for name, count in types.items())
    left = len(found.by_type) - len(types)
    lines = [
        f"{quantity(len(found.items), 'entity')} here; stored in all {total}"
        + (f", by type: {counts}" if counts else "")
        + (f" and {left} more types." if left else "."),
    ]
    if found.by_media_type:
        media = ", ".join(f"{name} {count}" for name, count in found.by_media_type.items())
        lines.append(f"By media type: {media}.")
    if found.items:
        lines += [
            label_untrusted("\n".join(map(_entity_line, found.items)), SYNCED),
            "get_entity(entity_id) has the text and the URL of one; `weft export` writes a file.",
        ]
    elif total:
        lines.append("None of these fits the filters, as far as this page reaches.")
    else:
        lines.append("Nothing is stored here: list_connections shows whether it was synced.")
    return _finish(lines, data)


def _entity_line(item: ListedEntity) -> str:
    parts = [
        f"{item.id}: {one_line(item.source_entity_id, NAME_MAX_CHARS)}",
        *([one_line(item.title)] if not item.source_entity_id.endswith(item.title) else []),
        f"{item.media_type or one_line(item.type, 60)}, {item.size} bytes of text",
        *([timestamp(item.updated_at)] if item.updated_at else []),
        f"in '{one_line(item.connection_name, 60)}'",
    ]
    return " | ".join(parts)


def _changes(found: ChangeList) -> CallToolResult:
    data = changes_out(found)
    said = ", ".join(f"{count} {kind}" for kind, count in data["counts"].items())
    lines = [
        f"{quantity(data['syncs'], 'sync')} with changes: {said}."
        if said
        else "No sync changed, skipped or failed anything that fits."
    ]
    if untold := data.get("names_not_kept"):
        lines.append(f"The names of {untold} of these are not kept: see the setting keep_changes.")
    body = [
        *(f"{each.kind}, {each.count}: {one_line(each.reason)}" for each in found.totals.reasons),
        *_change_lines(found.items),
    ]
    if body:
        lines.append(label_untrusted("\n".join(body), SYNCED))
    return _finish(lines, data)


def _change_lines(items: Iterable[Change]) -> Iterable[str]:
    job = ""
    for item in items:
        if item.job_id != job:
            job = item.job_id
            when = f"ended {timestamp(item.at)}" if item.at else "running still"
            yield f"'{one_line(item.connection_name, 60)}', job {job}, {when}:"
        name = one_line(item.name, NAME_MAX_CHARS)
        title = one_line(item.title) if item.title and not name.endswith(item.title) else ""
        told = [name, title, one_line(item.reason or "")]
        yield f"- {item.kind}: {' | '.join(part for part in told if part)}"


def _finish(lines: list[str], data: Structured) -> CallToolResult:
    return reply("\n".join([*lines, *more_text(data.get("next_cursor"))]), data)
