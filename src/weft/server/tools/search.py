"""Tools that read synced content, and label it as text by other people."""

import json
from datetime import UTC, datetime
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend import Search
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import parse_moment
from weft.domain.reading.search import (
    QUERY_MAX_CHARS,
    SEARCH_LIMIT_MAX,
    SearchHit,
    SearchMode,
    SearchQuery,
    SearchResults,
)
from weft.domain.text.words import quantity
from weft.errors import Unsupported
from weft.server.call import ToolCall
from weft.server.render.size import Structured, fits, shrink_to_fit
from weft.server.render.structured import EntityOut, HitsOut, reply, timestamp, to_plain
from weft.server.render.text import more_text
from weft.server.render.untrusted import clean, label_untrusted, one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import Cursor, FilterRef

ENTITY_MAX_CHARS = 20_000
# No text is longer than SQLite's own limit.
OFFSET_MAX = 1_000_000_000
_METADATA_MAX_CHARS = 4000
_ORIGIN = "content synced from sources"


@tool(
    "Search",
    "Find synced content, best first, in one collection or in all. Hits are excerpts; get_entity"
    " reads one in full. Finds only what syncs stored: run_sync first for fresh data.",
    reads=True,
)
async def search(
    call: ToolCall,
    query: Annotated[str, Field(min_length=1, max_length=QUERY_MAX_CHARS)],
    readable_collection_id: FilterRef = None,
    connection_id: FilterRef = None,
    entity_type: FilterRef = None,
    since: Annotated[FilterRef, Field(description="Updated: 24h, 7d or ISO 8601.")] = None,
    until: FilterRef = None,
    mode: SearchMode = SearchMode.AUTO,
    limit: Annotated[int, Field(ge=1, le=SEARCH_LIMIT_MAX)] = 10,
    cursor: Cursor = None,
) -> Annotated[CallToolResult, HitsOut]:
    group = _search_of(call)
    now = datetime.now(UTC)
    after, before = parse_moment(since, now, "since"), parse_moment(until, now, "until")

    async def page(size: int) -> CallToolResult:
        wanted = SearchQuery(
            readable_collection_id=readable_collection_id or None,
            query=query,
            mode=mode,
            connection=connection_id,
            entity_type=entity_type,
            since=after,
            until=before,
            limit=size,
            cursor=cursor,
        )
        whole = "search.entity" not in call.backend.unsupported
        results = await group.search(wanted)
        if not results.hits:
            return _no_hits(wanted, results)
        return _hits(wanted, results, whole=whole)

    return await shrink_to_fit(limit, page)


@tool(
    "Get an entity",
    "Read the stored text of an entity, a window at a time, by its id from search or list_entities,"
    " its path (README.md) or its URL.",
    reads=True,
)
async def get_entity(
    call: ToolCall,
    entity_id: Annotated[str, Field(min_length=1, max_length=4000)],
    offset: Annotated[int, Field(description="First character.", ge=0, le=OFFSET_MAX)] = 0,
    max_chars: Annotated[int, Field(ge=1, le=ENTITY_MAX_CHARS)] = 8000,
    connection_id: FilterRef = None,
) -> Annotated[CallToolResult, EntityOut]:
    """Return a window of the text, smaller where its characters take many bytes."""
    entity = await _search_of(call).entity(
        entity_id, connection=connection_id, offset=offset, max_chars=max_chars
    )
    shown = len(entity.text)
    result = _window(entity, shown)
    while not fits(result) and shown > 1:
        shown //= 2
        result = _window(entity, shown)
    return result


TOOLS = (search, get_entity)


def _search_of(call: ToolCall) -> Search:
    if call.backend.search is None:
        raise Unsupported("This backend cannot search.")
    return call.backend.search


def _no_hits(wanted: SearchQuery, results: SearchResults) -> CallToolResult:
    given = {
        "connection_id": wanted.connection,
        "entity_type": wanted.entity_type,
        "since": wanted.since,
        "until": wanted.until,
    }
    filters = " and ".join(name for name, value in given.items() if value)
    wider = f", search without {filters}," if filters else ","
    return reply(
        "Nothing fits.",
        {"hits": [], "matched": results.matched},
        next_step=f"Try fewer or other words{wider} or see with list_connections whether the"
        " content was synced.",
    )


