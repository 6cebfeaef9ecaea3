"""The models that settings name: the right one for each way, and what is missing is told."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from tests.support.http import SECRET
from tests.support.local.embeddings import handler, in_thread, texts_of
from tests.support.patience import wait_until
from weft.domain.reading.ways import ENDPOINT, FOLDER, PACKAGED
from weft.errors import InvalidInput, SourceUnavailable, Unsupported
from weft.local.embedding import endpoint
from weft.local.embedding.models import SettingsModels, list_ways, try_models
from weft.local.embedding.pooling import PairReranker, VectorReranker
from weft.settings import Settings
from weft.testing.scripted_http import HttpReply, HttpRequest, serve

FIXTURES = Path(__file__).parents[3] / "fixtures" / "models"


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings(home=tmp_path, **given)


@pytest.mark.parametrize(
    ("way", "setting"),
    [(ENDPOINT, "WEFT_EMBEDDINGS_URL"), (FOLDER, "WEFT_EMBEDDINGS_FOLDER"), ("magic", "way")],
)
def test_way_that_no_setting_allows_is_refused_by_name(
    tmp_path: Path, way: str, setting: str
) -> None:
    given = settings(tmp_path)
    assert list_ways(given) == [PACKAGED]
    with pytest.raises(InvalidInput) as caught:
        SettingsModels(given).encoder(way)
    assert caught.value.field == setting


def test_each_model_needs_numpy_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Unsupported, match="needs numpy"):
        SettingsModels(settings(tmp_path)).encoder(PACKAGED)
    with pytest.raises(Unsupported, match="needs numpy"):
        SettingsModels(settings(tmp_path, rerank=str(FIXTURES / "embeds"))).reranker()


def test_folder_is_loaded_once(tmp_path: Path) -> None:
    given = settings(tmp_path, embeddings_folder=FIXTURES / "embeds")
    found = SettingsModels(given)
    assert list_ways(given) == [PACKAGED, FOLDER]
    assert found.encoder(FOLDER) is found.encoder(FOLDER)
    assert found.encoder(FOLDER).model.startswith("embeds ")


@pytest.mark.anyio
async def test_endpoint_is_asked_as_the_settings_say(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(f"{SECRET}\n")
    async with serve(handler()) as site:
        given = {"embeddings_url": f"{site.url}/v1/", "embeddings_model": "e5-small"}
        for secret in ({"embeddings_key": SecretStr(SECRET)}, {"embeddings_key_file": key}):
            found = SettingsModels(settings(tmp_path, **given, **secret))
            await in_thread(lambda: found.encoder(ENDPOINT).encode(["abc"]))  # noqa: B023
    assert [asked.headers["authorization"] for asked in site.requests] == [f"Bearer {SECRET}"] * 2
    assert [texts_of(asked) for asked in site.requests] == [["passage: abc"]] * 2


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff"])
def test_file_without_a_key_is_told_and_not_repeated(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    given = settings(
        tmp_path, embeddings_url="https://x.example", embeddings_model="m", embeddings_key_file=key
    )
    with pytest.raises(InvalidInput) as caught:
        SettingsModels(given).encoder(ENDPOINT)
    assert caught.value.field == "WEFT_EMBEDDINGS_KEY_FILE"
    assert "lines" not in str(caught.value)


@pytest.mark.anyio
async def test_only_whoever_searches_is_not_made_to_wait_for_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "QUERY_SECONDS", 0.05)
    release = anyio.Event()

    async def answer(asked: HttpRequest) -> HttpReply:
        await release.wait()
        return handler()(asked)

    async with serve(answer) as site:
        given = settings(tmp_path, embeddings_url=f"{site.url}/v1", embeddings_model="m")
        with pytest.raises(SourceUnavailable, match="did not answer"):
            await in_thread(lambda: SettingsModels(given).encoder(ENDPOINT).model)
        # The first question may have been given up before it was heard.
        before = len(site.requests)
        patient = SettingsModels(given, patient=True).encoder(ENDPOINT)
        found: list[str] = []
        async with anyio.create_task_group() as group:
            group.start_soon(in_thread, lambda: found.append(patient.model))
            await wait_until(lambda: len(site.requests) > before)
            release.set()
    assert found == ["m 64"]


def test_nothing_is_reranked_unless_a_setting_says_so(tmp_path: Path) -> None:
    assert SettingsModels(settings(tmp_path)).reranker() is None


@pytest.mark.parametrize(("name", "kind"), [("compares", PairReranker), ("embeds", VectorReranker)])
def test_reranker_is_the_model_in_the_folder(tmp_path: Path, name: str, kind: type) -> None:
    found = SettingsModels(settings(tmp_path, rerank=str(FIXTURES / name)))
    assert isinstance(found.reranker(), kind)
    assert found.reranker() is found.reranker()


@pytest.mark.parametrize("wanted", ["maxilm", "models/x", "/nowhere"])
def test_reranker_that_is_none_is_told_with_its_setting(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        SettingsModels(settings(tmp_path, rerank=wanted)).reranker()
    assert caught.value.field == "WEFT_RERANK"


def test_packaged_model_comes_with_weft(tmp_path: Path) -> None:
    found = SettingsModels(settings(tmp_path))
    assert found.encoder(PACKAGED) is found.encoder(PACKAGED)
    assert found.encoder(PACKAGED).dimensions == 256


def test_each_model_is_tried_and_its_name_or_problem_told(tmp_path: Path) -> None:
    given = settings(tmp_path, embeddings_folder=FIXTURES / "embeds", rerank="/nowhere")
    tried, reranker = try_models(given, [FOLDER, ENDPOINT])
    assert (tried[FOLDER].model or "").startswith("embeds ")
    assert "WEFT_EMBEDDINGS_URL" in (tried[ENDPOINT].problem or "")
    assert reranker is not None
    assert "WEFT_RERANK" in (reranker.problem or "")
    assert try_models(settings(tmp_path), []) == ({}, None)
