"""The tools, one family a file."""

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
    families: list[tuple[ToolSpec, ...]] = [sources.TOOLS, connections.TOOLS]
    if backend.authorization is not None:
        families.append(authorization.TOOLS)
    families += [jobs.TOOLS, collections.TOOLS, deletions.TOOLS]
    if backend.search is not None:
        families.append(search.TOOLS)
    return [spec for family in families for spec in family]