def _how_found(wanted: SearchQuery, results: SearchResults) -> str:
    if results.matched == "all":
        return "with all words"
    if results.by_meaning:
        alone = wanted.mode is SearchMode.MEANING
        return "by meaning; words may lack" if alone else "by meaning and words; words may lack"
    return "with some or all of the words, best first"


def _hits(wanted: SearchQuery, results: SearchResults, *, whole: bool) -> CallToolResult:
    blocks = [_hit_text(number, hit) for number, hit in enumerate(results.hits, 1)]
    lines = [
        f"{quantity(len(results.hits), 'hit')} {_how_found(wanted, results)}.",
        label_untrusted("\n\n".join(blocks), _ORIGIN),
        *more_text(results.next_cursor),
    ]
    data: Structured = {"hits": [_hit_out(hit) for hit in results.hits], "matched": results.matched}
    if results.next_cursor:
        data["next_cursor"] = results.next_cursor
    step = "Read one with get_entity(entity_id)." if whole else ""
    notes = [results.note] if results.note else []
    return reply("\n".join(lines), data, notes=notes, next_step=step)


def _hit_text(number: int, hit: SearchHit) -> str:
    where = f"{one_line(hit.type, 60)} in '{one_line(hit.connection_name)}'"
    where += ", searched live" if hit.live else ""
    lines = [f"{number}. {one_line(hit.title)}", f"entity_id: {hit.entity_id} ({where})"]
    if hit.url:
        lines.append(f"url: {one_line(hit.url, 500)}")
    return "\n".join([*lines, clean(hit.snippet)])


def _hit_out(hit: SearchHit) -> Structured:
    untrusted = {"title": one_line(hit.title), "type": one_line(hit.type, 60)}
    untrusted["snippet"] = clean(hit.snippet)
    if hit.url:
        untrusted["url"] = one_line(hit.url, 500)
    return {
        "entity_id": hit.entity_id,
        "connection_id": hit.connection_id,
        "connection_name": one_line(hit.connection_name),
        "score": float(f"{hit.score:.4g}"),
        **({"live": True} if hit.live else {}),
        "untrusted": untrusted,
    }


def _window(entity: StoredEntity, shown: int) -> CallToolResult:
    end = entity.offset + shown
    more = end < entity.total_chars
    untrusted = _untrusted_fields(entity) | {"text": clean(entity.text[:shown])}
    about = [f"{name}: {value}" for name, value in untrusted.items() if name != "text"]
    lines = [
        (
            f"Entity {entity.id} of '{one_line(entity.connection_name)}' in "
            f"{entity.readable_collection_id}, characters {entity.offset} to {end} of "
            f"{entity.total_chars}."
        ),
        label_untrusted("\n".join([*about, "", untrusted["text"]]), _ORIGIN),
    ]
    data: Structured = {
        "entity_id": entity.id,
        "connection_id": entity.connection_id,
        "readable_collection_id": entity.readable_collection_id,
        "offset": entity.offset,
        "total_chars": entity.total_chars,
        "untrusted": untrusted,
    }
    if more:
        data["next_offset"] = end
        lines.append(f"There is more: get_entity(entity_id='{entity.id}', offset={end}).")
    return reply("\n".join(lines), data)


def _untrusted_fields(entity: StoredEntity) -> dict[str, str]:
    fields = {"title": one_line(entity.title), "type": one_line(entity.type, 60)}
    if entity.url:
        fields["url"] = one_line(entity.url, 500)
    if entity.updated_at:
        fields["updated_at"] = timestamp(entity.updated_at)
    if entity.breadcrumbs:
        fields["breadcrumbs"] = one_line(" › ".join(entity.breadcrumbs), 1000)
    if entity.metadata:
        values = to_plain(entity)["metadata"]
        fields["metadata"] = one_line(json.dumps(values, ensure_ascii=False), _METADATA_MAX_CHARS)
    return fields
