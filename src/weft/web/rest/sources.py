"""The catalogue of sources."""

from functools import partial

from weft.web.rest.operations import ApiCall, Nothing, define
from weft.wire.sources import SourceAnswer

operation = partial(define, toolset="sources")


@operation("GET", "/sources", list[SourceAnswer])
async def list_sources(call: ApiCall[Nothing, Nothing]) -> list[SourceAnswer]:
    """List all kinds of sources."""
    return [SourceAnswer.of(info) for info in await call.backend.sources.list()]


@operation("GET", "/sources/{short_name}", SourceAnswer, statuses=(404,))
async def get_source(call: ApiCall[Nothing, Nothing]) -> SourceAnswer:
    """Get one kind of source, with the fields that it takes."""
    return SourceAnswer.of(await call.backend.sources.get(call.path["short_name"]))


OPERATIONS = (list_sources, get_source)
