"""Search of the store in memory."""

import re
import unicodedata
from collections.abc import Sequence

from tests.support.store.memory.browse import fits
from tests.support.store.memory.state import State
from weft.domain.reading.search import SNIPPET_MAX_CHARS
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import (
    HEAD_MAX_CHARS,
    Excerpt,
    Ranked,
    SearchStore,
    ShownEntity,
    Term,
)

SNIPPET_WORDS = 48
TITLE_WEIGHT = 4


class MemorySearch(SearchStore):
    """See SearchStore."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def rank(
        self,
        scope: Scope,
        terms: Sequence[Term],
        wanted: EntityFilter,
        *,
        limit: int,
        offset: int = 0,
    ) -> Sequence[Ranked]:
        found: list[Ranked] = []
        phrases = [_words(term.text) for term in terms]
        for _, each in self._state.within(scope):
            if not fits(each, wanted):
                continue
            title, text = _words(each.entity.title), _words(each.entity.text)
            scores = [TITLE_WEIGHT * _count(p, title) + _count(p, text) for p in phrases]
            counted = zip(scores, terms, strict=True)
            if any(scores) and all(count for count, term in counted if term.is_required):
                found.append(Ranked(each.number, sum(scores)))
        return sorted(found, key=lambda one: -one.score)[offset : offset + limit]

    async def show(
        self, scope: Scope, terms: Sequence[Term], numbers: Sequence[int]
    ) -> Sequence[ShownEntity]:
        phrases = [_words(term.text) for term in terms]
        shown: dict[int, ShownEntity] = {}
        for owner, each in self._state.within(Scope(scope.organization_id)):
            entity = each.entity
            title, text = _words(entity.title), _words(entity.text)
            shown[each.number] = ShownEntity(
                no=each.number,
                source_id=entity.id,
                connection_id=owner,
                connection_name=self._state.connections[owner].row.name,
                type=entity.type,
                title=entity.title,
                url=entity.url,
                updated_at=entity.updated_at,
                excerpt=_excerpt(entity.text, phrases),
                head=entity.text[:HEAD_MAX_CHARS],
                chars=len(entity.text),
                has_none=not any(_count(phrase, text) for phrase in phrases),
                has_all=all(_count(p, title) or _count(p, text) for p in phrases),
            )
        return [shown[no] for no in numbers if no in shown]


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold().replace("\0", "")
    return re.findall(r"\w+", "".join(char for char in plain if not unicodedata.combining(char)))


def _count(phrase: list[str], words: list[str]) -> int:
    places = range(len(words) - len(phrase) + 1) if phrase else ()
    return sum(words[place : place + len(phrase)] == phrase for place in places)


def _excerpt(text: str, phrases: list[list[str]]) -> Excerpt:
    words = list(re.finditer(r"\S+", text))
    wanted = {phrase[0] for phrase in phrases if phrase}
    first = next((n for n, word in enumerate(words) if wanted & {*_words(word[0])}), 0)
    begin = words[max(0, first - SNIPPET_WORDS // 2)].start() if words else 0
    begin = max(begin, words[first].start() - SNIPPET_MAX_CHARS // 4) if words else 0
    end = words[min(len(words), first + SNIPPET_WORDS // 2) - 1].end() if words else 0
    return Excerpt(text[begin : min(end, begin + SNIPPET_MAX_CHARS)], begin)
