"""The part of a store that finds entities by their words; see `base`.

A search ranks the numbers of entities first, and then reads the texts of those that it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from weft.domain.text.little_words import is_little
from weft.local.store.browse import EntityFilter, Scope

HEAD_MAX_CHARS: Final = 8_000
"""As much of a text's beginning is shown with an entity, for a passage that has no word to find."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word to look for, or several in a row; all hits have those that are required.

    ``is_prefix``: the last word may only begin so.
    """

    text: str
    is_required: bool = False
    is_prefix: bool = False


def drop_little(terms: Sequence[Term]) -> Sequence[Term]:
    """Leave out "the" and its like, unless nothing would be left."""
    return [t for t in terms if t.is_required or not is_little(t.text)] or terms


class Ranked(NamedTuple):
    """An entity's number and its score."""

    no: int
    score: float


class Excerpt(NamedTuple):
    """A passage of a text, and its first character's place in it.

    ``text`` has marks where the passage was cut, so it may begin with one.
    """

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class ShownEntity:
    """An entity as a search shows it.

    ``excerpt`` is around the words that the text has, or its beginning if it ``has_none`` of them;
    ``head`` is a longer beginning, and ``chars`` the length of all of it. It ``has_all`` if title
    and text have each of the terms.
    """

    no: int
    source_id: str
    connection_id: str
    connection_name: str
    type: str
    title: str
    url: str | None
    updated_at: datetime | None
    excerpt: Excerpt
    head: str
    chars: int
    has_none: bool
    has_all: bool


class SearchStore(Protocol):
    """Ranks entities by words and shows them."""

    async def rank(
        self,
        scope: Scope,
        terms: Sequence[Term],
        wanted: EntityFilter,
        *,
        limit: int,
        offset: int = 0,
    ) -> Sequence[Ranked]:
        """Find entities by the words of title and text, best first, whatever ``wanted.order``.

        They have all terms that are required, or else any; rare ones count for more, and "the" and
        its like do not, nor do case, accents and punctuation. Names of files, and of other things
        in a source, are found as titles are. A word is found in other spellings, too, and one that
        is nowhere as the beginning of others: see `spelling`. Among very many entities, those that
        have frequent words alone may be left out. Ask for one more than a page shows. The score is
        about 1 for an entity of usual length that has each word once, a share of that for one that
        has some of the words, and may be more.
        """
        ...

    async def show(
        self, scope: Scope, terms: Sequence[Term], numbers: Sequence[int]
    ) -> Sequence[ShownEntity]:
        """Read what a page shows of these entities, in their order, without those that are gone."""
        ...
