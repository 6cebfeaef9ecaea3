"""Airweave's JSON as domain objects.

Lenient where the API may grow (unknown fields and enum values), strict about what everything
depends on (ids, shapes): `Unreadable` is raised for the latter, and quotes nothing. Timestamps
without a zone are UTC. Fields that only Weft's own HTTP API sends (``version``, ``trigger``,
``entities_unchanged``, ...) are read when they are there.
"""

from typing import Final, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from weft.domain.collections import Collection
from weft.domain.connections import Connection
from weft.domain.jobs import Job, LogLine
from weft.domain.sources import SourceInfo
from weft.wire.answers import (
    Found,
    UpstreamCollection,
    UpstreamConnection,
    UpstreamJob,
    UpstreamListedConnection,
    UpstreamResults,
)
from weft.wire.catalogue import UpstreamSource
from weft.wire.reading import Unreadable, utc_now

W = TypeVar("W", bound=BaseModel)

LOG_MESSAGE_MAX_CHARS: Final = 2000


def source(body: JsonValue) -> SourceInfo:
    """A source of the catalogue. All credential fields count as secret: the wire's own flag is
    false for GitHub's token.
    """
    return _read(UpstreamSource, body).domain()


def sources(body: JsonValue) -> list[SourceInfo]:
    """The catalogue."""
    return [item.domain() for item in _read_list(UpstreamSource, body)]


def collection(body: JsonValue) -> Collection:
    """A collection; the API does not count its entities."""
    return _read(UpstreamCollection, body).domain()


def collections(body: JsonValue) -> list[Collection]:
    """A page of collections."""
    return [item.domain() for item in _read_list(UpstreamCollection, body)]


def connection(body: JsonValue) -> Connection:
    """A connection in full."""
    return _read(UpstreamConnection, body).domain()


def listed_connections(body: JsonValue) -> list[Connection]:
    """A page of connections. A list says little of each: no config, schedule, history or sync id.

    Weft's own API lists them in full, and then nothing is lost.
    """
    if not isinstance(body, list):
        raise Unreadable("not a list")
    return [_listed(item) for item in body]


def job(body: JsonValue, connection_id: str | None = None) -> Job:
    """A job. The API does not say when it was created: what it says of its start stands in."""
    return _read(UpstreamJob, body).domain(connection_id)


def jobs(body: JsonValue) -> list[Job]:
    """A page of jobs."""
    return [item.domain(None) for item in _read_list(UpstreamJob, body)]


def job_log(body: JsonValue) -> list[LogLine]:
    """What the API says about a job in words: its error, which is text of other people."""
    said = _read(UpstreamJob, body)
    if not said.error:
        return []
    at = said.completed_at or said.started_at or utc_now()
    return [LogLine(at=at, level="ERROR", message=said.error[:LOG_MESSAGE_MAX_CHARS])]


def found(body: JsonValue) -> Found:
    """The hits of a search, best first."""
    return _read(UpstreamResults, body).domain()


def _listed(item: JsonValue) -> Connection:
    in_full = isinstance(item, dict) and "auth" in item
    return _read(UpstreamConnection if in_full else UpstreamListedConnection, item).domain()


def _read(model: type[W], body: JsonValue) -> W:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        places = {".".join(map(str, e["loc"])) for e in error.errors(include_input=False)}
        # The names in a place may be the sender's; only how many there are is told.
        raise Unreadable(f"{len(places)} fields are missing or of the wrong type") from None


def _read_list(model: type[W], body: JsonValue) -> list[W]:
    if not isinstance(body, list):
        raise Unreadable("not a list")
    return [_read(model, item) for item in body]
