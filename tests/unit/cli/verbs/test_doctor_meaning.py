"""The findings of doctor about search by meaning: which models there are, and whether they work."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weft.cli.verbs.doctor import Report, examine, examine_meaning
from weft.domain.reading.ways import ENDPOINT, PACKAGED
from weft.local.embedding.models import Trial
from weft.local.from_settings import embedder_trouble
from weft.settings import Settings

URL = "http://localhost:11434/v1"


def find(
    settings: Settings, tried: Mapping[str, Trial], *ways: Any, reranker: Trial | None = None
) -> Report:
    database = {"problems": (), "ways": ways}
    report = examine(settings, lambda _: database, lambda _: {})
    before = len(report.problems), len(report.notes)

    def try_models(
        _settings: Settings, asked: Sequence[str]
    ) -> tuple[Mapping[str, Trial], Trial | None]:
        assert list(asked) == [way["way"] for way in ways]
        return tried, reranker

    examine_meaning(settings, try_models, report)
    report.problems, report.notes = report.problems[before[0] :], report.notes[before[1] :]
    return report


def way(name: str, model: str | None) -> dict[str, Any]:
    return {"way": name, "model": model, "collections": 2, "embedded": 1_200, "total": 3_000}


def test_each_way_is_told_with_its_model_and_how_far_it_is(tmp_path: Path) -> None:
    tried = {PACKAGED: Trial("english-1")}
    report = find(Settings(home=tmp_path, embeddings=True), tried, way(PACKAGED, "english-1"))
    assert report.meaning == {
        PACKAGED: "2 collections, 1,200 of 3,000 entities embedded by english-1",
        "the others": "embedded while a Weft process is open: an agent's server, or a `weft sync`",
    }
    assert not report.problems
    assert not report.notes
    assert "ways" not in report.database


def test_standstill_is_a_problem_though_each_model_works_when_tried(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, embeddings=True)
    embedder_trouble(settings).write_text("The answer has a vector that is not finite.")
    waits = way(ENDPOINT, "m 64")
    assert find(settings, {ENDPOINT: Trial("m 64")}, waits).problems == [
        "Not all is embedded, and it stands still: The answer has a vector that is not finite."
    ]
    broken = {ENDPOINT: Trial(problem="The answer has a vector that is not finite.")}
    assert len(find(settings, broken, waits).problems) == 1, "it is told once"
    done = waits | {"embedded": 3_000}
    assert find(settings, {ENDPOINT: Trial("m 64")}, done).problems == []


def test_way_that_does_not_work_here_is_a_problem(tmp_path: Path) -> None:
    tried = {ENDPOINT: Trial(problem="WEFT_EMBEDDINGS_URL is not set.")}
    report = find(Settings(home=tmp_path), tried, way(ENDPOINT, None))
    (problem,) = report.problems
    assert problem.startswith(
        "Collections that are embedded by 'endpoint' are found by words alone"
    )
    assert problem.endswith("WEFT_EMBEDDINGS_URL is not set.")


def test_other_model_than_before_is_noted(tmp_path: Path) -> None:
    tried = {PACKAGED: Trial("english-2")}
    (note,) = find(Settings(home=tmp_path), tried, way(PACKAGED, "english-1")).notes
    assert "What english-1 embedded is embedded anew by english-2" in note


def test_endpoint_that_nothing_uses_is_noted_with_the_verb(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, embeddings_url=URL, embeddings_model="m")
    (note,) = find(settings, {}).notes
    assert "weft collections embed" in note


def test_reranker_is_named_or_its_problem_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, rerank="minilm")
    assert find(settings, {}, reranker=Trial("m")).meaning == {"reranked by": "m"}
    assert find(settings, {}, reranker=Trial(problem="No onnxruntime.")).problems == [
        "The best hits are not ordered anew: No onnxruntime."
    ]
