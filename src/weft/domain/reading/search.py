"""Searches of one collection or of all, and their results."""

from datetime import datetime
from enum import StrEnum
from operator import not_

from pydantic import Field

from weft.domain.base import Frozen, Json

QUERY_MAX_CHARS = 1000
SEARCH_LIMIT_MAX = 50
SNIPPET_MAX_CHARS = 1000


class SearchMode(StrEnum):
    """A way to find: `AUTO` is the best that a backend has. One that lacks a mode refuses it."""

    AUTO = "auto"
    WORDS = "words"
    MEANING = "meaning"


class SearchQuery(Frozen):
    """A search. By words, hits have any of them, the rare ones first, and all "quoted phrases".

    Without ``readable_collection_id`` it looks through all collections of the organisation.
    ``since`` and ``until`` are about when an entity was updated at its source, and exclude those
    that tell no time.
    """

    query: str
    readable_collection_id: str | None = None
    mode: SearchMode = SearchMode.AUTO
    connection: str | None = None
    entity_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 10
    cursor: str | None = None

    @property
    def cursor_scope(self) -> tuple[str, Json]:
        """Return what a cursor of the hits is bound to: the query without its paging, and without
        its times, because 24h is another moment on each page.
        """
        return "search", self.model_dump(exclude={"cursor", "limit", "since", "until"})


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
    """Hits, best first; ``matched`` is "all" if each has all words of the query, else "any".

    ``by_meaning``: they were found by meaning, except in mode "meaning" by words as well. ``note``
    says what the hits alone would hide.
    """

    hits: tuple[SearchHit, ...]
    matched: str
    by_meaning: bool = Field(default=False, exclude_if=not_)
    note: str = Field(default="", exclude_if=not_)
    next_cursor: str | None = None
