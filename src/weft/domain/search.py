"""Searching a collection."""

from weft.domain.base import Frozen, Json

QUERY_MAX_CHARS = 1000
SEARCH_LIMIT_MAX = 50


class SearchQuery(Frozen):
    """What to look for. All words must occur; if nothing has all of them, any of them may."""

    readable_collection_id: str
    query: str
    connection: str | None = None
    entity_type: str | None = None
    limit: int = 10
    cursor: str | None = None

    @property
    def cursor_scope(self) -> tuple[str, Json]:
        """What tells the list of hits from others, for its cursors."""
        return "search", self.model_dump(exclude={"cursor", "limit"})


class SearchHit(Frozen):
    """An entity that fits, best first; ``snippet`` is text of the source, not to be trusted."""

    entity_id: str
    connection_id: str
    connection_name: str
    type: str
    title: str
    snippet: str
    url: str | None = None
    score: float


class SearchResults(Frozen):
    """``matched`` is "all" when every hit has all words of the query, else "any"."""

    hits: tuple[SearchHit, ...]
    matched: str
    next_cursor: str | None = None
