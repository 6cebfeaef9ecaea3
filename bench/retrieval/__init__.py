"""Quality of search: how high the one right answer stands among the first ten.

nDCG@10 is 1 if it is always first, and counts 1 / log2(rank + 1). Each set is searched beside a
fixed yardstick on the same file: all words, and any of them if nothing has all.
"""

import re
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from math import log2
from pathlib import Path
from time import perf_counter

import anyio

from bench.retrieval.sets import QuestionSet, make_sets
from bench.table import Row, percentile
from bench.throughput import open_database
from bench.workload import COLLECTION, open_engine, time_sync
from weft.backend import Search
from weft.domain.entities import Entity
from weft.domain.reading.search import QUERY_MAX_CHARS, SearchMode, SearchQuery
from weft.local.store.sqlite.file.session import Session
from weft.settings import Settings

RANKS = 10
LOOK_SECONDS = 0.2

Ask = Callable[[str], Awaitable[Sequence[str]]]

_YARDSTICK = """
SELECT e.source_id FROM entity_fts JOIN entity e ON e.no = entity_fts.rowid
WHERE entity_fts MATCH ? ORDER BY bm25(entity_fts, 4.0, 1.0) LIMIT ?
"""


async def rows() -> list[Row]:
    """Ask the questions of every set; three rows a set."""
    found: list[Row] = []
    for questions in make_sets():
        with tempfile.TemporaryDirectory() as folder:
            found += await _measure(questions, Path(folder))
    return found


async def _measure(questions: QuestionSet, home: Path) -> list[Row]:
    async with open_engine(home, embed=True) as (backend, connection_id):
        entities = [
            Entity(id=each.key, type="document", title=each.key, text=each.text)
            for each in questions.documents
        ]
        await time_sync(backend, connection_id, entities)
        while (await backend.collections.get(COLLECTION)).not_embedded:  # noqa: ASYNC110 (by a process)
            await anyio.sleep(LOOK_SECONDS)
        search = backend.search
        assert search is not None
        db = open_database(Settings(home=home).database_path)
        return [
            await _rate(questions, "search", lambda query: _search(search, query)),
            await _rate(
                questions, "by words", lambda query: _search(search, query, SearchMode.WORDS)
            ),
            await _rate(questions, "all words, else any", lambda query: _try_yardstick(db, query)),
        ]


async def _rate(questions: QuestionSet, how: str, ask: Ask) -> Row:
    gain, hits, milliseconds = 0.0, 0, list[float]()
    for query, key in questions.questions:
        start = perf_counter()
        found = await ask(query[:QUERY_MAX_CHARS])
        milliseconds.append((perf_counter() - start) * 1000)
        if key in found:
            hits += 1
            gain += 1 / log2(found.index(key) + 2)
    count = len(questions.questions)
    return Row(
        f"{questions.name}, {count:,} questions among {len(questions.documents):,}: {how}",
        gain / count,
        unit="nDCG@10",
        detail=f"recall@10 {hits / count:.3f}, p95 {percentile(milliseconds, 95):.1f} ms",
    )


async def _search(search: Search, query: str, mode: SearchMode = SearchMode.AUTO) -> list[str]:
    results = await search.search(
        SearchQuery(readable_collection_id=COLLECTION, query=query, mode=mode, limit=RANKS)
    )
    return [hit.title for hit in results.hits]


async def _try_yardstick(db: Session, query: str) -> list[str]:
    words = [f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", query))]
    for joined in (" ".join(words), " OR ".join(words)):
        found = db.execute(_YARDSTICK, (f"{{title text}} : ({joined})", RANKS))
        if keys := [str(key) for (key,) in found]:
            return keys
    return []
