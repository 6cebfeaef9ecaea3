"""Finds sources in the catalogue of any backend."""

from weft.backend import LIST_LIMIT_DEFAULT, Sources, validate_limit
from weft.domain.reading.catalogue import SourcePage, page_sources, suggest_sources


async def find_sources(
    sources: Sources,
    query: str | None = None,
    *,
    cursor: str | None = None,
    limit: int = LIST_LIMIT_DEFAULT,
) -> SourcePage:
    """Return a page of the sources that fit ``query``; where none does, its note says what to do.

    Raises InvalidInput for a wrong cursor or limit.
    """
    known = await sources.list()
    page = page_sources(known, query, cursor, validate_limit(limit))
    if page.items:
        return page
    near = suggest_sources(known, query or "")
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    return page.model_copy(update={"note": f"{guess}{sources.other_ways}".strip()})
