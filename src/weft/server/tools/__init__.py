"""The tools, one family a file."""

from dataclasses import replace

from weft.backend import Backend
from weft.server.tooling import ToolSpec
from weft.server.tools import (
    authorization,
    collections,
    connections,
    deletions,
    jobs,
    search,
    sources,
)


def tools_for(backend: Backend) -> list[ToolSpec]:
    """The tools that this backend can serve, in the order of the list."""
    families: list[tuple[str, tuple[ToolSpec, ...]]] = [
        ("sources", sources.TOOLS),
        ("connections", connections.TOOLS),
    ]
    if backend.authorization is not None:
        families.append(("connections", authorization.TOOLS))
    families += [
        ("jobs", jobs.TOOLS),
        ("collections", collections.TOOLS),
        ("connections", (deletions.delete_connection,)),
        ("collections", (deletions.delete_collection,)),
    ]
    if backend.search is not None:
        families.append(("search", search.TOOLS))
    return [
        replace(spec, toolset=toolset)
        for toolset, specs in families
        for spec in specs
        if _OPERATIONS.get(spec.name) not in backend.unsupported
    ]


# What the tools that not every backend can serve need of it.
_OPERATIONS = {"check_connection": "connections.check", "get_entity": "search.entity"}
