"""Resources: the same objects that the tools show, as JSON at stable addresses."""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote, unquote

from mcp_types import Resource, ResourceTemplate

from weft.backend import LIST_LIMIT_MAX, Backend, Browse
from weft.backend.catalogue import find_sources
from weft.domain.base import Page
from weft.domain.connections import Connection
from weft.domain.jobs import diagnose
from weft.domain.reading.browsing import ChangeQuery, EntityQuery
from weft.errors import NotFound
from weft.server.render.browsing import changes_out, entities_out
from weft.server.render.icons import ICONS
from weft.server.render.size import Structured, fits_as_text, shorten_to_text
from weft.server.render.structured import (
    connection_brief,
    connection_out,
    job_out,
    page_out,
    source_brief,
    to_plain,
)
from weft.server.render.text import log_tail
from weft.server.render.untrusted import one_line

SCHEME = "weft://"
# No object has a longer address.
URI_MAX_CHARS = 2000
_JSON = "application/json"
_LISTING_PAGE = 50
_BROWSING = "search"
_LISTS_OF_BROWSING = ("entities", "changes")
_MORE = "This is the first page only; the tool {tool} takes next_cursor for more."

_STATIC = (
    Resource(
        uri="weft://connections",
        name="connections",
        title="Connections",
        description="All connections with status, entity count and last job.",
        mime_type=_JSON,
        icons=ICONS,
    ),
    Resource(
        uri="weft://sources",
        name="sources",
        title="Sources",
        description="What can be connected.",
        mime_type=_JSON,
        icons=ICONS,
    ),
)
_USAGE = Resource(
    uri="weft://usage",
    name="usage",
    title="Plan",
    description="What the plan at the API allows, and what is used.",
    mime_type=_JSON,
)
_TEMPLATES = (
    ("weft://connections/{id}", "connection", "One connection in full."),
    ("weft://connections/{id}/jobs", "connection-jobs", "The sync jobs of one connection."),
    ("weft://connections/{id}/entities", "connection-entities", "What one connection stores."),
    ("weft://jobs/{id}", "job", "One sync job with its diagnosis and log."),
    ("weft://jobs/{id}/changes", "job-changes", "What one sync job did to which entities."),
    ("weft://sources/{short_name}", "source", "One source with the fields that it takes."),
    ("weft://collections/{readable_id}", "collection", "One collection and its connections."),
)
_HINT = "Known: weft://connections, weft://sources, and the templates of resources/templates/list."


def resource_templates(backend: Backend) -> list[ResourceTemplate]:
    """Return the addresses that have a part to fill in."""
    return [
        ResourceTemplate(
            uri_template=uri,
            name=name,
            title=name.replace("-", " ").capitalize(),
            description=text,
            mime_type=_JSON,
            icons=ICONS,
        )
        for uri, name, text in _TEMPLATES
        if backend.browse or toolset_of(uri) != _BROWSING
    ]


async def list_resources(backend: Backend, cursor: str | None) -> Page[Resource]:
    """Return one page of resources: the fixed ones first, then every connection."""
    page = await backend.connections.list(cursor=cursor, limit=_LISTING_PAGE)
    dynamic = tuple(_connection_resource(connection) for connection in page.items)
    fixed = () if cursor else (*_STATIC, _USAGE) if backend.usage else _STATIC
    return Page[Resource](items=(*fixed, *dynamic), next_cursor=page.next_cursor)


def toolset_of(uri: str) -> str:
    """Return the family of tools that shows the same as ``uri``, whether that exists or not."""
    parts = _parts(uri)
    if len(parts) > 2:
        return _BROWSING if parts[2] in _LISTS_OF_BROWSING else "jobs"
    return "connections" if parts == ["usage"] else parts[0]


async def read_resource(backend: Backend, uri: str) -> str:
    """Read the JSON at ``uri``. Raises NotFound when the address or the object does not exist."""
    match _parts(uri):
        case ["connections"]:
            return await _connections(backend)
        case ["connections", connection_id] if connection_id:
            return _to_json(connection_out(await backend.connections.get(connection_id)))
        case ["connections", connection_id, "jobs"] if connection_id:
            return await _jobs(backend, connection_id)
        case ["connections", connection_id, "entities"] if connection_id and backend.browse:
            return await _entities(backend.browse, connection_id)
        case ["jobs", job_id, "changes"] if job_id and backend.browse:
            return await _changes(backend.browse, job_id)
        case ["jobs", job_id] if job_id:
            return await _job(backend, job_id)
        case ["collections", readable_id] if readable_id:
            return await _collection(backend, readable_id)
        case parts:
            return await _read_surroundings(backend, parts)


