"""Search of the store in memory."""

import re
import unicodedata
from collections.abc import Sequence

from tests.support.store.memory.browse import fits
from tests.support.store.memory.state import State
from weft.domain.entities import Entity
from weft.domain.reading.search import SNIPPET_MAX_CHARS
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import (
    HEAD_MAX_CHARS,
    Excerpt,
    Ranked,
    SearchStore,
    ShownEntity,
    Term,
    drop_little,
)
from weft.local.store.spelling import (
    Phrase,
    Spelling,
    find_form,
    find_names,
    find_parts,
    loosen,
    spell,
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
        within = [each.entity for _, each in self._state.within(Scope(scope.organization_id))]
        found: list[Ranked] = []
        sought = [_spell(term, within) for term in terms]
        for _, each in self._state.within(scope):
            if not fits(each, wanted):
                continue
            scores = [_score(spellings, each.entity) for spellings in sought]
            counted = zip(scores, terms, strict=True)
            if any(scores) and all(count for count, term in counted if term.is_required):
                found.append(Ranked(each.number, 2 * sum(scores) / len(scores)))
        return sorted(found, key=lambda one: -one.score)[offset : offset + limit]

    async def show(
        self, scope: Scope, terms: Sequence[Term], numbers: Sequence[int]
    ) -> Sequence[ShownEntity]:
        terms = drop_little(terms)
        sought = [spell(term.text, is_prefix=term.is_prefix) for term in terms]
        shown: dict[int, ShownEntity] = {}
        for owner, each in self._state.within(Scope(scope.organization_id)):
            entity = each.entity
            at = find_form(
                entity.text, [form for term in terms for form in (term.text, *_words(term.text))]
            )
            shown[each.number] = ShownEntity(
                no=each.number,
                source_id=entity.id,
                connection_id=owner,
                connection_name=self._state.connections[owner].row.name,
                type=entity.type,
                title=entity.title,
                url=entity.url,
                updated_at=entity.updated_at,
                excerpt=_cut_excerpt(entity.text, at or 0),
                head=entity.text[:HEAD_MAX_CHARS],
                chars=len(entity.text),
                has_none=at is None,
                has_all=all(_score(spellings, entity) for spellings in sought),
            )
        return [shown[no] for no in numbers if no in shown]


def _spell(term: Term, entities: Sequence[Entity]) -> list[Spelling]:
    spellings = spell(term.text, is_prefix=term.is_prefix)
    if term.is_required or any(_score(spellings, each) for each in entities):
        return spellings
    return loosen(term.text)


def _score(spellings: Sequence[Spelling], entity: Entity) -> float:
    names = [_words(entity.title), _words(find_names(entity.id, entity.title))]
    texts = [_words(entity.text), _words(find_parts(entity.text))]
    total = 0.0
    for phrases in spellings:
        counts = [
            TITLE_WEIGHT * sum(_count(phrase, words) for words in names)
            + sum(_count(phrase, words) for words in texts if not phrase.in_names)
            for phrase in phrases
        ]
        # The more often it is there, the less each one counts.
        total += sum(count / (count + 1) for count in counts) if all(counts) else 0
    return total


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold().replace("\0", "")
    return re.findall(
        r"[^\W_]+", "".join(char for char in plain if not unicodedata.combining(char))
    )


def _count(phrase: Phrase, words: list[str]) -> int:
    *first, last = _words(phrase.text) or [""]
    pairs = zip(words, words[len(first) :], strict=False)
    return sum(
        bool(last)
        and (word.startswith(last) if phrase.is_prefix else word == last)
        and words[place : place + len(first)] == first
        for place, (_, word) in enumerate(pairs)
    )


def _cut_excerpt(text: str, at: int) -> Excerpt:
    words = list(re.finditer(r"\S+", text))
    first = next((n for n, word in enumerate(words) if word.end() > at), 0)
    begin = words[max(0, first - SNIPPET_WORDS // 2)].start() if words else 0
    begin = max(begin, at - SNIPPET_MAX_CHARS // 4)
    end = words[min(len(words), first + SNIPPET_WORDS // 2) - 1].end() if words else 0
    return Excerpt(text[begin : min(end, begin + SNIPPET_MAX_CHARS)], begin)
