"""Suggests ids and short names for the arguments of resource templates and prompts."""

from mcp_types import CompleteRequestParams, Completion

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.errors import WeftError

_VALUES_MAX = 100
_CONNECTION_TEMPLATES = ("weft://connections/{id}", "weft://connections/{id}/jobs")


async def complete(backend: Backend, params: CompleteRequestParams) -> Completion:
    """Values that start with what was typed; none where nothing fits or nothing is known."""
    typed = params.argument.value
    template = getattr(params.ref, "uri", "")
    try:
        known = await _known(backend, params.argument.name, template)
    except WeftError:
        # A suggestion that cannot be made is no failure: the client goes on without it.
        known = []
    values = [value for value in known if value.startswith(typed)]
    return Completion(
        values=values[:_VALUES_MAX], total=len(values), has_more=len(values) > _VALUES_MAX
    )


async def _known(backend: Backend, argument: str, template: str) -> list[str]:
    if argument == "connection_id" or template in _CONNECTION_TEMPLATES:
        return [item.id for item in (await backend.connections.list(limit=LIST_LIMIT_MAX)).items]
    if template == "weft://jobs/{id}":
        return [item.id for item in (await backend.jobs.list(limit=LIST_LIMIT_MAX)).items]
    if argument == "short_name":
        return [item.short_name for item in await backend.sources.list()]
    if argument in ("readable_id", "readable_collection_id"):
        page = await backend.collections.list(limit=LIST_LIMIT_MAX)
        return [item.readable_id for item in page.items]
    return []
