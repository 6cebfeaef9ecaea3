"""Finds entities by words and by meaning together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from weft.domain.reading.search import SearchCopy, SearchHit, SearchMode, Strength
from weft.errors import Unsupported, WeftError
from weft.local.embedding.encoder import Models
from weft.local.search.folding import fold
from weft.local.search.fusion import fuse
from weft.local.search.meaning import CANDIDATES, Meaning, rank_by_meaning
from weft.local.search.passages import find_passages
from weft.local.search.reranking import rerank
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.local.store.search import Excerpt, Ranked, ShownEntity, Term
from weft.local.store.vectors import PACKAGED


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, understood."""

    scope: Scope
    text: str
    terms: Sequence[Term]
    wanted: EntityFilter
    mode: SearchMode
    fold_copies: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a ranking, and whether more follows."""

    ranked: Sequence[Ranked]
    meaning: Meaning = field(default_factory=Meaning)
    more: bool = False


class HybridSearch:
    """Joins the rankings of a store; without models it finds by words alone.

    ``tell_standstill`` says why nothing is embedded for now, if so.
    """

    def __init__(
        self,
        store: Store,
        models: Models | None,
        tell_standstill: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._tell_standstill = tell_standstill
        self._store = store
        self._models = models

    async def rank(self, asked: Asked, limit: int, offset: int) -> Page:
        """Rank a page. What is found by meaning stands among the first candidates by words.

        Raises Unsupported where it is asked for meaning alone, and nothing has vectors.
        """
        meaning = await self._rank_by_meaning(asked)
        if not meaning.is_any:
            ranked = await self._rank_words(asked, limit + 1, offset)
            return Page(ranked[:limit], meaning, len(ranked) > limit)
        by_words: Sequence[Ranked] = ()
        if asked.mode is not SearchMode.MEANING:
            by_words = await self._rank_words(asked)
        joined: Sequence[Ranked] = fuse(by_words, meaning.rankings)
        if asked.mode is not SearchMode.MEANING and any(term.is_required for term in asked.terms):
            having = {each.no for each in by_words}
            joined = [each for each in joined if each.no in having]
        joined, note = await self._rerank(asked, joined)
        meaning = meaning.with_note(note)
        page = joined[offset : offset + limit + 1]
        if len(page) <= limit and len(by_words) == CANDIDATES:
            page = [*page, *await self._rank_rest(asked, joined, limit + 1 - len(page), offset)]
        return Page(page[:limit], meaning, len(page) > limit)

    async def _rank_by_meaning(self, asked: Asked) -> Meaning:
        if asked.mode is SearchMode.WORDS:
            return Meaning()
        meaning = Meaning()
        if self._models is not None:
            meaning = await rank_by_meaning(
                self._store,
                self._models,
                asked.scope,
                asked.text,
                asked.wanted,
                self._tell_standstill,
                with_far=asked.mode is SearchMode.MEANING,
            )
        if asked.mode is SearchMode.MEANING and not meaning.is_any:
            raise Unsupported(
                f"Nothing can be found by meaning yet. {meaning.note}".strip(),
                field="mode",
                hint="Leave out mode to search by words.",
            )
        return meaning

    async def _rerank(self, asked: Asked, joined: Sequence[Ranked]) -> tuple[Sequence[Ranked], str]:
        if self._models is None:
            return joined, ""
        return await rerank(self._store, self._models, asked.scope, asked.text, joined)

    async def _rank_words(
        self, asked: Asked, limit: int = CANDIDATES, offset: int = 0
    ) -> Sequence[Ranked]:
        return await self._store.search.rank(
            asked.scope, asked.terms, asked.wanted, limit=limit, offset=offset
        )

    async def _rank_rest(
        self, asked: Asked, joined: Sequence[Ranked], limit: int, offset: int
    ) -> Sequence[Ranked]:
        """Rank what comes after all that was joined: by words, in their order."""
        start = max(0, offset - len(joined))
        shown = {each.no for each in joined}
        # Those that are joined already may stand anywhere in it.
        rest = await self._rank_words(asked, start + limit + len(shown), CANDIDATES)
        return [Ranked(no, 0.0) for no, _ in rest if no not in shown][start : start + limit]

    async def show(self, asked: Asked, page: Page) -> tuple[Sequence[SearchHit], bool]:
        """Read the hits of a page, and tell whether all have all terms."""
        scores = dict(page.ranked)
        entities = await self._store.search.show(asked.scope, asked.terms, list(scores))
        groups = fold(entities) if asked.fold_copies else [[each] for each in entities]
        passages = await self._find_passages(asked, [group[0] for group in groups])
        hits = [
            _hit(group, scores[group[0].no], passages.get(group[0].no), page.meaning)
            for group in groups
        ]
        return hits, all(each.has_all for each in entities)

    async def _find_passages(
        self, asked: Asked, entities: Sequence[ShownEntity]
    ) -> Mapping[int, Excerpt]:
        """Find the passages of those that have none of the words, with the packaged model."""
        without = [each for each in entities if each.has_none and each.head]
        if not without or self._models is None:
            return {}
        try:
            encoder = await anyio.to_thread.run_sync(self._models.encoder, PACKAGED)
        except WeftError:
            return {}  # They begin with their beginning, then; a note of the ranking says why.
        heads = [each.head for each in without]
        found = await anyio.to_thread.run_sync(find_passages, encoder, asked.text, heads)
        return {each.no: passage for each, passage in zip(without, found, strict=True)}


def _hit(
    group: Sequence[ShownEntity], score: float, passage: Excerpt | None, meaning: Meaning
) -> SearchHit:
    entity, copies = group[0], group[1:]
    excerpt = passage or entity.excerpt
    is_strong = entity.has_all or entity.no in meaning.strong
    return SearchHit(
        entity_id=str(entity.no),
        connection_id=entity.connection_id,
        connection_name=entity.connection_name,
        type=entity.type,
        title=entity.title,
        snippet=excerpt.text,
        offset=excerpt.offset,
        path=entity.source_id,
        url=entity.url,
        updated_at=entity.updated_at,
        score=float(f"{score:.4g}"),
        strength=Strength.STRONG if is_strong else Strength.WEAK,
        copies=tuple(SearchCopy(entity_id=str(each.no), title=each.title) for each in copies),
    )
