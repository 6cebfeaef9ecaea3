"""Tools that read synced content, and label it as text by other people."""

import json
from datetime import UTC, datetime
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from weft.backend import Search
from weft.domain.entities import StoredEntity
from weft.domain.reading.browsing import PATTERN_MAX_CHARS, parse_moment
from weft.domain.reading.search import (
    QUERY_MAX_CHARS,
    SEARCH_LIMIT_MAX,
    SearchMode,
    SearchQuery,
    SearchResults,
)
from weft.domain.text.words import quantity
from weft.errors import Unsupported, WeftError
from weft.server.call import ToolCall
from weft.server.render.hits import hit_out, hit_text, opening_step
from weft.server.render.size import Structured, fits, shrink_to_fit
from weft.server.render.structured import EntityOut, HitsOut, reply, timestamp, to_plain
from weft.server.render.text import more_text
from weft.server.render.untrusted import SYNCED, clean, label_untrusted, one_line
from weft.server.tools.definition import tool
from weft.server.tools.parameters import Cursor, FilterRef

ENTITY_MAX_CHARS = 20_000
# No text is longer than SQLite's own limit.
OFFSET_MAX = 1_000_000_000
_METADATA_MAX_CHARS = 4000
# The arguments that narrow a search, by the fields of the query.
_FILTERS = {
    "connection": "connection_id",
    "path": "path",
    "author": "author",
    "entity_type": "entity_type",
    "since": "since",
    "until": "until",
}


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
    path: Annotated[str | None, Field(max_length=PATTERN_MAX_CHARS)] = None,
    author: FilterRef = None,
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
            path=path or None,
            author=author or None,
            entity_type=entity_type,
            since=after,
            until=before,
            limit=size,
            cursor=cursor,
        )
        whole = "search.entity" not in call.backend.unsupported
        results = await group.search(wanted)
        if not results.hits:
            return _no_hits(wanted, results, await _finds_without_filters(group, wanted))
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


def _filters_of(wanted: SearchQuery) -> dict[str, str]:
    return {field: name for field, name in _FILTERS.items() if getattr(wanted, field)}


async def _finds_without_filters(group: Search, wanted: SearchQuery) -> bool | None:
    """Tell whether there are hits without the filters; None if that is not known."""
    given = _filters_of(wanted)
    if not given or wanted.cursor is not None:
        return None
    wider = wanted.model_copy(update={**dict.fromkeys(given), "limit": 1})
    try:
        return bool((await group.search(wider)).hits)
    except WeftError:
        return None  # That there are no hits is still true.


def _no_hits(wanted: SearchQuery, results: SearchResults, excluded: bool | None) -> CallToolResult:
    data: Structured = {"hits": [], "matched": results.matched}
    notes = [results.note] if results.note else []
    filters = " and ".join(_filters_of(wanted).values())
    if wanted.cursor is not None:
        return reply("There are no more hits.", data, notes=notes)
    if excluded:
        text = f"Nothing fits, but without {filters} there are hits."
        return reply(text, data, notes=notes, next_step=f"Search without {filters}.")
    text = "Nothing fits." if excluded is None else f"Nothing fits, with or without {filters}."
    tries = ["fewer or other words"]
    tries += ["no quotes, as what is quoted must be there"] if '"' in wanted.query else []
    tries += [f"no {filters}"] if filters and excluded is None else []
    tries += ["no mode"] if wanted.mode is not SearchMode.AUTO else []
    step = f"Try {', or '.join(tries)}; list_connections shows whether the content was synced."
    return reply(text, data, notes=notes, next_step=step)


def _how_found(wanted: SearchQuery, results: SearchResults) -> str:
    if results.matched == "all":
        return "with all words"
    if results.by_meaning:
        alone = wanted.mode is SearchMode.MEANING
        return "by meaning; words may lack" if alone else "by meaning and words; words may lack"
    return "with some or all of the words, best first"


def _hits(wanted: SearchQuery, results: SearchResults, *, whole: bool) -> CallToolResult:
    blocks = [hit_text(number, hit) for number, hit in enumerate(results.hits, 1)]
    lines = [
        f"{quantity(len(results.hits), 'hit')} {_how_found(wanted, results)}.",
        label_untrusted("\n\n".join(blocks), SYNCED),
        *more_text(results.next_cursor),
    ]
    data: Structured = {"hits": [hit_out(hit) for hit in results.hits], "matched": results.matched}
    if results.by_meaning:
        data["by_meaning"] = True
    if results.next_cursor:
        data["next_cursor"] = results.next_cursor
    step = opening_step(results.hits) if whole else ""
    notes = [results.note] if results.note else []
    return reply("\n".join(lines), data, notes=notes, next_step=step)


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
        label_untrusted("\n".join([*about, "", untrusted["text"]]), SYNCED),
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
