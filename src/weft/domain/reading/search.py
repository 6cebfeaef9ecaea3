"""Searches of one collection or of all, and their results."""

from datetime import datetime
from enum import StrEnum
from operator import not_

from pydantic import Field

from weft.domain.base import Frozen, Json
from weft.domain.reading.browsing import PATTERN_MAX_CHARS

QUERY_MAX_CHARS = 1000
SEARCH_LIMIT_MAX = 50
SNIPPET_MAX_CHARS = 1000


class SearchMode(StrEnum):
    """A way to find: `AUTO` is the best that a backend has. One that lacks a mode refuses it."""

    AUTO = "auto"
    WORDS = "words"
    MEANING = "meaning"


class Strength(StrEnum):
    """A judgement of a hit: strong if it has all the words, or is near in meaning."""

    STRONG = "strong"
    WEAK = "weak"


class SearchQuery(Frozen):
    """A search. By words, hits have any of them, the rare ones first, and all "quoted phrases".

    Without ``readable_collection_id`` it looks through all collections of the organisation.
    ``path`` is a prefix, or a pattern in which * and ? are wild. ``author`` is a part of the name
    of who wrote or sent an entity. ``since`` and ``until`` are about when it was updated at its
    source, and exclude those that tell no time. With ``fold_copies``, hits of a page whose texts
    are nearly the same are one.
    """

    query: str
    readable_collection_id: str | None = None
    mode: SearchMode = SearchMode.AUTO
    connection: str | None = None
    entity_type: str | None = None
    path: str | None = Field(default=None, max_length=PATTERN_MAX_CHARS)
    author: str | None = Field(default=None, max_length=PATTERN_MAX_CHARS)
    since: datetime | None = None
    until: datetime | None = None
    fold_copies: bool = True
    limit: int = 10
    cursor: str | None = None

    @property
    def cursor_scope(self) -> tuple[str, Json]:
        """Return what a cursor of the hits is bound to: the query without its paging, and without
        its times, because 24h is another moment on each page.
        """
        return "search", self.model_dump(exclude={"cursor", "limit", "since", "until"})


class SearchCopy(Frozen):
    """An entity whose text is nearly that of a hit."""

    entity_id: str
    title: str


class SearchHit(Frozen):
    """An entity that fits; ``snippet`` is untrusted text of the source, from ``offset`` on.

    ``path`` is the source's id of it. ``copies`` are hits that are folded into this one. ``live``:
    the source itself was asked just now, and nothing of it is stored.
    """

    entity_id: str
    connection_id: str
    connection_name: str
    type: str
    title: str
    snippet: str
    offset: int = Field(default=0, exclude_if=not_)
    path: str | None = Field(default=None, exclude_if=not_)
    url: str | None = None
    updated_at: datetime | None = Field(default=None, exclude_if=not_)
    score: float
    strength: Strength | None = Field(default=None, exclude_if=not_)
    copies: tuple[SearchCopy, ...] = Field(default=(), exclude_if=not_)
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
