"""Lists of entities and changes, as structured data."""

from typing import Final

from weft.domain.reading.browsing import Change, ChangeList, EntityList, ListedEntity
from weft.server.render.size import Structured
from weft.server.render.structured import timestamp
from weft.server.render.untrusted import one_line

NAME_MAX_CHARS: Final = 300
TYPES_SHOWN_MAX: Final = 30


def entities_out(found: EntityList) -> Structured:
    """Build a page of entities with the counts by type."""
    types = list(found.by_type.items())[:TYPES_SHOWN_MAX]
    data: Structured = {
        "items": [_entity_out(item) for item in found.items],
        "total": sum(found.by_type.values()),
        "untrusted_types": {one_line(name, 60): count for name, count in types},
        "media_types": found.by_media_type,
    }
    return data | _next(found.next_cursor)


def changes_out(found: ChangeList) -> Structured:
    """Build a page of changes with the counts of all."""
    totals = found.totals
    counts = {kind.value: count for kind, count in totals.counts.items() if count}
    data: Structured = {
        "items": [_change_out(item) for item in found.items],
        "counts": counts,
        "syncs": totals.jobs,
        "untrusted_reasons": [
            {"change": each.kind.value, "reason": one_line(each.reason), "count": each.count}
            for each in totals.reasons
        ],
    }
    untold = sum(counts.values()) - totals.names
    return data | ({"names_not_kept": untold} if untold > 0 else {}) | _next(found.next_cursor)


def _next(cursor: str | None) -> Structured:
    return {"next_cursor": cursor} if cursor else {}


def _entity_out(item: ListedEntity) -> Structured:
    untrusted = {
        "path": one_line(item.source_entity_id, NAME_MAX_CHARS),
        "title": one_line(item.title),
        "type": one_line(item.type, 60),
    }
    if item.updated_at:
        untrusted["updated_at"] = timestamp(item.updated_at)
    data: Structured = {
        "entity_id": item.id,
        "connection_id": item.connection_id,
        "size": item.size,
        "untrusted": untrusted,
    }
    return data | ({"media_type": item.media_type} if item.media_type else {})


def _change_out(item: Change) -> Structured:
    untrusted = {"name": one_line(item.name, NAME_MAX_CHARS)}
    for field, value in (("title", item.title), ("type", item.type), ("reason", item.reason)):
        if value:
            untrusted[field] = one_line(value)
    data: Structured = {
        "change": item.kind.value,
        "connection_id": item.connection_id,
        "job_id": item.job_id,
        "untrusted": untrusted,
    }
    return data | ({"at": timestamp(item.at)} if item.at else {})
