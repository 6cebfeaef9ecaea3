"""Searches of a collection, and their results."""

from operator import not_

from pydantic import Field

from weft.domain.base import Frozen, Json

QUERY_MAX_CHARS = 1000
SEARCH_LIMIT_MAX = 50
SNIPPET_MAX_CHARS = 1000


class SearchQuery(Frozen):
    """A search. All words must occur; if nothing has all of them, hits have some of them."""

    readable_collection_id: str
    query: str
    connection: str | None = None
    entity_type: str | None = None
    limit: int = 10
    cursor: str | None = None

    @property
    def cursor_scope(self) -> tuple[str, Json]:
        """Return what a cursor of the hits is bound to: the query without its paging."""
        return "search", self.model_dump(exclude={"cursor", "limit"})


class SearchHit(Frozen):
    """An entity that fits; ``snippet`` is untrusted text of the source.

    ``live``: the source itself was asked just now, and nothing of it is stored.
    """

    entity_id: str
    connection_id: str
    connection_name: str
    type: str
    title: str
    snippet: str
    url: str | None = None
    score: float
    live: bool = Field(default=False, exclude_if=not_)


class SearchResults(Frozen):
    """Hits, best first; ``matched`` is "all" if each has all words of the query, else "any"."""

    hits: tuple[SearchHit, ...]
    matched: str
    next_cursor: str | None = None
