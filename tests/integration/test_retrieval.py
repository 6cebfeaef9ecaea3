"""Quality of search on the documentation of Python's own library, with the model that comes along.

`python -m bench retrieval` asks more questions of more sets; here are some of those that every
machine has.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import log2
from pathlib import Path

import pytest

from bench.retrieval.sets import QuestionSet, make_docstring_sets
from tests.support.local.models import ScriptedModels, embed_all
from tests.support.store.open import open_store
from weft.domain.reading.search import SearchMode
from weft.local.backend.search import parse_terms
from weft.local.embedding.static import StaticEncoder
from weft.local.search.hybrid import Asked, HybridSearch
from weft.local.store.base import Store
from weft.local.store.browse import EntityFilter, Scope
from weft.testing.store_contract.support import (
    ORGANIZATION,
    list_all,
    make_connection,
    make_entity,
)

pytestmark = pytest.mark.anyio

RANKS = 10
ASKED_MAX = 200


async def fill(store: Store, questions: QuestionSet) -> Scope:
    made = await make_connection(store, questions.name.replace(" ", "-"))
    documents = (make_entity(each.key, each.text) for each in questions.documents)
    await list_all(store, made, *documents)
    return Scope(ORGANIZATION, connection_id=made.id)


async def measure_gain(
    store: Store, scope: Scope, questions: QuestionSet, mode: SearchMode
) -> float:
    """Return nDCG@10: 1 if the right answer is always first."""
    search = HybridSearch(store, ScriptedModels(packaged=StaticEncoder()))
    gain, asked = 0.0, questions.questions[:ASKED_MAX]
    for query, key in asked:
        wanted = Asked(scope, query, parse_terms(query), EntityFilter(), mode, False)
        page = await search.rank(wanted, RANKS, 0)
        shown = await store.search.show(scope, (), [each.no for each in page.ranked])
        found: Sequence[str] = [each.title for each in shown]
        gain += 1 / log2(found.index(key) + 2) if key in found else 0
    return gain / len(asked)


@pytest.mark.parametrize(("place", "better"), [(0, 1.0), (1, 1.4)])
async def test_words_and_meaning_together_are_better_than_words(
    tmp_path: Path, place: int, better: float
) -> None:
    questions = make_docstring_sets()[place]
    assert len(questions.questions) >= 100
    store = await open_store(tmp_path / "weft.sqlite", lambda: datetime(2026, 5, 1, tzinfo=UTC))
    scope = await fill(store, questions)
    await embed_all(store, StaticEncoder())
    words = await measure_gain(store, scope, questions, SearchMode.WORDS)
    both = await measure_gain(store, scope, questions, SearchMode.AUTO)
    await store.close()
    assert words > 0
    assert both >= better * words, (words, both)
