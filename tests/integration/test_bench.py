"""The bench measures what it says it measures: every topic runs to its end at a small size."""

import inspect
import pydoc
import re

import anyio
import pytest

from bench import (
    embedding,
    http_rate,
    latency,
    memory,
    nearest,
    reading,
    retrieval,
    round_trip,
    throughput,
)
from bench.retrieval.sets import Document, QuestionSet, read_paraphrases
from bench.table import Row

STEM_CHARS = 5
PARAPHRASES_MIN = 100
# Words that tell nothing of what is looked for.
LITTLE_WORDS = re.compile(
    r"\b(after|all|and?|another|are|as|at|be|before|by|can|do|does|for|from|how|in|into|is|its?|may|"
    r"more|my|not|of|on|one|or|out|some|that|them?|they|this|to|two|up|what|when|where|which|who|"
    r"with)\b"
)


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {
        embedding: {
            "ENTITIES": 1_000,
            "WARM_UP_ENTITIES": 20,
            "EMBEDDED_HERE": 100,
            "ROUNDS": 1,
        },
        http_rate: {"ROUNDS": 2, "WARM_UP_ROUNDS": 1, "CALLS_A_ROUND": 8},
        latency: {"CONNECTIONS": 100, "JOBS": 20_000, "ROUNDS": 2, "WARM_UP_ROUNDS": 1},
        memory: {"SMALL": 500, "LARGE": 1_000},
        nearest: {"SMALL": 200, "LARGE": 400, "QUERIES": 2, "WARM_UP": 0, "CLUSTERS": 9},
        reading: {"RECORDS": 300, "ROUNDS": 1, "DOCUMENT_ROUNDS": 1},
        round_trip: {
            "ROUNDS": 2,
            "WARM_UP_CALLS": 2,
            "CALLS_A_ROUND": 2,
            "CALLS_DURING_SYNC": 4,
            "BUSY": {"entities": 20_000, "text_chars": 1_000},
        },
        throughput: {"ENTITIES": 2_000, "PEER_ENTITIES": 500, "ROUNDS": 1},
    }
    for module, values in sizes.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


def list_unmeasured(rows: list[Row]) -> list[str]:
    assert rows
    return [row.what for row in rows if row.measured <= 0]


def test_calls_over_http_are_measured() -> None:
    assert list_unmeasured(http_rate.rows()) == []


def test_calls_over_stdio_are_measured_alone_and_during_a_sync() -> None:
    assert list_unmeasured(round_trip.rows()) == []


def test_lists_among_many_jobs_are_measured() -> None:
    assert list_unmeasured(anyio.run(latency.rows)) == []


def test_peak_memory_is_measured() -> None:
    assert list_unmeasured(memory.rows()) == []


def test_nearest_vectors_are_measured() -> None:
    assert list_unmeasured(anyio.run(nearest.rows)) == []


def test_records_and_documents_are_measured() -> None:
    assert list_unmeasured(anyio.run(reading.rows)) == []


def test_sync_beside_the_process_that_embeds_is_measured() -> None:
    assert list_unmeasured(anyio.run(embedding.rows)) == []


def test_right_answer_at_the_top_counts_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = tuple(Document(name, f"about {name} alone") for name in ("foxes", "hounds"))
    questions = (("alone of foxes", "foxes"), ("hounds", "hounds"), ("absent", "foxes"))
    monkeypatch.setattr(retrieval, "make_sets", lambda: [QuestionSet("s", documents, questions)])
    assert [row.measured for row in anyio.run(retrieval.rows)] == [2 / 3] * 3


def test_paraphrases_share_no_stem_with_name_and_summary_of_their_answer() -> None:
    found = [(key, query, inspect.getdoc(pydoc.locate(key))) for key, query in read_paraphrases()]
    described = [(key, query, text) for key, query, text in found if text]
    assert len(described) >= PARAPHRASES_MIN
    for key, query, text in described:
        summary = text.partition("\n\n")[0]
        assert find_stems(query) & find_stems(f"{key} {summary}") == set()


def find_stems(text: str) -> set[str]:
    divided = re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower()
    return {word[:STEM_CHARS] for word in re.findall(r"[a-z]{2,}", LITTLE_WORDS.sub("", divided))}


def test_every_kind_of_sync_is_measured_beside_the_floor() -> None:
    own = [row for row in anyio.run(throughput.rows) if "dlt" not in row.what]
    assert list_unmeasured(own) == []
