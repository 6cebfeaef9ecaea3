"""Models in a folder, run for real: two of a few words (see tests/fixtures/models/make.py)."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from weft.errors import InvalidInput, TryLater, Unsupported
from weft.local.embedding import transformer
from weft.local.embedding.encoder import Encoder
from weft.local.embedding.folder import ModelFolder
from weft.local.embedding.pooling import RERANK_CHARS, RERANK_SECONDS, PairReranker, VectorReranker
from weft.local.embedding.transformer import TOKENS_AT_ONCE

SETTING = "WEFT_EMBEDDINGS_FOLDER"
MODELS = Path(__file__).parents[3] / "fixtures" / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the model that embeds."""
    copy = tmp_path / "small"
    shutil.copytree(MODELS / "embeds", copy)
    return copy


def load(folder: Path) -> Encoder:
    return ModelFolder(folder, SETTING).load_encoder()


def test_texts_of_the_same_meaning_are_near(folder: Path) -> None:
    encoder = load(folder)
    apple, pear, car, both = encoder.encode(["apple", "pear pear", "truck", "car apple"])
    assert apple @ pear == pytest.approx(1)
    assert apple @ car == pytest.approx(0)
    assert apple @ both == pytest.approx(0.5**0.5)
    assert encoder.encode_query("apple") @ apple == pytest.approx(1)
    assert encoder.dimensions == len(apple) == 64


def test_text_without_meaning_is_a_row_of_zeros(folder: Path) -> None:
    rows = load(folder).encode(["", "apple", " ", "query"])
    assert [bool(row.any()) for row in rows] == [False, True, False, False]


def test_padding_and_order_do_not_show_in_the_vectors(folder: Path) -> None:
    encoder = load(folder)
    texts = ["apple " * length + "car" for length in range(1, 400, 13)]
    assert sum(len(text.split()) for text in texts) > TOKENS_AT_ONCE
    together = encoder.encode(texts)
    assert np.allclose(together, [encoder.encode([text])[0] for text in texts])


def test_long_text_is_cut_to_what_the_model_reads(folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    assert np.allclose(*load(folder).encode(["apple apple", "apple apple car car car"]))


def test_name_says_what_is_in_the_files(folder: Path) -> None:
    before = load(folder).model
    assert before.startswith("small ")
    assert before.endswith(" 64")
    assert load(folder).model == before
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"pear"', '"plum"'))
    assert load(folder).model != before


def test_weights_are_found_where_publishers_put_them(folder: Path) -> None:
    before = load(folder).model
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    assert load(folder).model == before


def test_prompts_of_the_folder_go_before_texts(folder: Path) -> None:
    prompts = {"prompts": {"query": "query ", "document": "passage "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    encoder = load(folder)
    assert encoder.encode(["apple"])[0, :3] == pytest.approx([0.5**0.5, 0, 0.5**0.5])
    assert encoder.encode_query("apple")[:3] == pytest.approx([1, 0, 0])


def test_first_token_is_the_vector_where_the_folder_says_so(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    # The first token of this model is a mark that means nothing.
    assert not load(folder).encode(["apple"]).any()


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_file_that_lacks_or_is_broken_is_named_with_the_setting(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"{}")
    with pytest.raises(InvalidInput, match=SETTING):
        load(folder)
    (folder / file).unlink()
    with pytest.raises(InvalidInput, match=f"has no file {file}") as caught:
        load(folder)
    assert caught.value.field == SETTING


def test_model_that_compares_does_not_embed() -> None:
    with pytest.raises(InvalidInput, match="compares texts instead of embedding"):
        load(MODELS / "compares")


def test_missing_package_is_told_with_its_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(transformer, "import_module", refuse)
    with pytest.raises(Unsupported, match=r'pip install "weft-mcp\[onnx\]"'):
        load(folder)


def test_model_that_fails_with_a_text_is_told_with_its_setting(folder: Path) -> None:
    described = json.loads((folder / "tokenizer.json").read_text())
    described["model"]["vocab"]["apple"] = 99
    (folder / "tokenizer.json").write_text(json.dumps(described))
    encoder = load(folder)
    assert encoder.encode(["car"]).any()
    with pytest.raises(InvalidInput, match=f"{SETTING} fails with some texts"):
        encoder.encode(["apple"])


# Rerankers


def test_model_that_compares_orders_by_what_it_says_of_each_pair() -> None:
    reranker = ModelFolder(MODELS / "compares", "WEFT_RERANK").load_reranker(threads=1)
    assert isinstance(reranker, PairReranker)
    assert reranker.score("apple", ["car", "apple pear", "", "truck"]) == [1, 5, 0, 0.5]
    assert reranker.score("apple", []) == []
    assert reranker.model.startswith("compares ")


def test_model_that_embeds_orders_by_nearness() -> None:
    reranker = ModelFolder(MODELS / "embeds", "WEFT_RERANK").load_reranker(threads=1)
    assert isinstance(reranker, VectorReranker)
    assert reranker.score("apple", ["car", "pear", ""]) == pytest.approx([0, 1, 0])
    assert reranker.score("apple", []) == []


def test_order_that_takes_too_long_is_given_up() -> None:
    times = iter((0.0, RERANK_SECONDS / 2, RERANK_SECONDS * 2))
    model = ModelFolder(MODELS / "compares", "WEFT_RERANK").load(threads=1)
    reranker = PairReranker(model, "m", clock=lambda: next(times))
    with pytest.raises(TryLater, match="WEFT_RERANK"):
        reranker.score("query", ["apple " * (RERANK_CHARS // 6)] * 100)
