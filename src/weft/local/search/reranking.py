"""Orders the best candidates anew by a model that reads each with the query; off by default."""

from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread

from weft.errors import WeftError
from weft.local.embedding.encoder import Models
from weft.local.search.fusion import mix, spread
from weft.local.store.base import Store
from weft.local.store.browse import Scope
from weft.local.store.search import Ranked

RERANKED: Final = 50
"""Measured: 20, 50 and 100 candidates give .735, .743 and .742."""
RERANKER_WEIGHT: Final = 0.7
RERANK_SECONDS: Final = 5.0
READ_CHARS: Final = 1_000


async def rerank(
    store: Store, models: Models, scope: Scope, query: str, joined: Sequence[Ranked]
) -> tuple[Sequence[Ranked], str]:
    """Return the ranking with its first part in another order, and a note by what, or why not.

    Nobody waits long for a model: the ranking stays as it was, then.
    """
    try:
        reranker = await anyio.to_thread.run_sync(models.reranker)
        if reranker is None or not joined:
            return joined, ""
        shown = await store.search.show(scope, (), [each.no for each in joined[:RERANKED]])
        texts = [f"{each.title}\n{each.head[:READ_CHARS]}" for each in shown]
        scores: Sequence[float] = ()
        with anyio.move_on_after(RERANK_SECONDS):
            scores = await anyio.to_thread.run_sync(
                reranker.score, query, texts, abandon_on_cancel=True
            )
    except WeftError as error:
        return joined, str(error)
    if len(scores) != len(shown):
        return joined, f"Not reranked: {reranker.model} took more than {RERANK_SECONDS:g} s."
    read = [Ranked(each.no, score) for each, score in zip(shown, scores, strict=True)]
    first, rest = joined[:RERANKED], joined[RERANKED:]
    return [
        *mix(spread(first), spread(read), RERANKER_WEIGHT),
        *_lower(rest),
    ], f"Ordered by {reranker.model}."


def _lower(rest: Sequence[Ranked]) -> Sequence[Ranked]:
    """Let those that were not read stand below those that were."""
    return [Ranked(each.no, 0.0) for each in rest]