async def _read_surroundings(backend: Backend, parts: list[str]) -> str:
    """Read what does not belong to a collection."""
    match parts:
        case ["usage"] if backend.usage:
            return _to_json(dict(await backend.usage.get()))
        case ["sources"]:
            return await _sources(backend)
        case ["sources", short_name] if short_name:
            return _to_json(to_plain(await backend.sources.get(short_name)))
        case _:
            raise no_resource()


async def _sources(backend: Backend) -> str:
    async def page(limit: int) -> Structured:
        found = await find_sources(backend.sources, limit=limit)
        return page_out([source_brief(source) for source in found.items], found)

    return await _shrink_to_fit(page, "list_sources")


def no_resource() -> NotFound:
    """Build the error for an address that leads nowhere, and may be a secret in the wrong place."""
    return NotFound("There is no resource at that address.", field="uri", hint=_HINT)


def _parts(uri: str) -> list[str]:
    return [unquote(part) for part in uri.removeprefix(SCHEME).rstrip("/").split("/")]


def _connection_resource(connection: Connection) -> Resource:
    name = one_line(connection.name)
    return Resource(
        uri=f"weft://connections/{quote(connection.id, safe='')}",
        name=name,
        title=name,
        description=f"{connection.short_name} → {connection.readable_collection_id}",
        mime_type=_JSON,
    )


async def _connections(backend: Backend, collection: str | None = None) -> str:
    async def page(limit: int) -> Structured:
        found = await backend.connections.list(collection=collection, limit=limit)
        return page_out([connection_brief(item) for item in found.items], found)

    return await _shrink_to_fit(page, "list_connections")


async def _jobs(backend: Backend, connection_id: str) -> str:
    async def page(limit: int) -> Structured:
        found = await backend.jobs.list(connection_id, limit=limit)
        return page_out([job_out(job) for job in found.items], found)

    return await _shrink_to_fit(page, "list_jobs")


async def _entities(browse: Browse, connection_id: str) -> str:
    async def page(limit: int) -> Structured:
        query = EntityQuery(connection=connection_id, limit=limit)
        return entities_out(await browse.entities(query))

    return await _shrink_to_fit(page, "list_entities")


async def _changes(browse: Browse, job_id: str) -> str:
    async def page(limit: int) -> Structured:
        return changes_out(await browse.changes(ChangeQuery(job=job_id, limit=limit)))

    return await _shrink_to_fit(page, "list_entities")


async def _job(backend: Backend, job_id: str) -> str:
    job = await backend.jobs.get(job_id)
    data = job_out(job)
    diagnosis = diagnose(job)
    if diagnosis:
        data["diagnosis"] = to_plain(diagnosis)
    data["untrusted_log"] = log_tail(await backend.jobs.log(job.id))
    return _to_json(data)


async def _collection(backend: Backend, readable_id: str) -> str:
    collection = await backend.collections.get(readable_id)

    async def page(limit: int) -> Structured:
        found = await backend.connections.list(collection=collection.readable_id, limit=limit)
        members = [connection_brief(item) for item in found.items]
        return {**to_plain(collection), "connections": page_out(members, found)}

    return await _shrink_to_fit(page, "list_connections")


async def _shrink_to_fit(page: Callable[[int], Awaitable[Structured]], tool: str) -> str:
    limit = LIST_LIMIT_MAX
    data = _add_note(await page(limit), tool)
    while not fits_as_text(data) and limit > 1:
        limit //= 2
        data = _add_note(await page(limit), tool)
    return _to_json(data)


def _add_note(data: Structured, tool: str) -> Structured:
    inner: Structured = data.get("connections", data)
    if "next_cursor" in inner:
        inner["note"] = _MORE.format(tool=tool)
    return data


def _to_json(data: Structured) -> str:
    return json.dumps(shorten_to_text(data), ensure_ascii=False)
