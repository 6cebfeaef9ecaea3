"""The catalogue of sources."""

from functools import partial

from pydantic import BaseModel, Field

from weft.domain.reading.catalogue import search_sources
from weft.web.rest.operations import ApiCall, Nothing, define
from weft.wire.requests import REFERENCE_MAX_CHARS
from weft.wire.sources import SourceAnswer

operation = partial(define, toolset="sources")


class SourcesQuery(BaseModel):
    """``search``: words that are looked for in names, labels, entity types and descriptions."""

    search: str | None = Field(default=None, max_length=REFERENCE_MAX_CHARS)


@operation("GET", "/sources", list[SourceAnswer], query=SourcesQuery)
async def list_sources(call: ApiCall[SourcesQuery, Nothing]) -> list[SourceAnswer]:
    """List all kinds of sources, or those that fit some words, the best first."""
    found = search_sources(await call.backend.sources.list(), call.query.search)
    return [SourceAnswer.of(info) for info in found]


@operation("GET", "/sources/{short_name}", SourceAnswer, statuses=(404,))
async def get_source(call: ApiCall[Nothing, Nothing]) -> SourceAnswer:
    """Get one kind of source, with the fields that it takes."""
    return SourceAnswer.of(await call.backend.sources.get(call.path["short_name"]))


OPERATIONS = (list_sources, get_source)
