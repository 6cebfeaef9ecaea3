"""Suggest names and ids for the arguments of prompts and resource templates."""

from collections import Counter
from collections.abc import Callable, Sequence

from mcp_types import CompleteRequestParams, Completion

from weft.backend import LIST_LIMIT_MAX, Backend
from weft.errors import WeftError
from weft.server.render.untrusted import one_line

_VALUES_MAX = 100
# Somebody is typing and waiting, so look through no more pages than this.
_PAGES_MAX = 10
_KINDS = {
    "connection_id": "connection",
    "job_id": "job",
    "short_name": "source",
    "readable_id": "collection",
    "readable_collection_id": "collection",
    "weft://connections/{id}": "connection",
    "weft://connections/{id}/jobs": "connection",
    "weft://connections/{id}/entities": "connection",
    "weft://jobs/{id}": "job",
    "weft://jobs/{id}/changes": "job",
}

Names = tuple[str, ...]


async def complete(
    backend: Backend,
    params: CompleteRequestParams,
    refusal_of: Callable[[str], WeftError | None],
) -> Completion:
    """Suggest values that start with what was typed, in any case; names come before ids.

    Suggests nothing if ``refusal_of`` refuses the caller the resource that lists the values.
    """
    kind = _KINDS.get(getattr(params.ref, "uri", "")) or _KINDS.get(params.argument.name, "")
    if refusal_of(f"weft://{kind}s"):
        return Completion(values=[], total=0, has_more=False)
    typed = params.argument.value.casefold()
    known: list[Names] = []
    cursor: str | None = None
    for _ in range(_PAGES_MAX):
        try:
            names, cursor = await _names_page(backend, kind, cursor)
        except WeftError:
            # A missing suggestion is not a failure: answer with those that were found.
            break
        known += names
        if cursor is None or len(_matching(known, typed)) > _VALUES_MAX:
            break
    values = _matching(known, typed)
    more = cursor is not None or len(values) > _VALUES_MAX
    return Completion(
        values=values[:_VALUES_MAX], total=None if cursor else len(values), has_more=more
    )


def _matching(known: Sequence[Names], typed: str) -> list[str]:
    uses = Counter(name for names in known for name in set(names))
    ranks = max(map(len, known), default=0)
    in_order = [names[rank] for rank in range(ranks) for names in known if rank < len(names)]
    return [
        value
        for value in dict.fromkeys(in_order)
        # Suggest no value that names two things, or that cannot be typed as shown.
        if uses[value] == 1 and value == one_line(value) and value.casefold().startswith(typed)
    ]


async def _names_page(
    backend: Backend, kind: str, cursor: str | None
) -> tuple[list[Names], str | None]:
    """Return the names of each thing on a page, the best first, and the next cursor."""
    match kind:
        case "source":
            return [(source.short_name,) for source in await backend.sources.list()], None
        case "connection":
            found = await backend.connections.list(cursor=cursor, limit=LIST_LIMIT_MAX)
            return [(one.name, one.id) for one in found.items], found.next_cursor
        case "collection":
            held = await backend.collections.list(cursor=cursor, limit=LIST_LIMIT_MAX)
            return [(one.readable_id, one.name) for one in held.items], held.next_cursor
        case "job":
            jobs = await backend.jobs.list(cursor=cursor, limit=LIST_LIMIT_MAX)
            return [(one.id,) for one in jobs.items], jobs.next_cursor
        case _:
            return [], None
