"""The tools that a backend can serve."""

from collections.abc import Collection
from dataclasses import replace

from weft.backend import Backend
from weft.server.tools import (
    authorization,
    browse,
    collections,
    connections,
    deletions,
    jobs,
    search,
    sources,
)
from weft.server.tools.definition import ToolSpec


def tools_for(backend: Backend) -> list[ToolSpec]:
    """Return the tools that this backend can serve, in the order of the list."""
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
        ("connections", (deletions.restore_connection,)),
    ]
    if backend.search is not None:
        families.append(("search", search.TOOLS))
    if backend.browse is not None:
        families.append(("search", browse.TOOLS))
    lacking = {tool for tool, operation in _OPERATIONS.items() if operation in backend.unsupported}
    return [
        replace(spec, toolset=toolset, description=_without(lacking, spec.description))
        for toolset, specs in families
        for spec in specs
        if spec.name not in lacking
    ]


def _without(lacking: Collection[str], description: str) -> str:
    """Drop the clauses of a description that refer to a missing tool."""
    for clause, tool in _CLAUSES.items():
        if tool in lacking:
            description = description.replace(clause, "")
    return description


# Operations that some backends lack, by the tools that need them.
_OPERATIONS = {
    "check_connection": "connections.check",
    "get_entity": "search.entity",
    "restore_connection": "trash.restore",
}
_CLAUSES = {
    "; get_entity reads one in full": "get_entity",
    "; restore_connection undoes it for a time": "restore_connection",
}
